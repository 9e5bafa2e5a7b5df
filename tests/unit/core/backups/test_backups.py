"""Backups through the whole product, with a node that does what a test says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.backups.errors import (
    BackupIsBusy,
    BackupIsLocked,
    BackupIsNotFinished,
    BackupIsUnderWay,
    BackupPathsAreInvalid,
    BackupPolicyIsInvalid,
    NoSuchBackup,
    TooManyBackups,
)
from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer, TooManyServers
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path, settings=Settings(most_backups=3)) as house:
        yield house


async def made(house: House, record: Record, **given: Any) -> Backup:
    actor = house.actor(house.root)
    backup = await house.product.backups.create(actor, record, **given)
    await house.settle()
    return await house.product.backups.get(actor, record, backup.uuid)


async def actions(house: House, record: Record) -> list[str]:
    async with house.database.works() as work:
        recent = await work.activity.recent(server_id=record.server.id, account_id=None, before_id=None, limit=50)
    return [entry.action for entry in recent if entry.action.startswith("backup.")]


async def test_a_backup_is_made_told_of_and_listed(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.trees[record.server.uuid] = {"a": b"alpha"}
    with house.product.backups.finished.listen() as listener:
        backup = await made(house, record, name="first")
        async with asyncio.timeout(5):
            assert (await listener.get()).uuid == backup.uuid
    assert (backup.state, backup.files, backup.bytes, backup.name, backup.job_id) == ("done", 1, 5, "first", None)
    assert await house.product.backups.of_server(actor, record) == [backup]
    assert await house.product.backups.get(actor, record, backup.id) == backup
    assert await actions(house, record) == ["backup.finished", "backup.created"]


async def test_a_node_that_is_away_makes_it_when_it_is_back(house: House) -> None:
    record = await house.server()
    house.gateway.offline = True
    waiting = await made(house, record)
    assert waiting.state == "waiting"
    with pytest.raises(BackupIsUnderWay):
        await house.product.backups.create(house.actor(house.root), record)
    house.gateway.offline = False
    await house.reconciler.tick()
    await house.settle()
    assert (await house.product.backups.get(house.actor(house.root), record, waiting.uuid)).state == "done"


async def test_a_failure_keeps_its_reason_and_is_no_backup(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    backup = await made(house, record)
    job = house.gateway.desired[record.server.uuid].jobs[0]
    await house.gateway.do_job(record.server.uuid, job, fail="the disk is full")
    backup = await house.product.backups.get(actor, record, backup.uuid)
    assert (backup.state, backup.reason, backup.good) == ("failed", "the disk is full", False)
    with pytest.raises(BackupIsNotFinished):
        await house.product.backups.restore(actor, record, backup)
    assert house.gateway.desired[record.server.uuid].jobs == (job,), "as it was told last"
    await house.reconciler.tell(record.server.id)
    assert house.gateway.desired[record.server.uuid].jobs == ()


async def test_a_backup_of_which_its_node_names_nothing_is_no_backup(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    backup = await made(house, record)
    job = house.gateway.desired[record.server.uuid].jobs[0]
    await house.gateway.do_job(record.server.uuid, msgspec.structs.replace(job, verb="verify"))
    backup = await house.product.backups.get(actor, record, backup.uuid)
    assert (backup.state, backup.reason) == ("failed", "its node did not say what was made")


async def test_a_restore_keeps_what_there_was_and_goes_on_running(house: House) -> None:
    record, actor = await house.server(start=True), house.actor(house.root)
    tree = house.gateway.trees.setdefault(record.server.uuid, {})
    tree["a"] = b"old"
    backup = await made(house, record)
    tree.update({"a": b"new", "b": b"new"})
    operation = await house.product.backups.restore(actor, house.now(record), backup)
    await house.settle()
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE
    assert tree == {"a": b"old"}
    assert (house.now(record).live.state, house.now(record).server.power) == (State.RUNNING, "on")
    before = (await house.product.backups.of_server(actor, record))[0]
    assert (before.cause, before.state) == ("before_restore", "done")
    await house.product.backups.restore(actor, house.now(record), before)
    await house.settle()
    assert tree == {"a": b"new", "b": b"new"}


async def test_named_files_are_restored_beside_all_else(house: House) -> None:
    record, actor = await house.server(start=True), house.actor(house.root)
    tree = house.gateway.trees.setdefault(record.server.uuid, {})
    tree.update({"a": b"old", "b": b"old"})
    backup = await made(house, record)
    tree.update({"a": b"new", "b": b"new"})
    operation = await house.product.backups.restore(actor, house.now(record), backup, paths=("/a",))
    await house.settle()
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE
    assert tree == {"a": b"old", "b": b"new"}
    for paths in ((), ("..",), ("a/../..",), ("",)):
        with pytest.raises(BackupPathsAreInvalid):
            await house.product.backups.restore(actor, record, backup, paths=paths)


async def test_a_clone_is_another_server_with_the_same_files_and_leaves_no_backup_behind(house: House) -> None:
    record, actor = await house.server(start=True), house.actor(house.root)
    house.gateway.trees[record.server.uuid] = {"world": b"world"}
    server, operation = await house.product.backups.clone(actor, house.now(record), "camp two")
    await house.settle()
    await house.product.backups.tick()
    await house.settle()
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE
    assert house.gateway.trees[server.uuid] == {"world": b"world"}
    assert (server.name, server.port != record.server.port) == ("camp two", True)
    assert house.product.directory.get(server.id).live.state is State.STOPPED
    assert await house.product.backups.of_server(actor, record) == []
    assert house.gateway.snapshots == {}


async def test_a_clone_counts_as_a_server_of_whoever_makes_it(tmp_path: Path) -> None:
    async with House.open(tmp_path, settings=Settings(most_servers=1)) as house:
        guest = await house.account("guest")
        role = frozenset({"servers.create"})
        await house.product.access.create_role(
            house.actor(house.root), name="makers", permissions=role, members=frozenset({guest.id})
        )
        record = await house.server(owner=guest)
        with pytest.raises(TooManyServers):
            await house.product.backups.clone(house.actor(guest), record, "another")
        await house.settle()
        assert await house.product.backups.of_server(house.actor(guest), record) == []


async def test_a_failed_backup_fails_the_clone(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    server, operation = await house.product.backups.clone(actor, record, "another")
    await house.gateway.carry_out(server.uuid)
    await house.gateway.do_job(record.server.uuid, house.gateway.desired[record.server.uuid].jobs[0], fail="no")
    ended = await house.product.operations.get(operation.uuid)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "the backup failed: no")


async def test_a_new_server_gets_the_files_of_a_backup_once_it_is_installed(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.trees[record.server.uuid] = {"a": b"old"}
    backup = await made(house, record)
    house.gateway.obeys = False
    server, operation = await house.product.backups.restore_into_new(actor, record, backup, "revived")
    assert house.gateway.orders[server.uuid].verb == "install"
    with pytest.raises(BackupIsBusy):
        await house.product.backups.delete(actor, record, backup)
    await house.gateway.carry_out(server.uuid)
    assert house.gateway.orders[server.uuid].uuid == operation.uuid
    await house.gateway.carry_out(server.uuid)
    assert house.gateway.trees[server.uuid] == {"a": b"old"}


async def test_rules_delete_what_they_do_not_keep_but_nothing_locked(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    first = await made(house, record)
    await house.product.backups.lock(actor, record, first)
    await made(house, record)
    third = await made(house, record)
    with pytest.raises(TooManyBackups):
        await house.product.backups.create(actor, record)
    policy = BackupPolicy(server_id=0, keep_last=1, exclusions=("logs/",))
    await house.product.backups.set_policy(actor, record, policy)
    await house.settle()
    assert [one.id for one in await house.product.backups.of_server(actor, record)] == [third.id, first.id]
    assert len(house.gateway.snapshots) == 2
    with pytest.raises(BackupIsLocked):
        await house.product.backups.delete(actor, record, first)
    first = await house.product.backups.unlock(actor, record, first)
    await house.product.backups.delete(actor, record, first)
    await house.settle()
    with pytest.raises(NoSuchBackup):
        await house.product.backups.get(actor, record, first.uuid)
    assert (await house.product.backups.policy(actor, record)).exclusions == ("logs/",)


@pytest.mark.parametrize("broken", [{"keep_last": 0}, {"before": "a\x07"}, {"exclusions": ("..",)}, {"keep_daily": -1}])
async def test_rules_that_make_no_sense_are_refused(house: House, broken: dict[str, Any]) -> None:
    record = await house.server()
    with pytest.raises(BackupPolicyIsInvalid):
        await house.product.backups.set_policy(house.actor(house.root), record, BackupPolicy(server_id=0, **broken))


async def test_of_two_backups_asked_for_at_the_same_time_one_is_refused(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    outcomes = await asyncio.gather(
        *(house.product.backups.create(actor, record) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, Backup) for one in outcomes) == 1
    assert sum(isinstance(one, BackupIsUnderWay) for one in outcomes) == 3


async def test_a_verification_is_kept_with_its_time(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    backup = await made(house, record)
    verifying = await house.product.verifying.verify(actor, record, backup)
    assert verifying.job_verb == "verify"
    await house.settle()
    backup = await house.product.backups.get(actor, record, backup.uuid)
    assert (backup.verified, backup.verified_at is not None, backup.job_verb) == (True, True, None)
    house.gateway.snapshots.clear()
    await house.product.verifying.verify(actor, record, backup)
    await house.settle()
    backup = await house.product.backups.get(actor, record, backup.uuid)
    assert (backup.verified, backup.good) == (False, False)


async def test_a_download_ends_with_the_right_to_it(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    house.gateway.trees[record.server.uuid] = {str(number): b"x" * 10 for number in range(6)}
    backup = await made(house, record)
    guest = await house.account("guest")
    await house.share(record, guest, ServerPermission.VIEW, ServerPermission.BACKUPS_READ)
    parts = await house.product.backups.download(house.actor(guest), record, backup, "zip")
    assert await anext(parts) == b"x" * 10
    await house.product.access.unshare(actor, record, guest.id)
    with pytest.raises(NoSuchServer):
        async for _ in parts:
            pass
    assert house.gateway.downloads == {}


async def test_a_backup_of_another_server_is_not_found(house: House) -> None:
    record, other, actor = await house.server(), await house.server(name="other"), house.actor(house.root)
    backup = await made(house, record)
    for which in (backup.uuid, backup.id):
        with pytest.raises(NoSuchBackup):
            await house.product.backups.get(actor, other, which)
    with pytest.raises(NoSuchBackup):
        await house.product.backups.restore(actor, other, backup)


async def test_console_lines_in_the_rules_need_the_right_to_type_them(house: House) -> None:
    record = await house.server()
    guest = await house.account("guest")
    some = (ServerPermission.VIEW, ServerPermission.BACKUPS_WRITE, ServerPermission.BACKUPS_DELETE)
    await house.share(record, guest, *some)
    with pytest.raises(PermissionIsMissing):
        await house.product.backups.set_policy(house.actor(guest), record, BackupPolicy(server_id=0, before="op guest"))


async def test_a_deleted_servers_backups_go_with_it(house: House) -> None:
    record, actor = await house.server(), house.actor(house.root)
    await made(house, record)
    await house.product.servers.delete(actor, house.now(record), at_once=True)
    await house.settle()
    async with house.database.works() as work:
        assert await work.backups.of_server(record.server.id) == []
