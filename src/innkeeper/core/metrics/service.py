"""What servers and hosts use: the newest in memory, and over time by sample, by minute and by hour.

Of each span of so many seconds (`HouseSettings.sample_seconds`) the first sample of a server or host is kept; all
panels keep the same ones, and each is kept once (see `waiting`). Storage gathers what it keeps into minutes and hours.
What cannot be kept now is tried again, for an hour.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.metrics.errors import HostIsNotSampled
from innkeeper.core.metrics.model import SPANS, HostPoint, HostSample, HostUsage, Step, UsagePoint
from innkeeper.core.metrics.waiting import Waiting
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.servers.attention import Look, LookParts
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.servers.model import Usage
from innkeeper.core.work import Works
from innkeeper.kit.broadcast import Listener, Topic

MOST_WAITING = 10
"""Samples that wait for who looks; older ones are of no use."""
BATCH = 5000
"""Rows deleted in one transaction: on SQLite all others wait for it."""
MOST_POINTS = 1000
HOST_FRESH = timedelta(minutes=1)
"""A host that was not heard of for so long is not known to use anything."""


class _OfOneServer(Listener[Record]):
    """Hears of the fresh samples of one server."""

    def __init__(self, topic: Topic[Record], look: "Figures") -> None:
        super().__init__(topic, 1)
        self._look = look

    def put(self, value: Record) -> None:
        self._look.heard(value)


class Figures(Look[Usage]):
    """A server's samples as they are taken, the newest first of all where there is one."""

    _told: datetime | None = None
    _listener: _OfOneServer | None = None

    def heard(self, record: Record) -> None:
        """Take in what is known of any server now."""
        usage = record.live.usage
        if record.server.id == self._server_id and usage is not None and usage.at != self._told:
            self._told = usage.at
            self.put(usage)

    async def _begin(self) -> None:
        self._listener = _OfOneServer(self._parts.servers.changes, self)
        self._listener.__enter__()
        self.heard(self.record)

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.__exit__()


