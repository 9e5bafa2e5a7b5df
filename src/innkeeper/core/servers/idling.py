"""Servers on which nobody plays: stopped after a while where that is wished, kept for longer where somebody asks.

    ready, or the last player leaves ──idle_stop_minutes──▶ may be stopped ──keep_until──▶ is stopped

What no panel has seen counts as played: after a time without samples the waiting begins anew. Several panels may look
at the same servers; the first to stop one is the only one. Knows no game: who plays, the node says.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.checks import MAX_IDLE_MINUTES
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ExtensionIsInvalid, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Usage
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.servers.service import ServerService
from innkeeper.core.work import Works
from innkeeper.kit.broadcast import Listener
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

MAX_EXTENSION_S = 86_400
_GAP = timedelta(minutes=3)
"""Samples are kept each minute; where none was for so long, nobody looked."""


class IdleStops:
    """Stops what nobody plays on."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        servers: ServerService,
        activity: ActivityService,
        reconciler: Reconciler,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._servers = servers
        self._activity = activity
        self._reconciler = reconciler
        self._runs: dict[int, tuple[str | None, datetime]] = {}
        """By server: the run that was looked at, and since when nobody plays on it as far as was kept."""
        self._visits = _Visits(directory, clock)

    async def tick(self) -> None:
        """Stop what is due; called every few seconds."""
        for record in list(self._directory.present()):
            minutes = record.server.idle_stop_minutes
            if minutes is None:
                continue
            moment = await self._stop_moment(record)
            if moment is not None and moment <= self._clock.now():
                await self._stop(record, minutes)

    async def extend(self, actor: Actor, record: Record, seconds: int) -> datetime:
        """Keep a running server for `seconds` more, from when it would be stopped; needs `power.start`.

        Returns until when it is kept at least. Raises ExtensionIsInvalid, ServerIsNotRunning, ServerChangedMeanwhile.
        """
        self._directory.reach(actor, record, ServerPermission.START)
        if not 1 <= seconds <= MAX_EXTENSION_S:
            raise ExtensionIsInvalid(seconds=seconds)
        async with self._servers.hold(record) as now:
            if now.live.state is not State.RUNNING:
                raise ServerIsNotRunning(state=str(now.live.state))
            moments = (self._clock.now(), now.server.keep_until, await self._stop_moment(now))
            until = max(moment for moment in moments if moment is not None) + timedelta(seconds=seconds)
            changed = msgspec.structs.replace(now.server, generation=now.server.generation + 1, keep_until=until)
            async with self._works() as work:
                await work.servers.update(changed)
                work.changed("server", changed.id, changed)
                data = {"seconds": seconds, "until": until.isoformat()}
                await self._activity.note(work, actor, "server.kept", server_id=changed.id, data=data)
        await self._reconciler.tell(changed.id)
        return until

    async def _stop_moment(self, record: Record) -> datetime | None:
        """Return when a server is to be stopped if nobody comes; None: not at all, or not for as long as it is so."""
        server, live = record.server, record.live
        if server.idle_stop_minutes is None or live.state is not State.RUNNING or live.players:
            return None
        moments = [await self._empty_since(record), self._visits.last.get(server.id), live.ready_at]
        idle_at = max(moment for moment in moments if moment is not None) + timedelta(minutes=server.idle_stop_minutes)
        return max(idle_at, server.keep_until) if server.keep_until is not None else idle_at

    async def _empty_since(self, record: Record) -> datetime:
        """Return since when nobody plays, as far as was kept; each run is looked up once."""
        run, server_id, now = record.live.run_id, record.server.id, self._clock.now()
        known = self._runs.get(server_id)
        if known is not None and known[0] == run:
            return known[1]
        earliest = now - timedelta(minutes=MAX_IDLE_MINUTES)
        since = max(earliest, record.live.ready_at or earliest)
        async with self._works() as work:
            samples = await work.metrics.of_server(server_id, since, now, MAX_IDLE_MINUTES + 1)
        found = empty_since(samples, since, now)
        self._runs[server_id] = (run, found)
        return found

    async def _stop(self, record: Record, minutes: int) -> None:
        try:
            await self._servers.stop_unasked(record, f"Nobody has played for {minutes} minutes.")
        except CoreError as error:  # somebody else was first, or its node is away: the next round looks again
            log.info("server.idle_stop.refused", server=str(record.server.uuid), reason=error.code)
        else:
            log.info("server.idle_stop", server=str(record.server.uuid), minutes=minutes)


def empty_since(samples: Iterable[Usage], since: datetime, now: datetime) -> datetime:
    """Return from when on, after `since`, the samples (oldest first) show nobody, without a gap until `now`."""
    found = last = since
    for sample in samples:
        if sample.players or sample.at - last > _GAP:
            found = sample.at
        last = sample.at
    return now if now - last > _GAP else found


class _Visits(Listener[Record]):
    """Notes, as it is told, when somebody was last on a server."""

    def __init__(self, directory: ServerDirectory, clock: Clock) -> None:
        super().__init__(directory.changes, 1)
        self._clock = clock
        self._visited: set[int] = set()
        self.last: dict[int, datetime] = {}
        directory.changes.listeners.add(self)

    def put(self, value: Record) -> None:
        server_id = value.server.id
        if value.live.players:
            self._visited.add(server_id)
        elif server_id in self._visited:
            self._visited.discard(server_id)
        else:
            return
        self.last[server_id] = self._clock.now()
