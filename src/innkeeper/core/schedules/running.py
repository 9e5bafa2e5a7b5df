"""Runs schedules when they are due: each due run once, whichever panels look and whenever one is killed.

    due ──claimed, in one transaction──▶ waits for its turn at the server ──▶ asked for ──▶ ended
              │ the run is kept, the schedule moved on                           │
              └─────────── its panel dies ───────────────────────────────────────┘
                               after a lease, another panel goes on waiting for what was asked for,
                               or ends the run as interrupted: it is never done a second time

Who claims a run keeps its row, of which there can be one for each due moment. A panel is told when the next is due and
sleeps until then; it looks now and then all the same. Acts on one server follow each other, those on others do not
wait for them. Knows neither what acts do nor what a trigger means.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from msgspec.structs import replace

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.errors import CoreError, Unavailable
from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import OperationService
from innkeeper.core.schedules.acts import Acts, Made
from innkeeper.core.schedules.model import RunState, Schedule, ScheduleRun, parent_of
from innkeeper.core.schedules.timetable import Timetable
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.lifecycle import ENDED, State
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.broadcast import Listener, Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.kit.together import Together

log = get_logger(__name__)

LEASE = timedelta(seconds=60)
"""After so long without a sign of its panel, a run counts as abandoned."""
RUNS_KEPT = 100
"""Of each schedule."""
INTERRUPTED = "It was interrupted: the panel that ran it ended. Whether it was done is not known."
_LOOK_EVERY = timedelta(seconds=15)
_SHORTEST_PAUSE_S = 0.05
_ACT_LIMIT_S = 120.0
_ACTS_AT_ONCE = 100
_CLAIMED_AT_ONCE = 200
"""In one transaction; on SQLite all others wait for it."""
_MAX_REASON = 500


class ScheduleRunner:
    """Claims what is due, has it done, and notes what came of it."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        actor_of: Callable[[int], Actor],
        timetable: Timetable,
        acts: Acts,
        operations: OperationService,
        activity: ActivityService,
        tasks: TaskSet,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._actor_of = actor_of
        """Returns an account with all its rights; raises NoSuchAccount, AccountIsDisabled."""
        self._timetable = timetable
        self._acts = acts
        self._operations = operations
        self._activity = activity
        self._tasks = tasks
        self._holder = uuid4().hex
        self._next: datetime | None = None
        """When the next is due, as far as is known; None: that has to be looked at."""
        self._woken = asyncio.Event()
        self._renewed_until = datetime.min.replace(tzinfo=UTC)
        self._held: dict[int, ScheduleRun] = {}
        """Runs under way that are this panel's, by id."""
        self._queues: dict[int, deque[ScheduleRun]] = {}
        """What waits to be asked for, by server; one task works off each."""
        self._room = asyncio.Semaphore(_ACTS_AT_ONCE)
        self._ends: dict[int, ScheduleRun] = {}
        """Runs that have ended, as storage does not know of yet."""
        self._note_end = Together(self._note_ends, tasks=tasks, name="noting runs", of_all=(Unavailable,))
        self._awaited: dict[int, int] = {}
        """Runs by the operation whose end is theirs."""
        _Ends(operations.changes, self._operation_changed)

    # -- time -------------------------------------------------------------------------------------------------------

    async def keep_time(self) -> None:
        """Run what is due, when it is due, for ever."""
        looked = -_LOOK_EVERY.total_seconds()
        while True:
            self._woken.clear()
            if self._clock.monotonic() - looked >= _LOOK_EVERY.total_seconds():
                looked = self._clock.monotonic()
                await self._tried(self._look_after)
            await self._tried(self._run_due)
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._woken.wait()
            except TimeoutError:
                pass

    @staticmethod
    async def _tried(step: Callable[[], Awaitable[object]]) -> None:
        """Do a part of a round; that it fails keeps nothing else from being done, and it is done again in the next."""
        try:
            await step()
        except Unavailable as error:
            log.warning("schedules.round.failed", reason=str(error))
        except Exception:
            log.exception("schedules.round.failed")

    async def tick(self) -> None:
        """Do once what `keep_time` does for ever."""
        await self._look_after()
        while not await self._run_due():
            pass

    def apply(self, change: Changed) -> None:
        """Look again when something is due earlier than was known."""
        row = change.row
        if isinstance(row, Schedule) and (
            row.next_at is None or (self._next is not None and row.next_at >= self._next)
        ):
            return
        self._woken.set()

    def _pause_s(self) -> float:
        longest = _LOOK_EVERY.total_seconds()
        if self._next is None:
            return longest
        return min(longest, max(_SHORTEST_PAUSE_S, (self._next - self._clock.now()).total_seconds()))

    async def _run_due(self) -> bool:
        """Claim what is due, so many at once, and begin it; say whether that was all."""
        self._next = None  # what is made meanwhile wakes, whenever it is due
        now = self._clock.now()
        async with self._works() as work:
            due = await work.schedules.lock_due(now, _CLAIMED_AT_ONCE)
            begun = await self._claim(work, due, now) if due else []
            earliest = await work.schedules.next_due()
        for run in begun:
            self.begin(run)
        self._next = earliest
        return len(due) < _CLAIMED_AT_ONCE

    async def _claim(self, work: Work, due: list[Schedule], now: datetime) -> list[ScheduleRun]:
        """Move due schedules on, and keep their runs; return those that are to be done."""
        # This panel may not have heard of a server yet.
        states = await work.servers.states({schedule.server_id for schedule in due})
        moved, runs = [], []
        for schedule in due:
            if states.get(schedule.server_id, State.DELETED) in ENDED:
                moved.append(replace(schedule, next_at=None))
                continue
            changed, run = self._turned(schedule, now)
            moved.append(changed)
            if run is not None:
                runs.append(run if run.ended else replace(run, holder=self._holder, leased_until=now + LEASE))
        await work.schedules.update_all(moved)
        kept = await work.schedules.add_runs(runs)
        known = {run.uuid for run in kept}
        for run in runs:
            if run.uuid not in known:
                log.warning("schedule.run.claimed_before", schedule=run.schedule_id, due_at=str(run.due_at))
        skipped = [run for run in kept if run.ended]
        for run in skipped:
            log.info("schedule.run.skipped", schedule=run.schedule_id, due_at=str(run.due_at))
        if skipped:
            await work.schedules.trim_runs({run.schedule_id for run in skipped}, RUNS_KEPT)
        return [run for run in kept if not run.ended]

    def _turned(self, schedule: Schedule, now: datetime) -> tuple[Schedule, ScheduleRun | None]:
        try:
            return self._timetable.turned(schedule, now)
        except Exception:  # made where more zones or expressions are known: it must not hold up all the others
            log.exception("schedule.unreadable", schedule=schedule.id)
            return replace(schedule, enabled=False, next_at=None), None

    def held(self, schedule: Schedule, due_at: datetime, now: datetime) -> ScheduleRun:
        """Return a run that somebody asked for, held by this panel, not yet kept."""
        run = self._timetable.run_of(schedule, due_at, now)
        return replace(run, cause="asked", holder=self._holder, leased_until=now + LEASE)

    # -- acting -----------------------------------------------------------------------------------------------------

    def begin(self, run: ScheduleRun) -> None:
        """Have a run done that this panel holds, after those of the same server."""
        self._held[run.id] = run
        queue = self._queues.get(run.server_id)
        if queue is not None:
            queue.append(run)
            return
        self._queues[run.server_id] = queue = deque([run])
        self._tasks.start(
            self._work_off(run.server_id, queue), name=f"schedules of server {run.server_id}", fatal=False
        )

    async def _work_off(self, server_id: int, queue: deque[ScheduleRun]) -> None:
        try:
            while queue:
                run = queue.popleft()
                try:
                    async with self._room:
                        await self._act(run)
                except Exception:  # it is looked at again; the next one's turn comes all the same
                    log.exception("schedule.run.left", schedule=run.schedule_id, run=str(run.uuid))
        finally:
            del self._queues[server_id]

    async def _act(self, run: ScheduleRun) -> None:
        leased_until = max(self._renewed_until, run.leased_until or self._renewed_until)
        if run.id not in self._held or self._clock.now() >= leased_until:
            log.warning("schedule.run.lost", schedule=run.schedule_id, run=str(run.uuid))
            self._forget(run.id)
            return
        try:
            async with asyncio.timeout(_ACT_LIMIT_S):
                asked = await self._ask(run)
        except CoreError as error:
            await self._end(run, "failed", error.message)
        except TimeoutError:
            await self._end(run, "failed", f"There was no answer within {_ACT_LIMIT_S:.0f} seconds.")
        except Exception:
            log.exception("schedule.run.fault", schedule=run.schedule_id, run=str(run.uuid))
            await self._end(run, "failed", "Something went wrong inside. The log knows more.")
        else:
            await self._await(run, asked)

    async def _ask(self, run: ScheduleRun) -> Operation | Made | None:
        actor, record = self._actor(run), await self._record(run)
        record = self._directory.reach(actor, record, ServerPermission.SCHEDULES_WRITE)
        return await self._acts.do(actor, record, run.act, uuid=run.uuid)

    def _actor(self, run: ScheduleRun) -> Actor:
        if run.account_id is None:
            raise NoSuchAccount
        return self._actor_of(run.account_id)

    async def _record(self, run: ScheduleRun) -> Record:
        try:
            return self._directory.get(run.server_id)
        except NoSuchServer:  # made at another panel a moment ago
            await self._directory.reload(run.server_id)
            return self._directory.get(run.server_id)

    # -- ending -----------------------------------------------------------------------------------------------------

    async def _await(self, run: ScheduleRun, asked: Operation | Made | None) -> None:
        """Wait for the end of what was asked for, or end the run where that is over already."""
        if asked is None:
            await self._end(run, "done")
        elif isinstance(asked, Operation):
            self._awaited[asked.id] = run.id
            await self._look(run)
        else:
            run = self._held[run.id] = replace(run, backup=asked.uuid)
            try:
                async with self._works() as work:
                    await work.schedules.update_run(replace(run, leased_until=self._lease()), self._holder)
            except Unavailable as error:  # only a panel that takes over now would not know of the backup
                log.warning("schedule.run.backup_not_noted", run=str(run.uuid), reason=str(error))
            await self._look(run)

    async def _look(self, run: ScheduleRun) -> None:
        """End a run if what it waits for has ended."""
        try:
            if run.backup is not None:
                made = await self._acts.made(self._actor(run), await self._record(run), run.act, run.backup)
                if made is None or made.state == "failed":
                    await self._end(run, "failed", made.reason if made is not None else None)
                elif made.state == "done":
                    await self._end(run, "done")
                return
            operation = await self._operations.get(run.uuid)
            if operation.ended:
                done = operation.state is OperationState.DONE
                await self._end(run, "done" if done else "failed", None if done else operation.reason)
        except Unavailable as error:
            log.warning("schedule.run.unknown", run=str(run.uuid), reason=str(error))  # it is looked at again
        except CoreError as error:
            await self._end(run, "failed", error.message)

    async def _end(self, run: ScheduleRun, state: RunState, reason: str | None = None) -> None:
        """Note how a run ended, and have what waited for it become due; tried again where storage does not answer."""
        reason = reason[:_MAX_REASON] if reason else None
        ended = replace(run, state=state, reason=reason, finished_at=self._clock.now(), holder=None, leased_until=None)
        self._ends[run.id] = ended
        if state == "failed":
            log.warning("schedule.run.failed", schedule=run.schedule_id, run=str(run.uuid), reason=reason)
        try:
            await self._note_end(ended)
        except Unavailable as error:
            log.warning("schedule.run.end_not_noted", run=str(run.uuid), reason=str(error))

    async def _note_ends(self, asked: list[ScheduleRun]) -> None:
        """Note in one transaction how runs ended; one that is asked for again meanwhile is noted once."""
        ended = list({run.id: run for run in asked}.values())
        async with self._works() as work:
            found = await work.schedules.lock_families({(run.server_id, run.schedule_id) for run in ended})
            held = await work.schedules.end_runs(ended, self._holder)
            by_id = {schedule.id: schedule for schedule in found}
            for run in ended:
                if run.id in held:
                    await self._follow_up(work, by_id, run)
            await work.schedules.trim_runs({run.schedule_id for run in ended}, RUNS_KEPT)
        for run in ended:
            self._forget(run.id)

    async def _follow_up(self, work: Work, by_id: dict[int, Schedule], run: ScheduleRun) -> None:
        """Have what waited for a run become due; `by_id` are the schedules as they stand, and stand afterwards."""
        for reaction in self._timetable.reactions([*by_id.values()], run):
            by_id[reaction.id] = reaction
            await work.schedules.update(reaction)
            work.changed("schedule", reaction.id, reaction)
        schedule = by_id.get(run.schedule_id)
        if schedule is None:
            return
        if schedule.once and run.cause == "due":
            del by_id[schedule.id]
            await work.schedules.delete(schedule.id)
            data = {"name": schedule.name, "state": run.state, "reason": run.reason}
            await self._activity.note(work, None, "schedule.removed", server_id=run.server_id, data=data)
            work.changed("schedule", schedule.id)
            return
        parent = parent_of(schedule)
        if parent is not None and parent not in by_id:  # it was removed after its run, of which this was the last
            by_id[schedule.id] = schedule = replace(schedule, enabled=False, next_at=None)
            await work.schedules.update(schedule)
        work.changed("schedule", schedule.id, schedule)

    def _operation_changed(self, operation_id: int) -> None:
        run = self._held.get(self._awaited.get(operation_id, 0))
        if run is not None and not self._tasks.is_down:
            self._tasks.start(self._look(run), name=f"end of a run of schedule {run.schedule_id}", fatal=False)

    def _forget(self, run_id: int) -> None:
        self._held.pop(run_id, None)
        self._ends.pop(run_id, None)
        for operation_id in [operation for operation, run in self._awaited.items() if run == run_id]:
            del self._awaited[operation_id]

    # -- what is left over ------------------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Renew the lease, note ends that could not be noted, look at what is waited for, and at what was abandoned."""
        await self._renew()
        if left := [run for run in self._ends.values() if run.id in self._held]:
            await asyncio.gather(*(self._tried(partial(self._note_end, run)) for run in left))
        queued = {run.id for queue in self._queues.values() for run in queue}
        waiting = {*self._awaited.values(), *(run.id for run in self._held.values() if run.backup is not None)} - queued
        await self._look_at(waiting)
        await self._take_over()

    async def _look_at(self, run_ids: Iterable[int]) -> None:
        for run_id in run_ids:
            if (run := self._held.get(run_id)) is not None:
                await self._look(run)

    async def _renew(self) -> None:
        mine, until = set(self._held), self._lease()
        if not mine:
            return
        async with self._works() as work:
            kept = await work.schedules.renew(self._holder, until)
        self._renewed_until = until
        for run_id in mine - kept:  # taken over, or deleted with its schedule
            self._forget(run_id)

    async def _take_over(self) -> None:
        """Go on waiting for what panels that ended had asked for, and end the rest as interrupted."""
        while True:
            async with self._works() as work:
                lapsed = await work.schedules.lock_lapsed(self._clock.now(), _CLAIMED_AT_ONCE)
                taken = [replace(run, holder=self._holder, leased_until=self._lease()) for run in lapsed]
                for old, run in zip(lapsed, taken, strict=True):
                    await work.schedules.update_run(run, old.holder or "")
            self._held.update({run.id: run for run in taken})
            await asyncio.gather(*(self._go_on(run) for run in taken))
            if len(lapsed) < _CLAIMED_AT_ONCE:
                return

    async def _go_on(self, run: ScheduleRun) -> None:
        """Wait for what a run taken over had asked for, or end it."""
        log.warning("schedule.run.taken_over", schedule=run.schedule_id, run=str(run.uuid))
        operation = await self._operation(run.uuid) if run.backup is None else None
        if operation is not None:
            await self._await(run, operation)
        elif run.backup is not None:
            await self._look(run)
        else:
            await self._end(run, "failed", INTERRUPTED)

    async def _operation(self, uuid: UUID) -> Operation | None:
        try:
            return await self._operations.get(uuid)
        except NoSuchOperation:
            return None

    def _lease(self) -> datetime:
        return self._clock.now() + LEASE


class _Ends(Listener[int]):
    """Tells at once that an operation changed."""

    def __init__(self, topic: Topic[int], changed: Callable[[int], None]) -> None:
        super().__init__(topic, 1)
        self._changed = changed
        topic.listeners.add(self)

    def put(self, value: int) -> None:
        self._changed(value)
