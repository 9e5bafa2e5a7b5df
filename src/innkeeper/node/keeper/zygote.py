"""Fork keepers from one warm process, so that each costs little time and little memory.

Started by a node's daemon, but outside its process tree and session; one for each node folder (a lock says so). It
forks and forgets: a keeper is nobody's child, and neither the zygote's end nor the daemon's touches it. It ends when
told to, which a daemon does on finding that its code is not the daemon's own (`source_version`).

One keeper at most is forked in advance (`spare`), once things are calm, and ends with the zygote if it is not needed.

    zygote → client   {"version", "pid"}                              on connecting; then lines of JSON
    client → zygote   {"spawn": {"keep_dir", "journal_dir"}}          answered by the keeper itself:
    keeper → client   {"ok", "pid", "keeper_pid"} or {"error", "errno"}    once exec succeeded or failed
    client → zygote   {"quit": true}                                  answered by closing

Refuses to know servers. Standard library only, no asyncio, few imports: see `COMMAND` for how it is started cheaply.
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH100, PTH108, PTH118, PTH120, PTH123
from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import zlib

from innkeeper.node.keeper.clients import listen_at, may_connect
from innkeeper.node.keeper.frames import open_directory, socket_path
from innkeeper.node.keeper.log import log_to, report
from innkeeper.node.keeper.spare import Spare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SOCKET_NAME = "zygote.sock"
LOCK_NAME = "zygote.lock"
LOG_NAME = "zygote.log"
LOCK_PATIENCE = 5.0
MAX_REQUEST_BYTES = 64 << 10
MAX_CLIENTS = 256
CALM_MS = 50
"""Without a request for so long, nobody is held up by the forking of a spare."""

COMMAND = "import sys; sys.path.append(sys.argv[1]); from innkeeper.node.keeper.zygote import main; main(sys.argv[2])"
"""For `python -I -S -c COMMAND <folder of the package innkeeper> <node folder>`: no site-packages, no environment."""


def source_version() -> str:
    """Return what tells this code and interpreter from others'."""
    here = os.path.dirname(os.path.abspath(__file__))
    checksum = 0
    for folder in (here, os.path.join(os.path.dirname(here), "console")):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py") and name not in ("client.py", "journal.py"):
                with open(os.path.join(folder, name), "rb") as file:
                    checksum = zlib.crc32(file.read(), checksum)
    return f"{checksum:08x}-{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"


class Zygote:
    """Listens, and forks."""

    def __init__(self, listener: socket.socket, version: str) -> None:
        self._listener = listener
        self._greeting = json.dumps({"version": version, "pid": os.getpid()}).encode() + b"\n"
        self._incoming: dict[int, tuple[socket.socket, bytearray]] = {}
        self._spare: Spare | None = None
        self._spare_is_due = True
        # poll, not epoll: it holds no descriptor that a forked keeper would have to close.
        self._poll = select.poll()
        self._poll.register(listener.fileno(), select.POLLIN)

    def run(self) -> None:
        """Serve until told to quit."""
        while True:
            ready = self._poll.poll(CALM_MS if self._spare_is_due else None)
            if not ready:
                self._make_spare()
            for fd, _ in ready:
                if fd == self._listener.fileno():
                    self._accept()
                elif not self._attend(fd):
                    return

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            report("zygote.accept.failed", error)
            time.sleep(0.05)  # out of descriptors: nothing else to do than to wait
            return
        if not may_connect(connection) or len(self._incoming) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        try:
            connection.send(self._greeting)
        except OSError:
            connection.close()
            return
        self._incoming[connection.fileno()] = (connection, bytearray())
        self._poll.register(connection.fileno(), select.POLLIN)

    def _attend(self, fd: int) -> bool:
        """Do what one client asks; return whether to go on."""
        connection, incoming = self._incoming[fd]
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        incoming += data
        if data and b"\n" not in incoming and len(incoming) <= MAX_REQUEST_BYTES:
            return True
        self._poll.unregister(fd)
        del self._incoming[fd]
        request = _parse(bytes(incoming))
        wanted = request.get("spawn")
        if isinstance(wanted, dict) and isinstance(wanted.get("keep_dir"), str):
            self._spawn(connection, wanted["keep_dir"], str(wanted.get("journal_dir")))
        quits = bool(request.get("quit"))
        if quits and self._spare is not None:
            self._spare.dismiss()
        connection.close()
        return not quits

    def _spawn(self, connection: socket.socket, keep_dir: str, journal_dir: str) -> None:
        spare, self._spare, self._spare_is_due = self._spare, None, True
        if spare is not None and spare.order(keep_dir, journal_dir, connection):
            return
        try:
            # Should this one be dead at once too, the connection's end tells.
            Spare.fork().order(keep_dir, journal_dir, connection)
        except OSError as error:
            _send(connection, {"error": f"no new process can be made: {error.strerror}", "errno": error.errno})

    def _make_spare(self) -> None:
        self._spare_is_due = False
        try:
            self._spare = Spare.fork()
        except OSError as error:  # the next start tries again
            report("zygote.no_spare", error)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _send(connection: socket.socket, told: dict[str, Any]) -> None:
    try:
        connection.send(json.dumps(told).encode() + b"\n")
    except OSError as error:
        report("zygote.answer.unheard", error)


def main(directory: str) -> NoReturn:
    """Be the zygote of a node folder; write "ready" or what went wrong to standard output once detached."""
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)
    told = os.dup(1)
    os.closerange(4 if told == 3 else 3, told)
    os.closerange(told + 1, os.sysconf("SC_OPEN_MAX"))
    try:
        log_to(f"{directory}/{LOG_NAME}")
        lock = os.open(f"{directory}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _take(lock, directory):
            os.write(told, b"ready")
            os._exit(0)
        listener = listen_at(directory, SOCKET_NAME)
        listener.setblocking(False)
    except OSError as error:
        os.write(told, f"{error.filename or directory}: {error.strerror or error}".encode(errors="replace"))
        os._exit(1)
    _reset_signals()
    zygote = Zygote(listener, source_version())
    _name_self()
    os.write(told, b"ready")
    os.close(told)
    gc.collect()
    gc.freeze()
    code = 1
    try:
        zygote.run()
        code = 0
    except BaseException:  # noqa: BLE001 - nobody is above to catch it; the log has it
        sys.excepthook(*sys.exc_info())
    # The name goes before the lock does, so that nobody removes a successor's.
    _remove_socket(directory)
    os._exit(code)


def _reset_signals() -> None:
    """Forget what the daemon ignored or blocked, and survive what a terminal sends."""
    for signum in range(1, signal.NSIG):
        if signum not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE) and not 32 <= signum < signal.SIGRTMIN:
            ignored = signum in (signal.SIGINT, signal.SIGHUP)
            signal.signal(signum, signal.SIG_IGN if ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take(lock: int, directory: str) -> bool:
    """Take the lock; return False where another zygote has it and serves. Raises BlockingIOError after a while."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if _is_served(directory):
                return False
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_served(directory: str) -> bool:
    directory_fd = open_directory(directory)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(socket_path(directory_fd, SOCKET_NAME))
    except OSError:
        return False
    finally:
        os.close(directory_fd)
    return True


def _name_self() -> None:
    try:
        with open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(b"innkeeper-zyg")
    except OSError as error:
        report("zygote.unnamed", error)


def _remove_socket(directory: str) -> None:
    try:
        os.unlink(f"{directory}/{SOCKET_NAME}")
    except OSError as error:
        report("zygote.socket.not_removed", error)
