"""Run one of the long-lived processes: its loop, its signals, its last words."""

import asyncio
import fcntl
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from innkeeper.kit import log as logs

_MOST_FILES = 65_536


class CannotRun(Exception):
    """The process cannot do its work; the message says why, for people."""


class Signals:
    """What the process was told. `ending` is set by SIGTERM and SIGINT; SIGHUP calls `reload`."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.reload: Callable[[], object] = lambda: None

    def listen(self) -> None:
        """Take the signals from now on; a second SIGINT or SIGTERM ends the process at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.reload())

    def _end(self, number: signal.Signals) -> None:
        if self.ending.is_set():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.raise_signal(number)
        self.ending.set()


class PidFile:
    """A file that holds our process id and is locked while we live: one process per folder, and others find it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> "PidFile":
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise CannotRun(f"another process serves {self._path.parent} already") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def holder_of(path: Path) -> int | None:
    """Return the id of the process that holds the pid file at `path`, None where none does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(descriptor, 16, 0) or b"0") or None
    finally:
        os.close(descriptor)
    return None


def run(main: Callable[[Signals], Awaitable[None]], *, json_logs: bool) -> None:
    """Run `main` until it returns; a CannotRun becomes a plain message and exit status 1."""
    logs.configure(json=json_logs)
    _open_as_much_as_allowed()

    async def within() -> None:
        signals = Signals()
        signals.listen()
        await main(signals)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(within())
    except CannotRun as error:
        say(f"innkeeper: {error}")
        raise SystemExit(1) from error


def _open_as_much_as_allowed() -> None:
    """Raise the limit of open files to what the host permits: every connection and every game takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_memory() -> None:
    """Take what start-up made for everlasting: collections then look only at what came since, and stop nobody long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def say(*lines: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def write_ready(path: Path | None, content: dict[str, Any]) -> None:
    """Write the ready file, readable by its owner only, in one step."""
    from innkeeper.panel.main import write_private

    if path is not None:
        write_private(path, msgspec.json.encode(content).decode() + "\n")
