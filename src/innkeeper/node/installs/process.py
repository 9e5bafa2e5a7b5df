"""Run the commands of installers: apart from the daemon, bounded in what they may use and say, and ended wholly.

A command gets a session of its own, none of the daemon's environment but the host's proxy and certificate settings,
and a mark in its environment, by which whatever it leaves running is found even in another session. Refuses to know
what the commands are.
"""

import asyncio
import codecs
import os
import re
import resource
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog

from innkeeper.contracts.installer import InstallFailed, Report

_PASSED = re.compile(r"(https?|no|all|ftp)_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|tz", re.IGNORECASE)
_MARK = "INNKEEPER_COMMAND"
_MAX_LINE = 2000
_MAX_LINES = 10_000
_CHUNK = 64 << 10
_MAX_FILE_BYTES = 64 << 30
_ANSI = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
_KILL_ROUNDS = 50

_log = structlog.get_logger(__name__)


class CommandRunner:
    """The `run` of `contracts.installer.Place`: one for each installation, whose `report` gets the lines."""

    def __init__(self, report: Report, environment: Mapping[str, str]) -> None:
        """`environment` is the host's, of which only proxy and certificate settings are passed on."""
        self._report = report
        self._passed = {name: value for name, value in environment.items() if _PASSED.fullmatch(name)}

    async def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: timedelta) -> int:
        """See `contracts.installer.Run`."""
        mark = secrets.token_hex(16)
        process = self._start(argv, cwd, env, mark)
        output = _Output(self._report)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await _ended(process, output)
        except TimeoutError as error:
            raise InstallFailed(f"{Path(argv[0]).name} took longer than {timeout}") from error
        finally:
            _kill_wholly(process, mark)
            output.close()
            if process.stdout is not None:
                process.stdout.close()
        return process.returncode

    def _start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], mark: str) -> subprocess.Popen[bytes]:
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=variables | self._passed | dict(env) | {_MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
            )
        except (OSError, ValueError) as error:
            raise InstallFailed(f"{Path(argv[0]).name} could not be started: {error}") from error
        for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)):
            _limit(process.pid, kind, most)
        return process


def _limit(pid: int, kind: int, most: int) -> None:
    try:
        _, hard = resource.prlimit(pid, kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (most, most))
    except (OSError, ValueError) as error:
        _log.warning("command.limit.failed", kind=kind, error=str(error))


async def _ended(process: subprocess.Popen[bytes], output: "_Output") -> None:
    """Read the output until the process itself has ended, and leave it to be reaped; others are not waited for."""
    assert process.stdout is not None  # noqa: S101  Popen was told to make the pipe
    loop = asyncio.get_running_loop()
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    ended: asyncio.Future[None] = loop.create_future()
    handle = os.pidfd_open(process.pid)

    def readable() -> None:
        if not _read(pipe, output):
            loop.remove_reader(pipe)

    def exited() -> None:
        loop.remove_reader(handle)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(pipe, readable)
    loop.add_reader(handle, exited)
    try:
        await ended
        while _read(pipe, output, until_empty=True):
            continue
    finally:
        loop.remove_reader(pipe)
        loop.remove_reader(handle)
        os.close(handle)


def _read(pipe: int, output: "_Output", *, until_empty: bool = False) -> bool:
    """Take one block; false at the end, and with `until_empty` where there is nothing more just now."""
    try:
        data = os.read(pipe, _CHUNK)
    except BlockingIOError:
        return not until_empty
    output.take(data)
    return bool(data)


class _Output:
    """Cut what a command says into lines of bounded length and number."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._lines = 0

    def take(self, data: bytes) -> None:
        if self._lines > _MAX_LINES:
            return
        # A carriage return redraws the line: what it replaces was progress, and is a line too.
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + self._decoder.decode(data))
        for line in lines:
            self._say(line)
        if len(self._rest) > _MAX_LINE:
            self._say(self._rest)
            self._rest = ""

    def close(self) -> None:
        self._say(self._rest)
        self._rest = ""

    def _say(self, line: str) -> None:
        line = _ANSI.sub("", line[: 2 * _MAX_LINE]).rstrip()[:_MAX_LINE]
        if not line or self._lines > _MAX_LINES:
            return
        self._lines += 1
        self._report(line if self._lines <= _MAX_LINES else "… (what follows is not shown)")


def _kill_wholly(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill what is left of the command: its process group, and whoever bears its mark, until nobody is found."""
    # Not reaped yet, it keeps its number, and so its group's, from being anybody else's.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left: list[int] = []
    for _ in range(_KILL_ROUNDS):
        left = _marked(mark)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                _log.warning("command.kill.failed", pid=pid, error=str(error))
    _log.error("command.kill.incomplete", left=left)


def _marked(mark: str) -> list[int]:
    """Give the live processes with the mark in the environment they were started with."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                variables = Path("/proc", name, "environ").read_bytes()
            except OSError:
                # It has ended, is a zombie, or is not ours.
                continue
            if wanted in variables.split(b"\0"):
                found.append(int(name))
    return found
