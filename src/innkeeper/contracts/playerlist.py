"""What a player list driver promises: to read and change a game's list of players without disturbing the rest of it.

Works on bytes that somebody else read and will write: knows no path, no server and no game.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec


class ListUnreadable(ValueError):
    """The file cannot be understood as this format; the message says where."""


class EntryRefused(ValueError):
    """This format cannot hold such an entry; the message says why."""


class Entry(msgspec.Struct, frozen=True):
    """One entry: a player's name or an address, and the UUID where the list holds one."""

    name: str
    uuid: UUID | None = None


class PlayerListFormat(Protocol):
    """One format of player lists. Two names are the same whatever their case. No content at all is an empty list."""

    name: str

    def read(self, content: bytes, key: str) -> list[Entry]:
        """Return the entries in the file's order, called by what each has as `key`; raise ListUnreadable.

        What is in the file and is no entry is passed over. `content` is not trusted.
        """
        ...

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
        """Return `content` without the entries in `remove`, and with those of `add` that it has not, at the end.

        Everything else of the file stays, also what is not understood; where nothing is to be done, byte for byte.
        `fields` is what a new entry has besides; a text {now} in it becomes `now` as the game writes it. Raises
        ListUnreadable, EntryRefused.
        """
        ...
