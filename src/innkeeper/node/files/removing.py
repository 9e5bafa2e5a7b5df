"""Remove a tree of any depth by descriptors, with three of them and no recursion, while a game may be rearranging it.

Nested directories are first renamed up into the top of the tree, so depth never grows: each directory is opened,
emptied and removed from one place. Nothing is reached by a path, and no link is followed. This module knows nothing of
users' paths.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from innkeeper.node.files.opening import change_mode, fresh_name, locate_child

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROUNDS = 64


def remove_tree(parent: int, name: bytes) -> None:
    """Remove the directory `name` in `parent` and all beneath it; raises `OSError`.

    `ENOTEMPTY` means that somebody kept adding to it. What vanishes meanwhile is as good as removed.
    """
    for _ in range(_ROUNDS):
        try:
            with _opened(parent, name) as top:
                _empty(top)
        except NotADirectoryError:
            os.unlink(name, dir_fd=parent)
            return
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError as error:
            if not _is_not_empty(error):
                raise
        else:
            return
    os.rmdir(name, dir_fd=parent)


def _empty(top: int) -> None:
    waiting = _unlink_files(top)
    while waiting:
        name = waiting.pop()
        with suppress(FileNotFoundError):
            try:
                os.rmdir(name, dir_fd=top)
            except NotADirectoryError:
                os.unlink(name, dir_fd=top)
            except OSError as error:
                if not _is_not_empty(error):
                    raise
                with suppress(NotADirectoryError):
                    waiting.extend(_raise_children(top, name))
                with suppress(OSError):
                    # Whoever added to it meanwhile is dealt with in the next round.
                    os.rmdir(name, dir_fd=top)


def _raise_children(top: int, name: bytes) -> Iterator[bytes]:
    """Empty the directory `name` by renaming its directories into `top`; gives their new names."""
    with _opened(top, name) as directory:
        for child in _unlink_files(directory):
            raised = fresh_name("trash")
            with suppress(FileNotFoundError):
                try:
                    os.rename(child, raised, src_dir_fd=directory, dst_dir_fd=top)
                except PermissionError:
                    # Moving a directory rewrites its `..`, for which it must be writable.
                    _unlock(directory, child)
                    os.rename(child, raised, src_dir_fd=directory, dst_dir_fd=top)
                yield raised


def _unlink_files(directory: int) -> list[bytes]:
    """Unlink whatever is no directory; gives the names of the directories."""
    directories: list[bytes] = []
    with os.scandir(directory) as scan:
        for item in scan:
            name = os.fsencode(item.name)
            if item.is_dir(follow_symlinks=False):
                directories.append(name)
                continue
            try:
                os.unlink(name, dir_fd=directory)
            except IsADirectoryError:
                directories.append(name)
            except FileNotFoundError:
                continue
    return directories


@contextmanager
def _opened(parent: int, name: bytes) -> Iterator[int]:
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        _unlock(parent, name)
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unlock(parent: int, name: bytes) -> None:
    """Let ourselves into a directory of ours that the game has closed to its owner."""
    located = locate_child(parent, name)
    try:
        if os.fstat(located).st_mode & 0o170000 == 0o040000:
            change_mode(located, 0o700)
    finally:
        os.close(located)


def _is_not_empty(error: OSError) -> bool:
    # POSIX lets a file system answer EEXIST as well.
    return error.errno in (errno.ENOTEMPTY, errno.EEXIST)
