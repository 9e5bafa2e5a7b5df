"""Heaps of many servers, read where a hostile game cannot hold anything up.

What lies beneath a process's root may be a file system of the game's own making, which answers when it likes. So heaps
are read by a thread that nobody waits for long: what does not come in time costs its server its figure until its next
run, and after a few such servers nobody's heap is read any more.
"""

import asyncio
import threading
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import structlog

from innkeeper.node.samples.heap import Heap, HeapReader

log = structlog.get_logger(__name__)

PATIENCE_S = 1.0
MOST_STUCK = 4
MOST_PROCESSES = 8
"""Of one server, that are asked."""

Key = TypeVar("Key", bound=Hashable)


class Heaps(Generic[Key]):
    """Reads what processes of servers tell of their heaps. One reading at a time."""

    def __init__(self, root: str = "/proc", *, patience_s: float = PATIENCE_S) -> None:
        self._root = root
        self._patience_s = patience_s
        self._reader = HeapReader(root)
        self._barred: dict[Key, tuple[int, ...]] = {}
        self._stuck = 0

    async def read(self, processes: Mapping[Key, tuple[int, ...]], *, complete: bool) -> dict[Key, Heap]:
        """Return the heap of each server, all its processes together, where there is one.

        `complete`: these are all there are; others are forgotten.
        """
        self._barred = {key: pids for key, pids in self._barred.items() if not complete or processes.get(key) == pids}
        wanted = {key: pids[:MOST_PROCESSES] for key, pids in processes.items() if pids and key not in self._barred}
        if not wanted or self._stuck >= MOST_STUCK:
            return {}
        loop = asyncio.get_running_loop()
        read: asyncio.Future[dict[Key, Heap]] = loop.create_future()
        reader = self._reader
        begun: list[Key] = []

        def work() -> None:
            found = {}
            if complete:
                reader.keep({pid for pids in wanted.values() for pid in pids})
            for key, pids in wanted.items():
                begun.append(key)
                if heap := _together([heap for pid in pids if (heap := reader.read(pid)) is not None]):
                    found[key] = heap
            try:
                loop.call_soon_threadsafe(_give, read, found)
            except RuntimeError:  # it was so long stuck that nobody is there any more
                log.debug("samples.heap.late")

        # No thread of a pool: one that hangs for ever must not keep the program from its end.
        threading.Thread(target=work, name="heaps", daemon=True).start()
        try:
            async with asyncio.timeout(self._patience_s):
                return await read
        except TimeoutError:
            for key in begun[-1:]:
                self._give_up(key, processes[key])
            return {}

    def _give_up(self, key: Key, pids: tuple[int, ...]) -> None:
        self._stuck += 1
        log.error("samples.heap.stuck", server=str(key), times=self._stuck, given_up=self._stuck >= MOST_STUCK)
        self._barred[key] = pids
        self._reader = HeapReader(self._root)


def _give(read: "asyncio.Future[dict[Key, Heap]]", found: dict[Key, Heap]) -> None:
    if not read.done():
        read.set_result(found)


def _together(heaps: list[Heap]) -> Heap | None:
    used = sum(heap.used for heap in heaps)
    if not used:  # collectors that count only when they collect say nothing before
        return None
    sizes = [heap.most for heap in heaps if heap.most is not None]
    return Heap(used, sum(sizes) if len(sizes) == len(heaps) else None)
