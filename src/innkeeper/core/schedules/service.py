"""Schedules, for those who may: made, changed, deleted, run now, looked at.

Whoever makes or changes a schedule answers for it: it runs on behalf of that account, which must hold the permission
of its act then and at every run. Knows nothing of how time passes; `running` does.
"""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from innkeeper.core.access.errors import NameIsInvalid
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.access.service import check_name
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.schedules.acts import PERMISSIONS, Acts
from innkeeper.core.schedules.errors import NoSuchSchedule, ScheduleIsInvalid, TooManySchedules
from innkeeper.core.schedules.model import (
    ActKind,
    After,
    Schedule,
    ScheduleChanges,
    ScheduleDraft,
    ScheduleRun,
    parent_of,
)
from innkeeper.core.schedules.running import ScheduleRunner
from innkeeper.core.schedules.timetable import Timetable
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.work import Changed, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.pages import Page, decode_integer_cursor, encode_cursor

MOST_OF_A_SERVER = 100
MOST_LABELS = 32
MAX_LABEL = 1000
"""Characters of a label's name or text."""
_DEFINING = frozenset({"trigger", "zone", "enabled"})


class ScheduleService:
    """Commands on schedules. `which` is a schedule's id or UUID; one of another server is not found."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        activity: ActivityService,
        timetable: Timetable,
        acts: Acts,
        runner: ScheduleRunner,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._activity = activity
        self._timetable = timetable
        self._acts = acts
        self._runner = runner

    # -- reading ----------------------------------------------------------------------------------------------------

    async def of_server(self, actor: Actor, record: Record) -> list[Schedule]:
        """Return a server's schedules, by id; needs `schedules.read`."""
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_READ)
        async with self._works() as work:
            return await work.schedules.of_server(record.server.id)

    async def get(self, actor: Actor, record: Record, which: int | UUID) -> Schedule:
        """Return one of a server's schedules; needs `schedules.read`. Raises NoSuchSchedule."""
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_READ)
        async with self._works() as work:
            found = await work.schedules.find(record.server.id, which)
        if found is None:
            raise NoSuchSchedule
        return found

    async def uuids(self, record: Record) -> dict[int, UUID]:
        """Return which schedules a server has, by id; the caller checks who may know."""
        async with self._works() as work:
            return {schedule.id: schedule.uuid for schedule in await work.schedules.of_server(record.server.id)}

    async def runs(
        self, actor: Actor, record: Record, which: int | UUID, limit: int, cursor: str | None = None
    ) -> Page[ScheduleRun]:
        """Return the runs of a schedule that are still known, newest first; raises as `get`, and BadCursor."""
        before = decode_integer_cursor(cursor)
        schedule = await self.get(actor, record, which)
        async with self._works() as work:
            found = await work.schedules.runs(schedule.id, before, limit + 1)
        return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)

    def upcoming(self, schedule: Schedule, count: int) -> list[datetime]:
        """Return the next moments (UTC) at which a schedule is due, as far as is known by now."""
        return self._timetable.upcoming(schedule, count)

    # -- making and changing ----------------------------------------------------------------------------------------

    async def create(self, actor: Actor, record: Record, draft: ScheduleDraft) -> Schedule:
        """Make a schedule; needs `schedules.write` and the permission of its act.

        Raises PermissionIsMissing, ScheduleIsInvalid with the `field`, TooManySchedules.
        """
        self._require(actor, record, draft.act.kind)
        schedule = Schedule(
            id=0,
            uuid=uuid7(),
            server_id=record.server.id,
            account_id=actor.account.id,
            created_at=self._clock.now(),
            **msgspec.structs.asdict(draft),
        )
        schedule = self._checked(schedule)
        async with self._works() as work:
            others = await work.schedules.lock_of_server(record.server.id)
            if len(others) >= MOST_OF_A_SERVER:
                raise TooManySchedules(limit=MOST_OF_A_SERVER)
            _check_parents(schedule, others)
            schedule = await work.schedules.add(schedule)
            work.changed("schedule", schedule.id, schedule)
            await self._activity.note(
                work, actor, "schedule.created", server_id=schedule.server_id, data={"name": schedule.name}
            )
        return schedule

    async def change(self, actor: Actor, record: Record, which: int | UUID, changes: ScheduleChanges) -> Schedule:
        """Change a schedule, which runs on behalf of the actor from then on; raises as `create`, and NoSuchSchedule.

        A new trigger or zone, and being enabled, begin anew from now on. Only to disable it, `schedules.write` is
        enough, and on whose behalf it runs stays.
        """
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_WRITE)
        given = {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
        async with self._works() as work:
            others = await work.schedules.lock_of_server(record.server.id)
            old = _pick(others, which)
            changed = replace(old, **given)
            if given != {"enabled": False}:
                for act in {old.act.kind, changed.act.kind}:
                    self._require(actor, record, act)
                changed = replace(changed, account_id=actor.account.id)
            begins = any(getattr(old, name) != getattr(changed, name) for name in _DEFINING)
            changed = self._checked(changed, begins=begins)
            if changed.enabled:
                _check_parents(changed, others)
            await work.schedules.update(changed)
            work.changed("schedule", changed.id, changed)
            await self._activity.note(
                work,
                actor,
                "schedule.changed",
                server_id=changed.server_id,
                data={"name": changed.name, "changed": sorted(given)},
            )
        return changed

    async def delete(self, actor: Actor, record: Record, which: int | UUID) -> None:
        """Delete a schedule with what is known of its runs; those that waited for it are disabled.

        Needs `schedules.write`. A run that is under way goes on, and nothing is noted of its end.
        """
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_WRITE)
        async with self._works() as work:
            others = await work.schedules.lock_of_server(record.server.id)
            schedule = _pick(others, which)
            for orphan in self._timetable.orphaned(others, schedule.id):
                await work.schedules.update(orphan)
                work.changed("schedule", orphan.id, orphan)
            await work.schedules.delete(schedule.id)
            work.changed("schedule", schedule.id)
            await self._activity.note(
                work, actor, "schedule.deleted", server_id=schedule.server_id, data={"name": schedule.name}
            )

    async def run_now(self, actor: Actor, record: Record, which: int | UUID) -> ScheduleRun:
        """Have a schedule run beside its times, enabled or not, and return the run, which is under way.

        It runs on behalf of the schedule's account, as ever; the actor needs the same permissions as to make it.
        """
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_WRITE)
        async with self._works() as work:
            schedule = _pick(await work.schedules.lock_of_server(record.server.id), which)
            self._require(actor, record, schedule.act.kind)
            now = self._clock.now()
            run, due_at = None, now
            while run is None:  # two that are asked for at the same microsecond are two all the same
                run = await work.schedules.add_run(self._runner.held(schedule, due_at, now))
                due_at += timedelta(microseconds=1)
            schedule = replace(schedule, last_at=now)
            await work.schedules.update(schedule)
            work.changed("schedule", schedule.id, schedule)
            await self._activity.note(
                work, actor, "schedule.run", server_id=schedule.server_id, data={"name": schedule.name}
            )
        self._runner.begin(run)
        return run

    # -- time -------------------------------------------------------------------------------------------------------

    async def keep_time(self) -> None:
        """Run what is due, when it is due, for ever."""
        await self._runner.keep_time()

    async def tick(self) -> None:
        """Run what is due by now, and see to runs that were abandoned."""
        await self._runner.tick()

    async def apply(self, change: Changed) -> None:
        """Take in that a schedule changed, here or at another panel."""
        self._runner.apply(change)

    # -- within -----------------------------------------------------------------------------------------------------

    def _require(self, actor: Actor, record: Record, kind: ActKind) -> None:
        self._directory.reach(actor, record, ServerPermission.SCHEDULES_WRITE)
        self._directory.reach(actor, record, PERMISSIONS[kind])

    def _checked(self, schedule: Schedule, *, begins: bool = True) -> Schedule:
        """Return a schedule as it stands from now on; raise ScheduleIsInvalid."""
        try:
            check_name(schedule.name)
        except NameIsInvalid as error:
            raise ScheduleIsInvalid(error.message, field="name") from error
        texts = [*schedule.labels, *schedule.labels.values()]
        if len(schedule.labels) > MOST_LABELS or any(len(text) > MAX_LABEL for text in texts):
            raise ScheduleIsInvalid(
                f"A schedule has {MOST_LABELS} labels at most, of {MAX_LABEL} characters.", field="labels"
            )
        self._acts.check(schedule.act)
        self._timetable.calendar.check(schedule.trigger, schedule.zone)
        if not begins:
            return schedule
        begun = self._timetable.begun(schedule)
        if begun.enabled and begun.next_at is None and not isinstance(begun.trigger, After):
            raise ScheduleIsInvalid("The time of this schedule is over, or never comes.", field="trigger")
        return begun


def _pick(schedules: list[Schedule], which: int | UUID) -> Schedule:
    for schedule in schedules:
        if which in (schedule.id, schedule.uuid):
            return schedule
    raise NoSuchSchedule


def _check_parents(schedule: Schedule, others: list[Schedule]) -> None:
    """Raise ScheduleIsInvalid unless what a schedule waits for is there, and does not wait for it in the end."""
    by_id = {other.id: other for other in others if other.id != schedule.id}
    parent = parent_of(schedule)
    if parent is not None and parent not in by_id and parent != schedule.id:
        raise ScheduleIsInvalid("There is no such schedule to wait for.", field="schedule_id")
    seen = {schedule.id}
    while parent is not None:
        if parent in seen:
            raise ScheduleIsInvalid("A schedule cannot wait for itself, be it through others.", field="schedule_id")
        seen.add(parent)
        parent = parent_of(by_id[parent]) if parent in by_id else None
