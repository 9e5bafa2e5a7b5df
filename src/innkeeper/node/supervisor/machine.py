"""The supervisor of one server: what happened goes in, what is to be done comes out.

No clock (every event comes with its time), no I/O, no randomness. It refuses to know how a process is executed, what a
console is and who gives orders. All its state is one `Memory`, which whoever performs the commands writes down first,
so that it goes on after a crash of the node as if nothing had been.

    created ──install──▶ installing ──▶ stopped ◀─────────────── ended by itself, cleanly ───────────┐
                             ▲             │ start, or the intent restored after a boot              │
                             └──install────┤                                                         │
       ┌─────────────▶ preparing ◀─────────┘                                                         │
       │ (queued: waits     │ prepared                                                               │
       │  for its turn)     ▼                       ready line, or it answered                       │
       │                 starting ─────────────────────────────────────────────────────▶ running ────┤
       │                    │ stop                                                        │  │       │ crash
       │                    └──────────▶ stopping ◀──────────── stop ─────────────────────┘  │       │
       │                                 │  │  └─ says that it saves ─▶ saving ─▶ stopped    │       │
       │                                 │  └─ too long, or a kill asked for ─▶ (killed) ─▶ stopped  │
       │                                 └─ ended ─▶ stopped                                 │       │
       ├──── ended ◀── restarting ◀──────────────────────── restart ─────────────────────────┘       ▼
       └──── after a growing wait ◀────────────────────────────────────────────────────────────── crashed
                                           too many in the window: stays there until a start is ordered

An order that cannot be carried out yet waits, with a reason; a newer one replaces it. A kill never waits.

A restore is an installation of another kind: a game that runs is stopped for it and started again behind it. What it
has begun to overwrite cannot be started before a restore has come to its end.
"""

from collections.abc import Callable

from innkeeper.node.supervisor import commands as do
from innkeeper.node.supervisor import events as on
from innkeeper.node.supervisor.filling import SUSPENDED, Filling
from innkeeper.node.supervisor.memory import Memory, OrderMemory
from innkeeper.wire.messages import Phase, Verb

IDLE: frozenset[Phase] = frozenset({"created", "stopped", "crashed"})
ENDING: frozenset[Phase] = frozenset({"stopping", "saving", "restarting"})

QUEUED = "waits for its turn to start"


