"""Slack: an attachment of blocks. ref: Slack's "Incoming webhooks", "Block Kit", "Formatting text".

Slack has no way to escape `*` and `_`; what can call somebody or make a link is escaped.
"""

from typing import Any

from innkeeper.contracts.notifier import Announcement

_LONGEST_BLOCK = 3000


class Slack:
    """Keeps `contracts.notifier.Notifier`."""

    longest_text = _LONGEST_BLOCK - 500
    """The title stands in the same block."""
    signed = False

    def escape(self, text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        title = self.escape(announcement.title)
        blocks: list[dict[str, Any]] = [
            {"type": "section", "text": {"type": "plain_text", "text": announcement.server}},
            {"type": "divider"},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": f"*{title}*\n{announcement.text}"[:_LONGEST_BLOCK]},
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": f"*{announcement.footer}*"}]},
            {"type": "divider"},
        ]
        message: dict[str, Any] = {"attachments": [{"color": f"#{announcement.colour:06x}", "blocks": blocks}]}
        return {"username": announcement.bot_name, **message} if announcement.bot_name else message
