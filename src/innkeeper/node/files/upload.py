"""A file in the making: written under a hidden name beside its target, then renamed over it, whole.

Until the rename the file is ours alone (mode 0600, our user), so the game can neither read nor change it. It is locked
(`flock`) while it is being written, by which `Jail.sweep` tells it from what a crash has left.
"""

import contextlib
import errno
import fcntl
import os
import stat
from types import TracebackType

from innkeeper.node.files import syscalls
from innkeeper.node.files.errors import IsADirectory, TooLarge, Unsupported, translated
from innkeeper.node.files.opening import fresh_name
from innkeeper.node.files.room import SPARE, UNLIMITED, Room, whole_blocks

_BEHIND = 8 << 20


class Upload:
    """One file being written; made by `Jail.begin_write`. Not to be shared by threads at the same moment."""

    def __init__(
        self,
        parent: int,
        name: bytes,
        path: str,
        *,
        owner: tuple[int, int] | None,
        mode: int | None,
        modified: float | None,
        max_bytes: int | None,
        replace: bool,
        durable: bool,
        room: Room = UNLIMITED,
    ) -> None:
        """Take over the descriptor `parent`, closing it even when this fails."""
        self._parent = parent
        self._name = name
        self._path = path
        self._owner = owner
        self._modified = modified
        self._max_bytes = max_bytes
        self._replace = replace
        self._durable = durable
        self._room = room
        self._written = self._behind = self._taken = 0
        self._replaced = 0
        """Bytes of disk that the file in our place takes, if we are to replace it."""
        self._descriptor = -1
        try:
            with translated(path):
                self._mode = self._choose_mode(mode)
                self._hidden = fresh_name("part")
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                self._descriptor = os.open(self._hidden, flags, 0o600, dir_fd=parent)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.abort()
            raise

    def _choose_mode(self, mode: int | None) -> int:
        try:
            status = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        except FileNotFoundError:
            return 0o644 if mode is None else mode
        if not self._replace:
            raise FileExistsError(errno.EEXIST, "the target exists")
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectory(self._path)
        if stat.S_ISLNK(status.st_mode):
            return 0o644 if mode is None else mode
        if not stat.S_ISREG(status.st_mode):
            raise Unsupported(self._path)
        if status.st_nlink == 1:
            self._replaced = status.st_blocks * 512
        return stat.S_IMODE(status.st_mode) & 0o777 if mode is None else mode

    @property
    def written(self) -> int:
        """Bytes written so far."""
        return self._written

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append; raises `TooLarge` past `max_bytes`, `NoSpace` on a full disk."""
        rest = memoryview(chunk).cast("B")
        if self._max_bytes is not None and self._written + len(rest) > self._max_bytes:
            raise TooLarge(self._path, f"the file is larger than {self._max_bytes} bytes")
        self._take(self._written + len(rest))
        with translated(self._path):
            while rest:
                count = os.write(self._descriptor, rest)
                self._written += count
                rest = rest[count:]
            if self._durable and self._written - self._behind >= _BEHIND:
                # Else all of a large file waits for the end, where the sync would outlast everybody's patience.
                self._behind = self._written
                syscalls.write_behind(self._descriptor, self._written)

    def _take(self, size: int) -> None:
        """Have the file counted as of `size` bytes; raises `NoSpace`."""
        wanted = whole_blocks(size) - min(self._replaced, SPARE) - self._taken
        if wanted > 0:
            self._room.take(wanted, self._path)
            self._taken += wanted

    def commit(self) -> None:
        """Give the file its owner, mode, time and name; with `durable`, it then survives a power cut."""
        with translated(self._path):
            try:
                if self._owner is not None:
                    os.fchown(self._descriptor, *self._owner)
                os.fchmod(self._descriptor, self._mode)
                if self._modified is not None:
                    os.utime(self._descriptor, (self._modified, self._modified))
                if self._durable:
                    os.fsync(self._descriptor)
                rename(self._parent, self._hidden, self._parent, self._name, replace=self._replace)
            except BaseException:
                self.abort()
                raise
            # What was counted for it, less what it has made the folder grow.
            self._room.give_back(self._taken - whole_blocks(self._written) + self._replaced)
            try:
                if self._durable:
                    self._sync_parent()
            finally:
                self._close()

    def _sync_parent(self) -> None:
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._parent)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def abort(self) -> None:
        """Remove what was written; does nothing after `commit` or a second time."""
        if self._parent < 0:
            return
        try:
            if self._descriptor >= 0:
                with translated(self._path), contextlib.suppress(FileNotFoundError):
                    os.unlink(self._hidden, dir_fd=self._parent)
                self._room.give_back(self._taken)
        finally:
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        os.close(self._parent)
        self._descriptor = self._parent = -1

    def __enter__(self) -> "Upload":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def rename(source_directory: int, source: bytes, directory: int, name: bytes, *, replace: bool) -> None:
    """Rename between two directory descriptors; without `replace`, `FileExistsError` where the new name is taken.

    Where the kernel or file system cannot refuse by itself, a look comes before; what appears between is replaced.
    """
    if replace:
        os.rename(source, name, src_dir_fd=source_directory, dst_dir_fd=directory)
        return
    try:
        syscalls.renameat2(source_directory, source, directory, name, syscalls.RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
    else:
        return
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, name, src_dir_fd=source_directory, dst_dir_fd=directory)
        return
    raise FileExistsError(errno.EEXIST, "the new name is taken")
