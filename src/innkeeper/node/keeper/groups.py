"""The control groups of one run: join them before exec, read what they counted, kill what is in them, remove them.

A run has a folder for each controller where the host has cgroup v1, and one for all of them with v2; which it is, is
told by the files within. They are made and bounded by the node (`node.limits.cgroups`). Refuses to know the bounds, and
what the processes are. Standard library only, and cheap to import.
"""

# pathlib would cost every keeper memory.
# ruff: noqa: PTH106
from __future__ import annotations

import errno
import os
import time

from innkeeper.node.keeper.processes import kill_quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

REMOVE_PATIENCE = 1.0
KILL_ROUNDS = 100
_UNBOUNDED = 1 << 60
"""What cgroup v1 shows where nothing is bounded is larger, and depends on the size of a page."""
_BUNDLE = 1 << 20
"""Memory is counted in bundles: the highest figure may be a little below the limit that was come to."""


def join(folders: Sequence[str], note: Callable[[str], None]) -> None:
    """Put this process, which must have one thread only, in each group; what cannot be joined is noted."""
    for folder in folders:
        # Of v1: moving one thread that is ourselves takes no lock that waits for every processor (some 10 ms).
        error = _write(f"{folder}/tasks", b"0")
        if error is not None and error.errno == errno.ENOENT:
            error = _write(f"{folder}/cgroup.procs", b"0")
        if error is not None:
            note(f"the limits kept by {folder} do not hold: it cannot be joined: {error.strerror}")


def members(folders: Sequence[str]) -> list[int]:
    """Return the living processes within, whatever they made themselves children of."""
    found: dict[int, None] = {}
    for folder in folders:
        # 0 is a process that our name space does not see.
        found.update((int(word), None) for word in _read(f"{folder}/cgroup.procs").split() if word != b"0")
    return list(found)


def kill(folders: Sequence[str]) -> list[int]:
    """Kill all that is within, and let nothing there fork any more; return whom the signal was sent to."""
    for folder in folders:
        if _write(f"{folder}/cgroup.kill", b"1") is not None:
            # Who cannot fork cannot outrun the killing. Missing in the folders of other controllers.
            _write(f"{folder}/pids.max", b"0")
    found = members(folders)
    for pid in found:
        kill_quietly(pid)
    return found


def kill_all(folders: Sequence[str]) -> list[int]:
    """Kill until nothing lives within; return what would not die. Blocks up to seconds."""
    left: list[int] = []
    for _ in range(KILL_ROUNDS):
        left = kill(folders)
        if not left:
            break
        time.sleep(0.01)
    return left


def end(folders: Sequence[str]) -> list[int]:
    """Kill all that is within and remove the groups; return what would not die. Blocks up to seconds."""
    left = kill_all(folders)
    remove(folders)
    return left


def memory_told(folders: Sequence[str]) -> dict[str, Any]:
    """Return {"oom_kills": how many processes were killed for memory, "memory_limit": bytes}; empty where none was.

    `memory_limit` is None where the group never came to its own limit: it was the host, or a group above, that ran out.
    """
    for folder in folders:
        told = _numbers(_read(f"{folder}/memory.events") or _read(f"{folder}/memory.oom_control"))
        kills = told.get(b"oom_kill", 0)
        if not kills:
            continue
        bound = _number(_read(f"{folder}/memory.max") or _read(f"{folder}/memory.limit_in_bytes"))
        if bound is not None and not (bound < _UNBOUNDED and (told.get(b"oom") or _came_to(folder, bound))):
            bound = None
        return {"oom_kills": kills, "memory_limit": bound}
    return {}


def _came_to(folder: str, bound: int) -> bool:
    """Tell whether a group of v1 ever was at its limit. What failed is not counted by every kernel."""
    most = _number(_read(f"{folder}/memory.max_usage_in_bytes"))
    return most is not None and most + _BUNDLE >= bound


def remove(folders: Sequence[str], reap: Callable[[], None] = lambda: None) -> list[str]:
    """Remove the groups, which must be empty; return those that stay. `reap` is called while one is still busy."""
    deadline = time.monotonic() + REMOVE_PATIENCE
    left = list(folders)
    while True:
        left = [folder for folder in left if not _remove(folder)]
        if not left or time.monotonic() > deadline:
            return left
        # What has just died holds its group for a moment more.
        reap()
        time.sleep(0.005)


def _remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _read(path: str) -> bytes:
    """Return what a file of the kernel says, nothing where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while piece := os.read(fd, 65536):
            data += piece
        return data
    except OSError:  # the group was removed meanwhile
        return b""
    finally:
        os.close(fd)


def _write(path: str, data: bytes) -> OSError | None:
    """Write to a file of the kernel; return why it could not be done."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        return error
    try:
        os.write(fd, data)
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None


def _numbers(text: bytes) -> dict[bytes, int]:
    """Return the numbers in lines of "name number"."""
    pairs = [line.split() for line in text.splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None
