"""Gather new chunks into packs and put these into the store, some at a time, beside whoever makes the chunks.

A chunk is in the index only once its pack is in the store. This module knows nothing of files and snapshots.
"""

import secrets
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from innkeeper.contracts.blobstore import BlobStore
from innkeeper.node.backups.index import Index
from innkeeper.node.backups.packs import PACK_BYTES, PREFIX, Frame, seal

_THREADS = 2


class Storing:
    """The sink of one snapshot or collection; a context manager, on leaving which its threads have ended."""

    def __init__(self, store: BlobStore, index: Index) -> None:
        self._store = store
        self._index = index
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._frames: list[Frame] = []
        self._gathered = 0
        self._pool = ThreadPoolExecutor(_THREADS, "backup packs")
        self._under_way: deque[Future[None]] = deque()
        self.stored_bytes = 0
        self.packs = 0

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """See `taking.Sink.claim`."""
        with self._lock:
            new = set(digests) - self._claimed
            new -= self._index.known([*new])
            self._claimed |= new
            return new

    def has(self, digests: Sequence[bytes]) -> bool:
        """See `taking.Sink.has`."""
        asked = set(digests)
        return self._index.known([*asked]) == asked

    def keep(self, frames: Sequence[Frame]) -> None:
        """See `taking.Sink.keep`. Waits while too many packs are under way; raises `BlobStoreError` of any of them."""
        for frame in frames:
            self._frames.append(frame)
            self._gathered += len(frame.data)
            if self._gathered >= PACK_BYTES:
                self._put()

    def finish(self) -> None:
        """Put what is left, and wait until all is in the store."""
        self._put()
        while self._under_way:
            self._under_way.popleft().result()

    def _put(self) -> None:
        if not self._frames:
            return
        while len(self._under_way) >= _THREADS:
            self._under_way.popleft().result()
        self._under_way.append(self._pool.submit(self._put_pack, self._frames))
        self._frames, self._gathered = [], 0

    def _put_pack(self, frames: list[Frame]) -> None:
        pack, rows = seal(frames)
        name = PREFIX + secrets.token_hex(16)
        self._store.put(name, pack)
        self._index.add(name, len(pack), rows)
        with self._lock:
            self._claimed.difference_update(row.digest for row in rows)
            self.stored_bytes += len(pack)
            self.packs += 1

    def __enter__(self) -> "Storing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
