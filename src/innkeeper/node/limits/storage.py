"""How much disk the files of one server take, and whether more may be written.

Exact after a walk over the files, then kept by what we write ourselves; what the game writes shows at the next walk,
which the watchdog sees to. Before anything is refused the files are walked again if that could help. Refuses to know
who writes, and how files are reached.
"""

import threading
import time
from collections.abc import Callable

from innkeeper.node.files.errors import NoSpace

MIB = 1 << 20
AGAIN_S = 10.0
"""A walk that old may not be true any more, even if we removed nothing: the game may have."""
LEAST_EXCESS = 64 * MIB


class Storage:
    """The storage of one server; keeps `node.files.room.Room`. Its methods may be called from any thread."""

    def __init__(
        self,
        walk: Callable[[], int],
        limit_mib: int | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`walk()` returns the bytes that all files take; it blocks, and raises OSError or JailError."""
        self._walk = walk
        self._monotonic = monotonic
        self._limit = limit_mib * MIB if limit_mib is not None else None
        self._used: int | None = None
        self._taken = 0
        self._measured_at = 0.0
        self._lessened = self._doubtful = False
        self._lock = threading.Lock()
        self._walking = threading.Lock()

    @property
    def limit(self) -> int | None:
        """What its files may take, in bytes; None: as much as there is."""
        return self._limit

    @property
    def most(self) -> int | None:
        """What its files may not take for a moment, in bytes: beyond it there is no time for an orderly stop."""
        return None if self._limit is None else self._limit + max(LEAST_EXCESS, self._limit // 10)

    @property
    def used(self) -> int | None:
        """What its files took when they were walked last, and what we wrote since, in bytes; None: nobody knows."""
        return self._used

    def allow(self, limit_mib: int | None) -> None:
        """Set another limit; None: as much as there is."""
        limit = limit_mib * MIB if limit_mib is not None else None
        with self._lock:
            if self._limit is None:
                self._used = None  # nothing was counted
            self._limit = limit

    def measure(self) -> int:
        """Walk the files and return the bytes they take. Blocks; raises what `walk` does."""
        with self._walking:
            with self._lock:
                before, self._lessened, self._doubtful = self._taken, False, False
            walked = self._walk()
            with self._lock:
                # What was written during the walk may or may not have been seen: it is counted, to be sure.
                self._used = walked + self._taken - before
                self._measured_at = self._monotonic()
                return self._used

    def take(self, size: int, path: str) -> None:
        """Count `size` more bytes, walking the files before refusing. Raises NoSpace."""
        if self._took(size):
            return
        if self._used is None or self._lessened or self._monotonic() - self._measured_at > AGAIN_S:
            self.measure()
            if self._took(size):
                return
        raise NoSpace(path, f"the server's storage is full: {self.figures()}")

    def give_back(self, size: int) -> None:
        """Count `size` bytes less."""
        with self._lock:
            if self._used is not None:
                self._used = max(0, self._used - size)
            self._taken -= size

    def lessened(self) -> None:
        """Have the files walked again before anything is refused."""
        self._lessened = True

    def doubt(self) -> None:
        """Have the files walked again before the server runs: it ended for want of storage."""
        self._doubtful = True

    def shortage(self) -> str | None:
        """Return why the server cannot run, where its files take more than they may; a full one is walked first."""
        if self._limit is None or not (self._doubtful or self._is_exceeded()):
            return None
        self.measure()
        return f"out of storage: {self.figures()}" if self._is_exceeded() else None

    def figures(self) -> str:
        """Return "1,024 of 1,024 MiB", rounded up."""
        used, limit = self._used or 0, self._limit or 0
        return f"{-(-used // MIB):,} of {-(-limit // MIB):,} MiB"

    def _is_exceeded(self) -> bool:
        return self._limit is not None and self._used is not None and self._used > self._limit

    def _took(self, size: int) -> bool:
        with self._lock:
            if self._limit is None:
                return True
            if self._used is None or self._used + size > self._limit:
                return False
            self._used += size
            self._taken += size
            return True
