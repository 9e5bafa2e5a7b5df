"""What happens to servers, for those who want to be told of it.

Reads it off what a node sees: what was known before, what is seen now, and the difference in words. Knows neither who
is told nor how.
"""

from datetime import datetime
from typing import Literal, get_args

import msgspec

from innkeeper.core.access.model import Via
from innkeeper.core.servers.model import LastExit, Live, OnlinePlayer

HappeningKind = Literal[
    "started",
    "ready",
    "stopped",
    "crashed",
    "killed",
    "out_of_memory",
    "updated",
    "command_sent",
    "player_joined",
    "player_left",
    "backup_finished",
    "backup_failed",
    "backup_damaged",
    "disk_nearly_full",
]
KINDS: frozenset[str] = frozenset(get_args(HappeningKind))

_OUT_OF_MEMORY = "out of memory"
_KILLED = "killed "
"""How a node's reasons begin for these ends."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a server."""

    kind: HappeningKind
    server_id: int
    at: datetime
    key: str
    """Tells it from every other of its kind and server, the same on every panel: noted twice, it counts once."""
    account_id: int | None = None
    """Who had it done; None: the house, or the game."""
    via: Via = "system"
    data: dict[str, str] = {}
    """Particulars by name: `player`, `reason`, `command`, `backup`."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a server when something of it was told last."""

    started_at: datetime | None = None
    """When the newest run began that was seen."""
    ready_at: datetime | None = None
    exit_at: datetime | None = None
    players: tuple[OnlinePlayer, ...] = ()
    disk_full: bool = False
    """It was told that the disk is nearly full, and it has not become emptier since."""
    disk_times: int = 0
    """How often that was told."""

    @classmethod
    def of(cls, live: Live) -> "Sighting":
        """Return what is seen now, all of it taken for told."""
        return cls().after(live)

    def after(self, live: Live) -> "Sighting":
        """Return what is known once `live` was seen too. What a node has forgotten stays known."""
        begun = [run.started_at for run in live.runs]
        ended = live.last_exit.at if live.last_exit else None
        return msgspec.structs.replace(
            self,
            started_at=_later(self.started_at, live.started_at, *begun),
            ready_at=_later(self.ready_at, live.ready_at),
            exit_at=_later(self.exit_at, ended),
            players=live.players,
        )


def news(server_id: int, known: Sighting, live: Live, now: datetime) -> list[Happening]:
    """Return what happened between `known` and `live`, in the order in which it did."""
    found = [*_begun(server_id, known, live), *_left(server_id, known, live, now)]
    if live.last_exit is not None and _is_later(live.last_exit.at, known.exit_at):
        found += _ended(server_id, live.last_exit)
    for player in live.players:
        if player not in known.players:
            key, data = _visit(player), {"player": player.name}
            found.append(Happening(kind="player_joined", server_id=server_id, at=player.since, key=key, data=data))
    return sorted(found, key=lambda one: one.at)


def _begun(server_id: int, known: Sighting, live: Live) -> list[Happening]:
    begun = [run.started_at for run in live.runs]
    if live.started_at is not None and live.started_at not in begun:
        begun.append(live.started_at)
    found = [
        Happening(kind="started", server_id=server_id, at=at, key=at.isoformat())
        for at in begun
        if _is_later(at, known.started_at)
    ]
    if live.ready_at is not None and _is_later(live.ready_at, known.ready_at):
        found.append(Happening(kind="ready", server_id=server_id, at=live.ready_at, key=live.ready_at.isoformat()))
    return found


def _left(server_id: int, known: Sighting, live: Live, now: datetime) -> list[Happening]:
    ended = live.last_exit.at if live.last_exit else None
    at = ended if ended is not None and _is_later(ended, known.exit_at) else now
    return [
        Happening(kind="player_left", server_id=server_id, at=at, key=_visit(player), data={"player": player.name})
        for player in known.players
        if player not in live.players
    ]


def _ended(server_id: int, end: LastExit) -> list[Happening]:
    kinds: tuple[HappeningKind, ...]
    if end.clean:
        kinds = ("stopped",)
    elif end.reason.startswith(_KILLED):
        kinds = ("killed",)
    elif _OUT_OF_MEMORY in end.reason:
        kinds = ("out_of_memory", "crashed")
    else:
        kinds = ("crashed",)
    key = end.at.isoformat()
    return [
        Happening(kind=kind, server_id=server_id, at=end.at, key=key, data={"reason": end.reason}) for kind in kinds
    ]


def _visit(player: OnlinePlayer) -> str:
    return f"{player.name} {player.since.isoformat()}"


def _is_later(at: datetime, than: datetime | None) -> bool:
    return than is None or at > than


def _later(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
