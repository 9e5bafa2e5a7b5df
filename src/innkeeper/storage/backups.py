"""Keeps backups and the rules by which they are kept."""

from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.backups.errors import NoSuchBackup
from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import backup_policies, backups

# Names of parameters must not be those of columns that an update sets.
# A row that is read alone is held: what is written of it next is made of what was read.
_ONE = select(backups).with_for_update(key_share=True)
_GET = _ONE.where(backups.c.id == bindparam("backup_id"), backups.c.server_id == bindparam("of_server"))
_FIND = _ONE.where(backups.c.uuid == bindparam("backup_uuid"))
_OF_JOB = _ONE.where(backups.c.job_id == bindparam("of_job"))
_UPDATE = update(backups).where(backups.c.id == bindparam("backup_id"))
_POLICY = select(backup_policies).where(backup_policies.c.server_id == bindparam("of_server"))


class SqlBackups:
    """Keeps `core.backups.store.BackupStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, backup: Backup) -> Backup:
        """Keep a new backup and return it with its id; raise NoSuchServer."""
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchServer(id=backup.server_id)}):
            backup_id = await insert_row(self._connection, backups, values_of(backup))
        return replace(backup, id=backup_id)

    async def get(self, server_id: int, backup_id: int) -> Backup | None:
        return await fetch_one(self._connection, _GET, Backup, backup_id=backup_id, of_server=server_id)

    async def find(self, uuid: UUID) -> Backup | None:
        return await fetch_one(self._connection, _FIND, Backup, backup_uuid=uuid)

    async def of_job(self, job_id: UUID) -> Backup | None:
        return await fetch_one(self._connection, _OF_JOB, Backup, of_job=job_id)

    async def of_server(self, server_id: int) -> list[Backup]:
        query = select(backups).where(backups.c.server_id == server_id).order_by(backups.c.id.desc())
        return await fetch_all(self._connection, query, Backup)

    async def with_jobs(self, server_id: int | None = None) -> list[Backup]:
        query = select(backups).where(backups.c.job_id.is_not(None)).order_by(backups.c.id)
        if server_id is not None:
            query = query.where(backups.c.server_id == server_id)
        return await fetch_all(self._connection, query, Backup)

    async def passing(self) -> list[Backup]:
        query = select(backups).where(
            backups.c.cause == "clone", or_(backups.c.job_verb.is_(None), backups.c.job_verb != "forget")
        )
        return await fetch_all(self._connection, query.order_by(backups.c.id), Backup)

    async def update(self, backup: Backup) -> None:
        """Replace the row of the same id; raise NoSuchBackup."""
        values = {**values_of(backup), "backup_id": backup.id}
        if not (await self._connection.execute(_UPDATE, values)).rowcount:
            raise NoSuchBackup(id=backup.id)

    async def delete(self, backup_id: int) -> None:
        await self._connection.execute(delete(backups).where(backups.c.id == backup_id))

    async def delete_of_server(self, server_id: int) -> None:
        await self._connection.execute(delete(backups).where(backups.c.server_id == server_id))
        await self._connection.execute(delete(backup_policies).where(backup_policies.c.server_id == server_id))

    async def policy(self, server_id: int) -> BackupPolicy | None:
        return await fetch_one(self._connection, _POLICY, BackupPolicy, of_server=server_id)

    async def policies(self) -> list[BackupPolicy]:
        return await fetch_all(
            self._connection, select(backup_policies).order_by(backup_policies.c.server_id), BackupPolicy
        )

    async def put_policy(self, policy: BackupPolicy) -> None:
        """Keep a server's policy, in place of what there is; raise NoSuchServer."""
        values = values_of(policy)
        statement = inserting(self._connection, backup_policies).values(values)
        changed = {name: value for name, value in values.items() if name != "server_id"}
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchServer(id=policy.server_id)}):
            await self._connection.execute(statement.on_conflict_do_update(index_elements=["server_id"], set_=changed))
