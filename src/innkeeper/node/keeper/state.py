"""What is written down about one run of a game server, beside its keeper's lock.

Refuses to judge what it reads: `client.inspect` does. Standard library only, and cheap to import.

    state.json = {"run_id", "mark", "keeper_pid", "pid", "pid_starttime", "started_us",
                  "state", "exit", "error", "notes", "cgroups"}

`mark` is random, in the environment of the game and so of all it starts.
`state` is starting (exec is being tried), running, exited (`exit` says how: {"code", "signal", "at_us"}) or failed
(`error` says why the game could not be executed). `pid_starttime` is in clock ticks since boot, as in /proc/PID/stat.
`cgroups` are the folders of the run's control groups; where the kernel killed any of it for memory, `exit` has
"oom_kills" and "memory_limit" too (see `groups`).
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH105, PTH123
from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STARTING, RUNNING, EXITED, FAILED = "starting", "running", "exited", "failed"


def write_json(directory: str, name: str, value: dict[str, Any], *, durable: bool) -> None:
    """Replace a file atomically; `durable`: return only once the disk holds it. Raises OSError."""
    temporary = f"{directory}/{name}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = json.dumps(value).encode()
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, f"{directory}/{name}")
    if durable:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def overwrite_json(directory: str, name: str, value: dict[str, Any]) -> None:
    """Write over a file in place, for when a full disk has no room for a new one beside it. Raises OSError."""
    data = json.dumps(value).encode()
    fd = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(directory: str, name: str) -> dict[str, Any] | None:
    """Return the object in a file, None where there is none or a machine's crash left it torn. Raises OSError."""
    try:
        with open(f"{directory}/{name}", "rb") as file:
            value = json.loads(file.read())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
