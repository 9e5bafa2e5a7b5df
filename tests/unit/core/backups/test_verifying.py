"""Verifications by schedule: of which backup, by whom, and what is told of one that is damaged."""

import msgspec
import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.backups.errors import BackupIsBusy, NoGoodBackup
from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.core.happenings import HappeningKind
from innkeeper.core.schedules.errors import ScheduleIsInvalid
from innkeeper.core.schedules.model import Act, Every, Schedule, ScheduleDraft, ScheduleRun
from innkeeper.core.servers.directory import Record
from innkeeper.core.webhooks.model import WebhookDraft
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock


async def made(house: House, record: Record, clock: FakeClock) -> Backup:
    clock.advance(seconds=1)
    actor = house.actor(house.root)
    backup = await house.product.backups.create(actor, record)
    await house.settle()
    return await house.product.backups.get(actor, record, backup.uuid)


async def now(house: House, record: Record, backup: Backup) -> Backup:
    return await house.product.backups.get(house.actor(house.root), record, backup.uuid)


async def due_verification(house: House, record: Record) -> Schedule:
    draft = ScheduleDraft(name="look", trigger=Every(count=1, unit="minutes"), act=Act(kind="verify"))
    return await house.product.schedules.create(house.actor(house.root), record, draft)


async def run(house: House, clock: FakeClock, schedule: Schedule) -> ScheduleRun:
    """Have it run when it is due; return the run as it stands when nothing more is to be done now."""
    clock.advance(minutes=1)
    for _ in range(2):  # it begins, and its end is looked at
        house.product.nodes.heard(house.node.id)
        await house.product.schedules.tick()
        await house.settle()
    async with house.database.works() as work:
        return (await work.schedules.runs(schedule.id, None, 1))[0]


async def test_the_newest_good_backup_is_verified_when_it_is_due(house: House, clock: FakeClock) -> None:
    record = await house.server()
    older, newest = await made(house, record, clock), await made(house, record, clock)
    ended = await run(house, clock, await due_verification(house, record))
    assert (ended.state, ended.reason, ended.backup) == ("done", None, newest.uuid)
    assert (await now(house, record, newest)).verified is True
    assert (await now(house, record, older)).verified is None


async def test_one_that_is_damaged_fails_the_run_and_is_told_and_the_next_one_older_is_looked_at_then(
    house: House, clock: FakeClock
) -> None:
    record, actor = await house.server(), house.actor(house.root)
    kind: HappeningKind = "backup_damaged"
    draft = WebhookDraft(name="hook", kind="json", url="https://example.org", triggers=frozenset({kind}))
    hook = await house.product.webhooks.create(actor, record, draft)
    older, newest = await made(house, record, clock), await made(house, record, clock)
    del house.gateway.snapshots[newest.snapshot]
    schedule = await due_verification(house, record)
    ended = await run(house, clock, schedule)
    assert (ended.state, ended.reason, ended.backup) == ("failed", "The backup is damaged.", newest.uuid)
    told = (await house.product.webhooks.deliveries(actor, record, hook.id, 10)).items
    assert [(one.happening, one.facts.data["backup"] if one.facts else "") for one in told] == [
        (kind, str(newest.uuid))
    ]
    ended = await run(house, clock, schedule)
    assert (ended.state, ended.backup) == ("done", older.uuid)


async def test_what_could_not_be_looked_at_fails_the_run_and_leaves_the_backup_good(
    house: House, clock: FakeClock
) -> None:
    record, actor = await house.server(), house.actor(house.root)
    backup = await made(house, record, clock)
    await house.product.verifying.verify(actor, record, backup)
    await house.settle()
    house.gateway.obeys = False
    schedule = await due_verification(house, record)
    assert (await run(house, clock, schedule)).state == "running"
    [job] = house.gateway.desired[record.server.uuid].jobs
    await house.gateway.do_job(record.server.uuid, job, fail="the bucket does not answer")
    house.gateway.obeys = True
    async with house.database.works() as work:
        first = (await work.schedules.runs(schedule.id, None, 1))[0]
    await run(house, clock, schedule)
    async with house.database.works() as work:
        ended = await work.schedules.get_run(first.id)
    assert ended is not None
    assert (ended.state, ended.reason) == ("failed", "The backup was not verified: the bucket does not answer")
    assert (await now(house, record, backup)).good


async def test_without_a_good_backup_the_run_says_so(house: House, clock: FakeClock) -> None:
    record = await house.server()
    ended = await run(house, clock, await due_verification(house, record))
    assert (ended.state, ended.reason) == ("failed", NoGoodBackup().message)


async def test_one_that_is_verified_already_is_not_verified_a_second_time(house: House, clock: FakeClock) -> None:
    record, actor = await house.server(), house.actor(house.root)
    backup = await made(house, record, clock)
    house.gateway.obeys = False
    begun = await house.product.verifying.verify(actor, record, backup)
    again = await house.product.verifying.verify_newest(actor, record)
    assert (again.uuid, again.state) == (backup.uuid, "running")
    assert (await now(house, record, backup)).job_id == begun.job_id
    with pytest.raises(BackupIsBusy):
        await house.product.verifying.verify(actor, record, backup)


async def test_a_backup_verified_as_it_is_made_and_found_damaged_is_told_as_well(
    house: House, clock: FakeClock
) -> None:
    record, actor = await house.server(), house.actor(house.root)
    draft = WebhookDraft(
        name="hook", kind="json", url="https://example.org", triggers=frozenset({"backup_damaged", "backup_finished"})
    )
    hook = await house.product.webhooks.create(actor, record, draft)
    await house.product.backups.set_policy(actor, record, BackupPolicy(server_id=record.server.id, verify=True))
    house.gateway.obeys = False
    await made(house, record, clock)
    [job] = house.gateway.desired[record.server.uuid].jobs
    assert job.verify
    await house.gateway.do_job(record.server.uuid, job, damage="'level.dat': A chunk is missing")
    told = (await house.product.webhooks.deliveries(actor, record, hook.id, 10)).items
    assert sorted(one.happening for one in told) == ["backup_damaged", "backup_finished"]


async def test_a_schedule_that_verifies_needs_the_right_to_verify(house: House, clock: FakeClock) -> None:
    record = await house.server()
    friend = await house.account("friend")
    rights = (ServerPermission.VIEW, ServerPermission.SCHEDULES_WRITE, ServerPermission.BACKUPS_READ)
    await house.share(record, friend, *rights)
    draft = ScheduleDraft(name="look", trigger=Every(count=1, unit="minutes"), act=Act(kind="verify"))
    with pytest.raises(PermissionIsMissing):
        await house.product.schedules.create(house.actor(friend), record, draft)
    with pytest.raises(ScheduleIsInvalid):
        await house.product.schedules.create(
            house.actor(house.root), record, msgspec.structs.replace(draft, act=Act(kind="verify", command="say hi"))
        )
