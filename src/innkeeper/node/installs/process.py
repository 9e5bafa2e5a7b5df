"""Run the commands of installers: apart from the daemon, bounded in what they may use and say, and ended wholly.

A command gets a session of its own, none of the daemon's environment but the host's proxy and certificate settings,
and a mark in its environment, by which whatever it leaves running is found even in another session. Refuses to know
what the commands are.
"""

import asyncio
import codecs
import hashlib
import os
import re
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import structlog

from innkeeper.contracts.installer import InstallFailed, Report
from innkeeper.contracts.runtime import ExecPlan
from innkeeper.kit.tasks import in_thread
from innkeeper.kit.threads import to_the_end
from innkeeper.node.installs.stepping_down import COMMAND, FAILED, MARK
from innkeeper.node.keeper import groups

_PASSED = re.compile(r"(https?|no|all|ftp)_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|tz", re.IGNORECASE)
_MAX_LINE = 2000
_MAX_LINES = 10_000
_MAX_LINES_AT_ONCE = 1000
"""Where lines have no end, the last so many of one block of output are told."""
_CHUNK = 64 << 10
_LAST_READS = 32
"""More than a pipe holds, even one that a command has made larger."""
_MAX_FILE_BYTES = 64 << 30
_ANSI = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
_KILL_ROUNDS = 50
_PACKAGE = str(Path(__file__).resolve().parents[3])

_log = structlog.get_logger(__name__)


PlanCommand = Callable[[Sequence[str], Mapping[str, str]], ExecPlan]
"""Says how a command with further environment is executed as a server's user. Raises InstallFailed; blocks."""
Hear = Callable[[str], None]


def mark_of(data: Path) -> str:
    """Return what the marks of all commands begin with that the node of this data folder runs."""
    return hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:16]


def end_leftovers(node: str) -> None:
    """Kill what an earlier life of the node, as `mark_of` names it, has left running. Blocks."""
    left = _marked(f"{node}-")
    if left:
        _log.warning("command.leftovers.killed", processes=len(left))
        _kill_all(lambda: _marked(f"{node}-"))


class CommandRunner:
    """The `run` of `contracts.installer.Place`: one for each installation, whose `report` gets the lines."""

    def __init__(self, report: Report, environment: Mapping[str, str], node: str = "") -> None:
        """`environment` is the host's, of which only proxy and certificate settings are passed on; see `mark_of`."""
        self._report = report
        self._passed = passed_on(environment)
        self._node = node

    async def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: timedelta) -> int:
        """See `contracts.installer.Run`."""
        mark = _new_mark(self._node)
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
        name = Path(argv[0]).name
        process = _start(name, argv, cwd, variables | self._passed | dict(env) | {MARK: mark}, subprocess.DEVNULL)
        for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)):
            _limit(process.pid, kind, most)
        return await _wait(name, process, _Output(self._report), timeout, lambda: _marked(mark))


class ServerCommandRunner:
    """The `as_server` of `contracts.installer.Place`: one for each installation."""

    def __init__(self, report: Report, environment: Mapping[str, str], node: str, plan: PlanCommand) -> None:
        """As for `CommandRunner`; `plan` says who the server's user is, and what it may."""
        self._report = report
        self._passed = passed_on(environment)
        self._node = node
        self._plan = plan

    async def __call__(
        self, argv: Sequence[str], timeout: timedelta, *, env: Mapping[str, str] = {}, hear: Hear | None = None
    ) -> int:
        """See `contracts.installer.RunAsServer`."""
        mark, name = _new_mark(self._node), Path(argv[0]).name
        plan = await in_thread(self._plan, argv, self._passed | dict(env) | {MARK: mark})
        plan = msgspec.structs.replace(plan, rlimits={"FSIZE": (_MAX_FILE_BYTES, _MAX_FILE_BYTES), **plan.rlimits})
        user = plan.uid if plan.uid not in (None, 0, os.geteuid()) else None

        def left() -> list[int]:
            of_user = _of_user(user) if user is not None else []
            return [*_marked(mark), *of_user, *groups.members(plan.cgroups)]

        try:
            await in_thread(_kill_all, left)
            return await self._run(name, plan, mark, left, timeout, hear)
        finally:
            await to_the_end(lambda: groups.end(plan.cgroups))

    async def _run(
        self,
        name: str,
        plan: ExecPlan,
        mark: str,
        left: Callable[[], list[int]],
        timeout: timedelta,
        hear: Hear | None,
    ) -> int:
        helper = [sys.executable, "-I", "-S", "-c", COMMAND, _PACKAGE]
        process = _start(name, helper, Path("/"), {MARK: mark}, subprocess.PIPE)
        # Who listens judges by the lines, by the last of them above all: to him they have no end.
        output = _Output(self._report, mark) if hear is None else _Output(hear, mark, most=None)
        try:
            _tell(process, plan)
        except OSError as error:
            _log.warning("command.plan.unheard", command=name, error=str(error))
        status = await _wait(name, process, output, timeout, left)
        if status == FAILED and output.failure:
            raise InstallFailed(f"{name} could not be started: {output.failure}")
        if status != 0 and groups.memory_told(plan.cgroups):
            raise InstallFailed(f"{name} was ended: it needs more memory than the server may use")
        return status


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of the host's environment concerns the network."""
    return {name: value for name, value in environment.items() if _PASSED.fullmatch(name)}


