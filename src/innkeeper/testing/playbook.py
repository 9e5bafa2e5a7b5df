"""Playbooks: a supervising machine's whole behaviour in a few lines, in simulated time.

    Playbook(machine) >> OrderReceived(START, "start") << Prepare() >> Prepared("r1") << Launch("r1")

`>>` lets something happen (an event, or a number of seconds that pass, with the timers that elapse meanwhile), `<<`
says the next command that must have come of it. Before the next `>>`, and at `done()`, every command must have been
named: silence is checked too. Knows nothing of what the commands mean.
"""

from datetime import timedelta
from typing import Self

import msgspec

from innkeeper.node.supervisor.commands import CancelTimer, Command, FinishOrder, SetTimer
from innkeeper.node.supervisor.events import Elapsed, Event, Rules, Timer
from innkeeper.node.supervisor.machine import Machine
from innkeeper.node.supervisor.memory import Memory
from innkeeper.wire.messages import OrderReport

START_US = 1_800_000_000_000_000


class Playbook:
    """Drives `machine`. Timers are kept by the playbook, and need not be named unless `timers` is true.

    Orders' ends are gathered in `ended` and need not be named either.
    """

    def __init__(self, machine: Machine, *, timers: bool = False) -> None:
        self.machine = machine
        self.now_us = START_US
        self.ended: list[OrderReport] = []
        self._name_timers = timers
        self._timers: dict[Timer, int] = {}
        self._said: list[Command] = []

    @property
    def memory(self) -> Memory:
        """The machine's memory, to look at."""
        return self.machine.memory

    def __rshift__(self, happened: Event | timedelta) -> Self:
        self.done()
        if isinstance(happened, timedelta):
            self._pass(happened)
        else:
            self._tell(happened)
        return self

    def __lshift__(self, expected: Command) -> Self:
        said = self._said.pop(0) if self._said else None
        _check(said == expected, f"{said} was said where {expected} was expected; phase {self.memory.phase}")
        return self

    def done(self) -> Self:
        """Check that every command was named."""
        unnamed, self._said = self._said, []
        _check(not unnamed, f"not expected: {unnamed}")
        return self

    def stands(self, phase: str, reason: str | None = None) -> Self:
        """Check that the server is shown in `phase`, with `reason` somewhere in its reason if given."""
        _check(self.memory.phase == phase, f"{self.memory.phase} ({self.memory.reason}), not {phase}")
        _check((reason or "") in (self.memory.reason or ""), f"{self.memory.reason!r} does not say {reason!r}")
        return self

    def end_of(self, order: object) -> OrderReport:
        """Return the report with which the order of that id ended; fails when it has not, or ended twice."""
        reports = [report for report in self.ended if report.id == order]
        _check(len(reports) == 1, f"{order} ended {len(reports)} times: {reports}")
        return reports[0]

    def restart_node(self, *, after: timedelta = timedelta(0), rules: Rules | None = None) -> Self:
        """Forget all but what is written down, as a killed node does; `after` passes meanwhile, unseen."""
        self.done()
        kept = msgspec.json.decode(msgspec.json.encode(self.memory), type=Memory)
        self.machine = Machine(rules if rules is not None else self.machine.rules, kept)
        self._timers.clear()
        self.now_us += after // timedelta(microseconds=1)
        return self

    def _pass(self, duration: timedelta) -> None:
        until = self.now_us + duration // timedelta(microseconds=1)
        while self._timers:
            timer = min(self._timers, key=lambda name: self._timers[name])
            if self._timers[timer] > until:
                break
            self.now_us = self._timers.pop(timer)
            self._tell(Elapsed(timer))
        self.now_us = until

    def _tell(self, event: Event) -> None:
        for command in self.machine.receive(event, self.now_us):
            match command:
                case SetTimer(timer, seconds):
                    self._timers[timer] = self.now_us + int(seconds * 1_000_000)
                case CancelTimer(timer):
                    self._timers.pop(timer, None)
                case FinishOrder(report):
                    self.ended.append(report)
                    continue
                case _:
                    pass
            if self._name_timers or not isinstance(command, SetTimer | CancelTimer):
                self._said.append(command)


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
