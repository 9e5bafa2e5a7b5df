"""What every keeper of schedules must hold to: `core.schedules.store`, as a test class to derive from.

Used as `store_suite` is. Knows no database.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.schedules.errors import NoSuchSchedule
from innkeeper.core.schedules.model import Act, After, Cron, Every, Once, Schedule, ScheduleRun, Trigger
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, SECOND, TICK, Stores, keep_server

HOLDER = "one panel"


def a_schedule(server_id: int, **fields: Any) -> Schedule:
    """Return a schedule that is not kept yet, every field away from its default."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "name": "Nächtlich",
        "enabled": False,
        "trigger": Every(count=3, unit="days", at="04:30"),
        "zone": "Australia/Lord_Howe",
        "act": Act(kind="command", command="say eins\nsay zwei"),
        "once": True,
        "missed": "run",
        "next_at": NOON,
        "last_at": NOON - TICK,
        "account_id": 1 << 40,
        "labels": {"action": "command", "leer": ""},
        "created_at": NOON - SECOND,
    }
    return Schedule(server_id=server_id, **(values | fields))


def a_run(schedule: Schedule, **fields: Any) -> ScheduleRun:
    """Return a run that is not kept yet, every field away from its default."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "server_id": schedule.server_id,
        "account_id": 1 << 40,
        "act": schedule.act,
        "due_at": NOON,
        "cause": "asked",
        "state": "failed",
        "reason": "Es ging nicht.",
        "started_at": NOON + TICK,
        "finished_at": NOON + SECOND,
        "backup": uuid7(),
        "holder": HOLDER,
        "leased_until": NOON + timedelta(minutes=1),
    }
    return ScheduleRun(schedule_id=schedule.id, **(values | fields))


def under_way(schedule: Schedule, **fields: Any) -> ScheduleRun:
    """Return a run that is held and has not ended."""
    return a_run(schedule, **({"state": "running", "reason": None, "finished_at": None, "backup": None} | fields))


async def a_server(stores: Stores) -> Server:
    """Keep a server with what it needs."""
    async with stores.works() as work:
        return await keep_server(work)


async def kept_run(work: Work, run: ScheduleRun) -> ScheduleRun:
    """Keep a run that there is not yet."""
    kept = await work.schedules.add_run(run)
    assert kept is not None
    return kept


class SchedulePromises:
    """`core.schedules.store`."""

    @pytest.mark.parametrize(
        "trigger",
        [
            Every(count=90, unit="minutes"),
            Cron(expression="*/5 2-4 * * MON"),
            After(schedule_id=1 << 40, delay_s=5),
            Once(at=NOON + TICK),
        ],
        ids=lambda trigger: type(trigger).__name__,
    )
    async def test_a_schedule_comes_back_as_it_was_kept(self, stores: Stores, trigger: Trigger) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            kept = await work.schedules.add(a_schedule(server.id, trigger=trigger))
        async with stores.works() as work:
            assert await work.schedules.of_server(server.id) == [kept]
            assert await work.schedules.find(server.id, kept.id) == kept
            assert await work.schedules.find(server.id, kept.uuid) == kept

    async def test_a_schedule_is_found_at_its_own_server_only(self, stores: Stores) -> None:
        one, other = await a_server(stores), await a_server(stores)
        async with stores.works() as work:
            kept = await work.schedules.add(a_schedule(one.id))
            assert await work.schedules.find(other.id, kept.id) is None
            assert await work.schedules.find(other.id, kept.uuid) is None
            assert await work.schedules.of_server(other.id) == []

    async def test_a_schedule_needs_its_server(self, stores: Stores) -> None:
        async with stores.works() as work:
            with pytest.raises(NoSuchServer):
                await work.schedules.add(a_schedule(4711))

    async def test_what_changes_is_kept_and_what_is_deleted_is_gone_with_its_runs(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            kept = await work.schedules.add(a_schedule(server.id))
            run = await kept_run(work, a_run(kept))
        changed = replace(kept, name="b", enabled=True, trigger=Cron(expression="* * * * *"), next_at=None, labels={})
        async with stores.works() as work:
            await work.schedules.update(changed)
        async with stores.works() as work:
            assert await work.schedules.find(server.id, kept.id) == changed
            await work.schedules.delete(kept.id)
        async with stores.works() as work:
            assert await work.schedules.of_server(server.id) == []
            assert await work.schedules.get_run(run.id) is None
            with pytest.raises(NoSuchSchedule):
                await work.schedules.update(changed)

    async def test_what_is_due_comes_the_longest_due_first(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            assert await work.schedules.next_due() is None
            later, now, earlier, _never = [
                await work.schedules.add(a_schedule(server.id, enabled=True, next_at=at))
                for at in (NOON + TICK, NOON, NOON - SECOND, None)
            ]
        async with stores.works() as work:
            assert await work.schedules.next_due() == earlier.next_at
            assert await work.schedules.lock_due(NOON, 10) == [earlier, now]
            assert await work.schedules.lock_due(NOON + TICK, 2) == [earlier, now]
            assert await work.schedules.lock_due(NOON + TICK, 10) == [earlier, now, later]

    async def test_of_many_who_take_what_is_due_each_gets_something_else(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            made = [await work.schedules.add(a_schedule(server.id, next_at=NOON, enabled=True)) for _ in range(30)]
        taken: list[int] = []

        async def take() -> None:
            for _ in range(20):
                async with stores.works() as work:
                    due = await work.schedules.lock_due(NOON, 3)
                    await asyncio.sleep(0)
                    for schedule in due:
                        await work.schedules.update(replace(schedule, next_at=None))
                taken.extend(schedule.id for schedule in due)

        await asyncio.gather(*(take() for _ in range(4)))
        assert sorted(taken) == [schedule.id for schedule in made]

    async def test_whoever_locks_a_servers_schedules_sees_what_the_one_before_did(self, stores: Stores) -> None:
        server = await a_server(stores)

        async def add() -> None:
            async with stores.works() as work:
                count = len(await work.schedules.lock_of_server(server.id))
                await work.schedules.add(a_schedule(server.id, name=f"{count}"))

        await asyncio.gather(*(add() for _ in range(8)))
        async with stores.works() as work:
            names = [schedule.name for schedule in await work.schedules.of_server(server.id)]
        assert names == [f"{number}" for number in range(8)]

    async def test_a_family_is_who_waits_for_a_schedule_and_whom_it_waits_for(self, stores: Stores) -> None:
        server, other = await a_server(stores), await a_server(stores)
        async with stores.works() as work:
            parent, _stranger = [await work.schedules.add(a_schedule(server.id)) for _ in range(2)]
            child = await work.schedules.add(a_schedule(server.id, trigger=After(schedule_id=parent.id)))
            late = await work.schedules.add(a_schedule(server.id))
            grandchild = replace(late, trigger=After(schedule_id=child.id))
            await work.schedules.update(grandchild)
        async with stores.works() as work:
            assert await work.schedules.lock_families([(server.id, parent.id)]) == [parent, child]
            assert await work.schedules.lock_families([(server.id, child.id)]) == [parent, child, grandchild]
            assert await work.schedules.lock_families([(server.id, grandchild.id)]) == [child, grandchild]
            assert await work.schedules.lock_families([(other.id, child.id)]) == []
            both = [(server.id, grandchild.id), (server.id, parent.id)]
            assert await work.schedules.lock_families(both) == [parent, child, grandchild]
            await work.schedules.delete(parent.id)
            assert await work.schedules.lock_families([(server.id, child.id)]) == [child, grandchild]

    async def test_there_is_one_run_for_each_moment_and_cause(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            one, other = [await work.schedules.add(a_schedule(server.id)) for _ in range(2)]
            kept = await kept_run(work, a_run(one))
            assert await work.schedules.add_run(a_run(one)) is None
            due = await kept_run(work, a_run(one, cause="due"))
            later = await kept_run(work, a_run(one, due_at=NOON + TICK))
            await kept_run(work, a_run(other))
        async with stores.works() as work:
            assert await work.schedules.get_run(kept.id) == kept
            assert await work.schedules.runs(one.id, None, 10) == [later, due, kept]
            assert await work.schedules.runs(one.id, later.id, 1) == [due]

    async def test_a_run_is_changed_by_its_holder_while_it_is_under_way(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            schedule = await work.schedules.add(a_schedule(server.id))
            run = await kept_run(work, under_way(schedule))
            taken = replace(run, backup=uuid7(), holder="another", leased_until=NOON + SECOND)
            assert not await work.schedules.update_run(taken, "another")
            assert await work.schedules.update_run(taken, HOLDER)
            assert not await work.schedules.update_run(run, HOLDER)
        async with stores.works() as work:
            assert await work.schedules.get_run(run.id) == taken
            ended = replace(taken, state="failed", reason="so", finished_at=NOON, holder=None, leased_until=None)
            assert await work.schedules.update_run(ended, "another")
        async with stores.works() as work:
            assert await work.schedules.get_run(run.id) == ended
            assert not await work.schedules.update_run(taken, "another")

    async def test_many_are_moved_on_kept_and_ended_at_once(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            made = [await work.schedules.add(a_schedule(server.id)) for _ in range(5)]
            await kept_run(work, a_run(made[0]))
        moved = [replace(schedule, name=f"{number}", next_at=None) for number, schedule in enumerate(made)]
        async with stores.works() as work:
            await work.schedules.update_all([*moved, replace(made[0], id=4711)])
            kept = await work.schedules.add_runs([under_way(schedule) for schedule in made])
            assert [run.schedule_id for run in kept] == [schedule.id for schedule in made[1:]]
            await work.schedules.update_all([])
            assert await work.schedules.add_runs([]) == []
        ended = [replace(run, state="done", finished_at=NOON, holder=None, leased_until=None) for run in kept]
        async with stores.works() as work:
            assert await work.schedules.of_server(server.id) == moved
            assert await work.schedules.end_runs(ended, "another") == set()
            assert await work.schedules.end_runs(ended[:2], HOLDER) == {run.id for run in ended[:2]}
            assert await work.schedules.end_runs(ended, HOLDER) == {run.id for run in ended[2:]}
        async with stores.works() as work:
            assert [await work.schedules.get_run(run.id) for run in kept] == ended

    async def test_leases_are_renewed_and_lapse(self, stores: Stores) -> None:
        server, until = await a_server(stores), NOON + timedelta(hours=1)
        async with stores.works() as work:
            schedule = await work.schedules.add(a_schedule(server.id))
            mine, _ended, lapsed, other = [
                await kept_run(work, run)
                for run in (
                    under_way(schedule, leased_until=NOON),
                    a_run(schedule, leased_until=NOON, due_at=NOON + TICK),
                    under_way(schedule, leased_until=NOON, due_at=NOON - TICK, holder="gone"),
                    under_way(schedule, leased_until=NOON + TICK, due_at=NOON - SECOND, holder="there"),
                )
            ]
            assert await work.schedules.renew(HOLDER, until) == {mine.id}
            assert await work.schedules.renew("nobody", until) == set()
        async with stores.works() as work:
            assert await work.schedules.lock_lapsed(NOON, 10) == [lapsed]
            assert await work.schedules.lock_lapsed(NOON + TICK, 10) == [lapsed, other]
            assert await work.schedules.lock_lapsed(NOON + TICK, 1) == [lapsed]
            assert await work.schedules.get_run(mine.id) == replace(mine, leased_until=until)

    async def test_runs_are_trimmed_to_the_newest_and_those_under_way(self, stores: Stores) -> None:
        server = await a_server(stores)
        async with stores.works() as work:
            schedule = await work.schedules.add(a_schedule(server.id))
            going_on = await kept_run(work, under_way(schedule))
            others = [await kept_run(work, a_run(schedule, due_at=NOON + n * SECOND)) for n in range(1, 6)]
            other = await work.schedules.add(a_schedule(server.id))
            await kept_run(work, a_run(other))
            await work.schedules.trim_runs([schedule.id, other.id], 10)
            assert len(await work.schedules.runs(schedule.id, None, 10)) == 6
            await work.schedules.trim_runs([schedule.id, other.id], 2)
            assert len(await work.schedules.runs(other.id, None, 10)) == 1
        async with stores.works() as work:
            assert await work.schedules.runs(schedule.id, None, 10) == [others[4], others[3], going_on]