class Machine(Filling):
    """Decides for one server. `memory` is its state, owned by it and only read by others."""

    def __init__(self, rules: on.Rules, memory: Memory | None = None) -> None:
        super().__init__(rules, memory if memory is not None else Memory())
        self._perform: dict[Verb, Callable[[OrderMemory], None]] = {
            "install": self._install,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "kill": self._kill,
            "restore": self._restore,
        }

    def receive(self, event: on.Event, at_us: int) -> list[do.Command]:
        """Take in what happened at `at_us` (µs since 1970) and return what is to be done about it, in order."""
        self._now_us = at_us
        self._out = []
        self._take(event)
        self._go_on()
        return self._out

    # -- events -----------------------------------------------------------------------------------------------------

    def _take(self, event: on.Event) -> None:
        memory = self.memory
        match event:
            case on.OrderReceived(id, verb, restore):
                self._ordered(OrderMemory(id, verb, restore=restore))
            case on.DesiredChanged(rules):
                self.rules = rules
                if rules.suspended:
                    self._suspended()
            case on.InstallProgressed(step, fraction) if memory.phase == "installing":
                self._step(step, fraction)
            case on.RestoreBegun() if memory.phase == "installing":
                memory.half_restored = True
            case on.InstallFinished() if memory.phase == "installing":
                self._installed()
            case on.InstallFailed(reason) if memory.phase == "installing":
                self._install_failed(reason)
            case on.SlotGranted() if memory.phase == "preparing" and memory.queued:
                memory.queued = False
                self._prepare()
            case on.Prepared(run_id) if memory.phase == "preparing" and not memory.queued:
                self._launch(run_id)
            case on.PrepareRefused(reason, lasting) if memory.phase == "preparing" and not memory.queued:
                self._refused(reason, lasting)
            case on.Launched(pid, started_us) if memory.process == "launching":
                self._launched(pid, started_us if started_us is not None else self._now_us)
            case on.LaunchFailed(reason) if memory.process == "launching":
                self._launch_failed(reason)
            case on.ReadySeen() if memory.phase == "starting" and memory.process == "alive":
                self._ready()
            case on.SavingSeen() if memory.phase == "stopping" and memory.killed is None:
                memory.phase = "saving"
            case on.StopAsked() if memory.phase in ENDING:
                memory.stop_asked = True
            case on.Exited(code, signal, at_us, started_us, cause) if memory.process != "none":
                self._end_run(at_us if at_us is not None else self._now_us, started_us)
                how = f"ended with code {code}" if signal is None else f"ended by signal {signal}"
                self._ended(code, signal, cause or how)
            case on.KeeperLost(reason, alive_us, started_us) if memory.process != "none":
                self._end_run(alive_us if alive_us is not None else self._now_us, started_us)
                self._ended(None, None, reason)
            case on.OutOfStorage(reason, at_once) if memory.process != "none":
                self._out_of_storage(reason, at_once)
            case on.Elapsed(timer) if memory.deadlines_us.pop(timer, None) is not None:
                self._elapsed(timer)
            case on.Adopted():
                self._adopted(event)
            case on.NothingFound(alive_us):
                self._nothing_found(alive_us)
            case on.HostBooted(start, alive_us, started_us):
                if memory.process != "none":
                    self._end_run(self._last_alive(alive_us), started_us)
                    self._record_exit(None, None, False, "the host was restarted")
                self._host_booted(start)
            case on.RunFound(run_id, started_us, ended_us):
                self._record_run(run_id, started_us, ended_us)
            case on.RunsTold(run_ids):
                memory.runs = [run for run in memory.runs if run.run_id not in run_ids]
            case _:
                pass  # too late, or twice: it says nothing about the present

    def _elapsed(self, timer: on.Timer) -> None:
        memory, rules = self.memory, self.rules
        match timer:
            case "start":
                memory.reason = f"did not say that it is ready within {rules.start_timeout_s:g} s"
                self._failed(memory.reason)
            case "stop":
                memory.killed = "after the stop timed out"
                memory.reason = f"did not stop within {rules.stop.timeout_s:g} s and is killed"
                self._step(f"killed after {rules.stop.timeout_s:g} s")
                self._kill_now()
            case "kill":
                memory.reason = "was killed and has not ended"
                self._kill_now()
            case "backoff":
                self._prepare()

    def _launched(self, pid: int, started_us: int) -> None:
        memory = self.memory
        memory.process, memory.pid, memory.started_us = "alive", pid, started_us
        if memory.killed is not None:
            self._kill_now()
        elif memory.phase in ENDING:
            self._ask_to_stop()
        else:
            self._step(f"started, process {pid}")
            self._set("start", self.rules.start_timeout_s)

    def _launch_failed(self, reason: str) -> None:
        memory = self.memory
        memory.process = "none"
        if memory.phase in ENDING:
            self._has_stopped("was not running")
            return
        # Trying again cannot help: a program that cannot be executed stays so until somebody changes something.
        self._rest("crashed", reason)
        self._failed(reason)

    def _ready(self) -> None:
        memory = self.memory
        self._cancel("start")
        memory.phase, memory.reason, memory.ready_us = "running", None, self._now_us
        self._done("ready")

    def _ended(self, code: int | None, signal: int | None, what: str) -> None:
        memory = self.memory
        was_ready = memory.phase == "running"
        value = code if signal is None else -signal
        clean = value is not None and value in self.rules.clean_exit
        if memory.phase in ENDING:
            told = memory.cause or (what if memory.killed is None else f"killed {memory.killed}")
            self._record_exit(code, signal, clean or memory.killed is None, told)
            self._has_stopped(told)
        elif was_ready and clean:
            self._record_exit(code, signal, True, f"ended by itself with code {value}")
            self._rest("stopped", "ended by itself")
        else:
            told = what if was_ready or memory.ready_us else f"{what} before it was ready"
            self._record_exit(code, signal, False, told)
            self._failed(told)
            self._crashed(told)

    def _has_stopped(self, told: str) -> None:
        memory = self.memory
        again = memory.then_start
        self._step(told)
        if memory.order is not None and memory.order.verb == "restore":
            self._begin_restore(memory.order)
            return
        if again and not self.rules.suspended:
            self._prepare()
            return
        reason = SUSPENDED if self.rules.suspended else memory.cause or (memory.killed and f"killed {memory.killed}")
        self._rest("stopped", reason)
        self._done(None)

    def _crashed(self, told: str) -> None:
        memory, rule = self.memory, self.rules.crash
        since = self._now_us - int(rule.window_s * 1_000_000)
        memory.crashes_us = [*(at for at in memory.crashes_us if at > since), self._now_us]
        count = len(memory.crashes_us)
        if not rule.restart:
            self._rest("crashed", f"{told}; crashed servers are not started again")
        elif count > rule.limit:
            self._rest("crashed", f"{told}; gave up after {count} crashes within {rule.window_s:g} s")
        else:
            delay = min(rule.longest_delay_s, rule.first_delay_s * 2.0 ** min(count - 1, 32))
            self._rest("crashed", f"{told}; waits {delay:g} s after crash {count} of {rule.limit}")
            self._set("backoff", delay)

    def _out_of_storage(self, reason: str, at_once: bool) -> None:
        memory = self.memory
        if memory.phase in ("starting", "running", "restarting"):
            self._failed(reason)
            if at_once or memory.phase == "restarting":
                memory.phase, memory.then_start = "stopping", False
            else:
                self._begin_stop("stopping")
            memory.reason = memory.cause = reason
        if at_once and memory.killed is None:
            memory.killed, memory.then_start = "at once", False
            memory.reason = memory.cause = reason
            self._cancel("start", "stop")
            if memory.process == "alive":
                self._kill_now()

    def _refused(self, reason: str, lasting: bool) -> None:
        if self.memory.order is not None or lasting:
            self._rest("stopped", reason)
            self._failed(reason)
        else:  # nobody is there to read it: what is in the way may be gone the next time
            self._crashed(reason)

    # -- after a start of the node ----------------------------------------------------------------------------------

    def _adopted(self, found: on.Adopted) -> None:
        memory = self.memory
        if memory.phase not in ("starting", "running", *ENDING):
            # It lives although we remember otherwise: what is, is right.
            self._give_up_work()
            if memory.order is not None and memory.order.verb in ("install", "restore"):
                self._failed("the server was found running")
            self._rest("starting")
        elif memory.phase == "running" and memory.run_id != found.run_id:
            memory.phase, memory.ready_us = "starting", None
        if memory.run_id != found.run_id:
            self._end_run(self._last_alive(None))
        memory.process, memory.run_id, memory.pid = "alive", found.run_id, found.pid
        memory.started_us = found.started_us
        if memory.phase in ENDING:
            if memory.killed is not None:
                self._kill_now()
            elif memory.stop_asked and "stop" in memory.deadlines_us:
                self._resume_timers()
            else:
                self._ask_to_stop()
        elif self.rules.suspended:
            self._suspended()
        elif memory.phase == "starting" and found.ready:
            self._ready()
        elif memory.phase == "starting" and "start" not in memory.deadlines_us and memory.order is not None:
            self._set("start", self.rules.start_timeout_s)
        else:
            self._resume_timers()

    def _nothing_found(self, alive_us: int | None = None) -> None:
        memory = self.memory
        if memory.process == "launching" and memory.phase == "starting":
            self._prepare()
        elif memory.process == "launching":
            self._launch_failed("was not launched")
        elif memory.process == "alive":
            self._end_run(self._last_alive(alive_us))
            self._ended(None, None, "ended while the node was away")
        elif memory.phase == "installing":
            self._step("begun again after a restart of the node")
            self._out.append(self._work_of(memory.order))
        elif memory.phase == "preparing":
            self._out.append(do.WaitForSlot() if memory.queued else do.Prepare())
        elif memory.phase == "starting" or memory.phase in ENDING:
            self._rest("stopped")
            self._failed("its process was not found")
        else:
            self._resume_timers()

    def _last_alive(self, alive_us: int | None) -> int:
        """Return when the process that is gone was alive for certain: when it was born, if nobody saw it later."""
        known = alive_us if alive_us is not None else self.memory.started_us
        return known if known is not None else self._now_us

    def _host_booted(self, start: bool) -> None:
        memory = self.memory
        memory.deadlines_us = {}
        memory.queued = False
        if memory.phase == "installing":
            self._nothing_found()
            return
        if memory.phase in ENDING and memory.order is not None and memory.order.verb == "restore":
            self._begin_restore(memory.order)
            return
        if memory.phase in ENDING:
            start = memory.then_start or start
            if not memory.then_start:
                self._step("the host was restarted")
                self._done(None)
        start = start or (memory.phase in ("preparing", "starting") and memory.order is not None)
        if not start or self.rules.suspended or self._missing_files() is not None:
            reason = SUSPENDED if self.rules.suspended else "the host was restarted"
            if memory.phase not in IDLE or self.rules.suspended:
                self._rest("stopped" if memory.phase != "created" else "created", reason)
            elif memory.phase == "crashed":
                self._rest("crashed", memory.reason and memory.reason.split("; waits ")[0])
            self._failed(reason)
            return
        memory.crashes_us = []
        self._rest("preparing", QUEUED)
        memory.queued = True
        self._out.append(do.WaitForSlot())

    def _resume_timers(self) -> None:
        for timer, deadline_us in self.memory.deadlines_us.items():
            self._out.append(do.SetTimer(timer, max(0.0, (deadline_us - self._now_us) / 1_000_000)))

    # -- orders -----------------------------------------------------------------------------------------------------

    def _ordered(self, order: OrderMemory) -> None:
        memory = self.memory
        id, verb = order.id, order.verb
        for report in memory.finished:
            if report.id == id:
                self._out.append(do.FinishOrder(report))
                return
        if any(known is not None and known.id == id for known in (memory.order, memory.waiting)):
            return
        if memory.waiting is not None:
            replaced, memory.waiting = memory.waiting, None
            self._finish(replaced, f"superseded by a newer order: {verb}")
        if self._obstacle(verb) is not None:
            memory.waiting = order
        else:
            self._perform[verb](order)

    def _go_on(self) -> None:
        memory = self.memory
        while memory.waiting is not None:
            memory.waiting.reason = self._obstacle(memory.waiting.verb)
            if memory.waiting.reason is not None:
                return
            order, memory.waiting = memory.waiting, None
            self._perform[order.verb](order)

    def _obstacle(self, verb: Verb) -> str | None:
        """Return what an order of this kind has to wait for now; None: it can be carried out."""
        memory = self.memory
        if verb == "kill":
            return None
        if memory.phase == "installing":
            return None if verb == "stop" else f"waits until the {self._filling} is finished"
        if memory.phase in IDLE:
            return None
        if verb == "restore":
            return "waits until the server has stopped" if memory.phase in ENDING else None
        if verb == "install":
            return "waits until the server is stopped"
        if memory.phase in ENDING:
            if verb == "stop" and (memory.order is None or memory.phase == "restarting"):
                return None
            return f"waits until the server has {'restarted' if memory.then_start else 'stopped'}"
        if verb == "start" and memory.phase != "running" and memory.order is not None:
            return "waits until the start under way has ended"
        return None

    def _install(self, order: OrderMemory) -> None:
        self._rest("installing")
        self.memory.order = order
        self._out.append(do.Install())

    def _start(self, order: OrderMemory) -> None:
        memory = self.memory
        if memory.phase == "running":
            order.steps.append("already running")
            self._finish(order)
        elif (refusal := SUSPENDED if self.rules.suspended else self._missing_files()) is not None:
            self._finish(order, refusal)
        else:
            memory.order, memory.crashes_us = order, []
            if memory.phase == "starting":
                memory.reason = None
                self._set("start", self.rules.start_timeout_s)
            elif memory.phase in IDLE or memory.queued:
                self._prepare()

    def _restart(self, order: OrderMemory) -> None:
        memory = self.memory
        if memory.phase not in ("starting", "running") or self.rules.suspended:
            self._failed("superseded by a restart")
            self._start(order)
            return
        self._failed("superseded by a restart")
        memory.order, memory.crashes_us = order, []
        self._begin_stop("restarting", then_start=True)

    def _stop(self, order: OrderMemory) -> None:
        memory = self.memory
        if memory.phase == "installing":
            if memory.order is not None:
                memory.order.start_after = False
            order.steps.append("nothing was running")
            self._finish(order)
        elif memory.phase in IDLE:
            self._stop_idle(order)
        elif memory.phase == "preparing":
            self._failed("stopped on request before it was started")
            self._give_up_work()
            self._stop_idle(order)
        elif memory.phase in ENDING:
            self._failed("superseded by a stop")
            memory.then_start, memory.order = False, order
            if memory.phase == "restarting":
                memory.phase = "stopping"
        else:
            self._failed("stopped on request before it was ready")
            memory.order = order
            self._begin_stop("stopping")

    def _stop_idle(self, order: OrderMemory) -> None:
        memory = self.memory
        pending = memory.phase == "preparing" or "backoff" in memory.deadlines_us
        order.steps.append("called off the start to come" if pending else "already stopped")
        if memory.phase != "created":
            self._rest("stopped")
        self._finish(order)

    def _kill(self, order: OrderMemory) -> None:
        memory, what = self.memory, self._filling
        self._failed("killed on request")
        if memory.phase == "installing":
            self._give_up_work()
            self._rest("stopped" if memory.installed else "created", f"the {what} was cut short")
            order.steps.append(f"cut the {what} short")
            self._finish(order)
        elif memory.process == "none":
            self._give_up_work()
            self._stop_idle(order)
        else:
            memory.order, memory.then_start = order, False
            memory.phase, memory.reason, memory.killed = "stopping", "is killed on request", "on request"
            self._cancel("start", "stop")
            if memory.process == "alive":
                self._kill_now()

    def _suspended(self) -> None:
        memory = self.memory
        if memory.phase == "preparing":
            self._give_up_work()
            self._rest("stopped", SUSPENDED)
            self._failed(SUSPENDED)
        elif memory.phase == "crashed":
            self._rest("stopped", SUSPENDED)
        elif memory.phase == "restarting":
            memory.phase, memory.then_start = "stopping", False
            self._failed(SUSPENDED)
        elif memory.phase in ("starting", "running"):
            self._failed(SUSPENDED)
            self._begin_stop("stopping", reason=SUSPENDED)
