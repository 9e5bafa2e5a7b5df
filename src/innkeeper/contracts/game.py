"""What a game driver promises: to ask a running game server how it is, by the game's own protocol.

Python for what a package's TOML cannot say. Knows nothing of processes, consoles or the wire.
"""

from datetime import timedelta
from typing import Protocol

import msgspec


class GameSilent(Exception):
    """The game server did not answer its query protocol in time; the message says what happened."""


class GameStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a game server said of itself."""

    players_online: int
    players_max: int
    player_names: list[str] | None = None
    """None where the protocol does not tell names (or not all)."""
    description: str | None = None
    version: str | None = None


class Query(Protocol):
    """One query protocol."""

    name: str

    async def ask(self, host: str, port: int, timeout: timedelta) -> GameStatus:
        """Return what the server at `host`:`port` answers; raise GameSilent within `timeout` when it does not.

        Called often and concurrently: holds no state and no socket afterwards.
        """
        ...
