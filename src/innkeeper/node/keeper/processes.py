"""Find and kill everything a game started, however it was detached.

While its keeper lives, all a game's descendants descend from the keeper (a child subreaper). Of a keeper that was
killed, what is left is found by the run's mark in the environment. Refuses to know what
the processes are. Standard library only, and cheap to import.
"""

from __future__ import annotations

import os
import select
import signal

RUN_MARK = "INNKEEPER_RUN_MARK"
_STATE, _PARENT, _STARTTIME = 0, 1, 19


def _stat(pid: int) -> list[bytes] | None:
    """Return the fields of /proc/PID/stat after the name, None where the process is gone."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 1024).rpartition(b")")[2].split()
    except OSError:
        return None
    finally:
        os.close(fd)


def start_time(pid: int) -> int | None:
    """Return when a living process started, in clock ticks since boot; None where it is gone or a zombie."""
    fields = _stat(pid)
    if not fields or fields[_STATE] in (b"Z", b"X"):
        return None
    return int(fields[_STARTTIME])


def descendants(root: int) -> list[int]:
    """Return all living processes below `root`, zombies left out."""
    children: dict[int, list[int]] = {}
    zombies = set()
    for name in os.listdir("/proc"):
        if name.isdecimal() and (fields := _stat(int(name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(name))
            if fields[_STATE] in (b"Z", b"X"):
                zombies.add(int(name))
    found, stack = [], [root]
    while stack:
        below = children.get(stack.pop(), [])
        stack += below
        found += [pid for pid in below if pid not in zombies]
    return found


def kill_quietly(pid: int, signum: int = signal.SIGKILL) -> bool:
    """Send a signal; return whether there was a process that could get it."""
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def leftovers(mark: str, pid: int | None, pid_starttime: int | None) -> list[int]:
    """Return what still lives of a run whose keeper is dead.

    A process belongs to it where it is the game itself (its start time tells a number given anew) or where the run's
    mark stands in its environment, which all descendants inherit unless they empty it on purpose.
    """
    variable = f"{RUN_MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        candidate = int(name)
        fields = _stat(candidate)
        if not fields or fields[_STATE] in (b"Z", b"X"):
            continue
        if (candidate == pid and int(fields[_STARTTIME]) == pid_starttime) or variable in _environment(candidate):
            found.append(candidate)
    return found


def kill_leftovers(mark: str, pid: int | None, pid_starttime: int | None, rounds: int = 200) -> list[int]:
    """Kill what still lives of a run whose keeper is dead, until nothing does; return what would not die."""
    left: list[int] = []
    for _ in range(rounds):
        left = leftovers(mark, pid, pid_starttime)
        if not left:
            break
        for candidate in left:
            kill_quietly(candidate)
        # Its exit has to be seen by its new parent; a pidfd tells when it is dead.
        _await_death(left)
    return left


def _await_death(pids: list[int]) -> None:
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(50)
        finally:
            os.close(fd)


def _environment(pid: int) -> list[bytes]:
    try:
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        data = b""
        while piece := os.read(fd, 65536):
            data += piece
        return data.split(b"\0")
    except OSError:
        return []
    finally:
        os.close(fd)
