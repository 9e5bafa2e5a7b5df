"""Mattermost: Markdown, the text fenced. ref: Mattermost's "Incoming webhooks", "Formatting text".

Within a fence nothing is mark-up and nobody is called; a text cannot end its fence.
"""

from typing import Any

from innkeeper.contracts.notifier import Announcement

_FENCE = "```"
_NOTHING = "\u200b"
"""A space of no width."""


class Mattermost:
    """Keeps `contracts.notifier.Notifier`."""

    longest_text = 4000
    signed = False

    def escape(self, text: str) -> str:
        return text.replace("`", f"`{_NOTHING}")

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        text = announcement.text.replace(_FENCE, _NOTHING.join(_FENCE))
        server = self.escape(announcement.server)
        message: dict[str, Any] = {
            "text": (
                f"-----\n\n#### {announcement.title}\n"
                f"##### Server: {_FENCE}{server}{_FENCE}\n\n"
                f"{_FENCE}\n{text}\n{_FENCE}\n\n-----"
            ),
            "props": {"card": announcement.footer},
        }
        return {"username": announcement.bot_name, **message} if announcement.bot_name else message
