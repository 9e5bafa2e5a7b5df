"""Read chunks back, in any order asked, some windows ahead of whoever uses them, in few and large requests.

Chunks that stand near each other in a pack are read at once. What is read is decompressed within bounds and held
against its digest; where a chunk has moved to another pack meanwhile, the index is asked again. This module knows
nothing of files.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import msgspec

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore
from innkeeper.node.backups.errors import RepositoryIsDamaged
from innkeeper.node.backups.index import Index, Place
from innkeeper.node.backups.packs import decompress

_T = TypeVar("_T")
_WINDOW = 512
_ELEMENTS = 4096
_AHEAD = 3
_THREADS = 3
_GAP = 64 << 10
_REQUEST = 8 << 20


class Chunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Asks for a chunk."""

    digest: bytes


class Damage(msgspec.Struct, frozen=True, array_like=True):
    """Stands for a chunk that cannot be given."""

    reason: str


class Reader:
    """Gives the chunks of one store."""

    def __init__(self, store: BlobStore, index: Index) -> None:
        self._store = store
        self._index = index

    def read(self, wanted: Iterable[Chunk | _T]) -> Generator[bytes | Damage | _T, None, None]:
        """Give everything that is wanted in its order: chunks as their plain bytes, anything else as it is.

        Runs ahead of its user by some tens of MiB. A chunk that cannot be given is given as `Damage`.
        """
        windows = _windows(wanted)
        pool = ThreadPoolExecutor(_THREADS, "backup reading")
        under_way: deque[Future[_Window[_T]]] = deque()
        try:
            for window in windows:
                under_way.append(pool.submit(self._fill, window))
                if len(under_way) > _AHEAD:
                    yield from under_way.popleft().result().filled()
            while under_way:
                yield from under_way.popleft().result().filled()
        finally:
            pool.shutdown(cancel_futures=True)

    def _fill(self, window: "_Window[_T]") -> "_Window[_T]":
        missing = window.digests
        for again in (False, True):
            if again:
                # Somebody may have moved chunks to other packs since the index looked.
                self._index.refresh()
            missing = self._fetch(missing, window.plain)
            if not missing:
                break
        return window

    def _fetch(self, digests: set[bytes], plain: dict[bytes, bytes | Damage]) -> set[bytes]:
        """Read chunks into `plain`; give those that were not, or not whole, where they should be."""
        places = self._index.locate([*digests])
        missing = digests - places.keys()
        for request in _requests(places.values()):
            start = request[0].row.offset
            end = max(place.row.offset + place.row.stored for place in request)
            try:
                data = memoryview(self._store.get(request[0].pack, start, end - start))
            except BlobIsMissing:
                missing.update(place.row.digest for place in request)
                continue
            for place in request:
                row = place.row
                try:
                    plain[row.digest] = decompress(row, data[row.offset - start : row.offset - start + row.stored])
                except RepositoryIsDamaged as error:
                    plain[row.digest] = Damage(f"{error.reason} ({place.pack})")
                    # Another pack may hold it whole; and if none does, the next snapshot must store it again.
                    self._index.distrust(place.pack, row.digest)
                    missing.add(row.digest)
        return missing


class _Window(Generic[_T]):
    def __init__(self) -> None:
        self.elements: list[Chunk | _T] = []
        self.digests: set[bytes] = set()
        self.plain: dict[bytes, bytes | Damage] = {}

    def filled(self) -> Iterator[bytes | Damage | _T]:
        for element in self.elements:
            if isinstance(element, Chunk):
                yield self.plain.get(element.digest) or Damage("A chunk is missing")
            else:
                yield element


def _windows(wanted: Iterable[Chunk | _T]) -> Iterator[_Window[_T]]:
    window: _Window[_T] = _Window()
    for element in wanted:
        window.elements.append(element)
        if isinstance(element, Chunk):
            window.digests.add(element.digest)
        if len(window.digests) >= _WINDOW or len(window.elements) >= _ELEMENTS:
            yield window
            window = _Window()
    if window.elements:
        yield window


def _requests(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Group places that one request reads."""
    request: list[Place] = []
    for place in sorted(places, key=lambda place: (place.pack, place.row.offset)):
        if request:
            last, end = request[-1], place.row.offset + place.row.stored
            apart = place.row.offset - (last.row.offset + last.row.stored)
            if place.pack != last.pack or apart > _GAP or end - request[0].row.offset > _REQUEST:
                yield request
                request = []
        request.append(place)
    if request:
        yield request
