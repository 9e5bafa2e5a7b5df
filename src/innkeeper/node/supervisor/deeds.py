"""What the supervising machine does when it has decided: change its memory and say a command.

Each deed keeps memory and commands in step (a timer that runs is remembered, an order that ends is told). Decides
nothing: see `machine`.
"""

from innkeeper.node.supervisor import commands as do
from innkeeper.node.supervisor import events as on
from innkeeper.node.supervisor.memory import FINISHED_KEPT, Memory, OrderMemory
from innkeeper.wire.messages import ExitReport, Phase, RunReport

KILL_PATIENCE_S = 10.0
STEPS_KEPT = 40


class Deeds:
    """The memory, the time and the commands said so far about the event at hand."""

    def __init__(self, rules: on.Rules, memory: Memory) -> None:
        self.rules = rules
        self.memory = memory
        self._now_us = 0
        self._out: list[do.Command] = []

    def _prepare(self) -> None:
        self._rest("preparing")
        self._out.append(do.Prepare())

    def _launch(self, run_id: str) -> None:
        memory = self.memory
        memory.phase, memory.process = "starting", "launching"
        memory.run_id, memory.pid, memory.started_us, memory.ready_us = run_id, None, None, None
        self._step("prepared")
        self._out.append(do.Launch(run_id))

    def _begin_stop(self, phase: Phase, *, then_start: bool = False, reason: str | None = None) -> None:
        memory = self.memory
        self._cancel("start")
        memory.phase, memory.reason, memory.then_start = phase, reason, then_start
        memory.killed, memory.cause, memory.stop_asked = None, None, False
        if memory.process == "alive":
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        rule = self.rules.stop
        how = f"with the command {rule.command!r}" if rule.command is not None else f"with {rule.signal}"
        self._step(f"asked to stop {how}")
        self._out.append(do.Signal(rule.signal) if rule.command is None else do.SendLine(rule.command))
        self._set("stop", rule.timeout_s)

    def _kill_now(self) -> None:
        self._out.append(do.Kill())
        self._set("kill", KILL_PATIENCE_S)

    def _give_up_work(self) -> None:
        memory = self.memory
        if memory.phase == "installing":
            self._out.append(do.CancelWork("install"))
        elif memory.phase == "preparing":
            self._out.append(do.CancelWork("slot" if memory.queued else "prepare"))

    def _rest(self, phase: Phase, reason: str | None = None) -> None:
        """Come to `phase`, where no process lives and nothing of the last one matters any more."""
        memory = self.memory
        if memory.queued and phase == "preparing":
            self._out.append(do.CancelWork("slot"))
        memory.phase, memory.reason, memory.process = phase, reason, "none"
        memory.queued = memory.then_start = memory.stop_asked = False
        memory.killed = memory.cause = None
        memory.pid = memory.started_us = memory.ready_us = None
        self._cancel("start", "stop", "kill", "backoff")

    def _end_run(self, ended_us: int, started_us: int | None = None) -> None:
        """Remember that the run under way has ended; `started_us` is asked where its birth was not noticed."""
        memory = self.memory
        if memory.process == "alive" and memory.started_us is not None:
            started_us = memory.started_us
        if memory.process != "none" and memory.run_id is not None and started_us is not None:
            self._record_run(memory.run_id, started_us, ended_us)
        memory.process = "none"

    def _record_run(self, run_id: str, started_us: int, ended_us: int) -> None:
        if all(run.run_id != run_id for run in self.memory.runs):
            run = RunReport(run_id=run_id, started_us=started_us, ended_us=max(started_us, ended_us))
            self.memory.runs = [*self.memory.runs, run]
            self.memory.last_run = run_id

    def _record_exit(self, code: int | None, signal: int | None, clean: bool, reason: str) -> None:
        memory = self.memory
        ended = next((run for run in memory.runs if run.run_id == memory.run_id), None)
        memory.last_exit = ExitReport(
            run_id=memory.run_id or "",
            code=code,
            signal=signal,
            started_us=ended.started_us if ended is not None else memory.started_us,
            at_us=self._now_us,
            clean=clean,
            reason=reason,
        )

    def _set(self, timer: on.Timer, seconds: float) -> None:
        self.memory.deadlines_us[timer] = self._now_us + int(seconds * 1_000_000)
        self._out.append(do.SetTimer(timer, seconds))

    def _cancel(self, *timers: on.Timer) -> None:
        for timer in timers:
            if self.memory.deadlines_us.pop(timer, None) is not None:
                self._out.append(do.CancelTimer(timer))

    def _step(self, step: str | None, fraction: float | None = None) -> None:
        order = self.memory.order
        if order is None:
            return
        if step is not None and order.steps[-1:] != [step]:
            order.steps = [*order.steps, step][-STEPS_KEPT:]
        if fraction is not None:
            order.fraction = fraction

    def _done(self, step: str | None) -> None:
        self._step(step)
        self._finish_current(None)

    def _failed(self, reason: str) -> None:
        self._finish_current(reason)

    def _finish_current(self, failure: str | None) -> None:
        order, self.memory.order = self.memory.order, None
        if order is not None:
            self._finish(order, failure)

    def _finish(self, order: OrderMemory, failure: str | None = None) -> None:
        order.reason = None
        if failure is None and order.fraction is not None:
            order.fraction = 1.0
        report = order.report("done" if failure is None else "failed", failure)
        self.memory.finished = [*self.memory.finished, report][-FINISHED_KEPT:]
        self._out.append(do.FinishOrder(report))
