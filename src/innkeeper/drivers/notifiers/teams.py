"""Microsoft Teams: an adaptive card. ref: Microsoft's "Incoming webhooks with Workflows", "Adaptive Cards".

The sender is shown as Teams knows the webhook, so that the bot's name stands within the card.
"""

import re
from typing import Any

from innkeeper.contracts.notifier import Announcement

_MARK_UP = re.compile(r"([\\`*_\[\]()<>#|~-])")


class Teams:
    """Keeps `contracts.notifier.Notifier`."""

    longest_text = 10_000
    signed = False

    def escape(self, text: str) -> str:
        return _MARK_UP.sub(r"\\\1", text)

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        moment = announcement.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        about: list[dict[str, Any]] = [
            {"type": "TextBlock", "text": self.escape(announcement.server), "weight": "Bolder", "wrap": True},
            {
                "type": "TextBlock",
                "text": f"{{{{DATE({moment},SHORT)}}}} {{{{TIME({moment})}}}}",
                "spacing": "None",
                "isSubtle": True,
                "wrap": True,
            },
        ]
        body: list[dict[str, Any]] = [
            {
                "type": "TextBlock",
                "text": self.escape(announcement.title),
                "size": "Medium",
                "weight": "Bolder",
                "wrap": True,
            },
            {"type": "ColumnSet", "columns": [{"type": "Column", "width": "stretch", "items": about}]},
            {"type": "TextBlock", "text": announcement.text, "wrap": True},
            {
                "type": "TextBlock",
                "text": " · ".join(filter(None, (self.escape(announcement.bot_name), announcement.footer))),
                "size": "Small",
                "isSubtle": True,
                "wrap": True,
            },
        ]
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.6",
            "body": body,
        }
        return {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": content,
                }
            ],
        }
