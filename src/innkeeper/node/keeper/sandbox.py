"""Show a game only its own part of the file system, at unchanged absolute paths.

Runs in the game's process before it becomes the game's user. A private mount name space in which each folder to be
hidden, and each folder that the user may not enter on the way to what it must see, lies under an empty one; in these
the ways to the visible paths are made anew, and the visible paths are mounted at their own places. There its user has a
name, too: programs without one do without what goes by it (a Java virtual machine without its counters). Of processes
it sees its own user's: what others were started with may hold their secrets.

Refuses to know which folders those are, and why. Standard library only, and cheap to import.
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH103, PTH112, PTH115, PTH116, PTH118, PTH120, PTH123, PTH211
from __future__ import annotations

import codecs
import errno
import os
import stat

from innkeeper.node.keeper import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COVER_OPTIONS = "mode=0755,size=1m,nr_inodes=4096"
MAX_LINKS = 40
USERS = "/etc/passwd"
MAX_USERS_BYTES = 1 << 20
HIDEAWAY = "/tmp"  # noqa: S108 - covered for a moment, in the game's own name space alone

codecs.lookup("unicode_escape")  # now: once folders are hidden, Python's own library may be among them


class SandboxRefused(OSError):
    """The game cannot be shown what it must see; `strerror` says why, for people."""


class _Way:
    """How a path is reached: the folders passed, the links followed, and where it ends."""

    def __init__(self, path: str) -> None:
        self.folders: list[str] = []
        self.links: list[tuple[str, str]] = []
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        at = "/"
        while todo:
            part = todo.pop()
            if part == "..":
                at = os.path.dirname(at)
                continue
            if at not in self.folders:
                self.folders.append(at)
            step = os.path.join(at, part)
            if not stat.S_ISLNK(os.lstat(step).st_mode):
                at = step
                continue
            target = os.readlink(step)
            self.links.append((step, target))
            if len(self.links) > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            todo += [more for more in reversed(target.split("/")) if more not in ("", ".")]
            if target.startswith("/"):
                at = "/"
        self.end = at


def enter(isolation: dict[str, Any], uid: int | None, gid: int | None, note: Callable[[str], None]) -> None:
    """Give this process its own view of the file system.

    `isolation`: {"visible": [[path, "rw" | "ro"], ...], "hide": [path, ...], "user": a line of /etc/passwd, or None}.
    Where the kernel refuses, go on without if the user can reach everything anyway, and `note` it. Raises
    SandboxRefused and OSError.
    """
    visible = [(_way(path), mode) for path, mode in isolation["visible"]]
    hidden = {_Way(path).end for path in isolation["hide"] if os.path.isdir(path)}
    barriers = {barrier for way, _ in visible if (barrier := _barrier(way, uid, gid))}
    if "/" in hidden | barriers:
        raise SandboxRefused(errno.EINVAL, "the root folder cannot be hidden")
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError as error:
        if barriers:
            raise SandboxRefused(
                error.errno,
                f"the game's user may not enter {min(barriers)}, and this machine lets nobody show it a part of that:"
                f" {error.strerror}",
            ) from error
        note(f"other servers' files are not hidden from this one: {error.strerror}")
        return
    os.umask(0o022)
    if isolation.get("user"):
        try:
            _name_user(isolation["user"])
        except OSError as error:
            note(f"the game's user has no name: {error.strerror}")
    _rearrange(visible, hidden | barriers)
    if uid:
        try:
            kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, "hidepid=2")
        except OSError as error:
            note(f"other programs' command lines are not hidden from this one: {error.strerror}")


def _name_user(line: str) -> None:
    """Lay over /etc/passwd a copy that has one line more."""
    with open(USERS, "rb", buffering=0) as file:
        known = file.read(MAX_USERS_BYTES)
    # A file that is nowhere: made in a file system that is taken away once the file is where it belongs.
    kernel.mount("innkeeper", HIDEAWAY, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, COVER_OPTIONS)
    try:
        fd = os.open(f"{HIDEAWAY}/passwd", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(known.rstrip(b"\n") + b"\n" + line.encode() + b"\n")
            while view:
                view = view[os.write(fd, view) :]
            kernel.mount(f"/proc/self/fd/{fd}", USERS, None, kernel.MS_BIND)
        finally:
            os.close(fd)
    finally:
        kernel.unmount(HIDEAWAY)
    _remount(USERS, kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY)


def _way(path: str) -> _Way:
    if not path.startswith("/"):
        raise SandboxRefused(errno.EINVAL, f"{path} is not an absolute path")
    return _Way(path)


def _barrier(way: _Way, uid: int | None, gid: int | None) -> str | None:
    """Return the first folder on the way that the user may not enter."""
    if uid is None or uid == 0:
        return None
    for folder in way.folders:
        info = os.stat(folder)
        bit = 0o100 if info.st_uid == uid else 0o010 if info.st_gid == gid else 0o001
        if not info.st_mode & bit:
            return folder
    return None


def _rearrange(visible: list[tuple[_Way, str]], covered: set[str]) -> None:
    # Opened in the new name space, whose mounts alone may be bound, and before anything is covered.
    sources = [(way, mode, os.open(way.end, os.O_PATH | os.O_CLOEXEC)) for way, mode in visible]
    links = {place: target for way, _ in visible for place, target in way.links}
    made: list[str] = []
    # Outer before inner; at one place, what is visible lies over what is hidden.
    steps: list[tuple[int, str, str, int]] = [(folder.count("/"), folder, "", -1) for folder in covered]
    steps += [(way.end.count("/"), way.end, mode, fd) for way, mode, fd in sources]
    for _, path, mode, fd in sorted(set(steps), key=lambda step: (step[0], step[1], step[3])):
        if fd < 0:
            if _is_below(path, made) and not os.path.isdir(path):
                continue  # gone with what covers it
            kernel.mount(
                "innkeeper", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, COVER_OPTIONS
            )
            made.append(path)
        else:
            _bind(fd, path, mode)
    for place, target in links.items():
        if _is_below(place, made) and not os.path.lexists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(target, place)
    for path in made:
        _remount(path, kernel.MS_RDONLY)
    for _, _, fd in sources:
        os.close(fd)


def _bind(fd: int, path: str, mode: str) -> None:
    if not os.path.lexists(path):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.makedirs(path)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC))
    kernel.mount(f"/proc/self/fd/{fd}", path, None, kernel.MS_BIND | kernel.MS_REC)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | (0 if mode == "rw" else kernel.MS_RDONLY)
    for mounted in _mounts_at(path):
        _remount(mounted, flags)


def _remount(path: str, flags: int) -> None:
    kernel.mount("none", path, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.mount_flags(path) | flags)


def _mounts_at(path: str) -> list[str]:
    """Return the mount points at `path` and below."""
    found = {path}
    with open("/proc/self/mountinfo", "rb", buffering=0) as file:
        for line in file.read().splitlines():
            place = os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1"))
            if place.startswith(path.rstrip("/") + "/"):
                found.add(place)
    return sorted(found)


def _is_below(path: str, folders: list[str]) -> bool:
    return any(path.startswith(folder.rstrip("/") + "/") for folder in folders)
