"""What every keeper of backups must hold to: `core.backups.store`, as a test class to derive from.

Used as `store_suite` is. Knows no database.
"""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.backups.errors import NoSuchBackup
from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import Server
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, SECOND, TICK, Stores, keep_server


def a_backup(server_id: int, **fields: Any) -> Backup:
    """Return a backup that is not kept yet, every field away from its default."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "name": "Vor dem Umbau",
        "cause": "schedule",
        "state": "done",
        "reason": "Es ging nicht.",
        "fraction": 0.25,
        "steps": ("reading files", "größer"),
        "snapshot": "ab" * 16,
        "bytes": 1 << 45,
        "stored_bytes": 1 << 40,
        "files": 1 << 33,
        "digest": "cd" * 32,
        "locked": True,
        "verified_at": NOON + TICK,
        "verified": False,
        "problem": "Ein Stück fehlt.",
        "job_id": uuid7(),
        "job_verb": "verify",
        "account_id": 1 << 40,
        "created_at": NOON,
        "finished_at": NOON + SECOND,
    }
    return Backup(server_id=server_id, **(values | fields))


def a_policy(server_id: int, **fields: Any) -> BackupPolicy:
    """Return rules, every field away from its default."""
    values: dict[str, Any] = {
        "exclusions": ("*.log", "!wichtig.log"),
        "before": "say gleich\nsave-all",
        "after": "say fertig",
        "stop_first": True,
        "keep_last": 7,
        "keep_days": 30,
        "keep_daily": 6,
        "keep_weekly": 5,
        "keep_monthly": 4,
        "verify": True,
    }
    return BackupPolicy(server_id=server_id, **(values | fields))


async def a_server(stores: Stores) -> Server:
    """Keep a server with what it needs."""
    async with stores.works() as work:
        return await keep_server(work)


async def kept(stores: Stores, backup: Backup) -> Backup:
    """Keep a backup."""
    async with stores.works() as work:
        return await work.backups.add(backup)


class BackupPromises:
    """`core.backups.store`."""

    async def test_a_backup_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        server = await a_server(stores)
        bare = Backup(id=0, uuid=uuid7(), server_id=server.id, created_at=NOON)
        for given in (a_backup(server.id), bare):
            backup = await kept(stores, given)
            assert backup == replace(given, id=backup.id)
            async with stores.works() as work:
                assert await work.backups.get(server.id, backup.id) == backup
                assert await work.backups.find(backup.uuid) == backup

    async def test_a_backup_is_found_at_its_own_server_only(self, stores: Stores) -> None:
        one, other = await a_server(stores), await a_server(stores)
        backup = await kept(stores, a_backup(one.id))
        async with stores.works() as work:
            assert await work.backups.get(other.id, backup.id) is None
            assert await work.backups.of_server(other.id) == []
            assert await work.backups.with_jobs(other.id) == []

    async def test_a_backup_and_rules_need_their_server(self, stores: Stores) -> None:
        async with stores.works() as work:
            with pytest.raises(NoSuchServer):
                await work.backups.add(a_backup(4711))
        async with stores.works() as work:
            with pytest.raises(NoSuchServer):
                await work.backups.put_policy(a_policy(4711))

    async def test_an_update_replaces_every_field_of_this_backup_alone(self, stores: Stores) -> None:
        server = await a_server(stores)
        backup = await kept(stores, Backup(id=0, uuid=uuid7(), server_id=server.id, created_at=NOON))
        other = await kept(stores, Backup(id=0, uuid=uuid7(), server_id=server.id, created_at=NOON))
        changed = a_backup(server.id, id=backup.id, uuid=backup.uuid)
        async with stores.works() as work:
            await work.backups.update(changed)
        async with stores.works() as work:
            assert await work.backups.of_server(server.id) == [other, changed], "newest first"

    async def test_what_is_deleted_is_gone_and_cannot_be_updated(self, stores: Stores) -> None:
        server = await a_server(stores)
        backup = await kept(stores, a_backup(server.id))
        async with stores.works() as work:
            await work.backups.delete(backup.id)
            await work.backups.delete(backup.id)
        async with stores.works() as work:
            assert await work.backups.find(backup.uuid) is None
            with pytest.raises(NoSuchBackup):
                await work.backups.update(backup)

    async def test_what_nodes_have_to_do_comes_oldest_first_and_by_its_job(self, stores: Stores) -> None:
        one, other = await a_server(stores), await a_server(stores)
        first = await kept(stores, a_backup(one.id, job_verb="backup"))
        await kept(stores, a_backup(one.id, job_id=None, job_verb=None))
        second = await kept(stores, a_backup(other.id, job_verb="forget"))
        async with stores.works() as work:
            assert await work.backups.with_jobs() == [first, second]
            assert await work.backups.with_jobs(other.id) == [second]
            assert first.job_id is not None
            assert await work.backups.of_job(first.job_id) == first
            assert await work.backups.of_job(uuid7()) is None

    async def test_those_made_for_copies_are_told_until_they_are_to_be_forgotten(self, stores: Stores) -> None:
        server = await a_server(stores)
        done = await kept(stores, a_backup(server.id, cause="clone", job_id=None, job_verb=None))
        under_way = await kept(stores, a_backup(server.id, cause="clone", job_verb="backup"))
        await kept(stores, a_backup(server.id, cause="clone", job_verb="forget"))
        await kept(stores, a_backup(server.id, cause="asked"))
        async with stores.works() as work:
            assert await work.backups.passing() == [done, under_way]

    async def test_rules_come_back_as_they_were_kept_last(self, stores: Stores) -> None:
        one, other = await a_server(stores), await a_server(stores)
        async with stores.works() as work:
            assert await work.backups.policy(one.id) is None
            await work.backups.put_policy(BackupPolicy(server_id=one.id))
            await work.backups.put_policy(BackupPolicy(server_id=other.id))
        async with stores.works() as work:
            await work.backups.put_policy(a_policy(one.id))
        async with stores.works() as work:
            assert await work.backups.policy(one.id) == a_policy(one.id)
            assert await work.backups.policies() == [a_policy(one.id), BackupPolicy(server_id=other.id)]

    async def test_a_servers_backups_and_rules_go_with_it(self, stores: Stores) -> None:
        one, other = await a_server(stores), await a_server(stores)
        await kept(stores, a_backup(one.id))
        backup = await kept(stores, a_backup(other.id))
        async with stores.works() as work:
            await work.backups.put_policy(a_policy(one.id))
            await work.backups.put_policy(a_policy(other.id))
        async with stores.works() as work:
            await work.backups.delete_of_server(one.id)
        async with stores.works() as work:
            assert await work.backups.of_server(one.id) == []
            assert await work.backups.of_server(other.id) == [backup]
            assert await work.backups.policies() == [a_policy(other.id)]

    async def test_of_two_who_change_a_backup_neither_undoes_what_the_other_did(self, stores: Stores) -> None:
        server = await a_server(stores)
        backup = await kept(stores, a_backup(server.id, locked=False, state="running", job_verb="backup"))
        read = asyncio.Event()

        async def report() -> None:
            async with stores.works() as work:
                assert backup.job_id is not None
                found = await work.backups.of_job(backup.job_id)
                read.set()
                await asyncio.sleep(0.05)  # the other one would be through by now
                assert found is not None
                await work.backups.update(replace(found, state="done"))

        async def lock() -> None:
            await read.wait()
            async with stores.works() as work:
                found = await work.backups.find(backup.uuid)
                assert found is not None
                await work.backups.update(replace(found, locked=True))

        await asyncio.gather(report(), lock())
        async with stores.works() as work:
            found = await work.backups.find(backup.uuid)
            assert found is not None
            assert (found.state, found.locked) == ("done", True)

    async def test_who_looks_for_a_job_that_was_taken_away_meanwhile_finds_nothing(self, stores: Stores) -> None:
        server = await a_server(stores)
        backup = await kept(stores, a_backup(server.id, state="running", job_verb="backup"))
        read = asyncio.Event()

        async def delete() -> None:
            async with stores.works() as work:
                found = await work.backups.find(backup.uuid)
                read.set()
                await asyncio.sleep(0.05)  # the other one would be through by now
                assert found is not None
                await work.backups.update(replace(found, job_id=uuid7(), job_verb="forget"))

        async def report() -> Backup | None:
            await read.wait()
            async with stores.works() as work:
                assert backup.job_id is not None
                return await work.backups.of_job(backup.job_id)

        _, found = await asyncio.gather(delete(), report())
        assert found is None
