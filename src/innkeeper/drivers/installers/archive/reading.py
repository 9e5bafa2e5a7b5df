"""Read archives of untrusted origin: zip, and tar plain or compressed, told apart by their first bytes.

Nothing here believes a size that it is told, or reads a whole anything into memory. Refuses to know what becomes of
the members.
"""

import bz2
import calendar
import io
import lzma
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import zstandard

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.installers.archive.limits import Budget
from innkeeper.drivers.installers.archive.members import MAX_TARGET_BYTES, Member, MemberKind, checked_parts

_CHUNK = 256 << 10
_MAX_HEADER_BYTES = 1 << 20
_MAX_DECODER_MEMORY = 256 << 20
_MAX_READ = 64 << 20
_MAX_EMPTY_STREAMS = 1000
"""In a row: each costs as much as a chunk, and gives nothing."""
_ZIP_ENTRY = b"PK\x01\x02"
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_TAR_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# What the libraries raise on bad input, beyond their own errors, from struct, codecs and unknown features.
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    IndexError,
    OverflowError,
    RuntimeError,
    struct.error,
)


def members(file: BinaryIO, size: int, budget: Budget) -> Generator[Member, None, None]:
    """Give what is in the archive, in its order; each file's chunks must be read before the next member is asked for.

    `file` is seekable and stands at its beginning; `size` is its size. Raises `InstallFailed` for what is no archive,
    is broken, encrypted or bigger than the budget, and for members that are neither file, folder nor symbolic link.
    """
    head = file.read(512)
    file.seek(0)
    with _broken_said_plainly():
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _zip_members(file, size, budget)
        else:
            yield from _tar_members(_decompressed(file, head, budget), budget)


@contextmanager
def _broken_said_plainly() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InstallFailed(f"The archive is broken: {error}") from error


def _decompressed(file: BinaryIO, head: bytes, budget: Budget) -> io.RawIOBase | BinaryIO:
    if head.startswith(b"\x1f\x8b"):
        return _Inflated(file, _GzipDecoder, budget)
    if head.startswith(b"BZh"):
        return _Inflated(file, bz2.BZ2Decompressor, budget)
    if head.startswith(b"\xfd7zXZ\x00"):
        return _Inflated(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_DECODER_MEMORY), budget)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_DECODER_MEMORY)
        return decoder.stream_reader(file, read_across_frames=True, closefd=False)
    if head[257:262] == b"ustar" or _looks_like_old_tar(head):
        return file
    for signature, name in ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "rar")):
        if head.startswith(signature):
            raise InstallFailed(f"Archives of the kind {name} are not supported; use zip or tar")
    raise InstallFailed("This is no archive of a known kind (zip, tar, tar.gz, tar.bz2, tar.xz, tar.zst)")


def _looks_like_old_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _Bounded(Protocol):
    """A decoder that gives at most so much at a time, and says what it wants next."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecoder:
    """zlib's decoder with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Inflated(io.RawIOBase):
    """The decompressed content of a file, streams in a row joined, as gzip, bzip2 and xz allow."""

    def __init__(self, file: BinaryIO, start: Callable[[], "_Bounded"], budget: Budget) -> None:
        self._file = file
        self._start = start
        self._budget = budget
        self._decoder = start()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = _CHUNK if size < 0 else size
        data, empty = b"", 0
        while True:
            self._budget.check()
            if self._decoder.eof:
                empty += 1
                if empty > _MAX_EMPTY_STREAMS:
                    raise InstallFailed("The archive is broken: it is made of streams that hold nothing")
                # What follows the last stream, as padding often does, is not ours.
                data = self._decoder.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not data:
                    return b""
                self._decoder = self._start()
            elif self._decoder.needs_input:
                data = self._file.read(_CHUNK)
                if not data:
                    raise EOFError("it ends too early")
            piece = self._decoder.decompress(data, size)
            data = b""
            if piece:
                return piece


