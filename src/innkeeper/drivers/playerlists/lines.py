"""Lists of one entry a line; what begins with `#` is a comment and stays.

Knows neither UUIDs nor fields: a line is a name.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from innkeeper.contracts.playerlist import Entry, EntryRefused, ListUnreadable
from innkeeper.kit.lines import NOT_IN_A_LINE

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


class Lines:
    """The format `lines`. The key does not matter."""

    name = "lines"

    def read(self, content: bytes, key: str) -> list[Entry]:
        return [Entry(name) for line in _lines(content) if (name := _name(line)) is not None]

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
        lines = _lines(content)
        gone = {name.casefold() for name in remove}
        kept = [line for line in lines if (_name(line) or "").casefold() not in gone or _name(line) is None]
        present = {name.casefold() for line in kept if (name := _name(line)) is not None}
        newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
        fresh = []
        for entry in add:
            if _name(entry.name) != entry.name or NOT_IN_A_LINE.search(entry.name):
                raise EntryRefused(f"{entry.name!r} cannot stand on a line of its own")
            if entry.name.casefold() not in present:
                present.add(entry.name.casefold())
                fresh.append(entry.name + newline)
        if len(kept) == len(lines) and not fresh:
            return content
        if fresh and kept and not kept[-1].endswith(("\r", "\n")):
            kept[-1] += newline
        return "".join([*kept, *fresh]).encode()


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ListUnreadable(f"the list is not UTF-8: {error}") from error
    if "\0" in text:
        raise ListUnreadable("the list is no text")
    return [line for line in _LINE.findall(text) if line]


def _name(line: str) -> str | None:
    """Return the name on a line, None where there is none."""
    name = line.strip()
    return None if not name or name.startswith("#") else name