class MetricService:
    """Takes samples from nodes, gives them to whoever asks."""

    def __init__(self, *, works: Works, looks: LookParts, house: HouseDirectory) -> None:
        self._works = works
        self._looks = looks
        self._clock = looks.clock
        self._servers = looks.servers
        self._house = house
        self._waiting = Waiting[Usage]()
        self._waiting_hosts = Waiting[HostSample]()
        self._hosts: dict[int, HostUsage] = {}

    def take(self, node_id: int, samples: list[tuple[UUID, Usage]]) -> None:
        """Put fresh samples of a node's servers into the directory; those of other nodes' servers are refused."""
        for uuid, usage in samples:
            try:
                record = self._servers.find(uuid)
            except NoSuchServer:
                continue
            if record.server.node_id != node_id:
                raise NoSuchNode("A node sampled a server that is not its own.")
            if record.live.state in ALIVE:
                self._servers.put_live(record.server.id, msgspec.structs.replace(record.live, usage=usage))
                self._waiting.take(record.server.id, usage, self._house.get().sample_seconds)

    def watch(self, actor: Actor, record: Record, what: Collection[Literal["samples", "tick"]]) -> Figures:
        """Return what gives the server's samples, one a second, once it is entered; needs `metrics.read`.

        With "tick" in `what` the game is asked for its tick time, too. Entering it, and `next`, raise
        ServerIsNotRunning, NodeIsOffline, and what a lost right means.
        """
        wanted: Any = [one for one in ("samples", "tick") if one in what]
        return Figures(self._looks, actor, record, ServerPermission.METRICS_READ, wanted, limit=MOST_WAITING)

    # -- keeping ----------------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Keep what was sampled since the last time, of all servers in one statement; called every few seconds."""
        now = self._clock.now()
        due, hosts = self._waiting.due(now), self._waiting_hosts.due(now)
        if not due and not hosts:
            return
        try:
            async with self._works() as work:
                await work.metrics.add(due)
                await work.metrics.add_hosts(hosts)
        except BaseException:
            self._waiting.put_back(due)  # it may have been kept all the same: then it is kept once
            self._waiting_hosts.put_back(hosts)
            raise

    async def prune(self) -> None:
        """Delete what is older than is kept, so many rows at once; called each hour."""
        house, now = self._house.get(), self._clock.now()
        kept: tuple[tuple[Step, int], ...] = (
            ("raw", house.raw_days),
            ("minute", house.minute_days),
            ("hour", house.hour_days),
        )
        for step, days in kept:
            deleted = BATCH
            while deleted == BATCH:
                async with self._works() as work:
                    deleted = await work.metrics.delete_before(now - timedelta(days=days), of=step, most=BATCH)
        self._waiting.forget_all_but({record.server.id for record in self._servers.present()})
        self._waiting_hosts.forget_all_but(self.hosts())

    # -- reading ----------------------------------------------------------------------------------------------------

    async def samples(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        """Return kept samples with since ≤ at < until, oldest first."""
        async with self._works() as work:
            return await work.metrics.of_server(server_id, since, until, limit)

    async def history(
        self,
        server_id: int,
        since: datetime,
        until: datetime,
        *,
        step: Step | None = None,
        limit: int = MOST_POINTS,
    ) -> list[UsagePoint]:
        """Return what a server used from `since` to before `until`, oldest first, `limit` points at most.

        None for `step` is the finest that reaches back so far and has no more points than that. A span without a
        sample has no point: a gap is a gap. The span in which `since` lies is the first. The caller checks who may.
        """
        chosen = step or self.step_for(since, until, limit)
        if chosen == "raw":
            return [_point(usage) for usage in await self.samples(server_id, since, until, limit)]
        async with self._works() as work:
            return await work.metrics.gathered(chosen, server_id, _begin(since, chosen), until, limit)

    def step_for(self, since: datetime, until: datetime, limit: int) -> Step:
        """Return the finest step that is kept since then and gives no more than `limit` points."""
        house, length, age = self._house.get(), until - since, self._clock.now() - since
        if age <= timedelta(days=house.raw_days) and length <= timedelta(seconds=house.sample_seconds) * limit:
            return "raw"
        if age <= timedelta(days=house.minute_days) and length <= SPANS["minute"] * limit:
            return "minute"
        return "hour"

    # -- hosts ------------------------------------------------------------------------------------------------------

    def take_host(self, node_id: int, usage: HostUsage) -> None:
        """Note what the host of a node uses now."""
        self._hosts[node_id] = usage
        self._waiting_hosts.take(node_id, usage.sample(), self._house.get().sample_seconds)

    def hosts(self) -> dict[int, HostUsage]:
        """Return what each host uses by its node's id, with the disks that are shown; those not heard of are left out.

        For the house itself: the caller checks who may.
        """
        shown, now = self._house.get().mounts, self._clock.now()
        return {
            node_id: _with_disks(usage, shown) for node_id, usage in self._hosts.items() if now - usage.at < HOST_FRESH
        }

    def host(self, actor: Actor, node_id: int) -> HostUsage:
        """Return what the host of a node uses now; needs `house.read`; raise HostIsNotSampled."""
        require(actor, ProductPermission.HOUSE_READ)
        usage = self.hosts().get(node_id)
        if usage is None:
            raise HostIsNotSampled
        return usage

    async def host_history(
        self, actor: Actor, node_id: int, since: datetime, until: datetime, *, step: Step, limit: int = MOST_POINTS
    ) -> list[HostPoint]:
        """Return what the host of a node used from `since` to before `until`, as `history` does; needs `house.read`."""
        require(actor, ProductPermission.HOUSE_READ)
        begin = since if step == "raw" else _begin(since, step)
        async with self._works() as work:
            return await work.metrics.of_host(step, node_id, begin, until, limit)


def _begin(since: datetime, span: Literal["minute", "hour"]) -> datetime:
    """Return where the span begins in which `since` lies."""
    return since - (since - datetime.min.replace(tzinfo=since.tzinfo)) % SPANS[span]


def _with_disks(usage: HostUsage, mounts: tuple[str, ...]) -> HostUsage:
    if not mounts:
        return usage
    return msgspec.structs.replace(usage, disks=tuple(disk for disk in usage.disks if disk.mount in mounts))


def _point(usage: Usage) -> UsagePoint:
    return UsagePoint(
        at=usage.at,
        cpu_mean=usage.cpu_percent,
        cpu_max=usage.cpu_percent,
        memory_mean=usage.memory_bytes,
        memory_max=usage.memory_bytes,
        players_mean=usage.players,
        players_max=usage.players,
        disk_mean=usage.disk_bytes,
        disk_max=usage.disk_bytes,
    )
