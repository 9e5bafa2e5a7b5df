"""What an activity entry is."""

from datetime import datetime
from typing import Any

import msgspec

from innkeeper.core.access.model import Via


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did, or that happened to a server."""

    id: int
    at: datetime
    account_id: int | None
    """None: nobody, the house itself or the game."""
    server_id: int | None
    action: str
    """Dotted, past fact: `server.start`, `console.command`, `file.delete`, `server.crashed`."""
    data: dict[str, Any] = {}
    via: Via
    address: str | None = None
