"""Backups for those who may: made, kept by rules, looked at, put back, copied, deleted.

A command checks who asks and what is there, keeps its intent in one transaction and tells the node; what the node does
of it, and when, is noted as it reports (`noting`). Nothing is listed as good that is not finished.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from uuid import UUID

import msgspec

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.checks import check_name, check_paths, check_policy
from innkeeper.core.backups.copying import Copying
from innkeeper.core.backups.errors import (
    BackupIsBusy,
    BackupIsLocked,
    BackupIsNotFinished,
    BackupIsUnderWay,
    BackupSpaceIsExhausted,
    NoSuchBackup,
    TooManyBackups,
)
from innkeeper.core.backups.model import Backup, BackupPolicy, Cause, Form, Restoring
from innkeeper.core.backups.noting import BackupNotes, unfinished_of
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.errors import CoreError, NotFound
from innkeeper.core.files.model import FileEntry
from innkeeper.core.files.streams import one_ahead
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import (
    ServerChangedMeanwhile,
    ServerIsBusy,
    ServerIsInstalling,
    ServerIsNotInstalled,
    ServerIsSuspended,
)
from innkeeper.core.servers.holding import Holds, keep_decision
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Server
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.broadcast import Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

_MIB = 1 << 20
_COPYING = timedelta(minutes=15)
"""By then a copy was begun for which a backup was made, or never will be."""


class BackupService:
    """Commands on backups."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        gateway: NodeGateway,
        rights: AccessDirectory,
        directory: ServerDirectory,
        nodes: NodeService,
        holds: Holds,
        operations: OperationService,
        activity: ActivityService,
        selling: Selling,
        notes: BackupNotes,
        reconciler: Reconciler,
        copying: Copying,
        most_backups: int,
    ) -> None:
        self._works = works
        self._clock = clock
        self._gateway = gateway
        self._rights = rights
        self._directory = directory
        self._nodes = nodes
        self._holds = holds
        self._operations = operations
        self._activity = activity
        self._selling = selling
        self._notes = notes
        self._reconciler = reconciler
        self._copying = copying
        self._most_backups = most_backups
        self.changes: Topic[int] = Topic()
        """Told the id of every backup that changed."""

    async def apply(self, change: Changed) -> None:
        """Tell whoever follows a backup that it changed."""
        if change.noun == "backup":
            self.changes.tell(change.id)

    @property
    def finished(self) -> Topic[Backup]:
        """Told each backup that was made or failed, on the panel that noted it, once that is kept."""
        return self._notes.finished

    # -- reading ----------------------------------------------------------------------------------------------------

    async def of_server(self, actor: Actor, record: Record) -> list[Backup]:
        """Return a server's backups, newest first; needs `backups.read`."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_READ)
        async with self._works() as work:
            return [backup for backup in await work.backups.of_server(record.server.id) if backup.job_verb != "forget"]

    async def get(self, actor: Actor, record: Record, which: UUID | int) -> Backup:
        """Return a backup of a server, by its UUID or number; needs `backups.read`. Raises NoSuchBackup."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_READ)
        async with self._works() as work:
            return await _find(work, record.server.id, which)

    async def named(self, record: Record, which: UUID | int) -> Backup:
        """Return a backup of a server for a command that checks itself who asks. Raises NoSuchBackup."""
        async with self._works() as work:
            return await _find(work, record.server.id, which)

    async def policy(self, actor: Actor, record: Record) -> BackupPolicy:
        """Return the rules for a server's backups; needs `backups.read`."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_READ)
        async with self._works() as work:
            return await work.backups.policy(record.server.id) or BackupPolicy(server_id=record.server.id)

    async def files(
        self, actor: Actor, record: Record, backup: Backup, path: str, *, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        """Return a folder's entries in a backup by name, and whether there are more; needs `backups.read`."""
        self._reach(actor, record, ServerPermission.BACKUPS_READ)
        backup = await self._finished(record, backup)
        return await self._gateway.list_backup(record.server, backup.snapshot, path, after, limit)

    async def download(
        self, actor: Actor, record: Record, backup: Backup, form: Form = "tar.gz", path: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """Return a backup as an archive, in parts, to be closed if not read out; needs `backups.read`.

        Its first part is made before this returns. It ends with the right to it.
        """
        self._reach(actor, record, ServerPermission.BACKUPS_READ)
        backup = await self._finished(record, backup)
        download = await self._gateway.begin_download(record.server, backup.snapshot, form, path)
        try:
            first = await self._gateway.read_download(record.server, download, 0)
            async with self._works() as work:
                data = {"backup": str(backup.uuid), "form": form}
                await self._activity.note(work, actor, "backup.downloaded", server_id=record.server.id, data=data)
        except BaseException:
            await self._end_download(record.server, download)
            raise
        return self._parts(actor, record, download, first)

    async def _parts(self, actor: Actor, record: Record, download: str, first: bytes) -> AsyncGenerator[bytes, None]:
        async def read() -> AsyncGenerator[bytes, None]:
            part, number = first, 0
            while part:
                yield part
                number += 1
                part = await self._gateway.read_download(record.server, download, number)

        try:
            async with aclosing(one_ahead(read(), name=f"download of a backup of {record.server.uuid}")) as parts:
                async for part in parts:
                    now = self._directory.get(record.server.id)
                    self._reach(self._rights.renew(actor), now, ServerPermission.BACKUPS_READ)
                    yield part
        finally:
            await self._end_download(record.server, download)

    async def _end_download(self, server: Server, download: str) -> None:
        try:
            await self._gateway.end_download(server, download)
        except CoreError as error:  # it is given up after a silence
            log.info("backup.download.left", server=str(server.uuid), reason=error.code)

    # -- making and keeping -----------------------------------------------------------------------------------------

    async def create(self, actor: Actor, record: Record, *, name: str = "", cause: Cause = "asked") -> Backup:
        """Have a backup made; needs `backups.create`. A node that is away makes it when it is back.

        Raises BackupNameIsInvalid, ServerIsNotInstalled, ServerIsInstalling, BackupIsUnderWay, TooManyBackups,
        BackupSpaceIsExhausted.
        """
        record = self._directory.reach(actor, record, ServerPermission.BACKUPS_CREATE)
        check_name(name)
        _require_files(record)
        async with self._works() as work:
            backup = await self._add(work, actor, record.server, name, cause)
        await self._reconciler.tell(record.server.id)
        return backup

    async def set_policy(self, actor: Actor, record: Record, policy: BackupPolicy) -> BackupPolicy:
        """Set the rules for a server's backups, which hold at once; needs `backups.write`, and `backups.delete`.

        Console commands in them need `console.write`. Raises BackupPolicyIsInvalid.
        """
        self._directory.reach(actor, record, ServerPermission.BACKUPS_WRITE)
        self._directory.reach(actor, record, ServerPermission.BACKUPS_DELETE)
        check_policy(policy)
        policy = msgspec.structs.replace(policy, server_id=record.server.id)
        async with self._works() as work:
            known = await work.backups.policy(record.server.id) or BackupPolicy(server_id=record.server.id)
            if (policy.before, policy.after) != (known.before, known.after):
                self._directory.reach(actor, record, ServerPermission.CONSOLE_WRITE)
            await work.backups.put_policy(policy)
            expired = await self._notes.expire(work, record.server.id)
            await self._activity.note(work, actor, "backup.policy_changed", server_id=record.server.id)
        if expired:
            await self._reconciler.tell(record.server.id)
        return policy

    async def lock(self, actor: Actor, record: Record, backup: Backup) -> Backup:
        """Have a backup kept whatever the rules say; needs `backups.write`."""
        return await self._set_locked(actor, record, backup, True)

    async def unlock(self, actor: Actor, record: Record, backup: Backup) -> Backup:
        """Leave a backup to the rules again; needs `backups.write`."""
        return await self._set_locked(actor, record, backup, False)

    async def delete(self, actor: Actor, record: Record, backup: Backup) -> None:
        """Delete a backup, one that is being made too; needs `backups.delete`. Raises BackupIsLocked, BackupIsBusy."""
        self._directory.reach(actor, record, ServerPermission.BACKUPS_DELETE)
        async with self._works() as work:
            backup = await _find(work, record.server.id, backup.uuid)
            if backup.locked:
                raise BackupIsLocked
            await _require_unused(work, backup)
            await self._notes.forget(work, backup)
            await self._note(work, actor, record, "backup.deleted", backup)
        await self._reconciler.tell(record.server.id)

    # -- putting back -----------------------------------------------------------------------------------------------

    async def restore(
        self,
        actor: Actor,
        record: Record,
        backup: Backup,
        *,
        paths: tuple[str, ...] | None = None,
        delete_others: bool = True,
    ) -> Operation:
        """Put a backup in the place of a server's files, or of `paths` alone; needs `backups.restore`.

        All: a running server is stopped for it and started again, and a backup of what there is is made before. Named
        files are put back while it runs. Raises BackupIsNotFinished, BackupIsBusy, BackupPathsAreInvalid,
        ServerIsInstalling, ServerIsBusy, ServerIsSuspended, NodeIsOffline.
        """
        record = self._reach(actor, record, ServerPermission.BACKUPS_RESTORE)
        if paths is not None:
            return await self._restore_files(actor, record, backup, check_paths(paths))
        async with self._holds.hold(record.server.id) as now:
            server, state = now.server, now.live.state
            if state is State.INSTALLING:
                raise ServerIsInstalling
            if state is State.TRANSFERRING:
                raise ServerIsBusy
            if not self._nodes.is_online(server.node_id):
                raise NodeIsOffline
            async with self._works() as work:
                backup = await _done(work, server.id, backup)
                before = await self._add_before(work, actor, server) if state is not State.CREATED else None
                restoring = Restoring(
                    backup_id=backup.id,
                    backup=backup.uuid,
                    delete_others=delete_others,
                    before=before.uuid if before is not None else None,
                )
                operation = msgspec.structs.replace(
                    self._operations.make(server.id, "restore", actor), restore=restoring
                )
                stops = state in ALIVE or state is State.PREPARING
                changed = msgspec.structs.replace(
                    server,
                    generation=server.generation + 1,
                    state=State.STOPPING if stops else State.INSTALLING,
                    order_id=operation.uuid,
                )
                await keep_decision(work, changed, strictly=False)
                operation = await work.operations.add(operation)
                work.changed("server", server.id, changed)
                await self._note(work, actor, record, "backup.restored", backup)
        await self._reconciler.tell(record.server.id, operation)
        return operation

    async def restore_into_new(
        self, actor: Actor, record: Record, backup: Backup, draft_name: str
    ) -> tuple[Server, Operation]:
        """Make a server like the backup's own, with the backup's files; needs `backups.restore` and `servers.create`.

        Returns the operation that restores them, once the server is installed. Raises BackupIsNotFinished and what
        making a server does.
        """
        record = self._reach(actor, record, ServerPermission.BACKUPS_RESTORE)
        require(actor, ProductPermission.SERVERS_CREATE)
        backup = await self._finished(record, backup)
        server, operation = await self._copying.copy(actor, record.server, backup, draft_name, passing=False)
        await self._reconciler.go_on_with_restore(server.id)
        return server, operation

    async def clone(self, actor: Actor, record: Record, name: str) -> tuple[Server, Operation]:
        """Make a server like another, with its files as they are now.

        Needs what `restore_into_new` needs, and `backups.create`. A backup is made for it, and deleted afterwards.
        Raises as `restore_into_new` and `create`.
        """
        record = self._reach(actor, record, ServerPermission.BACKUPS_RESTORE)
        self._directory.reach(actor, record, ServerPermission.BACKUPS_CREATE)
        require(actor, ProductPermission.SERVERS_CREATE)
        _require_files(record)
        async with self._works() as work:
            backup = await self._add(work, actor, record.server, "", "clone")
        try:
            server, operation = await self._copying.copy(actor, record.server, backup, name, passing=True)
        except BaseException:
            async with self._works() as work:
                await self._notes.forget(work, backup)
            await self._reconciler.tell(record.server.id)
            raise
        await self._reconciler.tell(record.server.id)
        return server, operation

    # -- on a timer -------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Have what has had its time deleted, and see that what waits for another thing goes on."""
        async with self._works() as work:
            unfinished = [one for one in await work.operations.unfinished() if one.restore is not None]
            policies = [policy for policy in await work.backups.policies() if policy.keep_days is not None]
            left = await self._clean(work, unfinished)
            touched = {policy.server_id for policy in policies if await self._notes.expire(work, policy.server_id)}
        for server_id in touched | left:
            await self._tell(server_id)
        for operation in unfinished:
            if operation.restore is not None and operation.restore.queued:
                try:
                    await self._reconciler.go_on_with_restore(operation.server_id)
                except ServerChangedMeanwhile:
                    log.info("backup.restore.by_another_panel", operation=str(operation.uuid))

    async def _clean(self, work: Work, unfinished: list[Operation]) -> set[int]:
        """Forget what was made for a copy that is not made any more; return whose nodes must know."""
        found: set[int] = set()
        settled = self._clock.now() - _COPYING
        for backup in await work.backups.passing():
            if backup.created_at < settled and unfinished_of(backup, unfinished) is None:
                await self._notes.forget(work, backup)
                found.add(backup.server_id)
        return found

    async def _tell(self, server_id: int) -> None:
        try:
            await self._reconciler.tell(server_id)
        except NotFound as error:
            log.info("backup.tell.nobody", server=server_id, reason=error.code)

    # -- within -----------------------------------------------------------------------------------------------------

    def _reach(self, actor: Actor, record: Record, permission: ServerPermission) -> Record:
        """Reach a server whose files are to be seen or changed: one that is suspended shows them to nobody."""
        record = self._directory.reach(actor, record, permission)
        if record.server.suspended and ServerPermission.SUSPEND not in actor.everywhere:
            raise ServerIsSuspended
        return record

    async def _finished(self, record: Record, backup: Backup) -> Backup:
        async with self._works() as work:
            return await _done(work, record.server.id, backup)

    async def _add(self, work: Work, actor: Actor, server: Server, name: str, cause: Cause) -> Backup:
        """Keep a new backup, counted within the transaction."""
        await work.accounts.lock(server.owner_id)  # of two at the same time, one counts the other
        known = [backup for backup in await work.backups.of_server(server.id) if backup.job_verb != "forget"]
        if any(backup.job_verb == "backup" and backup.cause != "before_restore" for backup in known):
            raise BackupIsUnderWay
        if cause != "clone":
            if sum(backup.state != "failed" for backup in known) >= self._most_backups:
                raise TooManyBackups(limit=self._most_backups)
            self._require_space(server, known)
        backup = await work.backups.add(self._new(actor, server, name, cause))
        work.changed("backup", backup.id)
        data = {"backup": str(backup.uuid), "cause": cause} | ({"name": name} if name else {})
        await self._activity.note(work, actor, "backup.created", server_id=server.id, data=data)
        return backup

    def _require_space(self, server: Server, known: list[Backup]) -> None:
        """Raise BackupSpaceIsExhausted where a plan gives backups space, and what they have added takes it all."""
        granted = self._selling.get(server.plan).resources.backups_mib if server.plan is not None else 0
        if granted and sum(backup.stored_bytes or 0 for backup in known) >= granted * _MIB:
            raise BackupSpaceIsExhausted(limit_mib=granted)

    async def _add_before(self, work: Work, actor: Actor, server: Server) -> Backup:
        backup = await work.backups.add(self._new(actor, server, "", "before_restore"))
        work.changed("backup", backup.id)
        return backup

    def _new(self, actor: Actor, server: Server, name: str, cause: Cause) -> Backup:
        uuid = uuid7()
        return Backup(
            id=0,
            uuid=uuid,
            server_id=server.id,
            name=name,
            cause=cause,
            job_id=uuid,
            job_verb="backup",
            account_id=actor.account.id,
            created_at=self._clock.now(),
        )

    async def _restore_files(self, actor: Actor, record: Record, backup: Backup, paths: tuple[str, ...]) -> Operation:
        async with self._works() as work:
            backup = await _done(work, record.server.id, backup)
            restoring = Restoring(backup_id=backup.id, backup=backup.uuid, paths=paths, delete_others=False)
            operation = msgspec.structs.replace(
                self._operations.make(record.server.id, "restore", actor), restore=restoring
            )
            operation = await work.operations.add(operation)
            work.changed("operation", operation.id)
            data = {"backup": str(backup.uuid), "paths": list(paths[:10])}
            await self._activity.note(work, actor, "backup.files_restored", server_id=record.server.id, data=data)
        await self._reconciler.tell(record.server.id)
        return operation

    async def _set_locked(self, actor: Actor, record: Record, backup: Backup, locked: bool) -> Backup:
        self._directory.reach(actor, record, ServerPermission.BACKUPS_WRITE)
        async with self._works() as work:
            known = await _find(work, record.server.id, backup.uuid)
            changed = msgspec.structs.replace(known, locked=locked)
            if changed != known:
                await work.backups.update(changed)
                work.changed("backup", changed.id)
                await self._note(work, actor, record, "backup.locked" if locked else "backup.unlocked", changed)
        return changed

    async def _note(self, work: Work, actor: Actor, record: Record, action: str, backup: Backup) -> None:
        data = {"backup": str(backup.uuid)} | ({"name": backup.name} if backup.name else {})
        await self._activity.note(work, actor, action, server_id=record.server.id, data=data)


def _require_files(record: Record) -> None:
    state = record.live.state
    if state is State.INSTALLING:
        raise ServerIsInstalling
    if state is State.CREATED:
        raise ServerIsNotInstalled


async def _find(work: Work, server_id: int, which: UUID | int) -> Backup:
    found = await (work.backups.find(which) if isinstance(which, UUID) else work.backups.get(server_id, which))
    if found is None or found.server_id != server_id or found.job_verb == "forget":
        raise NoSuchBackup
    return found


async def _done(work: Work, server_id: int, backup: Backup) -> Backup:
    found = await _find(work, server_id, backup.uuid)
    if found.state != "done":
        raise BackupIsNotFinished(state=found.state)
    return found


async def _require_unused(work: Work, backup: Backup) -> None:
    """Raise BackupIsBusy while something is made out of a backup, or waits for it."""
    if unfinished_of(backup, await work.operations.unfinished()) is not None:
        raise BackupIsBusy
    if backup.cause == "before_restore" and backup.job_verb == "backup":
        raise BackupIsBusy
