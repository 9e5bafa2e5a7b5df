"""Own one game server: its terminal, its journal, its end.

One process for each running game, forked by the zygote, outside the daemon's process tree and session. It holds the
lock beside its state for life, so that a second one for the same server is impossible; when it dies, so does the game.

    launch ──exec failed──▶ failed (recorded) ──▶ gone
       └─▶ running ──the game ended──▶ clearing (what it started is killed, its last output journaled)
                                          └──▶ exited (recorded, then told) ──▶ gone

Refuses to know what the game is, who watches, and why it was started or killed. Standard library only, no asyncio,
few imports: every running game pays for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time

from innkeeper.node.console.writer import (
    DEFAULT_RETAIN_BYTES,
    DEFAULT_SEGMENT_BYTES,
    JournalWriter,
)
from innkeeper.node.keeper import frames, groups, kernel, state
from innkeeper.node.keeper.clients import Client, Clients, listen_at
from innkeeper.node.keeper.launch import LaunchError, become_game, make_raw
from innkeeper.node.keeper.log import log_to, report
from innkeeper.node.keeper.processes import descendants, kill_leftovers, kill_quietly, start_time
from innkeeper.node.keeper.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Order = tuple[str, str, Callable[[dict[str, Any]], None]]
    """The folders `keep_dir` and `journal_dir`, and what is told once whether the game was executed."""

LOCK_PATIENCE = 2.0
CLEARING_PATIENCE = 30.0
FAREWELL_PATIENCE = 1.0
JOURNAL_RETRY = 1.0
HOUSEKEEPING = 3600.0
MAX_FAULTS = 100
ENDED = "the game has ended"


class Keeper:
    """One run of one game. `launch` then `run`; both are called once, and nothing is known of it before."""

    def __init__(self) -> None:
        self._keep_dir = ""
        self._journal_dir = ""
        self._epoll = select.epoll()
        self._lock = -1
        self._slave = -1
        self._groups: list[str] = []
        self._pid = 0
        self._exit: dict[str, Any] | None = None
        self._recorded = False
        self._clearing_since: float | None = None
        self._clear_at: float | None = None
        self._clear_pause = 0.0
        self._kills: list[tuple[Client, int]] = []
        self._wants_write = False
        self._retry_at: float | None = None
        self._state: dict[str, Any] = {}
        self._watch_children()

    def launch(self, keep_dir: str, journal_dir: str) -> None:
        """Execute the game. Raises LaunchError, which is recorded too unless another keeper has the server."""
        self._keep_dir = keep_dir
        self._journal_dir = journal_dir
        try:
            self._take_lock()
            spec = self._read_spec()
            self._begin(spec)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise LaunchError(f"{place}{error.strerror or error}", error.errno or 0) from error
        try:
            self._execute(spec)
        except (LaunchError, OSError) as error:
            self._state |= {"state": state.FAILED, "error": str(error)}
            groups.remove(self._groups)
            self._record()
            raise error if isinstance(error, LaunchError) else LaunchError(str(error), error.errno or 0) from error
        self._state |= {"state": state.RUNNING, "pid": self._pid, "pid_starttime": start_time(self._pid)}
        self._record(durable=False)

    @property
    def pid(self) -> int:
        """The game's process id."""
        return self._pid

    # How a run begins

    def _take_lock(self) -> None:
        self._lock = os.open(f"{self._keep_dir}/{frames.LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                # Whoever inspects a server holds the lock for a moment.
                if time.monotonic() > deadline:
                    raise LaunchError("another keeper has this server: it is running already", 11) from error
                time.sleep(0.005)

    def _read_spec(self) -> dict[str, Any]:
        spec = state.read_json(self._keep_dir, frames.SPEC_NAME)
        if spec is None:
            raise LaunchError(f"{self._keep_dir}/{frames.SPEC_NAME} is missing or damaged")
        before = state.read_json(self._keep_dir, frames.STATE_NAME)
        if before and before.get("state") in (state.STARTING, state.RUNNING):
            left = groups.end(before.get("cgroups") or [])
            left += kill_leftovers(before["mark"], before.get("pid"), before.get("pid_starttime"))
            if left:
                raise LaunchError(f"processes of an earlier run do not die: {left}")
        return spec

    def _begin(self, spec: dict[str, Any]) -> None:
        self._groups = spec.get("cgroups") or []
        self._state = {
            "run_id": spec["run_id"],
            "mark": os.urandom(16).hex(),
            "keeper_pid": os.getpid(),
            "pid": None,
            "pid_starttime": None,
            "started_us": time.time_ns() // 1000,
            "state": state.STARTING,
            "exit": None,
            "error": None,
            "notes": list(spec.get("notes") or []),
            "cgroups": self._groups,
        }
        state.write_json(self._keep_dir, frames.STATE_NAME, self._state, durable=False)
        journal = spec.get("journal") or {}
        self._journal = JournalWriter.open(
            self._journal_dir,
            segment_bytes=journal.get("segment_bytes") or DEFAULT_SEGMENT_BYTES,
            retain_bytes=journal.get("retain_bytes") or DEFAULT_RETAIN_BYTES,
            retain_seconds=journal.get("retain_seconds"),
        )
        self._partial_after = (journal.get("partial_after_ms") or 200) / 1000
        self._housekeeping_at = time.monotonic() + HOUSEKEEPING

    def _execute(self, spec: dict[str, Any]) -> None:
        shape = spec.get("terminal") or {}
        master, self._slave = os.openpty()
        make_raw(self._slave, shape.get("rows") or 40, shape.get("cols") or 200)
        self._terminal = Terminal(master, self._partial_after)
        self._clients = Clients(listen_at(self._keep_dir, frames.SOCKET_NAME), self._epoll)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        keeper_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            become_game(spec, self._state["mark"], self._slave, writing, keeper_pid)
        os.close(writing)
        told = b""
        while piece := os.read(reading, 4096):
            told += piece
        os.close(reading)
        self._heed(told.decode(errors="replace"), pid)
        self._pid = pid
        self._epoll.register(master, select.EPOLLIN)

    def _heed(self, told: str, pid: int) -> None:
        """Keep the child's notes; raise LaunchError where it could not become the game."""
        for line in told.splitlines():
            what, _, text = line.partition(" ")
            if what == "note":
                self._state["notes"].append(text)
            else:
                number, _, why = text.partition(" ")
                os.waitpid(pid, 0)
                raise LaunchError(why, int(number))

    def _watch_children(self) -> None:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self._wakeup, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(signum, signal.SIG_IGN)
        self._epoll.register(self._wakeup, select.EPOLLIN)

    # How it goes on

    def run(self) -> None:
        """Serve the terminal and the clients until the game has ended and its end is recorded and told."""
        faults = 0
        while not self._recorded:
            try:
                self._turn()
            except Exception:
                faults += 1
                report("keeper.turn.failed")
                sys.excepthook(*sys.exc_info())
                if faults > MAX_FAULTS:
                    raise
        self._say_farewell()

    def _turn(self) -> None:
        now = time.monotonic()
        master = self._terminal.fd
        for fd, events in self._epoll.poll(self._timeout(now)):
            if fd == master:
                self._attend_terminal(events)
            elif fd == self._wakeup:
                os.read(self._wakeup, 4096)
                self._reap()
            elif fd == self._clients.listener.fileno():
                self._clients.accept(self._hello)
            else:
                self._clients.handle(fd, events, self._perform)
        self._do_what_is_due(time.monotonic())
        self._ask_for_writability()

    def _timeout(self, now: float) -> float:
        dues = (
            self._terminal.partial_at,
            self._terminal.input_deadline,
            now + 0.1 if self._terminal.has_input else None,
            self._retry_at,
            self._clear_at,
            self._housekeeping_at,
        )
        return max(min(due for due in dues if due is not None) - now, 0.0)

    def _attend_terminal(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._terminal.write(time.monotonic())
        if events & ~select.EPOLLOUT:
            self._read_terminal()

    def _read_terminal(self) -> bool:
        """Journal and announce what the game printed; return whether there was anything."""
        if self._terminal.hung_up:
            return False
        data = self._terminal.read()
        if data:
            self._keep(self._terminal.take(data, time.monotonic()))
        self._notice_hang_up()
        return bool(data)

    def _notice_hang_up(self) -> None:
        if self._terminal.hung_up:
            self._epoll.unregister(self._terminal.fd)

    def _keep(self, payload: bytes) -> None:
        if not payload:
            return
        for block in self._journal.append(time.time_ns() // 1000, payload):
            self._announce(block.first_seq, block.time_us, block.payload)
        self._plan_retry()

    def _announce(self, first_seq: int, time_us: int, payload: bytes) -> None:
        if self._clients.any:
            self._clients.announce(frames.pack_block(first_seq, time_us, payload), self._journal.next_seq)

    def _plan_retry(self) -> None:
        waits = self._journal.pending_bytes > 0
        self._retry_at = time.monotonic() + JOURNAL_RETRY if waits else None

    def _do_what_is_due(self, now: float) -> None:
        if self._terminal.partial_at is not None and now >= self._terminal.partial_at and not self._read_terminal():
            self._keep(self._terminal.take_partial())
        if self._terminal.has_input:
            self._terminal.write(now)
        if self._retry_at is not None and now >= self._retry_at:
            for block in self._journal.retry():
                self._announce(block.first_seq, block.time_us, block.payload)
            self._plan_retry()
        if self._clear_at is not None and now >= self._clear_at:
            self._clear(now)
        if now >= self._housekeeping_at:
            self._housekeeping_at = now + HOUSEKEEPING
            self._journal.drop_old()

    def _ask_for_writability(self) -> None:
        wanted = self._terminal.has_input and not self._terminal.hung_up
        if wanted != self._wants_write and not self._terminal.hung_up:
            self._wants_write = wanted
            self._epoll.modify(self._terminal.fd, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def _hello(self) -> bytes:
        seen = {name: self._state[name] for name in ("run_id", "pid", "started_us", "state")}
        return frames.pack_frame(frames.HELLO, json.dumps(seen | {"next_seq": self._journal.next_seq}).encode())

    # What clients ask

    def _perform(self, client: Client, kind: int, request: int, body: bytes) -> None:
        def answer(why: str | None) -> None:
            if why is None:
                client.send(frames.pack_frame(frames.DONE, frames.REQUEST.pack(request)))
            else:
                client.send(frames.pack_frame(frames.REFUSED, frames.REQUEST.pack(request) + why.encode()))

        if kind == frames.KILL:
            self._kills.append((client, request))
            self._begin_clearing(time.monotonic())
        elif kind == frames.INPUT:
            if self._exit is not None:
                answer(ENDED)
            else:
                self._terminal.send(body, time.monotonic(), answer)
        elif kind == frames.SIGNAL and len(body) == frames.SIGNUM.size:
            self._signal(frames.SIGNUM.unpack(body)[0], answer)
        else:
            answer("the keeper does not know this request")

    def _signal(self, signum: int, answer: Callable[[str | None], None]) -> None:
        if self._exit is not None:  # its number may be another's by now
            answer(ENDED)
            return
        try:
            os.kill(self._pid, signum)
        except OSError as error:
            answer(error.strerror or str(error))
        else:
            answer(None)

    # How a run ends

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid, status = 0, 0
            if pid == 0:
                break
            if pid == self._pid:
                code = os.waitstatus_to_exitcode(status)
                self._exit = {
                    "code": code if code >= 0 else None,
                    "signal": -code if code < 0 else None,
                    "at_us": time.time_ns() // 1000,
                }
        if self._exit is not None or self._clearing_since is not None:
            self._begin_clearing(time.monotonic())

    def _reap_orphans(self) -> None:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return

    def _begin_clearing(self, now: float) -> None:
        if self._clearing_since is None:
            self._clearing_since = now
        self._clear_pause = 0.002
        self._clear_at = now

    def _clear(self, now: float) -> None:
        """Kill the game and all it started; once nothing is left, finish."""
        if self._exit is None:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except OSError:  # a group of its own elsewhere: it is found below
                kill_quietly(self._pid)
        left = groups.kill(self._groups) or descendants(os.getpid())
        for pid in left:
            kill_quietly(pid)
        patience_is_over = self._clearing_since is not None and now - self._clearing_since > CLEARING_PATIENCE
        if self._exit is not None and (not left or patience_is_over):
            self._finish(left)
            return
        self._clear_at = now + self._clear_pause
        self._clear_pause = min(self._clear_pause * 2, 0.05)

    def _finish(self, left: list[int]) -> None:
        """Journal the last output, record the end so that no crash can undo it, and tell everybody."""
        deadline = time.monotonic() + FAREWELL_PATIENCE
        while not self._terminal.hung_up and time.monotonic() < deadline and self._read_terminal():
            pass
        self._keep(self._terminal.take_partial())
        if self._journal.pending_bytes:
            self._journal.retry()
        if self._journal.pending_bytes:
            self._state["notes"].append(f"the last {self._journal.pending_bytes} bytes of output could not be kept")
        if left:
            self._state["notes"].append(f"processes that would not die: {left}")
        if self._exit is not None:
            self._exit |= groups.memory_told(self._groups)
        # Before the end is told: then the next run may begin.
        if stays := groups.remove(self._groups, self._reap_orphans):
            report("keeper.groups.left", stays)
        try:
            self._journal.sync()
            self._journal.seal()
        except OSError as error:
            report("keeper.journal.not_synced", error)
        self._state |= {"state": state.EXITED, "exit": self._exit}
        self._record()
        self._recorded = True
        self._clear_at = None
        for client, request in self._kills:
            client.send(frames.pack_frame(frames.DONE, frames.REQUEST.pack(request)))
        self._clients.tell(frames.pack_frame(frames.EXIT, json.dumps(self._exit).encode()))

    def _record(self, *, durable: bool = True) -> None:
        try:
            state.write_json(self._keep_dir, frames.STATE_NAME, self._state, durable=durable)
        except OSError as error:
            report("keeper.state.not_replaced", error)
            try:
                state.overwrite_json(self._keep_dir, frames.STATE_NAME, self._state)
            except OSError as again:
                report("keeper.state.not_recorded", again)

    def _say_farewell(self) -> None:
        """Give slow clients a moment to read to the end."""
        deadline = time.monotonic() + FAREWELL_PATIENCE
        exit_frame = frames.pack_frame(frames.EXIT, json.dumps(self._exit).encode())
        if not self._terminal.hung_up:
            self._epoll.unregister(self._terminal.fd)
        self._clients.close_told()
        while self._clients.any and time.monotonic() < deadline:
            for fd, events in self._epoll.poll(0.1):
                if fd == self._clients.listener.fileno():
                    self._clients.accept(lambda: self._hello() + exit_frame)
                elif fd == self._wakeup:
                    os.read(fd, 4096)
                elif fd != self._terminal.fd:
                    self._clients.handle(fd, events, lambda *_: None)
            self._clients.close_told()


def keep(await_order: Callable[[], Order]) -> NoReturn:
    """Be the keeper of one run, in a process forked for it; what can be made ready is, before the order is awaited."""
    code = 1
    try:
        os.umask(0o077)
        keeper = Keeper()
        keep_dir, journal_dir, answer = await_order()
        log_to(f"{keep_dir}/{frames.LOG_NAME}")
        try:
            keeper.launch(keep_dir, journal_dir)
        except LaunchError as error:
            answer({"error": str(error), "errno": error.number})
            os._exit(1)
        answer({"ok": True, "pid": keeper.pid, "keeper_pid": os.getpid()})
        keeper.run()
        code = 0
    except BaseException:  # noqa: BLE001 - nobody is above to catch it; the log has it, and the game dies with us
        report("keeper.failed")
        sys.excepthook(*sys.exc_info())
    os._exit(code)


def protect() -> None:
    """Take a keeper's name, and have the kernel take it last when memory runs out, where it lets us ask."""
    for name, value in (("oom_score_adj", b"-900"), ("comm", b"innkeeper-keep")):
        try:
            fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.write(fd, value)
        except OSError:  # needs CAP_SYS_RESOURCE, which a container may lack
            continue
        finally:
            os.close(fd)
