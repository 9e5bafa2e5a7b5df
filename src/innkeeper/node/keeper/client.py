"""The daemon's side of keepers: have one started, talk to it, and tell after a restart what became of it.

The only module here that runs in the daemon; refuses to know what a console line means and when a game should run.

    keeper/zygote down ──ensure──▶ zygote ──spawn──▶ keeper ◀──connect── KeeperLink
                                                        └── inspect: Running | Ended | Failed | Lost | Never
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog

import innkeeper
from innkeeper.node.console.record import Block
from innkeeper.node.keeper import frames, groups, state, zygote
from innkeeper.node.keeper.processes import kill_leftovers, leftovers

log = structlog.get_logger(__name__)

START_PATIENCE = 10.0
SPAWN_PATIENCE = 60.0
QUIT_PATIENCE = 5.0
CONNECT_PATIENCE = 5.0
# Unread events past which the socket is left alone: the keeper then drops blocks, which the journal has, and says so.
UNREAD_BYTES = 8 << 20


class KeeperError(Exception):
    """A keeper could not do what was asked."""


class LaunchFailed(KeeperError):
    """The game could not be executed; the message says why, for people, and `errno` too where the kernel refused."""

    def __init__(self, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.errno = errno


class NotRunning(KeeperError):
    """No keeper serves this server."""


class RequestRefused(KeeperError):
    """The keeper or the game did not take it; the message says why, for people."""


class Hello(msgspec.Struct, frozen=True):
    """What a keeper says first; every block from `next_seq` on follows."""

    run_id: str
    pid: int
    started_us: int
    next_seq: int
    state: str


class Lagged(msgspec.Struct, frozen=True):
    """We read too slowly: blocks before `next_seq` were left out here, and are in the journal."""

    next_seq: int


class Exited(msgspec.Struct, frozen=True):
    """The game has ended, and so has its keeper: exactly one of `code` and `signal` is set."""

    at_us: int
    code: int | None = None
    signal: int | None = None
    oom_kills: int = 0
    """How many of its processes the kernel killed for memory."""
    memory_limit: int | None = None
    """The limit it came to, in bytes, where that was the reason; None: the host had no memory left."""


Event = Block | Lagged | Exited


class Running(msgspec.Struct, frozen=True):
    """A keeper lives; `pid` is None for the moment in which it executes the game."""

    run_id: str
    pid: int | None
    started_us: int
    notes: list[str]


class Ended(msgspec.Struct, frozen=True):
    """The last run ended while its keeper watched."""

    run_id: str
    exit: Exited
    started_us: int
    notes: list[str]


class Failed(msgspec.Struct, frozen=True):
    """The game could not be executed."""

    run_id: str
    text: str


class Lost(msgspec.Struct, frozen=True):
    """The keeper died without recording an end (killed, or the machine went down).

    `leftovers` are processes of that run that still live: `kill_lost` ends them. The next keeper does so too.
    """

    run_id: str
    pid: int | None
    pid_starttime: int | None
    leftovers: list[int]
    started_us: int
    mark: str
    groups: list[str] = []
    """The folders of its control groups."""


class Never(msgspec.Struct, frozen=True):
    """No run is recorded."""


Inspection = Running | Ended | Failed | Lost | Never


def inspect(keep_dir: Path) -> Inspection:
    """Tell what became of a server's last run, from its keeper's lock and record. Tiny file work. Raises OSError."""
    try:
        lock = os.open(keep_dir / frames.LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Never()
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            lives = False
        except BlockingIOError:
            lives = True
        known = state.read_json(str(keep_dir), frames.STATE_NAME)
    finally:
        os.close(lock)
    if known is None:
        return Never()
    run_id, pid, started_us, notes = known["run_id"], known["pid"], known["started_us"], known["notes"]
    if known["state"] == state.FAILED:
        return Failed(run_id, known["error"] or "")
    if known["state"] == state.EXITED:
        return Ended(run_id, msgspec.convert(known["exit"], Exited), started_us, notes)
    if lives:
        return Running(run_id, pid, started_us, notes)
    within = known.get("cgroups") or []
    left = sorted({*leftovers(known["mark"], pid, known["pid_starttime"]), *groups.members(within)})
    return Lost(run_id, pid, known["pid_starttime"], left, started_us, known["mark"], within)


def kill_lost(lost: Lost) -> list[int]:
    """Kill what a lost run left; blocks up to seconds. Return what would not die."""
    left = groups.end(lost.groups)
    return sorted({*left, *kill_leftovers(lost.mark, lost.pid, lost.pid_starttime)})


class Zygote:
    """Has keepers started by the zygote of `directory`, which is started itself where it is missing or not ours."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._starting = asyncio.Lock()
        self._version = ""

    async def ensure(self) -> None:
        """Return once a zygote of our own version listens. Raises KeeperError."""
        _, writer, _ = await self._connected()
        writer.close()
        await _closed(writer)

    async def spawn(self, keep_dir: Path, journal_dir: Path) -> None:
        """Start a keeper for what `keep_dir`/spec.json describes; return once the game is executed.

        Raises LaunchFailed. Cancelled half-way, the game may run: `inspect` tells.
        """
        try:
            reader, writer, _ = await self._connected()
        except KeeperError as error:
            raise LaunchFailed(f"no process can be started: {error}") from error
        try:
            wanted = {"keep_dir": _absolute(keep_dir), "journal_dir": _absolute(journal_dir)}
            writer.write(msgspec.json.encode({"spawn": wanted}) + b"\n")
            async with asyncio.timeout(SPAWN_PATIENCE):
                line = await reader.readline()
        except TimeoutError as error:
            raise LaunchFailed("the keeper did not say whether the game was executed") from error
        except OSError as error:
            line = b""
            log.warning("zygote.connection.lost", error=str(error))
        finally:
            writer.close()
            await _closed(writer)
        if not line:
            raise LaunchFailed(f"the keeper died while starting; {keep_dir / frames.LOG_NAME} may say why")
        answer: dict[str, Any] = msgspec.json.decode(line)
        if "error" in answer:
            raise LaunchFailed(answer["error"], answer.get("errno") or 0)

    async def quit(self) -> None:
        """End the zygote, where there is one; keepers live on. Returns once it is gone."""
        try:
            reader, writer, _ = await self._greeted()
        except (OSError, EOFError, ValueError):
            return
        await _dismiss(reader, writer)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
        """Return a connection to a zygote of our version that was greeted on."""
        async with self._starting:
            self._version = self._version or zygote.source_version()
            for _ in range(3):
                try:
                    reader, writer, version = await self._greeted()
                except (OSError, EOFError, ValueError):
                    await self._start()
                    continue
                if version == self._version:
                    return reader, writer, 0
                log.info("zygote.replaced", theirs=version, ours=self._version)
                await _dismiss(reader, writer)
            raise KeeperError("the zygote does not stay up")

    async def _greeted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        reader, writer = await _open_unix(self._directory, zygote.SOCKET_NAME)
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                line = await reader.readline()
            if not line:
                raise EOFError("the zygote closed the connection")
            greeting: dict[str, Any] = msgspec.json.decode(line)
        except BaseException:
            writer.close()
            raise
        return reader, writer, str(greeting.get("version"))

    async def _start(self) -> None:
        """Start the zygote, detached. Raises KeeperError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        package = Path(innkeeper.__path__[0]).parent
        command = [sys.executable, "-I", "-S", "-c", zygote.COMMAND, str(package), _absolute(self._directory)]
        try:
            told = await asyncio.to_thread(_run_detached, command)
        except (OSError, subprocess.SubprocessError) as error:
            raise KeeperError(f"the zygote cannot be started: {error}") from error
        if told != "ready":
            raise KeeperError(f"the zygote cannot be started: {told or 'it died; zygote.log may say why'}")
        log.info("zygote.started", directory=str(self._directory))


def _absolute(path: Path) -> str:
    return str(path.absolute())


def _run_detached(command: list[str]) -> str:
    """Run a command that detaches itself and says one thing; its end of the pipe closing ends the wait."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
        timeout=START_PATIENCE,
        check=False,
    )
    return done.stdout.decode(errors="replace").strip()


