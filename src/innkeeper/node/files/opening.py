"""Open what has been located, having looked at it first, so that no pipe waits and no device wakes.

The steps below take `O_PATH` descriptors, check the inode they hold, and open that very inode through
`/proc/self/fd`: between check and use there is no name that could be swapped. This module knows nothing of paths.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from innkeeper.node.files.errors import IsADirectory, NotPermitted, Unsupported
from innkeeper.node.files.names import show

_HIDDEN = re.compile(r"\.innkeeper\.[0-9a-f]{32}\.(part|stage|trash)")


def fresh_name(purpose: str) -> bytes:
    """Make a hidden name nobody can guess; `purpose` is `part`, `stage` or `trash`."""
    return f".innkeeper.{secrets.token_hex(16)}.{purpose}".encode()


def is_hidden(name: str) -> bool:
    """Tell whether the name is one of ours for unfinished things."""
    return name.startswith(".innkeeper.") and _HIDDEN.fullmatch(name) is not None


def locate_child(directory: int, name: bytes | str) -> int:
    """Give an `O_PATH` descriptor of the name itself, links not followed."""
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


@contextmanager
def listed(located: int) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Scan a located directory; `NotADirectoryError` where it is something else."""
    directory = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=located)
    try:
        with os.scandir(directory) as scan:
            yield scan
    finally:
        os.close(directory)


def check_plain_file(status: os.stat_result, trusted: int, path: str) -> None:
    """Refuse what is no regular file, and the hard link to a file that is not the game's own.

    Where the kernel does not protect hard links, a game can link to a file it may not read and ask us to read it. A
    file with several names is therefore touched only if it belongs to the user `trusted`, who could do so itself.
    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectory(path)
    if not stat.S_ISREG(status.st_mode):
        raise Unsupported(path)
    if status.st_nlink > 1 and status.st_uid != trusted:
        raise NotPermitted(path, "this is a second name of a file that does not belong to the server")


def open_file(located: int, trusted: int, path: str) -> int:
    """Open a located regular file for reading, without waiting for leases."""
    check_plain_file(os.fstat(located), trusted, path)
    return os.open(f"/proc/self/fd/{located}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def change_mode(located: int, mode: int) -> None:
    """Change the permission bits of the located file or directory; it must be no link."""
    os.chmod(f"/proc/self/fd/{located}", mode)


def make_owned_directory(parent: int, name: bytes, owner: tuple[int, int] | None) -> None:
    """Make a directory and give it to `owner`, by descriptor; `FileExistsError` where the name is taken.

    It is born closed and ours, so that what is opened afterwards is checked to be it or as harmless.
    """
    os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise OSError(errno.EBUSY, "the new directory was swapped", show(name))
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, 0o755)
    finally:
        os.close(descriptor)
