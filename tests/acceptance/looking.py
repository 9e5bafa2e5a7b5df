"""Looking at what there is until it is as wanted: conditions, processes, ports. Knows nothing of the product."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

PATIENCE_S = 60.0
"""For what comes sooner or later: on a loaded machine, later. What is promised in time is measured by its own test."""
_LOOK_S = 0.02
_GRACE_S = 10.0


async def eventually(
    look: Callable[[], bool | Awaitable[bool]],
    what: str,
    *,
    within: float = PATIENCE_S,
    otherwise: Callable[[], str] = lambda: "",
) -> None:
    """Return once `look` says yes; raise AssertionError after `within` seconds, with what `otherwise` says."""
    deadline = time.monotonic() + within
    while True:
        said = look()
        if said is True or (not isinstance(said, bool) and await said):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within} s in vain for {what}: {otherwise()}")
        await asyncio.sleep(_LOOK_S)


def free_port() -> int:
    """Return a TCP port that nobody held a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int, started: float | None = None) -> bool:
    """Say whether that process lives (the one that began at `started`, if given)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and (started is None or process.create_time() == started)
    except psutil.NoSuchProcess:
        return False


def programs_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is `folder`."""
    return [process.pid for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except (psutil.Error, OSError):
        return False


def keeper_of(pid: int) -> psutil.Process:
    """Return the keeper of the game with that process id: its parent."""
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


async def processes_of(folder: Path) -> list[psutil.Process]:
    """Return processes that have to do with `folder`, after a moment of grace in which they may end."""
    deadline = time.monotonic() + _GRACE_S
    while True:
        found = [process for process in psutil.process_iter() if _belongs(process, str(folder))]
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


def _belongs(process: psutil.Process, folder: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(folder in word for word in process.cmdline()) or process.cwd().startswith(folder)
    except (psutil.Error, OSError):
        return False


def told(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}, ended only now"


def end_processes(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=_GRACE_S)