class _Metered(io.RawIOBase):
    """The bytes of a tar on their way to `tarfile`, which trusts every size it reads: it gets no more than allowed."""

    def __init__(self, file: io.RawIOBase | BinaryIO, budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self._allowed = 0

    def allow(self, content: int) -> None:
        """Let `content` bytes pass, and a header."""
        self._allowed = content + _MAX_HEADER_BYTES + 2 * _CHUNK

    def read(self, size: int = -1) -> bytes:
        """Give up to `size` bytes, fewer only at the end."""
        size = _CHUNK if size < 0 else size
        pieces: list[bytes] = []
        while size > 0:
            piece = self._file.read(size)
            if not piece:
                break
            self._allowed -= len(piece)
            if self._allowed < 0:
                raise InstallFailed("The archive is broken: a header is too large")
            self._budget.unpacked(len(piece))
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


class _TarInfo(tarfile.TarInfo):
    """A header that refuses, before `tarfile` acts on it, what would cost memory or time."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_TarInfo":
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):
                raise
            # Anything but zeros is not the end, for which `tarfile` would take it.
            raise InstallFailed(f"The archive is broken: {error}") from error
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise InstallFailed("The archive holds a sparse file, which is not supported")
        if info.type in _TAR_HEADER_TYPES and info.size > _MAX_HEADER_BYTES:
            raise InstallFailed("The archive is broken: a header is too large")
        return info


def _tar_members(content: io.RawIOBase | BinaryIO, budget: Budget) -> Iterator[Member]:
    metered = _Metered(content, budget)
    metered.allow(0)
    with tarfile.open(
        fileobj=metered, mode="r|", bufsize=_CHUNK, tarinfo=_TarInfo, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        while (info := archive.next()) is not None:
            # `tarfile` would keep every header for random access, which a stream does not have.
            archive.members.clear()  # type: ignore[attr-defined]
            parts = checked_parts(info.name)
            budget.entry(len(parts), info.size, info.name)
            metered.allow(info.size)
            if info.sparse is not None:
                raise InstallFailed(f"The archive holds a sparse file, which is not supported: {info.name!r}")
            modified = _sane_time(info.mtime)
            if info.isdir():
                member = Member(parts, MemberKind.DIRECTORY, iter(()))
            elif info.isreg():
                chunks = _tar_chunks(archive, info)
                member = Member(parts, MemberKind.FILE, chunks, info.size, bool(info.mode & stat.S_IXUSR), modified)
            elif info.issym():
                budget.link()
                member = Member(parts, MemberKind.LINK, iter(()), target=info.linkname)
            else:
                kind = "a hard link" if info.islnk() else "a device or pipe"
                raise InstallFailed(f"The archive holds {kind}, which is refused: {info.name!r}")
            yield from _unless_root(member, info.name)


def _tar_chunks(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    reader = archive.extractfile(info)
    if reader is None:
        return
    with _broken_said_plainly(), reader:
        while chunk := reader.read(_CHUNK):
            yield chunk


class _Guarded:
    """The file under a zip: `zipfile` reads its whole table at once, which is refused where it would be too large.

    So is one of more than `entries`, until that is None: what is made of an entry takes many times its bytes.
    """

    def __init__(self, file: BinaryIO, size: int, most: int, entries: int) -> None:
        self._file = file
        self._size = size
        self._most = most
        self.entries: int | None = entries

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._file.tell() if size < 0 else size
        if wanted > self._most:
            raise InstallFailed("The archive's table of contents is too large")
        data = self._file.read(max(wanted, 0))
        if self.entries is not None and data.count(_ZIP_ENTRY) > self.entries:
            raise InstallFailed(f"The archive holds more than {self.entries} files and folders")
        return data


def _zip_members(file: BinaryIO, size: int, budget: Budget) -> Iterator[Member]:
    most = min(_MAX_READ, (1 << 20) + budget.limits.max_entries * 256)
    guarded = _Guarded(file, size, most, budget.limits.max_entries)
    with zipfile.ZipFile(guarded) as archive:
        guarded.entries = None
        if len(archive.filelist) > budget.limits.max_entries:
            raise InstallFailed(f"The archive holds more than {budget.limits.max_entries} files and folders")
        if sum(info.file_size for info in archive.filelist) > budget.limits.max_total_bytes:
            raise InstallFailed(f"The archive holds more than {budget.limits.max_total_bytes} bytes")
        for info in archive.filelist:
            yield from _zip_member(archive, info, budget)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Iterator[Member]:
    # Old programs on Windows part folders by backslashes.
    name = info.filename.replace("\\", "/") if info.create_system == 0 else info.filename
    parts = checked_parts(name)
    budget.entry(len(parts), info.file_size, name)
    if info.flag_bits & 0x1:
        raise InstallFailed(f"The archive is encrypted: {name!r}")
    if info.compress_type not in _ZIP_METHODS:
        raise InstallFailed(f"{name!r} in the archive is compressed in a way that is not supported")
    mode = info.external_attr >> 16 if info.create_system == 3 else 0
    kind = stat.S_IFMT(mode)
    chunks = _zip_chunks(archive, info, budget)
    if name.endswith("/") or kind == stat.S_IFDIR:
        member = Member(parts, MemberKind.DIRECTORY, iter(()))
    elif kind == stat.S_IFLNK:
        budget.link()
        if info.file_size > MAX_TARGET_BYTES:
            raise InstallFailed(f"The archive holds a link with too long a target: {name!r}")
        target = b"".join(chunks).decode("utf-8", "surrogateescape")
        member = Member(parts, MemberKind.LINK, iter(()), target=target)
    elif kind in (0, stat.S_IFREG):
        executable = bool(mode & stat.S_IXUSR)
        member = Member(parts, MemberKind.FILE, chunks, info.file_size, executable, _zip_time(info))
    else:
        raise InstallFailed(f"The archive holds a device or pipe, which is refused: {name!r}")
    yield from _unless_root(member, name)


def _zip_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Iterator[bytes]:
    with _broken_said_plainly(), archive.open(info) as reader:
        while chunk := reader.read(_CHUNK):
            budget.unpacked(len(chunk))
            yield chunk


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    # Zip keeps local time without saying where: UTC is as good as any.
    try:
        return _sane_time(calendar.timegm((*info.date_time, 0, 0, 0)))
    except (ValueError, OverflowError):
        return None


def _sane_time(seconds: float) -> float | None:
    return float(seconds) if 0 <= seconds < 1 << 33 else None


def _unless_root(member: Member, name: str) -> Iterator[Member]:
    if member.parts:
        yield member
    elif member.kind is not MemberKind.DIRECTORY:
        raise InstallFailed(f"The archive holds a file without a name: {posixpath.basename(name)!r}")
