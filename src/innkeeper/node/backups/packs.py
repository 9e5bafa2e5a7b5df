"""The form of a pack: many compressed chunks of files in one blob, and at its end the table of what it holds.

    "IKPACK1\\n" · chunk · chunk · … · table · SHA-256 of the table · count · "IKPEND1\\n"

A row of the table is the chunk's digest (SHA-256, the first 24 bytes) and its two sizes, stored and plain. A chunk is
a zstd frame that states its plain size, or, where that would be no smaller, the plain bytes. A pack is put whole, never
changes, and explains itself: every index is made of such tables and may be lost. This module knows nothing of files.
"""

import hashlib
import struct
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import zstandard

from innkeeper.contracts.blobstore import BlobStore
from innkeeper.node.backups.errors import RepositoryIsDamaged

CHUNK = 16 << 10
"""Bytes of a file in one chunk, its last one excepted: region files of Minecraft change in sectors of 4 KiB."""
DIGEST = 24
PACK_BYTES = 8 << 20
"""A pack is put once it holds so much."""
PREFIX = "packs/"

_BEGIN, _END = b"IKPACK1\n", b"IKPEND1\n"
_ROW = struct.Struct(f"<{DIGEST}sII")
_TAIL = struct.Struct(f"<32sI{len(_END)}s")
_MOST_STORED = CHUNK * 2
_FIRST_LOOK = 64 << 10
_LEVEL = 3

_codecs = threading.local()


class Row(NamedTuple):
    """Where a chunk stands in its pack."""

    digest: bytes
    offset: int
    stored: int
    plain: int


class Frame(NamedTuple):
    """A chunk on its way into a pack."""

    digest: bytes
    data: bytes
    plain: int


def digest_of(chunk: bytes | memoryview) -> bytes:
    """Give the name of a chunk."""
    return hashlib.sha256(chunk).digest()[:DIGEST]


def compress(digest: bytes, chunk: memoryview) -> Frame:
    """Make the form in which a chunk is stored."""
    codec: zstandard.ZstdCompressor | None = getattr(_codecs, "compressor", None)
    if codec is None:
        codec = _codecs.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
    data = codec.compress(chunk)
    return Frame(digest, data if len(data) < len(chunk) else bytes(chunk), len(chunk))


def decompress(row: Row, data: bytes | memoryview) -> bytes:
    """Give the plain chunk; `RepositoryIsDamaged` where it is not the one that the row names."""
    if len(data) != row.stored or not 0 < row.plain <= CHUNK:
        raise RepositoryIsDamaged("A chunk does not have the size that its pack states")
    plain = bytes(data) if row.stored == row.plain else _inflate(data, row.plain)
    if digest_of(plain) != row.digest:
        raise RepositoryIsDamaged("A chunk is not what was stored: its digest differs")
    return plain


def _inflate(data: bytes | memoryview, size: int) -> bytes:
    codec: zstandard.ZstdDecompressor | None = getattr(_codecs, "decompressor", None)
    if codec is None:
        codec = _codecs.decompressor = zstandard.ZstdDecompressor()
    try:
        # The frame states its size, and would be given that much memory: it is believed only if it is the one we know.
        if zstandard.frame_content_size(data) != size:
            raise RepositoryIsDamaged("A chunk does not have the size that its pack states")
        return codec.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise RepositoryIsDamaged("A chunk cannot be decompressed") from error


def seal(frames: Sequence[Frame]) -> tuple[bytes, list[Row]]:
    """Give the pack that holds the frames, and its table."""
    rows = _rows((frame.digest, len(frame.data), frame.plain) for frame in frames)
    table = b"".join(_ROW.pack(row.digest, row.stored, row.plain) for row in rows)
    tail = _TAIL.pack(hashlib.sha256(table).digest(), len(rows), _END)
    return b"".join((_BEGIN, *(frame.data for frame in frames), table, tail)), rows


def _rows(sizes: Iterable[tuple[bytes, int, int]]) -> list[Row]:
    rows, offset = [], len(_BEGIN)
    for digest, stored, plain in sizes:
        rows.append(Row(digest, offset, stored, plain))
        offset += stored
    return rows


def read_table(store: BlobStore, name: str, size: int) -> list[Row]:
    """Give what the pack `name` of `size` bytes holds; `RepositoryIsDamaged` where its table is not to be believed."""
    look = min(size, _FIRST_LOOK)
    end = store.get(name, size - look, look)
    if len(end) != look or look < len(_BEGIN) + _TAIL.size:
        raise RepositoryIsDamaged(f"{name} is cut short")
    digest, count, magic = _TAIL.unpack(end[-_TAIL.size :])
    length = count * _ROW.size
    if magic != _END or len(_BEGIN) + length + _TAIL.size > size:
        raise RepositoryIsDamaged(f"{name} has no table at its end")
    if length + _TAIL.size > look:
        table = store.get(name, size - _TAIL.size - length, length)
    else:
        table = end[look - _TAIL.size - length : look - _TAIL.size]
    if hashlib.sha256(table).digest() != digest:
        raise RepositoryIsDamaged(f"The table of {name} is not what was stored")
    rows = _rows(_ROW.iter_unpack(table))
    stored = sum(row.stored for row in rows)
    if len(_BEGIN) + stored + length + _TAIL.size != size:
        raise RepositoryIsDamaged(f"{name} does not have the size that its table states")
    if any(not 0 < row.plain <= CHUNK or not 0 < row.stored <= _MOST_STORED for row in rows):
        raise RepositoryIsDamaged(f"The table of {name} states impossible sizes")
    return rows
