"""What servers use: the newest sample in memory, one a minute kept for a week."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.servers.model import Usage
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock

KEPT = timedelta(days=7)
STEP = timedelta(minutes=1)


class MetricService:
    """Takes samples from nodes, gives them to whoever asks."""

    def __init__(self, *, works: Works, clock: Clock, servers: ServerDirectory) -> None:
        self._works = works
        self._clock = clock
        self._servers = servers
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