async def _open_unix(directory: Path, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    directory_fd = frames.open_directory(str(directory))
    try:
        return await asyncio.open_unix_connection(frames.socket_path(directory_fd, name))
    finally:
        os.close(directory_fd)


async def _dismiss(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell a zygote to quit and wait until its connection says that it did."""
    try:
        writer.write(b'{"quit": true}\n')
        async with asyncio.timeout(QUIT_PATIENCE):
            await reader.read()
    except (OSError, TimeoutError) as error:
        log.warning("zygote.quit.unanswered", error=str(error))
    finally:
        writer.close()
        await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError as error:
        log.debug("zygote.connection.closed", error=str(error))


class KeeperLink(asyncio.Protocol):
    """A connection to one keeper; make it with `connect`, iterate over `blocks` once, `close` it."""

    hello: Hello

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._events: deque[list[Event]] = deque()
        self._unread_bytes = 0
        self._paused = False
        self._gone = False
        self._news = asyncio.Event()
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests: dict[int, asyncio.Future[None]] = {}
        self._last_request = 0

    @classmethod
    async def connect(cls, keep_dir: Path) -> KeeperLink:
        """Return a link to the keeper of `keep_dir`. Raises NotRunning."""
        try:
            directory_fd = frames.open_directory(str(keep_dir))
        except OSError as error:
            raise NotRunning(f"{keep_dir}: {error.strerror}") from error
        try:
            path = frames.socket_path(directory_fd)
            _, link = await asyncio.get_running_loop().create_unix_connection(cls, path)
        except OSError as error:
            raise NotRunning(f"no keeper listens in {keep_dir}") from error
        finally:
            os.close(directory_fd)
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await link._greeted
        except (TimeoutError, ConnectionError) as error:
            link.close()
            raise NotRunning(f"the keeper in {keep_dir} does not answer") from error
        except asyncio.CancelledError:
            link.close()
            raise
        return link

    @property
    def blocks(self) -> AsyncIterator[list[Event]]:
        """What the keeper tells, as lists of all that arrived together; ends with the connection.

        The game ended where the last event is Exited; else the keeper died or `close` was called: see `inspect`.
        """
        return self._tell()

    async def send(self, data: bytes) -> None:
        """Type `data` into the game's terminal; return once it is wholly there. Raises RequestRefused, NotRunning."""
        if len(data) > frames.MAX_REQUEST_BYTES - frames.REQUEST.size:
            raise RequestRefused("that is too much input at once")
        await self._ask(frames.INPUT, data)

    async def signal(self, number: int | signal.Signals) -> None:
        """Send a signal to the game's own process. Raises RequestRefused, NotRunning."""
        await self._ask(frames.SIGNAL, frames.SIGNUM.pack(number))

    async def kill(self) -> None:
        """Kill the game and all it started; return once nothing of it lives. Raises NotRunning."""
        await self._ask(frames.KILL, b"")

    def close(self) -> None:
        """End the connection; the keeper and the game go on."""
        if self._transport is not None:
            self._transport.close()
        self._end()

    async def _ask(self, kind: int, body: bytes) -> None:
        if self._gone or self._transport is None:
            raise NotRunning("the keeper is gone")
        self._last_request = request = (self._last_request + 1) & 0xFFFFFFFF
        answer = self._requests[request] = asyncio.get_running_loop().create_future()
        self._transport.write(frames.pack_frame(kind, frames.REQUEST.pack(request) + body))
        self._read_on()  # the answer may stand behind blocks that nobody reads
        try:
            await answer
        finally:
            self._requests.pop(request, None)

    async def _tell(self) -> AsyncIterator[list[Event]]:
        while True:
            while self._events:
                together = [event for events in self._events for event in events]
                self._events.clear()
                self._unread_bytes = 0
                self._read_on()
                yield together
            if self._gone:
                return
            self._news.clear()
            await self._news.wait()

    def _read_on(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        events: list[Event] = []
        size, at = len(self._buffer), 0
        with memoryview(self._buffer) as view:
            while at + frames.FRAME.size <= size:
                length, kind = frames.FRAME.unpack_from(view, at)
                body = at + frames.FRAME.size
                end = body + length
                if end > size:
                    break
                if kind == frames.BLOCK:
                    first_seq, time_us = frames.BLOCK_BODY.unpack_from(view, body)
                    events.append(Block(first_seq, time_us, bytes(view[body + frames.BLOCK_BODY.size : end])))
                else:
                    self._heed(kind, bytes(view[body:end]), events)
                at = end
        del self._buffer[:at]
        if events:
            self._events.append(events)
            self._unread_bytes += at
            self._news.set()
            if self._unread_bytes > UNREAD_BYTES and not self._requests and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _heed(self, kind: int, body: bytes, events: list[Event]) -> None:
        if kind == frames.LAGGED:
            events.append(Lagged(frames.SEQ.unpack(body)[0]))
        elif kind == frames.EXIT:
            events.append(msgspec.json.decode(body, type=Exited))
        elif kind in (frames.DONE, frames.REFUSED):
            answer = self._requests.get(frames.REQUEST.unpack_from(body)[0])
            if answer is not None and not answer.done():
                if kind == frames.DONE:
                    answer.set_result(None)
                else:
                    answer.set_exception(RequestRefused(body[frames.REQUEST.size :].decode(errors="replace")))
        elif kind == frames.HELLO:
            self.hello = msgspec.json.decode(body, type=Hello)
            if not self._greeted.done():
                self._greeted.set_result(None)

    def _end(self) -> None:
        self._gone = True
        self._news.set()
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(NotRunning("the keeper is gone"))
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionError("the keeper closed the connection"))
