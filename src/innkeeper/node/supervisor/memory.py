"""What the supervising machine must remember across a restart of the node.

One struct, written before its commands are performed. Knows neither files nor the machine's rules.
"""

from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.node.supervisor.events import Timer
from innkeeper.wire.messages import ExitReport, OrderReport, Phase, Restore, RunReport, Verb

FINISHED_KEPT = 16


class OrderMemory(msgspec.Struct):
    """An order that has not ended."""

    id: UUID
    verb: Verb
    reason: str | None = None
    steps: list[str] = []
    fraction: float | None = None
    restore: Restore | None = None
    """What is restored, by the verb of that name."""
    start_after: bool = False
    """Of a restore: the game was stopped for it, and is started again."""

    def report(self, state: Literal["waiting", "running", "done", "failed"], reason: str | None = None) -> OrderReport:
        """Return how the order stands, for people."""
        return OrderReport(
            id=self.id, state=state, reason=reason or self.reason, steps=list(self.steps), fraction=self.fraction
        )


class Memory(msgspec.Struct):
    """All of the machine's state."""

    phase: Phase = "created"
    reason: str | None = None
    installed: bool = False
    half_restored: bool = False
    """A restore has begun to overwrite files, and none has come to its end since: it cannot be started so."""
    order: OrderMemory | None = None
    """What is being done."""
    waiting: OrderMemory | None = None
    """What will be done next; there is never a second one."""
    finished: list[OrderReport] = []
    """The last orders that ended, oldest first: a repeated one is answered from here."""
    process: Literal["none", "launching", "alive"] = "none"
    run_id: str | None = None
    pid: int | None = None
    started_us: int | None = None
    ready_us: int | None = None
    queued: bool = False
    """Preparing: it waits for its turn to start."""
    then_start: bool = False
    """Ending: it is started again afterwards."""
    stop_asked: bool = False
    """Ending: the stop command or signal was delivered."""
    killed: Literal["on request", "after the stop timed out", "at once"] | None = None
    """Ending: it was killed, and why."""
    cause: str | None = None
    """Ending: what made it end, where nobody asked for it."""
    deadlines_us: dict[Timer, int] = {}
    """When each timer that runs elapses."""
    crashes_us: list[int] = []
    """When it crashed, within the crash rule's window, since the last start order."""
    last_exit: ExitReport | None = None
    runs: list[RunReport] = []
    """Runs that ended, oldest first, of which the panel has not yet acknowledged the end."""
    last_run: str | None = None
    """The last run of which the end was noted, acknowledged or not."""

    def order_shown(self) -> OrderReport | None:
        """Return how the newest order stands; None before the first."""
        if self.waiting is not None:
            return self.waiting.report("waiting")
        if self.order is not None:
            return self.order.report("running")
        return self.finished[-1] if self.finished else None
