"""What a player list holds."""

from uuid import UUID

import msgspec


class ListedPlayer(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a player list: a player by name, or an address."""

    name: str
    uuid: UUID | None = None
