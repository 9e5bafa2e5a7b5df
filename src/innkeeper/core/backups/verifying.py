"""Have backups verified: read whole by their node, restored into scratch, and compared.

A verification is a job about a backup that is made already, so the backup stays listed as good meanwhile. This module
knows neither when backups are made nor who waits for the outcome, which `noting` keeps with the backup.
"""

from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.errors import BackupIsBusy, BackupIsNotFinished, NoGoodBackup, NoSuchBackup
from innkeeper.core.backups.model import NOT_VERIFIED, Backup
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Work, Works
from innkeeper.kit.ids import uuid7


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How the verification of a backup stands."""

    uuid: UUID
    """The backup's own."""
    state: Literal["running", "done", "failed"]
    """`failed`: it was found damaged, or could not be looked at."""
    reason: str | None = None


class Verifying:
    """Commands on verifications; all need `backups.write`."""

    def __init__(
        self, *, works: Works, directory: ServerDirectory, activity: ActivityService, reconciler: Reconciler
    ) -> None:
        self._works = works
        self._directory = directory
        self._activity = activity
        self._reconciler = reconciler

    async def verify(self, actor: Actor, record: Record, backup: Backup) -> Backup:
        """Have one backup verified; raises NoSuchBackup, BackupIsNotFinished, BackupIsBusy."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_WRITE)
        async with self._works() as work:
            found = await self._find(work, record, backup.uuid)
            if found.state != "done":
                raise BackupIsNotFinished(state=found.state)
            if found.job_verb is not None:
                raise BackupIsBusy
            found = await self._begin(work, actor, record, found)
        await self._reconciler.tell(record.server.id)
        return found

    async def verify_newest(self, actor: Actor, record: Record) -> Verification:
        """Have the newest backup verified that nobody found damaged; raises NoGoodBackup.

        That is the one from which a server would be restored; most of its chunks are those of the older ones, too. One
        that is being verified already is not verified a second time.
        """
        self._directory.reach(actor, record, ServerPermission.BACKUPS_WRITE)
        async with self._works() as work:
            known = await work.backups.of_server(record.server.id)
            good = [one for one in known if one.good and one.job_verb in (None, "verify")]
            if not good:
                raise NoGoodBackup
            found = await self._find(work, record, max(good, key=lambda one: one.created_at).uuid)
            if found.job_verb is None:
                found = await self._begin(work, actor, record, found)
        await self._reconciler.tell(record.server.id)
        return _verification(found)

    async def get(self, actor: Actor, record: Record, which: UUID) -> Verification:
        """Return how the last verification of a backup stands; raises NoSuchBackup."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_WRITE)
        async with self._works() as work:
            return _verification(await self._find(work, record, which))

    async def _find(self, work: Work, record: Record, which: UUID) -> Backup:
        found = await work.backups.find(which)
        if found is None or found.server_id != record.server.id or found.job_verb == "forget":
            raise NoSuchBackup
        return found

    async def _begin(self, work: Work, actor: Actor, record: Record, backup: Backup) -> Backup:
        backup = msgspec.structs.replace(backup, job_id=uuid7(), job_verb="verify", steps=(), fraction=None)
        await work.backups.update(backup)
        work.changed("backup", backup.id)
        data = {"backup": str(backup.uuid)} | ({"name": backup.name} if backup.name else {})
        await self._activity.note(work, actor, "backup.verify", server_id=record.server.id, data=data)
        return backup


def _verification(backup: Backup) -> Verification:
    if backup.job_verb == "verify":
        return Verification(uuid=backup.uuid, state="running")
    if backup.verified and not backup.problem.startswith(NOT_VERIFIED):
        return Verification(uuid=backup.uuid, state="done")
    if backup.verified is False:
        reason = f"The backup is damaged: {backup.problem}" if backup.problem else "The backup is damaged."
    else:
        reason = f"The backup was {backup.problem}" if backup.problem else "Nobody looked at the backup."
    return Verification(uuid=backup.uuid, state="failed", reason=reason)
