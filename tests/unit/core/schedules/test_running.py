"""What becomes of what is due: done once, visibly, in order, over restarts and for whoever still may."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.schedules.errors import NoSuchSchedule
from innkeeper.core.schedules.model import ActKind, After, Every, Once, ScheduleChanges
from innkeeper.core.schedules.running import INTERRUPTED, LEASE, RUNS_KEPT
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.work import Work
from innkeeper.kit.tasks import TaskSet
from innkeeper.storage.database import Database
from innkeeper.storage.errors import DatabaseIsUnavailable
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock, restarted
from tests.unit.core.schedules.conftest import START, make, now, panel_beside, runs, tick, until

MINUTE = timedelta(minutes=1)


def typed(house: House, record: Record) -> list[str]:
    return house.gateway.console(record.server.uuid).typed


async def test_what_is_due_is_done_then_and_not_before(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record)
    assert schedule.next_at == START + MINUTE
    clock.advance(seconds=59.9)
    await tick(house)
    assert typed(house, record) == []
    clock.advance(seconds=0.1)
    await tick(house)
    await tick(house)
    assert typed(house, record) == ["say hello"]
    [run] = await runs(house, schedule)
    assert (run.due_at, run.state, run.cause, run.reason) == (START + MINUTE, "done", "due", None)
    assert (run.finished_at, run.holder) == (clock.now(), None)
    schedule = await now(house, schedule)
    assert (schedule.next_at, schedule.last_at) == (START + 2 * MINUTE, START + MINUTE)


async def test_several_lines_are_several_commands(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    await make(house, record, command="say one\n\nsay two\r\n")
    clock.advance(minutes=1)
    await tick(house)
    assert typed(house, record) == ["say one", "say two"]


async def test_a_run_lasts_as_long_as_its_operation(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, kind="stop")
    house.gateway.obeys = False
    clock.advance(minutes=1)
    await tick(house)
    [run] = await runs(house, schedule)
    assert run.state == "running"
    async with house.database.works() as work:
        operation = await work.operations.find(run.uuid)
    assert operation is not None
    assert (operation.verb, operation.account_id, operation.via) == ("stop", house.root.id, "system")
    clock.advance(seconds=20)
    await house.gateway.carry_out(record.server.uuid)
    await house.settle()
    [run] = await runs(house, schedule)
    assert (run.state, run.finished_at) == ("done", START + MINUTE + timedelta(seconds=20))
    assert house.now(record).live.state is State.STOPPED


@pytest.mark.parametrize(
    ("kind", "begins", "ends"),
    [
        ("start", False, State.RUNNING),
        ("stop", True, State.STOPPED),
        ("restart", True, State.RUNNING),
        ("kill", True, State.STOPPED),
        ("update", False, State.STOPPED),
    ],
)
async def test_every_act_on_a_server_is_done(
    house: House, clock: FakeClock, kind: ActKind, begins: bool, ends: State
) -> None:
    record = await house.server(start=begins)
    schedule = await make(house, record, kind=kind)
    clock.advance(minutes=1)
    await tick(house)
    [run] = await runs(house, schedule)
    assert run.state == "done"
    assert house.now(record).live.state is ends


async def test_what_is_refused_fails_with_its_reason_and_the_next_run_comes(house: House, clock: FakeClock) -> None:
    record = await house.server()
    schedule = await make(house, record)
    for _ in range(2):
        clock.advance(minutes=1)
        await tick(house)
    assert [(run.state, run.reason) for run in await runs(house, schedule)] == [
        ("failed", "The server is not running.")
    ] * 2


async def test_an_account_that_lost_its_right_or_is_disabled_runs_nothing(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    guest = await house.account("guest")
    may = [ServerPermission.VIEW, ServerPermission.SCHEDULES_WRITE, ServerPermission.CONSOLE_WRITE]
    await house.share(record, guest, *may)
    schedule = await make(house, record, by=house.actor(guest))
    await house.share(record, guest, *may[:2])
    clock.advance(minutes=1)
    await tick(house)
    await house.share(record, guest, may[0], may[2])
    clock.advance(minutes=1)
    await tick(house)
    await house.share(record, guest, *may)
    await house.product.accounts.change(house.actor(house.root), guest.uuid, disabled=True)
    clock.advance(minutes=1)
    await tick(house)
    assert [run.reason for run in await runs(house, schedule)] == [
        "The permission console.write on this server is missing.",
        "The permission schedules.write on this server is missing.",
        "The account is disabled.",
    ]
    assert typed(house, record) == []


async def test_a_disabled_schedule_is_never_due(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, enabled=False)
    assert schedule.next_at is None
    clock.advance(minutes=5)
    await tick(house)
    assert await runs(house, schedule) == []


# -- missed, late, restarted ----------------------------------------------------------------------------------------


async def test_what_was_missed_is_skipped_visibly_and_once(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record)
    clock.advance(minutes=10, seconds=5)
    again = await restarted(house)
    await tick(again)
    [run] = await runs(house, schedule)
    assert (run.state, run.due_at) == ("skipped", START + MINUTE)
    assert run.reason == "It was missed: nothing was there to run it."
    schedule = await now(house, schedule)
    assert (schedule.next_at, schedule.last_at) == (START + 11 * MINUTE, None)
    assert typed(again, record) == []


async def test_what_was_missed_is_made_up_for_once_where_that_is_wished(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, missed="run")
    clock.advance(minutes=10, seconds=5)
    await tick(house)
    clock.advance(seconds=55)
    await tick(house)
    found = [(run.due_at - START) // MINUTE for run in await runs(house, schedule)]
    assert found == [1, 11]
    assert typed(house, record) == ["say hello"] * 2


async def test_what_is_a_little_late_runs(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, Every(count=10, unit="minutes"))
    clock.advance(minutes=11)
    await tick(house)
    assert [run.state for run in await runs(house, schedule)] == ["done"]


async def test_a_clock_that_is_put_back_runs_nothing_twice(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record)
    clock.advance(minutes=3)
    await tick(house)
    clock.advance(minutes=-2, seconds=-30)
    for _ in range(8):
        clock.advance(seconds=30)
        await tick(house)
    due = [run.due_at for run in await runs(house, schedule)]
    assert len(due) == len(set(due))
    assert due == sorted(due)


async def test_a_run_whose_panel_died_before_it_acted_fails_visibly_and_is_not_done_again(
    house: House, clock: FakeClock
) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record)
    child = await make(house, record, After(schedule_id=schedule.id), command="say after")
    clock.advance(minutes=1)
    async with TaskSet("dying") as tasks:
        dying = await panel_beside(house, tasks)
        await dying.product.schedules.tick()
        await tasks.stop()  # claimed, and nothing done
    again = await restarted(house)
    await tick(again)
    assert [run.state for run in await runs(house, schedule)] == ["running"]
    clock.advance(seconds=LEASE.total_seconds() - 1)
    await tick(again)
    assert [run.state for run in await runs(house, schedule)] == ["running"]
    clock.advance(seconds=1)
    await tick(again)
    first, *_ = await runs(house, schedule)
    assert (first.state, first.reason) == ("failed", INTERRUPTED)
    assert "say hello" not in typed(house, record)
    # What waits for it goes on.
    await tick(again)
    assert [run.state for run in await runs(house, child)] == ["done"]


async def test_another_panel_goes_on_waiting_for_an_operation(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, Once(at=START + MINUTE), kind="stop")
    house.gateway.obeys = False
    clock.advance(minutes=1)
    await tick(house)
    again = await restarted(house)
    clock.advance(seconds=61)
    await tick(again)
    [run] = await runs(house, schedule)
    assert (run.state, run.leased_until) == ("running", clock.now() + LEASE)
    # The one that is late to notice does nothing any more.
    await tick(house)
    await house.gateway.carry_out(record.server.uuid)
    await tick(again)
    [run] = await runs(house, schedule)
    assert run.state == "done"


async def test_a_panel_that_lives_keeps_its_runs(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, Once(at=START + MINUTE), kind="stop")
    house.gateway.obeys = False
    clock.advance(minutes=1)
    again = await restarted(house)
    await tick(house)
    [first] = await runs(house, schedule)
    for _ in range(10):
        await tick(house)
        await tick(again)
        clock.advance(seconds=15)
    [run] = await runs(house, schedule)
    assert (run.state, run.holder) == ("running", first.holder)


class Unsteady:
    """A database that refuses transactions while it is told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.set_announcer = database.set_announcer
        self.refuses = False

    def works(self) -> AbstractAsyncContextManager[Work]:
        if self.refuses:
            raise DatabaseIsUnavailable
        return self._database.works()


