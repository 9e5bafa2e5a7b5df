"""What a schedule is: when, in whose time, what is done, and what came of it.

    schedule ──due──▶ run:  running ──▶ done
                        │      └──────▶ failed (reason)
                        └─────────────▶ skipped (missed while nothing was there to run it)

    Every   minutes up to 59, hours up to 23   as `*/N` of a clock: 00, 15, 30, 45; hours at minute 0
            more of them                       so many hours and minutes of real time, counted from the midnight before
                                               the schedule was made
            days                               so many days of the calendar from the day on which the schedule was made
    Cron    minute, hour, day of month, month, day of week
    After   so long after a run of another schedule of the server has ended, however it ended
    Once    at a moment

Times of a clock are those of the schedule's zone. One that the clock leaves out comes at the first moment after the
gap; one that it shows twice counts when it is shown first. What comes in every hour (minutes up to 59, one hour, a cron
expression for all hours) keeps real time, so it comes in a repeated hour too.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

Unit = Literal["minutes", "hours", "days"]
ActKind = Literal["start", "stop", "restart", "kill", "backup", "verify", "update", "command"]
Missed = Literal["skip", "run"]
Cause = Literal["due", "asked"]
RunState = Literal["running", "done", "failed", "skipped"]


class Every(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="every"):
    """Again and again, after so many minutes, hours or days."""

    count: int
    unit: Unit
    at: str = "00:00"
    """The time of day, for days."""


class Cron(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cron"):
    """When all five fields of the expression fit."""

    expression: str


class After(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="after"):
    """So many seconds after a run of another schedule of the server has ended."""

    schedule_id: int
    delay_s: int = 0


class Once(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="once"):
    """At one moment."""

    at: datetime


Trigger = Every | Cron | After | Once


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What is done.

    `update` installs a stopped server anew, its files kept; `verify` verifies the newest backup that nobody found
    damaged, and fails where it is.
    """

    kind: ActKind
    command: str = ""
    """For commands: what is typed on the console, line by line."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a server, and when."""

    id: int
    uuid: UUID
    server_id: int
    name: str
    enabled: bool = True
    trigger: Trigger
    zone: str = "UTC"
    """The name of a time zone in the IANA database."""
    act: Act
    once: bool = False
    """It is removed after its run."""
    missed: Missed = "skip"
    """What becomes of a run that was missed; of several, one at most is made up for."""
    next_at: datetime | None = None
    """When it is due; None: it is disabled, has had its time, or waits for another schedule."""
    last_at: datetime | None = None
    """When it was last run."""
    account_id: int | None
    """On whose behalf it runs: whoever made it, or was the last to change it."""
    labels: dict[str, str] = {}
    """What a dialect must give back word for word; means nothing here."""
    created_at: datetime


def parent_of(schedule: Schedule) -> int | None:
    """Return the schedule that this one waits for."""
    return schedule.trigger.schedule_id if isinstance(schedule.trigger, After) else None


class ScheduleDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule to be made."""

    name: str
    trigger: Trigger
    act: Act
    enabled: bool = True
    zone: str = "UTC"
    once: bool = False
    missed: Missed = "skip"
    labels: dict[str, str] = {}


class ScheduleChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a schedule; what is left out stays."""

    name: str | UnsetType = UNSET
    trigger: Trigger | UnsetType = UNSET
    act: Act | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    once: bool | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET


class ScheduleRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a schedule: what was done, as it was then, and what came of it."""

    id: int
    uuid: UUID
    """Also that of the operation on the server, where the act is one."""
    schedule_id: int
    server_id: int
    account_id: int | None
    act: Act
    due_at: datetime
    cause: Cause = "due"
    """Whether its time had come, or somebody asked for it to be run now."""
    state: RunState = "running"
    reason: str | None = None
    started_at: datetime
    finished_at: datetime | None = None
    backup: UUID | None = None
    """The backup that it had made, or verified."""
    holder: str | None = None
    """The panel that is at it, while it runs."""
    leased_until: datetime | None = None
    """From then on another panel may take it for abandoned."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state != "running"
