"""Discord: an embed. ref: Discord's "Execute Webhook", "Embed Object", "Allowed Mentions Object".

Mentions are switched off: whatever a text says, nobody is called.
"""

import re
from typing import Any

from innkeeper.contracts.notifier import Announcement

_MARK_UP = re.compile(r"([\\`*_~|>#\[\]()<@:-])")
_MOST_TITLE, _MOST_NAME = 256, 256


class Discord:
    """Keeps `contracts.notifier.Notifier`."""

    longest_text = 4096
    signed = False

    def escape(self, text: str) -> str:
        return _MARK_UP.sub(r"\\\1", text)

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        message: dict[str, Any] = {
            "embeds": [
                {
                    "title": announcement.title[:_MOST_TITLE],
                    "description": announcement.text,
                    "color": announcement.colour,
                    "author": {"name": announcement.server[:_MOST_NAME]},
                    "footer": {"text": announcement.footer},
                    "timestamp": announcement.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                }
            ],
            "allowed_mentions": {"parse": []},
        }
        return {"username": announcement.bot_name, **message} if announcement.bot_name else message