def _new_mark(node: str) -> str:
    return f"{node}-{secrets.token_hex(16)}"


def _tell(process: subprocess.Popen[bytes], plan: ExecPlan) -> None:
    """Hand the plan over; it is smaller than what a pipe holds, or the reader is there to read it."""
    assert process.stdin is not None  # noqa: S101  Popen was told to make the pipe
    with process.stdin as pipe:
        pipe.write(msgspec.json.encode({**msgspec.to_builtins(plan), "node": os.getpid()}))


def _start(
    name: str, argv: Sequence[str], cwd: Path, variables: Mapping[str, str], stdin: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(variables),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,
        )
    except (OSError, ValueError) as error:
        raise InstallFailed(f"{name} could not be started: {error}") from error


async def _wait(
    name: str,
    process: subprocess.Popen[bytes],
    output: "_Output",
    timeout: timedelta,
    left: Callable[[], list[int]],
) -> int:
    """Wait for the end, and see to it that nothing `left` outlives it."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await _ended(process, output)
    except TimeoutError as error:
        raise InstallFailed(f"{name} took longer than {timeout}") from error
    finally:
        _kill_wholly(process, left)
        output.close()
        if process.stdout is not None:
            process.stdout.close()
    return process.returncode


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
        for _ in range(_LAST_READS):  # what it left running may never cease to say something
            if not _read(pipe, output, until_empty=True):
                break
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

    def __init__(self, say: Hear, mark: str = "", most: int | None = _MAX_LINES) -> None:
        """A line that begins with `mark` says why there is no command; it is kept as `failure`. `most`: lines told."""
        self.failure = ""
        self._most = sys.maxsize if most is None else most
        self._tell = say
        self._mark = mark
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._lines = 0

    def take(self, data: bytes) -> None:
        if self._lines > self._most:
            return
        # A carriage return redraws the line: what it replaces was progress, and is a line too.
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + self._decoder.decode(data))
        for line in lines if self._most < sys.maxsize else lines[-_MAX_LINES_AT_ONCE:]:
            self._say(line)
        if len(self._rest) > _MAX_LINE:
            self._say(self._rest)
            self._rest = ""

    def close(self) -> None:
        self._say(self._rest)
        self._rest = ""

    def _say(self, line: str) -> None:
        line = _ANSI.sub("", line[: 2 * _MAX_LINE]).rstrip()[:_MAX_LINE]
        if self._mark and line.startswith(self._mark):
            self.failure = line.removeprefix(self._mark).strip()
            return
        if not line or self._lines > self._most:
            return
        self._lines += 1
        self._tell(line if self._lines <= self._most else "… (what follows is not shown)")


def _kill_wholly(process: subprocess.Popen[bytes], left: Callable[[], list[int]]) -> None:
    """Kill what is left of the command: its process group, and whoever is found, until nobody is."""
    # Not reaped yet, it keeps its number, and so its group's, from being anybody else's.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _kill_all(left)


def _kill_all(find: Callable[[], list[int]]) -> None:
    found: list[int] = []
    for _ in range(_KILL_ROUNDS):
        found = find()
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                _log.warning("command.kill.failed", pid=pid, error=str(error))
    _log.error("command.kill.incomplete", left=found)


def _marked(mark: str) -> list[int]:
    """Give the live processes whose mark, in the environment they were started with, begins like this."""
    wanted = f"{MARK}={mark}".encode()
    return [
        pid
        for pid in _processes()
        if any(variable.startswith(wanted) for variable in _read_of(pid, "environ").split(b"\0"))
    ]


def _of_user(uid: int) -> list[int]:
    """Give the live processes of a user."""
    wanted = f"\nUid:\t{uid}\t".encode()
    return [
        pid for pid in _processes() if wanted in (status := _read_of(pid, "status")) and b"\nState:\tZ" not in status
    ]


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read_of(pid: int, name: str) -> bytes:
    try:
        return Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""  # it has ended, is a zombie, or is not ours
