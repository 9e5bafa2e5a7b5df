"""What the clock does to schedules: when each is due next, and what becomes of one whose time has come.

Schedules in, schedules out; keeps nothing but in the transactions it is given. Knows neither who may nor how acts
are done.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from innkeeper.core.schedules.calendar import Calendar
from innkeeper.core.schedules.model import After, Once, Schedule, ScheduleRun, parent_of
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7

LATE = timedelta(minutes=1)
"""A run that is later than this was missed."""
MOST_UPCOMING = 100


class Timetable:
    """Tells and changes when schedules are due."""

    def __init__(self, calendar: Calendar, clock: Clock) -> None:
        self.calendar = calendar
        self._clock = clock

    def following(self, schedule: Schedule, after: datetime) -> datetime | None:
        """Return the first moment after `after` at which a schedule is due by itself."""
        return self.calendar.following(schedule.trigger, schedule.zone, after, schedule.created_at)

    def upcoming(self, schedule: Schedule, count: int) -> list[datetime]:
        """Return the next moments (UTC) at which a schedule is due as far as is known, MOST_UPCOMING at most."""
        found: list[datetime] = []
        moment = schedule.next_at
        while moment is not None and len(found) < min(count, MOST_UPCOMING):
            found.append(moment)
            moment = None if schedule.once else self.following(schedule, moment)
        return found

    def begun(self, schedule: Schedule) -> Schedule:
        """Return a schedule as it stands when it is made, enabled or changed now."""
        next_at = self.following(schedule, self._clock.now()) if schedule.enabled else None
        return replace(schedule, next_at=next_at)

    def turned(self, schedule: Schedule, now: datetime) -> tuple[Schedule, ScheduleRun | None]:
        """Return a due schedule as it stands after its time has come, and its run: under way, skipped, or none."""
        due_at = schedule.next_at
        if due_at is None:
            return schedule, None
        run = self.run_of(schedule, due_at, now)
        if schedule.missed == "skip" and now - due_at > LATE:
            run = replace(run, state="skipped", reason="It was missed: nothing was there to run it.", finished_at=now)
        # The clock may have been put back meanwhile.
        next_at = self.following(schedule, max(now, due_at))
        over = isinstance(schedule.trigger, Once) or (schedule.once and not run.ended)
        return (
            replace(
                schedule,
                enabled=schedule.enabled and not over,
                next_at=None if over else next_at,
                last_at=schedule.last_at if run.ended else now,
            ),
            run,
        )

    @staticmethod
    def run_of(schedule: Schedule, due_at: datetime, now: datetime) -> ScheduleRun:
        """Return a run of a schedule that begins now, not yet kept."""
        return ScheduleRun(
            id=0,
            uuid=uuid7(),
            schedule_id=schedule.id,
            server_id=schedule.server_id,
            account_id=schedule.account_id,
            act=schedule.act,
            due_at=due_at,
            started_at=now,
        )

    @staticmethod
    def reactions(schedules: list[Schedule], run: ScheduleRun) -> list[Schedule]:
        """Return those of a server's schedules that wait for such a run, as they stand now that it has ended.

        One that is due already stays so: a delay longer than what it waits for takes would never pass.
        """
        if run.state == "skipped" or run.finished_at is None:
            return []
        return [
            replace(one, next_at=run.finished_at + timedelta(seconds=one.trigger.delay_s))
            for one in schedules
            if isinstance(one.trigger, After)
            and one.trigger.schedule_id == run.schedule_id
            and one.enabled
            and one.next_at is None
        ]

    @staticmethod
    def orphaned(schedules: list[Schedule], schedule_id: int) -> list[Schedule]:
        """Return those of a server's schedules that waited for one that is deleted: disabled."""
        return [replace(one, enabled=False, next_at=None) for one in schedules if parent_of(one) == schedule_id]

    # -- servers that are deleted and come back -----------------------------------------------------------------------

    async def close(self, work: Work, server: Server) -> None:
        """Let nothing of a server that is being deleted become due."""
        for schedule in await work.schedules.lock_of_server(server.id):
            if schedule.next_at is not None:
                await work.schedules.update(replace(schedule, next_at=None))

    async def reopen(self, work: Work, server: Server) -> None:
        """Have the schedules of a server that comes back become due again, from now on."""
        for schedule in await work.schedules.lock_of_server(server.id):
            begun = self.begun(schedule)
            if begun != schedule:
                await work.schedules.update(begun)
                work.changed("schedule", begun.id, begun)
