"""Walk a tree of any depth by descriptors, while it may be changing, with few descriptors and no recursion.

The upper levels keep their descriptors. Below them only the current level has one; the way back up is `..`, believed
only if it is the very directory (device and inode) that the walk came down from. A directory that was moved meanwhile
is therefore left, never followed to where it went. This module knows nothing of users' paths.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import structlog

from innkeeper.node.files.entries import Entry, entry_of
from innkeeper.node.files.errors import translated
from innkeeper.node.files.names import show
from innkeeper.node.files.opening import is_hidden, locate_child, open_file

_ANCHORS = 32
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Visit:
    """One name met; `directory` is the descriptor of the folder it is in, good until the walk goes on."""

    folder: list[str]
    directory: int
    item: os.DirEntry[str]
    pruned: bool = False
    """Set by whoever does not want to go into it."""

    def status(self) -> os.stat_result | None:
        """Give the `lstat`, or None where the name is gone."""
        try:
            return self.item.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None


@dataclass(slots=True)
class _Level:
    descriptor: int
    identity: tuple[int, int]
    scanned: bool = False
    children: list[str] = field(default_factory=list)


def _enter(name: str, parent: int) -> _Level | None:
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        _log.debug("files.walk.skipped", name=name, error=str(error))
        return None
    return _level(descriptor)


def _level(descriptor: int) -> _Level:
    status = os.fstat(descriptor)
    return _Level(descriptor, (status.st_dev, status.st_ino))


def _climb(child: int, identity: tuple[int, int]) -> int:
    """Give the descriptor of the child's parent, or -1 where that is no longer the directory it was."""
    try:
        descriptor = os.open(b"..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=child)
    except OSError as error:
        _log.debug("files.walk.lost", error=str(error))
        return -1
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) == identity:
        return descriptor
    os.close(descriptor)
    _log.debug("files.walk.moved")
    return -1


def visit(
    top: int, max_depth: int | None = None, *, hidden: bool = True, missed: Callable[[list[str]], None] | None = None
) -> Iterator[Visit]:
    """Give every name beneath the directory `top` (a located descriptor, left open), a folder before its content.

    Names directly in `top` have depth 1; nothing deeper than `max_depth` is met. What vanishes or may not be read is
    passed over; so, without `hidden`, are our own unfinished things. Raises `OSError` for `top` itself alone.
    `missed` is told each folder that is there and was not gone into for all that, or not to its end.
    """
    chain = [_level(os.open(b".", _DIRECTORY, dir_fd=top))]
    names: list[str] = []
    try:
        while chain:
            level = chain[-1]
            if not level.scanned:
                level.scanned = True
                deeper = max_depth is None or len(chain) < max_depth
                with os.scandir(level.descriptor) as scan:
                    for item in scan:
                        if not hidden and is_hidden(item.name):
                            continue
                        place = Visit(names, level.descriptor, item)
                        yield place
                        if deeper and not place.pruned and item.is_dir(follow_symlinks=False):
                            level.children.append(item.name)
            if not level.children:
                _leave(chain, names, missed)
                continue
            name = level.children.pop()
            child = _enter(name, level.descriptor)
            if child is None:
                if missed is not None and _is_there(name, level.descriptor):
                    missed([*names, name])
            else:
                if len(chain) > _ANCHORS:
                    os.close(level.descriptor)
                    level.descriptor = -1
                chain.append(child)
                names.append(name)
    finally:
        for level in chain:
            if level.descriptor >= 0:
                os.close(level.descriptor)


def _is_there(name: str, parent: int) -> bool:
    """Whether it is still a folder."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _leave(chain: list[_Level], names: list[str], missed: Callable[[list[str]], None] | None) -> None:
    """Drop the finished level, and those above it that cannot be found again."""
    left = chain.pop()
    if names:
        names.pop()
    if chain and chain[-1].descriptor < 0:
        chain[-1].descriptor = _climb(left.descriptor, chain[-1].identity)
    os.close(left.descriptor)
    while chain and chain[-1].descriptor < 0:
        if missed is not None and chain[-1].children:
            missed([*names])
        chain.pop()
        names.pop()


class Found:
    """One thing met by `Jail.walk`; `open` and `link_target` work until the walk goes on."""

    __slots__ = ("_place", "_trusted", "entry", "path")

    def __init__(self, path: str, entry: Entry, place: Visit, trusted: int) -> None:
        self.path = path
        self.entry = entry
        self._place = place
        self._trusted = trusted

    @property
    def kind(self) -> str:
        """One of `file`, `directory`, `link`, `other`."""
        return self.entry.kind.value

    @property
    def mode(self) -> int:
        """The permission bits."""
        return self.entry.mode

    @property
    def size(self) -> int:
        """Bytes, of a file."""
        return self.entry.size

    def open(self) -> BinaryIO:
        """Open the file for reading, unbuffered; the caller closes it. Links are not followed."""
        with translated(self.path):
            located = locate_child(self._place.directory, self._place.item.name)
            try:
                descriptor = open_file(located, self._trusted, self.path)
            finally:
                os.close(located)
        return open(descriptor, "rb", buffering=0)

    def link_target(self) -> str:
        """Give the text of the link, shown as names are."""
        with translated(self.path):
            return show(os.fsencode(os.readlink(self._place.item.name, dir_fd=self._place.directory)))


def find(top: int, max_depth: int | None, trusted: int, path: str) -> Iterator[Found]:
    """Give every name beneath `top` as users see it; `path` is what errors call `top`."""
    with translated(path):
        for place in visit(top, max_depth, hidden=False):
            status = place.status()
            if status is None:
                continue
            name = show(os.fsencode(place.item.name))
            above = show(os.fsencode("/".join(place.folder)))
            yield Found(f"{above}/{name}" if above else name, entry_of(name, status), place, trusted)


def disk_use(top: int, path: str) -> int:
    """Give the bytes allocated on disk beneath and including `top`, a file of several names counted once."""
    with translated(path):
        total = os.fstat(top).st_blocks
        seen: set[tuple[int, int]] = set()
        for place in visit(top):
            status = place.status()
            if status is None:
                continue
            if status.st_nlink > 1 and not place.item.is_dir(follow_symlinks=False):
                identity = (status.st_dev, status.st_ino)
                if identity in seen:
                    continue
                seen.add(identity)
            total += status.st_blocks
        return total * 512
