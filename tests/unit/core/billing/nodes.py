"""A node whose games really run, for tests of metering: it outlives every panel and tells ends until they are heard."""

from datetime import datetime
from itertools import count
from uuid import UUID

from innkeeper.core.operations.model import OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Live, Run
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.clock import Clock
from innkeeper.testing.products import House


class TrueNode:
    """What runs and what ran, whoever knows of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)
        self.alive: dict[UUID, tuple[str, datetime]] = {}
        self.unheard: dict[UUID, list[Run]] = {}
        """Ended runs that no panel has acknowledged."""
        self.ended: dict[str, Run] = {}
        """Every run that ended, by its id."""

    def start(self, server: UUID) -> str:
        """Have a game begin to run."""
        run_id = f"run-{next(self._numbers)}"
        self.alive[server] = (run_id, self._clock.now())
        return run_id

    def end(self, server: UUID) -> Run:
        """Have a game end."""
        run_id, started_at = self.alive.pop(server)
        run = Run(run_id=run_id, started_at=started_at, ended_at=self._clock.now())
        self.ended[run_id] = run
        self.unheard.setdefault(server, []).append(run)
        return run

    def live(self, server: UUID) -> Live:
        """Return what is seen of a server."""
        runs = tuple(self.unheard.get(server, ()))
        if server not in self.alive:
            return Live(state=State.STOPPED, runs=runs)
        run_id, started_at = self.alive[server]
        return Live(state=State.RUNNING, pid=4711, run_id=run_id, started_at=started_at, ready_at=started_at, runs=runs)

    async def report(self, house: House, *records: Record) -> None:
        """Tell a panel of servers; what it has taken in is not told again."""
        seen = []
        for record in records:
            server = house.now(record).server
            seen.append(
                Observation(
                    uuid=server.uuid,
                    live=self.live(server.uuid),
                    generation=server.generation,
                    order_id=server.order_id,
                    progress=Progress(state=OperationState.DONE),
                )
            )
        await house.reconciler.observe(house.node.id, seen)
        for one in seen:
            self.unheard.pop(one.uuid, None)
