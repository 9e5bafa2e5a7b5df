"""Give a snapshot, or a part of it, as one archive, piece by piece, in bounded memory.

A tar file (PAX) holds everything exactly: names of any bytes, modes, times to the nanosecond, links of both kinds. A
zip file holds what zip can: names as users see them, times to two seconds and none before 1980, symbolic links as Unix
does it, and a file of several names once for each. Members are named from the folder on in which what was asked for
lies. This module knows nothing of packs.
"""

import io
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import IO, Literal, Protocol

import zstandard

from innkeeper.node.backups.errors import RepositoryIsDamaged
from innkeeper.node.backups.packs import CHUNK
from innkeeper.node.backups.reading import Chunk, Damage, Reader
from innkeeper.node.backups.trees import Node, plain_size
from innkeeper.node.files.names import show

Form = Literal["tar.gz", "tar.zst", "zip"]
_GZIP_LEVEL = 5
_ZSTD_LEVEL = 3
_GZIP = 16 + zlib.MAX_WBITS
_BLOCK = 512
_RECORD = 10240
_OUT = 256 << 10
_ZEROS = bytes(CHUNK)
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_END = (2107, 12, 31, 23, 59, 58)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def stream(reader: Reader, nodes: Sequence[Node], above: bytes, form: Form) -> Iterator[bytes]:
    """Give the archive of the nodes; `above` is the folder from which on they are named.

    Raises `RepositoryIsDamaged` and `BlobStoreError`, on which what was given so far is no archive.
    """
    cut = len(above) + 1 if above else 0
    if form == "zip":
        yield from _gathered(_zip(reader, nodes, cut))
        return
    compressor: _Compressor
    if form == "tar.gz":
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    else:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    yield from _gathered(_compressed(_gathered(_tar(reader, nodes, cut)), compressor))


def _compressed(pieces: Iterator[bytes], compressor: _Compressor) -> Iterator[bytes]:
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Give the same bytes in pieces that are worth the handling."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _OUT:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _contents(reader: Reader, nodes: Sequence[Node]) -> Iterator[Node | bytes]:
    """Give each node, and after a file all its bytes, holes as zeros."""

    def wanted() -> Iterator[Chunk | int | Node]:
        for node in nodes:
            yield node
            for run in node.runs:
                for number, digest in enumerate(run, run.first):
                    yield number
                    yield Chunk(digest)

    file: Node | None = None
    at = number = 0
    given: Generator[bytes | Damage | int | Node, None, None] = reader.read(wanted())
    with closing(given) as elements:
        for element in elements:
            if isinstance(element, Node):
                if file is not None:
                    yield from _hole(file.size - at)
                file, at = (element if element.kind == "f" else None), 0
                yield element
            elif isinstance(element, int):
                number = element
                yield from _hole(number * CHUNK - at)
                at = number * CHUNK
            elif isinstance(element, Damage):
                raise RepositoryIsDamaged(f"{element.reason}, of {file.shown if file else ''!r}")
            elif file is None or len(element) != plain_size(file, number):
                raise RepositoryIsDamaged("A chunk does not have the size that its file needs")
            else:
                at += len(element)
                yield element
        if file is not None:
            yield from _hole(file.size - at)


def _hole(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _ZEROS if size >= CHUNK else _ZEROS[:size]
        size -= CHUNK


def _tar(reader: Reader, nodes: Sequence[Node], cut: int) -> Iterator[bytes]:
    whole = padding = 0
    for element in _contents(reader, nodes):
        if isinstance(element, bytes):
            whole += len(element)
            yield element
            continue
        yield bytes(padding)
        header = _tar_header(element, cut)
        padding = -element.size % _BLOCK if element.kind == "f" else 0
        whole += len(header) + padding
        yield header
    yield bytes(padding)
    yield bytes(2 * _BLOCK + -(whole + 2 * _BLOCK) % _RECORD)


def _tar_header(node: Node, cut: int) -> bytes:
    member = tarfile.TarInfo(_native(node.path[cut:]))
    member.mode = node.mode if node.kind != "l" else 0o777
    member.mtime = node.mtime_ns // 1_000_000_000
    if node.mtime_ns % 1_000_000_000:
        sign, (seconds, rest) = ("-" if node.mtime_ns < 0 else ""), divmod(abs(node.mtime_ns), 1_000_000_000)
        member.pax_headers = {"mtime": f"{sign}{seconds}.{rest:09}"}
    if node.kind == "d":
        member.type = tarfile.DIRTYPE
    elif node.kind == "l":
        member.type, member.linkname = tarfile.SYMTYPE, _native(node.target)
    elif node.kind == "h":
        member.type, member.linkname = tarfile.LNKTYPE, _native(node.target[cut:])
    else:
        member.size = node.size
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _native(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Drain(io.RawIOBase):
    """What `zipfile` writes, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # of any buffer
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _zip(reader: Reader, nodes: Sequence[Node], cut: int) -> Iterator[bytes]:
    files = {node.path: node for node in nodes if node.kind == "f"}
    # Each name of a file with its content, for zip knows no hard links.
    nodes = [_repeated(node, files) if node.kind == "h" else node for node in nodes]
    drain = _Drain()
    member: IO[bytes] | None = None
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, compresslevel=_GZIP_LEVEL) as archive:
        for element in _contents(reader, nodes):
            if isinstance(element, bytes):
                if member is not None:
                    member.write(element)
            else:
                if member is not None:
                    member.close()
                    member = None
                info = _zip_member(element, cut)
                if element.kind == "f":
                    info.file_size = element.size
                    member = archive.open(info, "w")
                else:
                    archive.writestr(info, element.target if element.kind == "l" else b"")
            yield drain.take()
        if member is not None:
            member.close()
    yield drain.take()


def _repeated(node: Node, files: dict[bytes, Node]) -> Node:
    file = files[node.target]
    return Node(node.path, "f", file.mode, file.mtime_ns, file.size, file.runs)


def _zip_member(node: Node, cut: int) -> zipfile.ZipInfo:
    try:
        moment = time.gmtime(node.mtime_ns // 1_000_000_000)[:6]
    except (OverflowError, ValueError, OSError):
        moment = _ZIP_EPOCH
    name = show(node.path[cut:])
    info = zipfile.ZipInfo(name + "/" if node.kind == "d" else name, min(max(moment, _ZIP_EPOCH), _ZIP_END))
    kind = {"d": stat.S_IFDIR, "l": stat.S_IFLNK}.get(node.kind, stat.S_IFREG)
    info.external_attr = (kind | (node.mode if node.kind != "l" else 0o777)) << 16 | (0x10 if node.kind == "d" else 0)
    info.compress_type = zipfile.ZIP_DEFLATED if node.kind == "f" else zipfile.ZIP_STORED
    info.create_system = 3
    return info
