"""Read what a regular file holds, in pieces that begin where chunks begin, leaving out the holes.

This module knows nothing of where the pieces go.
"""

import errno
import os
from collections.abc import Iterator

from innkeeper.node.backups.packs import CHUNK, DIGEST, digest_of
from innkeeper.node.backups.trees import Run

PIECE = 1 << 20
_ZEROS = bytes(CHUNK)


class Content:
    """An open file, as large as it was when this was made; `size` gets less when the file does meanwhile."""

    def __init__(self, descriptor: int, status: os.stat_result) -> None:
        self._descriptor = descriptor
        self._has_holes = status.st_blocks * 512 < status.st_size
        self.size = status.st_size

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Give the number of the first chunk in it and the bytes of each piece; what is left out is zeros."""
        offset = 0
        while offset < self.size:
            start, end = self._data(offset)
            if start >= self.size:
                return
            offset = start - start % CHUNK
            # Up to a border of chunks, so that none is met twice.
            end = min(-(-end // CHUNK) * CHUNK, self.size)
            while offset < min(end, self.size):
                data = os.pread(self._descriptor, min(PIECE, end - offset), offset)
                # Short only at the end of a file that has been cut; else by a signal or a file system's whim.
                if not data:
                    self.size = offset
                    return
                whole = data if offset + len(data) == end else self._complete(data, offset, end)
                yield offset // CHUNK, whole
                offset += len(whole)

    def _complete(self, data: bytes, offset: int, end: int) -> bytes:
        wanted = min(-(-len(data) // CHUNK) * CHUNK, end - offset)
        while len(data) < wanted:
            more = os.pread(self._descriptor, wanted - len(data), offset + len(data))
            if not more:
                self.size = offset + len(data)
                break
            data += more
        return data

    def _data(self, offset: int) -> tuple[int, int]:
        """Give where the next data begin and end."""
        if not self._has_holes:
            return offset, self.size
        try:
            start = os.lseek(self._descriptor, offset, os.SEEK_DATA)
            return start, min(os.lseek(self._descriptor, start, os.SEEK_HOLE), self.size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return self.size, self.size
            if error.errno == errno.EINVAL:
                return offset, self.size
            raise


def digests_of(data: bytes) -> list[bytes]:
    """Give the digest of each chunk in a piece, and nothing (`b""`) for one that is all zeros."""
    view = memoryview(data)
    return [
        b"" if data.startswith(_ZEROS if at + CHUNK <= len(data) else _ZEROS[: len(data) - at], at) else digest_of(part)
        for at in range(0, len(data), CHUNK)
        for part in (view[at : at + CHUNK],)
    ]


class Runs:
    """Collects digests of chunks, in their order, into runs."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, bytearray]] = []
        self._next = -1

    def add(self, first: int, digests: list[bytes]) -> None:
        """Take the digests of the chunks from number `first` on."""
        for number, digest in enumerate(digests, first):
            if not digest:
                continue
            if number != self._next:
                self._runs.append((number, bytearray()))
            self._runs[-1][1].extend(digest)
            self._next = number + 1

    def take(self) -> tuple[Run, ...]:
        """Give what was collected."""
        return tuple(Run(first, bytes(digests)) for first, digests in self._runs if len(digests) >= DIGEST)


def runs_of(descriptor: int, status: os.stat_result) -> tuple[int, tuple[Run, ...]]:
    """Give the size and the chunks of an open file, reading it whole."""
    content, runs = Content(descriptor, status), Runs()
    for first, data in content.pieces():
        runs.add(first, digests_of(data))
    return content.size, runs.take()
