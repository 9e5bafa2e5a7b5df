"""What the backups service needs of storage."""

from typing import Protocol
from uuid import UUID

from innkeeper.core.backups.model import Backup, BackupPolicy


class BackupStore(Protocol):
    """Backups and their rules at rest."""

    async def add(self, backup: Backup) -> Backup:
        """Keep a new backup (its id is ignored) and return it with its id."""
        ...

    async def get(self, server_id: int, backup_id: int) -> Backup | None:
        """Return a backup of that server, and hold it until the transaction ends: nobody else changes it meanwhile."""
        ...

    async def find(self, uuid: UUID) -> Backup | None:
        """Return a backup, and hold it as `get` does."""
        ...

    async def of_job(self, job_id: UUID) -> Backup | None:
        """Return the backup that a job under way is about, and hold it as `get` does."""
        ...

    async def of_server(self, server_id: int) -> list[Backup]:
        """Return a server's backups, those to be forgotten too, newest first."""
        ...

    async def with_jobs(self, server_id: int | None = None) -> list[Backup]:
        """Return the backups about which a node has something to do, of one server or of all, oldest first."""
        ...

    async def passing(self) -> list[Backup]:
        """Return the backups that were made for copies and are not to be forgotten yet, oldest first."""
        ...

    async def update(self, backup: Backup) -> None:
        """Replace the row of the same id; raise NoSuchBackup."""
        ...

    async def delete(self, backup_id: int) -> None: ...

    async def delete_of_server(self, server_id: int) -> None:
        """Delete a server's backups and its rules."""
        ...

    async def policy(self, server_id: int) -> BackupPolicy | None: ...

    async def policies(self) -> list[BackupPolicy]:
        """Return every policy there is, by server."""
        ...

    async def put_policy(self, policy: BackupPolicy) -> None:
        """Keep a server's policy, in place of what there is."""
        ...
