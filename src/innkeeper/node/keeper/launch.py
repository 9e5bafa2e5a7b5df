"""Become the game: what a keeper's child does between fork and exec.

Runs once, in a process that will be the game: session and terminal, limits, view of the file system, user, and what
must not be inherited. Refuses to know what the game is. Standard library only, and cheap to import.

The child reports on a pipe that exec closes: lines "note TEXT" for what could not be had and was done without, and
one line "error ERRNO TEXT" where the game cannot be executed.
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH123
from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import termios

from innkeeper.node.keeper import groups, kernel, sandbox
from innkeeper.node.keeper.processes import RUN_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

# The last two by Python itself.
IGNORED_BY_KEEPERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class LaunchError(Exception):
    """The game cannot be executed; `number` is the errno, 0 where there is none."""

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number


def make_raw(fd: int, rows: int, columns: int) -> None:
    """Have a terminal pass bytes on as they are: no echo, no line limit, no characters that mean signals."""
    mode = termios.tcgetattr(fd)
    mode[0] = 0
    mode[1] = 0
    mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    mode[3] = 0
    mode[6][termios.VMIN] = 1
    mode[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, mode)
    termios.tcsetwinsize(fd, (rows, columns))


def become_game(spec: dict[str, Any], mark: str, terminal: int, report: int, keeper_pid: int) -> NoReturn:
    """Turn this freshly forked process into the game; never returns."""

    def note(text: str) -> None:
        os.write(report, f"note {_one_line(text)}\n".encode(errors="replace"))

    try:
        _become_game(spec, mark, terminal, report, keeper_pid, note)
    except LaunchError as error:
        os.write(report, f"error {error.number} {_one_line(str(error))}\n".encode(errors="replace"))
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        os.write(report, f"error {error.errno or 0} {_one_line(text)}\n".encode(errors="replace"))
    except Exception as error:  # noqa: BLE001 - this process may neither return nor raise; the pipe tells the keeper
        os.write(report, f"error 0 {type(error).__name__}: {_one_line(str(error))}\n".encode(errors="replace"))
    os._exit(127)


def _become_game(
    spec: dict[str, Any], mark: str, terminal: int, report: int, keeper_pid: int, note: Callable[[str], None]
) -> None:
    argv = [os.fsencode(word) for word in spec["argv"]]
    environment = {os.fsencode(name): os.fsencode(value) for name, value in spec["env"].items()}
    environment[RUN_MARK.encode()] = mark.encode()
    if not argv or not argv[0]:
        raise LaunchError("there is no command to execute", errno.ENOENT)
    _reset_signals()
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    uid, gid = spec.get("uid"), spec.get("gid")
    _give_terminal(terminal, uid, gid, note)
    for fd in (0, 1, 2):
        os.dup2(terminal, fd)
    _keep_only(report)
    _set_oom_score()
    _step_down(spec, keeper_pid, note)
    _execute(argv, environment)


def become_command(spec: dict[str, Any], parent_pid: int, note: Callable[[str], None]) -> NoReturn:
    """Turn this process, whose session and descriptors are as they should be, into a command of a server's user.

    `spec` is the plan of a start. It ends with the process `parent_pid`. Raises LaunchError and OSError.
    """
    _set_oom_score()
    _step_down(spec, parent_pid, note)
    environment = {os.fsencode(name): os.fsencode(value) for name, value in spec["env"].items()}
    _execute([os.fsencode(word) for word in spec["argv"]], environment)


def _step_down(spec: dict[str, Any], parent_pid: int, note: Callable[[str], None]) -> None:
    """Take on the limits, the view of the file system and the user of `spec`, and end with our parent."""
    uid, gid = spec.get("uid"), spec.get("gid")
    groups.join(spec.get("cgroups") or [], note)
    _set_limits(spec.get("rlimits") or {}, note)
    if spec.get("isolation"):
        sandbox.enter(spec["isolation"], uid, gid, note)
    _become_user(uid, gid)
    if spec.get("no_new_privs", True):
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    # After the user is set, which clears it. A second copy on one world must be impossible.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(127)
    _enter(spec.get("cwd") or "/")
    os.umask(spec.get("umask", 0o027))


def _reset_signals() -> None:
    """Undo what exec would pass on: ignored signals and blocked ones; the zygote's start saw to all others."""
    signal.set_wakeup_fd(-1)
    for signum in IGNORED_BY_KEEPERS:
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _give_terminal(terminal: int, uid: int | None, gid: int | None, note: Callable[[str], None]) -> None:
    try:
        os.fchmod(terminal, 0o600)
        if uid is not None or gid is not None:
            os.fchown(terminal, -1 if uid is None else uid, -1 if gid is None else gid)
    except OSError as error:
        note(f"the terminal could not be given to the game's user: {error.strerror}")


def _keep_only(report: int) -> None:
    os.closerange(3, report)
    os.closerange(report + 1, os.sysconf("SC_OPEN_MAX"))


def _set_oom_score() -> None:
    """Take back the keeper's own protection, which the child inherits."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
            if int(file.read()) < 0:
                file.write(b"0")
    except OSError:  # raising is always permitted; without /proc nothing was lowered either
        return


def _set_limits(rlimits: dict[str, list[int]], note: Callable[[str], None]) -> None:
    for name, (soft, hard) in rlimits.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if kind is None:
            note(f"the limit {name} is unknown here")
            continue
        try:
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):
            own = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (_lower(soft, own), _lower(hard, own)))
            note(f"the limit {name} could not be raised to {hard}; it stays at {own}")


def _lower(wanted: int, own: int) -> int:
    if wanted == resource.RLIM_INFINITY:
        return own
    return wanted if own == resource.RLIM_INFINITY else min(wanted, own)


def _become_user(uid: int | None, gid: int | None) -> None:
    if os.geteuid() == 0 and (uid is not None or gid is not None):
        os.setgroups([])
    if gid is not None and (gid, gid, gid) != os.getresgid():
        os.setresgid(gid, gid, gid)
    if uid is not None and (uid, uid, uid) != os.getresuid():
        os.setresuid(uid, uid, uid)


def _enter(cwd: str) -> None:
    try:
        os.chdir(cwd)
    except OSError as error:
        raise LaunchError(f"{cwd}: {error.strerror}", error.errno or 0) from error


def _execute(argv: list[bytes], environment: dict[bytes, bytes]) -> NoReturn:
    """Execute argv[0], looked for in the game's own PATH where it holds no slash."""
    shown = os.fsdecode(argv[0])
    if b"/" in argv[0]:
        candidates = [argv[0]]
    else:
        search = environment.get(b"PATH", DEFAULT_PATH.encode()).split(b":")
        candidates = [(folder or b".") + b"/" + argv[0] for folder in search]
    number = errno.ENOENT
    for candidate in candidates:
        try:
            os.execve(candidate, argv, environment)  # noqa: S606 - a shell is what it must not be
        except OSError as error:
            # As execvp(3): go on past what is not there, remember what may not be executed.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise LaunchError(f"{shown}: {error.strerror}", error.errno or 0) from error
            number = errno.EACCES if error.errno == errno.EACCES else number
    raise LaunchError(f"{shown}: {os.strerror(number)}", number)


def _one_line(text: str) -> str:
    return " ".join(text.split())
