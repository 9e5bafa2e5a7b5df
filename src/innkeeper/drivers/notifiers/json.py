"""A document for programs, signed: what happened as facts, and the same as text."""

from typing import Any

from innkeeper.contracts.notifier import Announcement


class Json:
    """Keeps `contracts.notifier.Notifier`."""

    longest_text = 16_000
    signed = True

    def escape(self, text: str) -> str:
        return text

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        return {**announcement.facts, "title": announcement.title, "text": announcement.text}
