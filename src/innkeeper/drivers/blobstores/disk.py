"""Blobs as files beneath one directory of this host, each written beside its place and renamed into it.

Files have mode 0600 and directories 0700, so that no game can read another's backups. What a crash has left unfinished
lies in the directory `unfinished`, locked (`flock`) as long as its writer lives. This module knows nothing of what the
blobs hold.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStoreError, BlobStoreFailed, check_blob_name

_UNFINISHED = "unfinished"
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_GULP = 8 << 20

_log = structlog.get_logger(__name__)


class DiskBlobStore:
    """See `contracts.blobstore`."""

    def __init__(self, root: Path) -> None:
        """Keep blobs beneath the absolute path `root`, which is made with the first blob."""
        self._root = root

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """See `BlobStore.put`."""
        target = self._path(name)
        with _translated(name):
            folder = self._root / _UNFINISHED
            made = [*_make_directories(folder), *_make_directories(target.parent)]
            hidden, descriptor = _begin(folder)
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
                hidden.rename(target)
            except BaseException:
                with suppress(FileNotFoundError):
                    hidden.unlink()
                raise
            finally:
                os.close(descriptor)
            for directory in {target.parent, *made}:
                _sync(directory)

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """See `BlobStore.get`."""
        with _translated(name):
            descriptor = os.open(self._path(name), _READ)
            try:
                left = max(os.fstat(descriptor).st_size - start, 0)
                left = left if size is None else min(left, size)
                pieces = []
                while left > 0 and (piece := os.pread(descriptor, min(left, _GULP), start)):
                    pieces.append(piece)
                    start += len(piece)
                    left -= len(piece)
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            finally:
                os.close(descriptor)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See `BlobStore.list`."""
        check_blob_name(prefix.removesuffix("/"))
        with _translated(prefix):
            waiting = [prefix.removesuffix("/")]
            while waiting:
                folder = waiting.pop()
                try:
                    found = list(os.scandir(self._root / folder))
                except FileNotFoundError:
                    continue
                for item in found:
                    with suppress(FileNotFoundError):
                        status = item.stat(follow_symlinks=False)
                        if stat.S_ISDIR(status.st_mode):
                            waiting.append(f"{folder}/{item.name}")
                        elif stat.S_ISREG(status.st_mode):
                            yield f"{folder}/{item.name}", status.st_size

    def delete(self, name: str) -> None:
        """See `BlobStore.delete`."""
        path = self._path(name)
        with _translated(name), suppress(FileNotFoundError):
            path.unlink()
            _sync(path.parent)

    def tidy(self) -> None:
        """See `BlobStore.tidy`."""
        with _translated(_UNFINISHED), suppress(FileNotFoundError):
            for path in list((self._root / _UNFINISHED).iterdir()):
                with suppress(FileNotFoundError, BlockingIOError):
                    descriptor = os.open(path, _READ)
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()
                    finally:
                        os.close(descriptor)
                    _log.info("blobs.unfinished.removed", path=str(path))

    def describe(self) -> str:
        """See `BlobStore.describe`."""
        return f"the directory {self._root}"

    def _path(self, name: str) -> Path:
        check_blob_name(name)
        if name.split("/", 1)[0] == _UNFINISHED:
            raise ValueError(f"{name!r} is no name of a blob")
        return self._root / name


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except BlobStoreError:
        raise
    except FileNotFoundError as error:
        raise BlobIsMissing(name) from error
    except OSError as error:
        raise BlobStoreFailed(f"The directory of blobs failed at {name!r}: {error.strerror or error}") from error


def _make_directories(path: Path) -> list[Path]:
    """Make a directory and those missing above it; give the directories whose content has changed by that."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        each.mkdir(0o700, exist_ok=True)
    return [each.parent for each in missing]


def _begin(folder: Path) -> tuple[Path, int]:
    """Make a new file in `folder`, locked; give its path and a descriptor to write to."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, _WRITE, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        # Somebody tidied up between the two steps.
        os.close(descriptor)


def _write(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
