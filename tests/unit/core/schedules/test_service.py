"""Who may make, change, run and see schedules, and what is refused."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.schedules.acts import PERMISSIONS
from innkeeper.core.schedules.errors import NoSuchSchedule, ScheduleIsInvalid, TooManySchedules
from innkeeper.core.schedules.model import Act, After, Cron, Every, Once, ScheduleChanges
from innkeeper.core.schedules.service import MOST_OF_A_SERVER
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock
from tests.unit.core.schedules.conftest import EVERY_MINUTE, START, a_draft, make, now, runs

READ, WRITE, VIEW = ServerPermission.SCHEDULES_READ, ServerPermission.SCHEDULES_WRITE, ServerPermission.VIEW
LABELS = {"action": "start_server", "interval": ""}


async def test_a_schedule_is_found_by_both_its_ids_at_its_own_server(house: House) -> None:
    one, other = await house.server(name="one"), await house.server(name="other")
    schedule = await make(house, one, labels=LABELS)
    root, service = house.actor(house.root), house.product.schedules
    assert schedule.labels == LABELS
    assert await service.get(root, one, schedule.id) == await service.get(root, one, schedule.uuid) == schedule
    assert await service.of_server(root, one) == [schedule]
    assert await service.of_server(root, other) == []
    for which in (schedule.id, schedule.uuid, 0, -1, 1 << 80):
        with pytest.raises(NoSuchSchedule):
            await service.get(root, other, which)
        with pytest.raises(NoSuchSchedule):
            await service.change(root, other, which, ScheduleChanges(name="mine"))
        with pytest.raises(NoSuchSchedule):
            await service.run_now(root, other, which)
        with pytest.raises(NoSuchSchedule):
            await service.delete(root, other, which)


@pytest.mark.parametrize("kind", PERMISSIONS)
async def test_whoever_makes_a_schedule_needs_the_permission_of_its_act(house: House, kind: Any) -> None:
    record, guest = await house.server(), await house.account("guest")
    await house.share(record, guest, VIEW, WRITE)
    with pytest.raises(PermissionIsMissing):
        await make(house, record, kind=kind, by=house.actor(guest))
    await house.share(record, guest, VIEW, PERMISSIONS[kind])
    with pytest.raises(PermissionIsMissing):
        await make(house, record, kind=kind, by=house.actor(guest))
    await house.share(record, guest, VIEW, WRITE, PERMISSIONS[kind])
    made = await make(house, record, kind=kind, by=house.actor(guest))
    assert (made.account_id, made.act.kind) == (guest.id, kind)


async def test_every_command_asks_who_may(house: House) -> None:
    record, guest, stranger = await house.server(), await house.account("guest"), await house.account("stranger")
    await house.share(record, guest, VIEW, ServerPermission.CONSOLE_WRITE)
    schedule = await make(house, record)
    service, changes = house.product.schedules, ScheduleChanges(enabled=False)
    commands: list[Callable[[Any], Awaitable[object]]] = [
        lambda actor: service.of_server(actor, record),
        lambda actor: service.get(actor, record, schedule.id),
        lambda actor: service.runs(actor, record, schedule.id, 10),
        lambda actor: service.create(actor, record, a_draft()),
        lambda actor: service.change(actor, record, schedule.id, changes),
        lambda actor: service.run_now(actor, record, schedule.id),
        lambda actor: service.delete(actor, record, schedule.id),
    ]
    for command in commands:
        with pytest.raises(PermissionIsMissing):
            await command(house.actor(guest))
        with pytest.raises(NoSuchServer):
            await command(house.actor(stranger))
    assert await now(house, schedule) == schedule
    assert await runs(house, schedule) == []


async def test_whoever_changes_a_schedule_answers_for_it(house: House) -> None:
    record, guest = await house.server(), await house.account("guest")
    schedule = await make(house, record)
    service = house.product.schedules
    await house.share(record, guest, VIEW, WRITE)
    actor = house.actor(guest)
    for changes in (ScheduleChanges(name="mine"), ScheduleChanges(enabled=True), ScheduleChanges(act=Act(kind="stop"))):
        with pytest.raises(PermissionIsMissing):
            await service.change(actor, record, schedule.id, changes)
    with pytest.raises(PermissionIsMissing):
        await service.run_now(actor, record, schedule.id)
    off = await service.change(actor, record, schedule.id, ScheduleChanges(enabled=False))
    assert (off.enabled, off.account_id) == (False, house.root.id)
    await house.share(record, guest, VIEW, WRITE, ServerPermission.CONSOLE_WRITE)
    with pytest.raises(PermissionIsMissing):
        await service.change(house.actor(guest), record, schedule.id, ScheduleChanges(act=Act(kind="stop")))
    mine = await service.change(house.actor(guest), record, schedule.id, ScheduleChanges(enabled=True))
    assert mine.account_id == guest.id


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"command": ""}, "command"),
        ({"command": "\n \n"}, "command"),
        ({"command": "x\n" * 21}, "command"),
        ({"command": "x" * 4097}, "command"),
        ({"command": "say \x1b[0m"}, "command"),
        ({"act": Act(kind="start", command="say no")}, "command"),
        ({"trigger": Cron(expression="* * * * 9")}, "expression"),
        ({"trigger": Every(count=0, unit="hours")}, "count"),
        ({"trigger": Once(at=START)}, "trigger"),
        ({"trigger": After(schedule_id=99)}, "schedule_id"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"labels": {f"{number}": "" for number in range(33)}}, "labels"),
        ({"labels": {"a": "x" * 1001}}, "labels"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(house: House, fields: dict[str, Any], field: str) -> None:
    record = await house.server()
    with pytest.raises(ScheduleIsInvalid) as refused:
        await make(house, record, **fields)
    assert refused.value.data["field"] == field
    schedule = await make(house, record)
    with pytest.raises(ScheduleIsInvalid) as refused:
        given = {name: value for name, value in fields.items() if name != "command"}
        given |= {"act": Act(kind="command", command=fields["command"])} if "command" in fields else {}
        await house.product.schedules.change(house.actor(house.root), record, schedule.id, ScheduleChanges(**given))
    assert refused.value.data["field"] == field


async def test_schedules_wait_for_others_of_their_server_and_never_for_themselves(house: House) -> None:
    one, other = await house.server(name="one"), await house.server(name="other")
    first = await make(house, one)
    with pytest.raises(ScheduleIsInvalid, match="no such schedule"):
        await make(house, other, After(schedule_id=first.id))
    second = await make(house, one, After(schedule_id=first.id))
    third = await make(house, one, After(schedule_id=second.id))
    for waits in (first, second, third):
        with pytest.raises(ScheduleIsInvalid, match="wait for itself"):
            await house.product.schedules.change(
                house.actor(house.root), one, first.id, ScheduleChanges(trigger=After(schedule_id=waits.id))
            )


async def test_what_waited_for_a_schedule_that_is_deleted_is_disabled(house: House, clock: FakeClock) -> None:
    record, root, service = await house.server(), house.actor(house.root), house.product.schedules
    parent = await make(house, record)
    child = await make(house, record, After(schedule_id=parent.id))
    await service.delete(root, record, parent.uuid)
    child = await now(house, child)
    assert (child.enabled, child.next_at) == (False, None)
    with pytest.raises(ScheduleIsInvalid, match="no such schedule"):
        await service.change(root, record, child.id, ScheduleChanges(enabled=True))
    named = await service.change(root, record, child.id, ScheduleChanges(name="orphan"))
    assert named.name == "orphan"
    revived = await service.change(root, record, child.id, ScheduleChanges(enabled=True, trigger=EVERY_MINUTE))
    assert revived.next_at == START + timedelta(minutes=1)


async def test_a_server_has_so_many_schedules(house: House) -> None:
    record = await house.server()
    for _ in range(MOST_OF_A_SERVER):
        await make(house, record, enabled=False)
    with pytest.raises(TooManySchedules):
        await make(house, record)


async def test_what_comes_next_is_known_as_far_as_it_can_be(house: House) -> None:
    record = await house.server()
    upcoming = house.product.schedules.upcoming
    minutes = await make(house, record)
    assert upcoming(minutes, 3) == [START + timedelta(minutes=number) for number in (1, 2, 3)]
    assert len(upcoming(minutes, 1000)) == 100
    assert upcoming(await make(house, record, enabled=False), 3) == []
    assert upcoming(await make(house, record, After(schedule_id=minutes.id)), 3) == []
    moment = START + timedelta(hours=1)
    assert upcoming(await make(house, record, Once(at=moment)), 3) == [moment]


async def test_what_was_done_with_schedules_is_noted(house: House) -> None:
    record, root, service = await house.server(start=True), house.actor(house.root), house.product.schedules
    schedule = await make(house, record, name="nightly")
    await service.change(root, record, schedule.id, ScheduleChanges(zone="Europe/Berlin"))
    await service.run_now(root, record, schedule.id)
    await house.settle()
    await service.delete(root, record, schedule.id)
    page = await house.product.activity.of_server(record.server.id, None, 20)
    noted = {entry.action: entry.data for entry in page.items if entry.action.startswith("schedule.")}
    assert noted == {
        "schedule.created": {"name": "nightly"},
        "schedule.changed": {"name": "nightly", "changed": ["zone"]},
        "schedule.run": {"name": "nightly"},
        "schedule.deleted": {"name": "nightly"},
    }