async def test_an_end_that_storage_does_not_take_is_noted_later(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record)
    database = Unsteady(house.database)
    panel = await panel_beside(house, house.tasks, database)

    def play(*_: object) -> None:
        database.refuses = True

    panel.gateway.game = play
    clock.advance(minutes=1)
    await tick(panel)
    assert typed(panel, record) == ["say hello"]
    assert [run.state for run in await runs(house, schedule)] == ["running"]
    database.refuses = False
    await tick(panel)
    [run] = await runs(house, schedule)
    assert (run.state, run.reason) == ("failed", DatabaseIsUnavailable().message)
    assert typed(panel, record) == ["say hello"]


# -- chains ---------------------------------------------------------------------------------------------------------


async def test_a_chain_follows_each_end_however_it_was(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    stop = await make(house, record, Every(count=1, unit="days", at="13:00"), kind="stop")
    again = await make(house, record, After(schedule_id=stop.id, delay_s=5), kind="stop")
    start = await make(house, record, After(schedule_id=again.id, delay_s=10), kind="start")
    assert (again.next_at, start.next_at) == (None, None)
    clock.advance(hours=1)
    await tick(house)
    assert (await now(house, again)).next_at == clock.now() + timedelta(seconds=5)
    clock.advance(seconds=5)
    await tick(house)
    assert [run.state for run in await runs(house, again)] == ["failed"]
    clock.advance(seconds=9)
    await tick(house)
    assert await runs(house, start) == []
    clock.advance(seconds=1)
    await tick(house)
    assert house.now(record).live.state is State.RUNNING
    for schedule in (again, start):
        assert (await now(house, schedule)).next_at is None
        assert (await now(house, schedule)).enabled


async def test_a_delay_longer_than_what_it_waits_for_passes_all_the_same(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    parent = await make(house, record)
    child = await make(house, record, After(schedule_id=parent.id, delay_s=150), command="say after")
    for _ in range(60):
        clock.advance(seconds=10)
        await tick(house)
    due = [(run.due_at - START).total_seconds() for run in await runs(house, child)]
    assert due == [210, 390, 570]


async def test_a_run_that_was_skipped_is_followed_by_nothing(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    parent = await make(house, record)
    child = await make(house, record, After(schedule_id=parent.id))
    clock.advance(minutes=5)
    await tick(house)
    assert (await now(house, child)).next_at is None


async def test_one_that_is_removed_after_its_run_takes_its_chain_along_once(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    parent = await make(house, record, once=True)
    child = await make(house, record, After(schedule_id=parent.id, delay_s=5), command="say after")
    assert house.product.schedules.upcoming(parent, 5) == [START + MINUTE]
    clock.advance(minutes=1)
    await tick(house)
    with pytest.raises(NoSuchSchedule):
        await now(house, parent)
    clock.advance(seconds=5)
    await tick(house)
    assert typed(house, record) == ["say hello", "say after"]
    child = await now(house, child)
    assert (child.enabled, child.next_at) == (False, None)
    page = await house.product.activity.of_server(record.server.id, None, 10)
    [removed] = [entry for entry in page.items if entry.action == "schedule.removed"]
    assert removed.data == {"name": "command", "state": "done", "reason": None}


async def test_one_moment_comes_once_and_leaves_a_disabled_schedule(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, Once(at=START + timedelta(seconds=90)))
    clock.advance(seconds=90)
    await tick(house)
    schedule = await now(house, schedule)
    assert (schedule.enabled, schedule.next_at, schedule.last_at) == (False, None, clock.now())


# -- asked for, deleted, many ---------------------------------------------------------------------------------------


async def test_run_now_leaves_its_times_alone(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, enabled=False)
    actor = house.actor(house.root)
    found = [await house.product.schedules.run_now(actor, record, schedule.id) for _ in range(2)]
    await house.settle()
    assert [run.cause for run in found] == ["asked", "asked"]
    assert typed(house, record) == ["say hello"] * 2
    assert (await now(house, schedule)).next_at is None


async def test_one_that_is_asked_for_when_it_is_due_is_run_twice(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, once=True)
    clock.advance(minutes=1)
    await house.product.schedules.run_now(house.actor(house.root), record, schedule.uuid)
    await house.settle()
    assert (await now(house, schedule)).enabled
    await tick(house)
    assert typed(house, record) == ["say hello"] * 2


async def test_what_is_deleted_has_no_time_and_what_comes_back_has_it_again(house: House, clock: FakeClock) -> None:
    object.__setattr__(house.product.deleting, "_grace", timedelta(hours=1))
    record = await house.server(start=True)
    actor = house.actor(house.root)
    schedule = await make(house, record, missed="run")
    await house.product.servers.delete(actor, record)
    await house.settle()
    clock.advance(minutes=5)
    await tick(house)
    assert await runs(house, schedule) == []
    await house.product.servers.restore(actor, record.server.uuid)
    await house.settle()
    assert (await now(house, schedule)).next_at == START + 6 * MINUTE


async def test_a_slow_server_delays_no_other(house: House, clock: FakeClock) -> None:
    slow, quick = await house.server(name="slow", start=True), await house.server(name="quick", start=True)
    held = asyncio.Event()
    send = house.gateway.send_line

    async def sending(server, line):  # type: ignore[no-untyped-def]
        if server.id == slow.server.id:
            await held.wait()
        await send(server, line)

    house.gateway.send_line = sending  # type: ignore[method-assign]
    waiting = [await make(house, slow) for _ in range(3)]
    done = await make(house, quick)
    clock.advance(minutes=1)
    await house.product.schedules.tick()

    async def is_typed() -> bool:
        return typed(house, quick) == ["say hello"]

    await until(is_typed)
    await house.product.schedules.tick()
    assert typed(house, slow) == []
    held.set()
    await house.settle()
    assert typed(house, slow) == ["say hello"] * 3
    for schedule in (*waiting, done):
        assert [run.state for run in await runs(house, schedule)] == ["done"]


async def test_a_node_that_is_away_is_a_reason(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, kind="restart")
    clock.advance(minutes=1)
    await tick(house, away=True)
    assert [run.reason for run in await runs(house, schedule)] == [NodeIsOffline().message]


async def test_only_so_many_runs_are_remembered(house: House, clock: FakeClock) -> None:
    record = await house.server()
    schedule = await make(house, record)
    for _ in range(RUNS_KEPT + 5):
        await house.product.schedules.run_now(house.actor(house.root), record, schedule.id)
    await house.settle()
    assert len(await runs(house, schedule)) == RUNS_KEPT


async def test_it_sleeps_until_the_next_is_due_and_is_woken_by_a_change(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house, TaskSet("time") as tasks:
        record = await house.server(start=True)
        tasks.start(house.product.schedules.keep_time(), name="running schedules")
        due = house.clock.now() + timedelta(seconds=0.5)
        schedule = await make(house, record, Once(at=due))

        async def has_ended() -> bool:
            return [run.ended for run in await runs(house, schedule)] == [True]

        await until(has_ended)
        [run] = await runs(house, schedule)
        assert (run.due_at, run.state) == (due, "done")
        assert run.started_at >= due
        await tasks.stop()


async def test_a_change_begins_anew(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    schedule = await make(house, record, Every(count=1, unit="days", at="12:30"))
    clock.advance(minutes=10)
    actor = house.actor(house.root)
    changed = await house.product.schedules.change(
        actor, record, schedule.id, ScheduleChanges(zone="Europe/Berlin", trigger=replace(schedule.trigger, at="13:20"))
    )
    assert changed.next_at == START + 20 * MINUTE
    off = await house.product.schedules.change(actor, record, schedule.id, ScheduleChanges(enabled=False))
    assert off.next_at is None
    clock.advance(minutes=30)
    on = await house.product.schedules.change(actor, record, schedule.id, ScheduleChanges(enabled=True))
    assert on.next_at == START + 20 * MINUTE + timedelta(days=1)
    renamed = await house.product.schedules.change(actor, record, schedule.id, ScheduleChanges(name="noon"))
    assert (renamed.next_at, renamed.trigger) == (on.next_at, changed.trigger)


async def test_one_that_cannot_be_read_here_keeps_no_other_from_running(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    lost, sound = await make(house, record, command="say lost"), await make(house, record)
    async with house.database.works() as work:  # another host knew that zone
        await work.schedules.update(replace(lost, zone="Atlantis/Capital"))
    clock.advance(minutes=1)
    await tick(house)
    assert typed(house, record) == ["say hello"]
    assert [run.state for run in await runs(house, sound)] == ["done"]
    assert not (await now(house, lost)).enabled


async def test_a_run_that_storage_fails_leaves_those_after_it_their_turn(house: House, clock: FakeClock) -> None:
    record = await house.server(start=True)
    database = Unsteady(house.database)
    panel = await panel_beside(house, house.tasks, database)
    made = await make(house, record, kind="backup")
    after = await make(house, record)
    create = panel.product.backups.create

    async def refused_then(*given: Any, **named: Any) -> Any:
        backup = await create(*given, **named)
        database.refuses = True
        return backup

    panel.product.backups.create = refused_then  # type: ignore[method-assign]
    clock.advance(minutes=1)
    await tick(panel)
    database.refuses = False
    await tick(panel)
    assert [run.reason for run in await runs(house, after)] == [DatabaseIsUnavailable().message]
    assert [run.state for run in await runs(house, made)] == ["running"]
    assert await house.product.backups.of_server(house.actor(house.root), record)
