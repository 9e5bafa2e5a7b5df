"""Schedules as the API takes and shows them: core's, with UUIDs in place of integer keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from innkeeper.core.schedules.model import (
    Act,
    ActKind,
    After,
    Cause,
    Cron,
    Every,
    Missed,
    Once,
    RunState,
    Schedule,
    ScheduleRun,
    Trigger,
    Unit,
)
from innkeeper.panel.api import views
from innkeeper.panel.api.params import Line, Whole, as_utc
from innkeeper.panel.product import Product

Labels = Annotated[dict[str, str], Meta(max_length=100)]


class EveryBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="every"):
    """Again and again, after so many minutes, hours or days; days at a time of day."""

    count: Annotated[int, Meta(ge=1, le=1_000_000)]
    unit: Unit
    at: Line = "00:00"


class CronBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cron"):
    """When all five fields of a cron expression fit: minute, hour, day of month, month, day of week."""

    expression: Line


class AfterBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="after"):
    """So many seconds after a run of another schedule of the server has ended, however it ended."""

    schedule: UUID | None
    """Null: the one it waited for is gone. Nothing can be made to wait for that."""
    delay_s: Whole = 0


class OnceBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="once"):
    """At one moment."""

    at: datetime


TriggerBody = EveryBody | CronBody | AfterBody | OnceBody


class ActBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is done.

    `update` installs a stopped server anew, its files kept; `verify` verifies the newest backup that nobody found
    damaged, and fails where it is.
    """

    kind: ActKind
    command: Annotated[str, Meta(max_length=100_000)] = ""
    """For commands: what is typed on the console, line by line."""


class CreateSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule to be made."""

    name: Line
    trigger: TriggerBody
    act: ActBody
    enabled: bool = True
    zone: Line = "UTC"
    """The time zone of its clock, by its name in the IANA database."""
    once: bool = False
    """Remove it after its run."""
    missed: Missed = "skip"
    """What becomes of a run that was missed while nothing was there to run it."""
    labels: Labels = {}
    """Texts that are given back as they are, and mean nothing."""


class ChangeSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be changed of a schedule; what is left out stays."""

    name: Line | UnsetType = UNSET
    trigger: TriggerBody | UnsetType = UNSET
    act: ActBody | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    zone: Line | UnsetType = UNSET
    once: bool | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a server, and when."""

    id: UUID
    name: str
    enabled: bool
    trigger: TriggerBody
    zone: str
    act: ActBody
    once: bool
    missed: Missed
    next_at: datetime | None
    """When it is due; null: it is disabled, has had its time, or waits for another schedule."""
    last_at: datetime | None
    account: views.AccountRef | None
    """On whose behalf it runs; null: nobody who is there still."""
    labels: dict[str, str]
    created_at: datetime


class ScheduleRunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a schedule, and what came of it."""

    id: UUID
    """Also that of the operation on the server, where the act is one."""
    act: ActBody
    due_at: datetime
    cause: Cause
    """Whether its time had come, or somebody asked for it to be run."""
    state: RunState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    backup: UUID | None
    """The backup that it had made, or verified."""


def trigger_of(body: TriggerBody, ids: Mapping[UUID, int]) -> Trigger:
    """Return core's trigger; `ids` are those of the server's schedules. One that is not there has the id 0."""
    match body:
        case EveryBody(count=count, unit=unit, at=at):
            return Every(count=count, unit=unit, at=at)
        case CronBody(expression=expression):
            return Cron(expression=expression)
        case AfterBody(schedule=schedule, delay_s=delay_s):
            return After(schedule_id=ids.get(schedule, 0) if schedule is not None else 0, delay_s=delay_s)
        case OnceBody(at=at):
            return Once(at=as_utc(at))


def act_of(body: ActBody) -> Act:
    """Return core's act."""
    return Act(kind=body.kind, command=body.command)


def schedule(product: Product, item: Schedule, uuids: Mapping[int, UUID]) -> ScheduleView:
    """Return a schedule; `uuids` are those of the server's schedules, by id."""
    return ScheduleView(
        id=item.uuid,
        name=item.name,
        enabled=item.enabled,
        trigger=_trigger(item.trigger, uuids),
        zone=item.zone,
        act=ActBody(kind=item.act.kind, command=item.act.command),
        once=item.once,
        missed=item.missed,
        next_at=item.next_at,
        last_at=item.last_at,
        account=views.account_ref(product, item.account_id),
        labels=item.labels,
        created_at=item.created_at,
    )


def run(item: ScheduleRun) -> ScheduleRunView:
    """Return a run as it stands."""
    return ScheduleRunView(
        id=item.uuid,
        act=ActBody(kind=item.act.kind, command=item.act.command),
        due_at=item.due_at,
        cause=item.cause,
        state=item.state,
        reason=item.reason,
        started_at=item.started_at,
        finished_at=item.finished_at,
        backup=item.backup,
    )


def _trigger(trigger: Trigger, uuids: Mapping[int, UUID]) -> TriggerBody:
    match trigger:
        case Every(count=count, unit=unit, at=at):
            return EveryBody(count=count, unit=unit, at=at)
        case Cron(expression=expression):
            return CronBody(expression=expression)
        case After(schedule_id=schedule_id, delay_s=delay_s):
            return AfterBody(schedule=uuids.get(schedule_id), delay_s=delay_s)
        case Once(at=at):
            return OnceBody(at=at)
