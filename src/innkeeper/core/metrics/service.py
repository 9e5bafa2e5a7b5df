"""What servers use: the newest sample in memory, one a minute kept for a week, one a second for who looks closely."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.servers.attention import Look, LookParts
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.servers.model import Usage
from innkeeper.core.work import Works
from innkeeper.kit.broadcast import Listener, Topic

KEPT = timedelta(days=7)
STEP = timedelta(minutes=1)
MOST_WAITING = 10
"""Samples that wait for who looks; older ones are of no use."""


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

    def __init__(self, *, works: Works, looks: LookParts) -> None:
        self._works = works
        self._looks = looks
        self._clock = looks.clock
        self._servers = looks.servers
        self._saved_at: dict[int, datetime] = {}

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

    def watch(self, actor: Actor, record: Record, what: Collection[Literal["samples", "tick"]]) -> Figures:
        """Return what gives the server's samples, one a second, once it is entered; needs `metrics.read`.

        With "tick" in `what` the game is asked for its tick time, too. Entering it, and `next`, raise
        ServerIsNotRunning, NodeIsOffline, and what a lost right means.
        """
        wanted: Any = [one for one in ("samples", "tick") if one in what]
        return Figures(self._looks, actor, record, ServerPermission.METRICS_READ, wanted, limit=MOST_WAITING)

    async def save(self) -> None:
        """Keep the newest sample of each server that lives; called each minute."""
        due: list[tuple[int, Usage]] = []
        for record in self._servers.present():
            usage = record.live.usage
            if usage is not None and self._saved_at.get(record.server.id) != usage.at:
                self._saved_at[record.server.id] = usage.at
                due.append((record.server.id, usage))
        if due:
            async with self._works() as work:
                await work.metrics.add(due)

    async def prune(self) -> None:
        """Delete what is older than is kept."""
        async with self._works() as work:
            await work.metrics.delete_before(self._clock.now() - KEPT)

    async def history(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        """Return kept samples with since ≤ at < until, oldest first."""
        async with self._works() as work:
            return await work.metrics.of_server(server_id, since, until, limit)
