"""One sampler for all running servers of a node: one pass over /proc a tick, disks walked rarely and one at a time.

Costs nothing while nothing runs. Servers that somebody looks at closely are ticked for more often, and alone: when, is
`attending`'s business. Knows nothing of how servers are run, nor who wants the samples.
"""

import asyncio
import os
import random
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import msgspec
import structlog

from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.tasks import TaskSet, every, in_thread
from innkeeper.node.samples.heap import Heap
from innkeeper.node.samples.heaps import Heaps
from innkeeper.node.samples.processes import ProcessTable, Tree, Usage
from innkeeper.wire.messages import Sample, Samples

log = structlog.get_logger(__name__)

TICK = timedelta(seconds=5)
DISK_EVERY = timedelta(minutes=5)
LEAST = timedelta(seconds=0.5)
"""Two samples of one server are not closer: too little cpu time can have passed to tell a share of it."""
_LEAST_URGENT = 19


class Running(msgspec.Struct, frozen=True):
    """One running server, as the sampler must know it."""

    uuid: UUID
    tree: Tree
    players: int
    measure_disk_s: float = DISK_EVERY.total_seconds()
    """How often its files are walked, about."""


class Sampler:
    """Publishes `Samples` of what `running()` returns, every `interval`.

    `disk_usage(server)` returns bytes; it blocks, is called in a thread of the least priority, and what it raises is
    logged and leaves the last figure. `publish` is awaited once a tick, and not at all while nothing runs. `tick_ms`
    tells a game's own tick time, where it is known.
    """

    def __init__(
        self,
        *,
        node: UUID,
        clock: Clock,
        running: Callable[[], Iterable[Running]],
        disk_usage: Callable[[UUID], int],
        publish: Callable[[Samples], Awaitable[None]],
        tick_ms: Callable[[UUID], float | None] = lambda _: None,
        interval: timedelta = TICK,
    ) -> None:
        self._node = node
        self._clock = clock
        self._running = running
        self._disk_usage = disk_usage
        self._publish = publish
        self._tick_ms = tick_ms
        self._interval = interval
        self._least = min(LEAST, interval / 2).total_seconds()
        self._table: ProcessTable[UUID] = ProcessTable()
        self._heaps: Heaps[UUID] = Heaps()
        self._ticking = asyncio.Lock()
        self._before: dict[UUID, tuple[int, float, float]] = {}
        self._disk: dict[UUID, int] = {}
        self._disk_measured: dict[UUID, tuple[float, float]] = {}
        """When the files of a server were walked, and by which factor its interval is stretched now."""
        self._disk_thread = ThreadPoolExecutor(1, "disk usage", initializer=_yield_to_everybody)

    def start(self, tasks: TaskSet) -> None:
        """Begin, as two tasks of `tasks`."""
        tasks.start(every(self._interval, self.tick, name="samples"), name="samples", fatal=False)
        tasks.start(every(self._interval, self.measure_disks, name="disk usage"), name="disk usage", fatal=False)

    def close(self) -> None:
        """Let go of the thread; a walk that runs ends by itself."""
        self._disk_thread.shutdown(wait=False, cancel_futures=True)

    async def tick(self, only: Collection[UUID] | None = None) -> None:
        """Take and publish one sample of every running server, or of those in `only` that run."""
        async with self._ticking:
            running = {one.uuid: one for one in self._running()}
            if not running:
                self._before.clear()
                return
            now = self._clock.monotonic()
            wanted = {uuid for uuid in (running if only is None else running.keys() & only) if self._is_due(uuid, now)}
            if not wanted:
                return
            trees = {uuid: one.tree for uuid, one in running.items()}
            complete = len(wanted) == len(trees)
            usages = await in_thread(self._table.read, trees, None if complete else wanted)
            now = self._clock.monotonic()
            heaps = await self._heaps.read({uuid: usage.java for uuid, usage in usages.items()}, complete=complete)
            samples = [self._sample(running[uuid], usage, heaps.get(uuid), now) for uuid, usage in usages.items()]
            known = {uuid: before for uuid, before in self._before.items() if uuid in running and uuid not in wanted}
            self._before = known | {
                uuid: (running[uuid].tree.game, usage.cpu_seconds, now) for uuid, usage in usages.items()
            }
        if samples:
            await self._publish(Samples(node=self._node, at_us=microseconds(self._clock.now()), servers=samples))

    def _is_due(self, server: UUID, now: float) -> bool:
        before = self._before.get(server)
        return before is None or not before[2] <= now < before[2] + self._least

    def _sample(self, server: Running, usage: Usage, heap: Heap | None, now: float) -> Sample:
        game, seconds, at = self._before.get(server.uuid, (None, 0.0, now))
        percent = 0.0
        if game == server.tree.game and now > at:
            # Less than before: a process ended whose time went to the keeper's account.
            percent = max(0.0, usage.cpu_seconds - seconds) / (now - at) * 100
        return Sample(
            uuid=server.uuid,
            cpu_percent=round(percent, 2),
            memory_bytes=usage.memory_bytes,
            disk_bytes=self._disk.get(server.uuid),
            players=server.players,
            processes=usage.processes,
            heap_bytes=heap.used if heap is not None else None,
            heap_max_bytes=heap.most if heap is not None else None,
            tick_ms=self._tick_ms(server.uuid),
        )

    async def measure_disks(self) -> None:
        """Walk the files of those running servers whose figure is too old, one after another."""
        running = {one.uuid: one.measure_disk_s for one in self._running()}
        self._disk_measured = {uuid: known for uuid, known in self._disk_measured.items() if uuid in running}
        for uuid, interval in running.items():
            known = self._disk_measured.get(uuid)
            if known is not None and self._clock.monotonic() < known[0] + known[1] * interval:
                continue
            try:
                loop = asyncio.get_running_loop()
                self._disk[uuid] = await loop.run_in_executor(self._disk_thread, self._disk_usage, uuid)
            except Exception:
                log.exception("samples.disk.failed", server=str(uuid))
            # Spread, so that servers started together are not walked together for ever.
            self._disk_measured[uuid] = (self._clock.monotonic(), random.uniform(0.8, 1.2))  # noqa: S311

    def forget(self, server: UUID) -> None:
        """Drop what is kept of a server that was removed."""
        self._disk.pop(server, None)


def _yield_to_everybody() -> None:
    # On Linux a priority is a thread's own.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_URGENT)
