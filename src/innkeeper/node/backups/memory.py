"""What a node remembers of one server's jobs between two of its lives: what is to do, what is owed, what has ended.

One small file beside the supervisor's memory, replaced atomically and durably. Knows neither games nor stores.
"""

from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
import structlog

from innkeeper.node.supervisor.place import make_durable, write_private
from innkeeper.wire.messages import Job, JobReport, JobResult

log = structlog.get_logger(__name__)

FINISHED_KEPT = 64
STEPS_KEPT = 20
LONGEST_TEXT = 500


class JobMemory(msgspec.Struct):
    """A job that has not ended."""

    job: Job
    state: Literal["waiting", "running"] = "waiting"
    reason: str | None = None
    steps: list[str] = []
    fraction: float | None = None
    begun: bool = False
    """A snapshot was begun: what is found of it after a crash is not known to be of one moment."""
    made: JobResult | None = None
    """Of a backup, what was made and is good; it may have to be verified yet."""

    def report(self) -> JobReport:
        """Return how it stands."""
        return JobReport(
            id=self.job.id, state=self.state, reason=self.reason, steps=list(self.steps), fraction=self.fraction
        )

    def ended(self, result: JobResult | None, failure: str | None) -> JobReport:
        """Return how it ended: with a result, or for a reason."""
        return JobReport(
            id=self.job.id,
            state="done" if failure is None else "failed",
            reason=failure[:LONGEST_TEXT] if failure is not None else None,
            steps=list(self.steps),
            fraction=1.0 if failure is None else self.fraction,
            result=result,
        )

    def step(self, text: str) -> None:
        """Note what was done, for people."""
        if self.steps[-1:] != [text]:
            self.steps = [*self.steps, text[:LONGEST_TEXT]][-STEPS_KEPT:]


class Owed(msgspec.Struct, frozen=True):
    """What a game must be given back, whatever becomes of a job."""

    run_id: str | None = None
    """The run that `lines` are for: another one knows nothing of what was asked of this one."""
    lines: list[str] = []
    start: bool = False
    """It was stopped for a job, and is to be started again."""


class Remembered(msgspec.Struct):
    """All that is remembered of one server's jobs."""

    pending: list[JobMemory] = []
    """In the order in which they came; the first may be under way."""
    finished: list[JobReport] = []
    """The last that ended, oldest first: a repeated one is answered from here."""
    untold: list[UUID] = []
    """Of those, the ones whose end no panel has acknowledged."""
    owed: Owed = Owed()

    def reports(self) -> list[JobReport]:
        """Return what a panel is to be told."""
        return [
            *(report for report in self.finished if report.id in self.untold),
            *(one.report() for one in self.pending),
        ]

    def finish(self, report: JobReport) -> None:
        """Have a job ended."""
        self.pending = [one for one in self.pending if one.job.id != report.id]
        self.finished = [*(known for known in self.finished if known.id != report.id), report]
        kept = self.finished[-FINISHED_KEPT:]
        self.finished = [known for known in self.finished if known in kept or known.id in self.untold]
        self.untold = [*(known for known in self.untold if known != report.id), report.id]

    def ending_of(self, job: UUID) -> JobReport | None:
        """Return how a job ended; None where it has not, or that is forgotten."""
        return next((report for report in self.finished if report.id == job), None)


def load(path: Path) -> Remembered:
    """Return what is remembered, nothing where there is nothing or it is damaged (which is logged)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except FileNotFoundError:
        return Remembered()
    except (OSError, msgspec.MsgspecError) as error:
        log.error("server.jobs.unreadable", path=str(path), error=str(error))
        return Remembered()


def save(path: Path, content: bytes) -> None:
    """Write down what is remembered, as JSON, so that not even a power cut takes it back."""
    write_private(path, content, durable=True)
    make_durable(path)
