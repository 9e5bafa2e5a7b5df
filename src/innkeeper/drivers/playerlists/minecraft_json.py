"""The lists of Minecraft: Java Edition: a JSON array of objects, as the game itself writes it.

Knows the form of the file alone; which fields a list's entries have is told.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from innkeeper.contracts.playerlist import Entry, ListUnreadable

_INDENT = 2


class MinecraftJson:
    """The format `minecraft-json`. The time is written as the game does: 2026-11-21 22:00:00 +0000."""

    name = "minecraft-json"

    def read(self, content: bytes, key: str) -> list[Entry]:
        tables = (_table(item) for item in _items(content))
        return [Entry(name, _uuid(table.get("uuid"))) for table in tables if (name := _name(table, key)) is not None]

    def edit(
        self,
        content: bytes,
        key: str,
        *,
        add: Sequence[Entry],
        remove: Collection[str],
        fields: Mapping[str, Any],
        now: datetime,
    ) -> bytes:
        items = _items(content)
        gone = {name.casefold() for name in remove}
        named = [((_name(_table(item), key) or "").casefold(), item) for item in items]
        kept = [(name, item) for name, item in named if not name or name not in gone]
        present = {name for name, _ in kept}
        moment = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
        filled = {name: moment if value == "{now}" else value for name, value in fields.items()}
        fresh: list[dict[str, Any]] = []
        for entry in add:
            if entry.name.casefold() not in present:
                present.add(entry.name.casefold())
                uuid = {} if entry.uuid is None else {"uuid": str(entry.uuid)}
                fresh.append({**uuid, key: entry.name, **filled})
        if len(kept) == len(items) and not fresh:
            return content
        whole = msgspec.json.encode([*(item for _, item in kept), *fresh])
        return msgspec.json.format(whole, indent=_INDENT)


def _items(content: bytes) -> list[msgspec.Raw]:
    """Return the elements of the array, each as it stands in the file."""
    if not content.strip():
        return []
    try:
        items = msgspec.json.decode(content, type=list[msgspec.Raw])
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ListUnreadable(f"the list is no JSON array: {error}") from error
    return items


def _table(item: msgspec.Raw) -> dict[str, Any]:
    table = msgspec.json.decode(item)
    return table if isinstance(table, dict) else {}


def _name(table: dict[str, Any], key: str) -> str | None:
    name = table.get(key)
    return name if isinstance(name, str) and name else None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
