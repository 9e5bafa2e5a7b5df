"""What a driver for notices promises: to put one into the words of the place that it is sent to.

Knows no HTTP beyond what is sent: when, how often and to which address is others' business.
"""

from datetime import datetime
from typing import Any, Protocol

import msgspec


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told."""

    title: str
    text: str
    """With what came from elsewhere already escaped by the driver's `escape`."""
    server: str
    """The server's name, as it is."""
    bot_name: str
    """Who tells it; empty: whoever the place says."""
    colour: int
    """0xRRGGBB."""
    at: datetime
    """When it happened."""
    footer: str
    """What sent it."""
    facts: dict[str, Any]
    """The same for programs."""


class Notifier(Protocol):
    """One kind of place that takes notices by a POST of JSON."""

    longest_text: int
    """Characters of text that the place takes; what is longer is cut before `payload` is asked."""
    signed: bool
    """Whether the place expects our signature."""

    def escape(self, text: str) -> str:
        """Return text from elsewhere (a player's name) so that the place shows it and takes it for no mark-up.

        Nobody is called by it either, nor is a link made of it.
        """
        ...

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        """Return the JSON document to be sent."""
        ...
