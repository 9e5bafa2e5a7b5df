"""Watch what running games write: walk the files of whoever may have passed the limit, and have it ended where it has.

Once a second, more often while somebody writes fast, and less often where the limit is far, each limited server is
looked at cheaply: what its processes have written since the last walk, and how much room the file system has lost since
(which sees what is reserved without being written). Only where that could take it beyond its limit its files are walked
again. Beyond the limit it is stopped in order; beyond the limit and a tenth more (at least 64 MiB), killed. Knows
nothing of how either is done.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from innkeeper.kit.tasks import TaskSet
from innkeeper.node.files.errors import JailError
from innkeeper.node.keeper import groups
from innkeeper.node.limits.storage import Storage

log = structlog.get_logger(__name__)

CALM_S = 1.0
BUSY_S = 0.2
_MEMORY_EVERY = 5
_WALKING_SHARE = 4
"""A server rests for so many times the last walk's duration, unless it could be far beyond its limit."""
_FASTEST = 512 << 20
"""Bytes a second: nobody comes nearer to the limit than that."""
_LONGEST_S = 10.0
_OTHERS_S = 5.0
"""Nor sooner than that, where the room may have been lost to others."""


class Watched(msgspec.Struct, frozen=True):
    """One run of a game. `groups` are the folders of its control groups."""

    uuid: UUID
    game: int
    keeper: int | None
    groups: list[str]
    storage: Storage
    exceeded: Callable[[str, bool], None]
    """Told, on the event loop, why the game must end, and whether at once; may be told again while it lives."""
    starved: Callable[[int], None]
    """Told, on the event loop, how many of its processes were killed for memory while it lives on."""


class _Seen:
    """What was seen of one run. Written is what its processes wrote since the last walk, in bytes."""

    def __init__(self, game: int) -> None:
        self.game = game
        self.counters: dict[int, int] | None = None
        self.written = 0
        self.free: int | None = None
        self.look_at = 0.0
        self.rest_until = 0.0
        self.calm_until = 0.0
        self.oom_kills = 0
        self.storage: Storage | None = None


class Watchdog:
    """Watches what `running()` returns; `data` is a folder on the file system that holds their files."""

    def __init__(self, running: Callable[[], Iterable[Watched]], data: Path) -> None:
        self._running = running
        self._data = data
        self._seen: dict[UUID, _Seen] = {}
        self._ticks = 0
        self._thread = ThreadPoolExecutor(1, "storage watchdog")

    def start(self, tasks: TaskSet) -> None:
        """Begin, as a task of `tasks`."""
        tasks.start(self._run(), name="storage watchdog", fatal=False)

    def close(self) -> None:
        """Let go of the thread; a walk that runs ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while True:
            busy = False
            try:
                busy = await self.look()
            except Exception:
                log.exception("storage.watchdog.failed")
            await asyncio.sleep(BUSY_S if busy else CALM_S)

    async def look(self) -> bool:
        """Look at everybody once; return whether somebody comes near the limit fast."""
        watched = list(self._running())
        if not watched and not self._seen:
            return False
        self._ticks += 1
        loop = asyncio.get_running_loop()
        busy, news = await loop.run_in_executor(self._thread, self._look, watched)
        for tell in news:
            tell()
        return busy

    def _look(self, watched: list[Watched]) -> tuple[bool, list[Callable[[], None]]]:
        news: list[Callable[[], None]] = []
        free = self._free()
        busy = False
        known, self._seen = self._seen, {}
        for one in watched:
            before = known.get(one.uuid)
            if before is None or before.game != one.game:
                before = _Seen(one.game)
            else:
                del known[one.uuid]
            self._seen[one.uuid] = before
            before.storage = one.storage
            if self._ticks % _MEMORY_EVERY == 0:
                self._look_at_memory(one, before, news)
            if one.storage.limit is not None and time.monotonic() >= before.look_at:
                busy |= self._look_at_storage(one, before, free, news)
        for seen in known.values():  # ended: what it wrote last is seen before the next start
            if seen.storage is not None and seen.storage.limit is not None:
                self._walk(seen.storage)
        return busy, news

    def _look_at_memory(self, one: Watched, seen: _Seen, news: list[Callable[[], None]]) -> None:
        kills = groups.memory_told(one.groups).get("oom_kills", 0)
        if kills > seen.oom_kills:
            seen.oom_kills = kills
            news.append(lambda: one.starved(kills))

    def _look_at_storage(self, one: Watched, seen: _Seen, free: int | None, news: list[Callable[[], None]]) -> bool:
        storage, before, is_new = one.storage, seen.written, seen.counters is None
        self._count(one, seen)
        limit, most, used = storage.limit, storage.most, storage.used
        if limit is None or most is None:
            return False
        if used is not None and not is_new:  # what was written before the first look is in no counter
            lost = seen.free - free if seen.free is not None and free is not None else 0
            now = time.monotonic()
            due = used + seen.written > limit and (now >= seen.rest_until or used + seen.written > most)
            if not due and not (used + lost > limit and now >= max(seen.rest_until, seen.calm_until)):
                seen.look_at = now + min((limit - used - seen.written) / _FASTEST, _LONGEST_S)
                return seen.written - before > (limit - used) // 4
        began = time.monotonic()
        if not self._walk(storage):
            return False
        now = time.monotonic()
        seen.written, seen.free = 0, free
        seen.rest_until = now + (now - began) * _WALKING_SHARE
        seen.calm_until = now + _OTHERS_S
        found = storage.used or 0
        if found > limit:
            reason = f"out of storage: {storage.figures()}"
            news.append(lambda: one.exceeded(reason, found > most))
        return found > limit - (limit >> 4)

    def _walk(self, storage: Storage) -> bool:
        try:
            storage.measure()
        except (OSError, JailError) as error:
            log.warning("storage.walk.failed", error=str(error))
            return False
        return True

    def _count(self, one: Watched, seen: _Seen) -> None:
        """Add what the processes wrote since the last look; what an ended one had written counts for its parent."""
        pids = groups.members(one.groups[-1:]) or [pid for pid in (one.game, one.keeper) if pid is not None]
        counters = {pid: written for pid in pids if (written := _written_by(pid)) is not None}
        if seen.counters is not None:
            seen.written += sum(max(0, now - seen.counters.get(pid, 0)) for pid, now in counters.items())
        seen.counters = counters

    def _free(self) -> int | None:
        try:
            told = os.statvfs(self._data)
        except OSError as error:
            log.warning("storage.free.unknown", error=str(error))
            return None
        return told.f_bfree * told.f_frsize


def _written_by(pid: int) -> int | None:
    """Return how many bytes a process, and its children that ended, have given to the file system; None: not told."""
    try:
        descriptor = os.open(f"/proc/{pid}/io", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 1024)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    for line in text.splitlines():
        if line.startswith(b"write_bytes:"):
            return int(line.split()[1])
    return None
