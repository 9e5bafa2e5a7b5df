"""Hidden folders to prepare things in, moving what was prepared to its place, and clearing up after a crash.

A stage is locked (`flock`) while it is in use, by which `sweep` tells it from a left-over. This module knows nothing
of archives.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Protocol

import structlog

from innkeeper.node.files import walking
from innkeeper.node.files.errors import IsADirectory, NotADirectory, translated
from innkeeper.node.files.names import parse, show
from innkeeper.node.files.opening import fresh_name, is_hidden, listed, locate_child
from innkeeper.node.files.removing import remove_tree
from innkeeper.node.files.resolve import Resolver
from innkeeper.node.files.room import Room

_log = structlog.get_logger(__name__)


class _Folder(Protocol):
    def make_directory(self, path: str, *, parents: bool = False) -> None: ...


class Stage:
    """A hidden folder, made by `Jail.stage`; close it, or leave its context, to remove it with all it still holds."""

    def __init__(self, folder: _Folder, root: int, resolver: Resolver, room: Room) -> None:
        """Take over the descriptor `root`, closing it even when this fails."""
        self._folder = folder
        self._root = root
        self._resolver = resolver
        self._room = room
        self._name = fresh_name("stage")
        self._lock = -1
        try:
            # It keeps our user and is closed to others, so that the game cannot meddle with what is in it.
            os.mkdir(self._name, 0o700, dir_fd=root)
            self._lock = os.open(self._name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """The path of the hidden folder, for the verbs of the jail."""
        return show(self._name)

    def merge(self, source: str, into: str) -> None:
        """Move everything in the folder `source` of the stage into the folder `into`, which is made if missing.

        `source` is a path of the jail. Files and links replace what is there, folders merge. A folder where a file
        stands raises `NotADirectory`, a file where a folder stands `IsADirectory`, before anything has moved.
        """
        self._folder.make_directory(into, parents=True)
        moves = list(self._plan(parse(source), parse(into), into))
        for above, name, target in moves:
            with (
                translated(into),
                self._directory(above, follow=False) as source_directory,
                self._directory(target, follow=True) as directory,
            ):
                os.rename(name, name, src_dir_fd=source_directory, dst_dir_fd=directory)

    def _plan(
        self, source: tuple[bytes, ...], target: tuple[bytes, ...], into: str
    ) -> Iterator[tuple[tuple[bytes, ...], bytes, tuple[bytes, ...]]]:
        waiting = [(source, target)]
        while waiting:
            above, below = waiting.pop()
            with (
                translated(into),
                self._directory(above, follow=False) as source_directory,
                self._directory(below, follow=True) as directory,
                listed(source_directory) as scan,
            ):
                for item in scan:
                    name = os.fsencode(item.name)
                    staged_is_folder = item.is_dir(follow_symlinks=False)
                    try:
                        standing = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    except FileNotFoundError:
                        yield above, name, below
                        continue
                    if staged_is_folder and stat.S_ISDIR(standing.st_mode):
                        waiting.append(((*above, name), (*below, name)))
                    elif staged_is_folder:
                        raise NotADirectory(show(b"/".join((*below, name))))
                    elif stat.S_ISDIR(standing.st_mode):
                        raise IsADirectory(show(b"/".join((*below, name))))
                    else:
                        yield above, name, below

    @contextmanager
    def _directory(self, parts: tuple[bytes, ...], *, follow: bool) -> Iterator[int]:
        located = self._resolver.locate(self._root, parts, follow=follow)
        try:
            yield located
        finally:
            os.close(located)

    def close(self) -> None:
        """Remove the folder and what is still in it; does nothing the second time."""
        if self._root < 0:
            return
        try:
            if self._lock >= 0:
                with translated(""), suppress(FileNotFoundError):
                    remove_tree(self._root, self._name)
        finally:
            if self._lock >= 0:
                os.close(self._lock)
            os.close(self._root)
            self._root = self._lock = -1
            self._room.lessened()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sweep(root: int) -> int:
    """Remove every hidden left-over beneath the located root that nobody holds locked; gives how many.

    Raises `OSError` where the root cannot be read; what cannot be removed is left for the next time.
    """
    removed = 0
    for place in walking.visit(root):
        if not is_hidden(place.item.name) or any(is_hidden(name) for name in place.folder):
            continue
        try:
            removed += _sweep_one(place.directory, os.fsencode(place.item.name))
        except BlockingIOError:
            continue
        except OSError as error:
            _log.warning("files.sweep.failed", name=place.item.name, error=str(error))
    return removed


def _sweep_one(directory: int, name: bytes) -> bool:
    located = locate_child(directory, name)
    try:
        mode = os.fstat(located).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=directory)
            return True
        held = os.open(f"/proc/self/fd/{located}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(located)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(mode):
            remove_tree(directory, name)
        else:
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(held)
    return True
