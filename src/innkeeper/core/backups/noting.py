"""What nodes are to do about backups, and what they say of it: intent to jobs, reports to rows.

Every method works in a transaction of the caller's and is right when it is repeated: a job that is not a row's own any
more says nothing. What must happen behind the commit is collected in a `Noted`.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.model import (
    NOT_VERIFIED,
    Backup,
    BackupPolicy,
    Job,
    JobProgress,
    JobResult,
    Quiet,
    Restore,
)
from innkeeper.core.backups.retention import expired
from innkeeper.core.catalog.model import Blueprint
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import OperationService, Progress
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work
from innkeeper.kit.broadcast import Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

_STATES = {
    "waiting": OperationState.CREATED,
    "running": OperationState.RUNNING,
    "done": OperationState.DONE,
    "failed": OperationState.FAILED,
}
_NOT_REACHED = "the restore ended before"
_NOTHING_MADE = "its node did not say what was made"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What of backups one server's node has to know now."""

    backups: tuple[Backup, ...] = ()
    """Those about which it has something to do."""
    policy: BackupPolicy
    files: tuple[tuple[Operation, Backup], ...] = ()
    """Named files to be restored, and out of what."""
    restored: Backup | None = None
    """What the server's order restores."""


class Noted:
    """What is to be done once a transaction is committed."""

    def __init__(self) -> None:
        self.finished: list[Backup] = []
        """Backups that were made or failed."""
        self.damaged: list[tuple[UUID, Backup]] = []
        """Backups that were found damaged, by the job that found it."""
        self.tell: set[int] = set()
        """Servers of which their nodes must be told."""
        self.waiting: set[int] = set()
        """Servers whose restore waited for what is finished now."""


class BackupNotes:
    """Knows what is pending, and takes in what was done."""

    def __init__(self, clock: Clock, operations: OperationService, activity: ActivityService) -> None:
        self._clock = clock
        self._operations = operations
        self._activity = activity
        self.finished: Topic[Backup] = Topic()
        """Told each backup that was made or failed, on the panel that noted it, once it is kept."""

    # -- what is to be done -------------------------------------------------------------------------------------------

    async def pending(self, work: Work, server_id: int | None = None) -> dict[int, Pending]:
        """Return what is pending of one server, or of all, by server; servers without anything are left out."""
        backups: dict[int, list[Backup]] = {}
        for backup in await work.backups.with_jobs(server_id):
            backups.setdefault(backup.server_id, []).append(backup)
        files: dict[int, list[tuple[Operation, Backup]]] = {}
        restored: dict[int, Backup] = {}
        for operation in await work.operations.unfinished(server_id):
            wanted = operation.restore
            if wanted is None or wanted.queued:
                continue
            backup_of = await work.backups.find(wanted.backup)
            if backup_of is None:
                log.error("backup.restore.without", operation=str(operation.uuid))
            elif wanted.paths is not None:
                files.setdefault(operation.server_id, []).append((operation, backup_of))
            else:
                restored[operation.server_id] = backup_of
        concerned = backups.keys() | files.keys() | restored.keys()
        found: dict[int, Pending] = {}
        for server in concerned:
            found[server] = Pending(
                backups=tuple(backups.get(server, ())),
                policy=await work.backups.policy(server) or BackupPolicy(server_id=server),
                files=tuple(files.get(server, ())),
                restored=restored.get(server),
            )
        return found

    def jobs(self, pending: Pending | None, blueprint: Blueprint) -> tuple[Job, ...]:
        """Return what a server's node is to do beside its order."""
        if pending is None:
            return ()
        own = [
            _job(backup, pending.policy, blueprint)
            for backup in pending.backups
            if backup.cause != "before_restore" or backup.job_verb != "backup"
        ]
        files = [
            Job(
                id=operation.uuid,
                verb="restore",
                backup=backup.uuid,
                snapshot=backup.snapshot,
                paths=(operation.restore.paths or ()) if operation.restore else (),
            )
            for operation, backup in pending.files
        ]
        return (*own, *files)

    def restore(self, order: Operation | None, pending: Pending | None, blueprint: Blueprint) -> Restore | None:
        """Return what an order to restore restores; None where the order is none."""
        if order is None or order.restore is None or pending is None or pending.restored is None:
            return None
        before = next((backup for backup in pending.backups if backup.uuid == order.restore.before), None)
        return Restore(
            backup=pending.restored.uuid,
            snapshot=pending.restored.snapshot,
            delete_others=order.restore.delete_others,
            before=_job(before, pending.policy, blueprint) if before is not None else None,
        )

    # -- what was done ------------------------------------------------------------------------------------------------

    async def note(self, work: Work, server: Server, progress: JobProgress, noted: Noted) -> None:
        """Keep how a job of a server's stands; one that is nobody's any more is passed over."""
        backup = await work.backups.of_job(progress.id)
        if backup is None:
            await self._note_files(work, server, progress)
        elif backup.server_id == server.id:
            match backup.job_verb:
                case "backup":
                    await self._note_backup(work, server, backup, progress, noted)
                case "verify":
                    await self._note_verification(work, backup, progress, noted)
                case "forget":
                    await self._note_forgetting(work, backup, progress)

    async def _note_files(self, work: Work, server: Server, progress: JobProgress) -> None:
        operation = await work.operations.find(progress.id)
        if operation is not None and operation.server_id == server.id and operation.restore is not None:
            await self._operations.note(
                work,
                operation,
                Progress(
                    state=_STATES[progress.state],
                    reason=progress.reason,
                    steps=progress.steps,
                    fraction=progress.fraction,
                ),
            )

    async def _note_backup(
        self, work: Work, server: Server, backup: Backup, progress: JobProgress, noted: Noted
    ) -> None:
        changed = msgspec.structs.replace(
            backup,
            state=progress.state,
            reason=progress.reason,
            steps=progress.steps,
            fraction=progress.fraction,
        )
        if progress.state == "done" and progress.result is not None and progress.result.snapshot:
            changed = self._made(changed, progress.result)
        elif progress.state == "done":
            log.error("backup.without_result", backup=str(backup.uuid))
            changed = msgspec.structs.replace(changed, state="failed", reason=_NOTHING_MADE)
        if progress.ended:
            changed = msgspec.structs.replace(changed, job_id=None, job_verb=None, finished_at=self._clock.now())
        await self._keep(work, backup, changed)
        if not progress.ended:
            return
        noted.finished.append(changed)
        if changed.verified is False:
            noted.damaged.append((progress.id, changed))
        data = {"backup": str(backup.uuid), "cause": backup.cause} | (
            {"reason": changed.reason} if changed.reason else {}
        )
        action = "backup.finished" if changed.state == "done" else "backup.failed"
        await self._activity.note(work, None, action, server_id=server.id, data=data)
        if backup.cause == "clone":
            noted.waiting |= {
                operation.server_id
                for operation in await work.operations.unfinished()
                if operation.restore is not None and operation.restore.backup == backup.uuid
            }
        if await self.expire(work, server.id):
            noted.tell.add(server.id)

    def _made(self, backup: Backup, result: JobResult) -> Backup:
        return msgspec.structs.replace(
            backup,
            snapshot=result.snapshot,
            bytes=result.bytes,
            stored_bytes=result.stored_bytes,
            files=result.files,
            digest=result.digest,
            verified=result.verified,
            verified_at=self._clock.now() if result.verified is not None else None,
            problem=result.problem,
        )

    async def _note_verification(self, work: Work, backup: Backup, progress: JobProgress, noted: Noted) -> None:
        changed = msgspec.structs.replace(backup, fraction=progress.fraction, steps=progress.steps)
        if progress.ended:
            changed = msgspec.structs.replace(changed, job_id=None, job_verb=None, fraction=None)
            result = progress.result
            if progress.state == "done" and result is not None:
                changed = msgspec.structs.replace(
                    changed, verified=result.verified, verified_at=self._clock.now(), problem=result.problem
                )
                if result.verified is False:
                    noted.damaged.append((progress.id, changed))
            else:
                changed = msgspec.structs.replace(changed, problem=f"{NOT_VERIFIED}{progress.reason}")
            data = {"backup": str(backup.uuid), "verified": changed.verified} | (
                {"problem": changed.problem} if changed.problem else {}
            )
            await self._activity.note(work, None, "backup.verified", server_id=backup.server_id, data=data)
        await self._keep(work, backup, changed)

    async def _note_forgetting(self, work: Work, backup: Backup, progress: JobProgress) -> None:
        if progress.state == "done":
            await work.backups.delete(backup.id)
            work.changed("backup", backup.id)
        elif progress.state == "failed":
            log.warning("backup.forget.failed", backup=str(backup.uuid), reason=progress.reason)
            await self._keep(
                work, backup, msgspec.structs.replace(backup, job_id=uuid7(), problem=progress.reason or "")
            )

    # -- what follows -------------------------------------------------------------------------------------------------

    async def forget(self, work: Work, backup: Backup) -> None:
        """Have a backup forgotten; whatever its node was doing about it, it gives up."""
        await self._keep(work, backup, msgspec.structs.replace(backup, job_id=uuid7(), job_verb="forget"))

    async def expire(self, work: Work, server_id: int) -> bool:
        """Have those of a server's backups forgotten that its policy keeps no longer; say whether there were any."""
        policy = await work.backups.policy(server_id) or BackupPolicy(server_id=server_id)
        doomed = []
        for one in expired(await work.backups.of_server(server_id), policy, self._clock.now()):
            backup = await work.backups.find(one.uuid)  # held from here on, and perhaps changed meanwhile
            if backup is not None and not backup.locked and backup.job_id is None:
                doomed.append(backup)
        unfinished = await work.operations.unfinished() if doomed else []
        doomed = [backup for backup in doomed if unfinished_of(backup, unfinished) is None]
        for backup in doomed:
            await self.forget(work, backup)
            data = {"backup": str(backup.uuid), "name": backup.name}
            await self._activity.note(work, None, "backup.expired", server_id=server_id, data=data)
        return bool(doomed)

    async def restored(self, work: Work, operation: Operation, noted: Noted) -> None:
        """A restore has ended: what was made for it alone goes, and what was not come to has failed."""
        if operation.restore is None:
            return
        if operation.restore.before is not None:
            before = await work.backups.find(operation.restore.before)
            if before is not None and before.job_verb == "backup" and operation.state is OperationState.FAILED:
                failed = msgspec.structs.replace(
                    before,
                    state="failed",
                    reason=before.reason or _NOT_REACHED,
                    job_id=None,
                    job_verb=None,
                    finished_at=self._clock.now(),
                )
                await self._keep(work, before, failed)
        if operation.restore.passing:
            made = await work.backups.find(operation.restore.backup)
            if made is not None and made.job_verb != "forget":
                await self.forget(work, made)
                noted.tell.add(made.server_id)

    async def promote(self, work: Work, server: Server, noted: Noted) -> Operation | None:
        """Make a queued restore the order of its server, where its turn has come; return it then."""
        queued = next(
            (one for one in await work.operations.unfinished(server.id) if one.restore and one.restore.queued), None
        )
        if queued is None or queued.restore is None:
            return None
        current = await work.operations.find(server.order_id) if server.order_id is not None else None
        backup = await work.backups.find(queued.restore.backup)
        failure = None
        if server.state in (State.DELETING, State.DELETED):
            failure = "the server was deleted"
        elif current is not None and current.verb == "install" and current.state is OperationState.FAILED:
            failure = f"the installation failed: {current.reason}"
        elif backup is None or backup.state == "failed":
            failure = f"the backup failed: {backup.reason if backup else 'it was deleted'}"
        if failure is not None:
            ended = await self._operations.note(work, queued, Progress(state=OperationState.FAILED, reason=failure))
            await self.restored(work, ended, noted)
            return None
        if backup is None or backup.state != "done" or (current is not None and not current.ended):
            return None
        promoted = msgspec.structs.replace(queued, restore=msgspec.structs.replace(queued.restore, queued=False))
        await work.operations.update(promoted)
        changed = msgspec.structs.replace(
            server, generation=server.generation + 1, state=State.INSTALLING, order_id=promoted.uuid
        )
        await work.servers.update(changed)
        work.changed("server", server.id, changed)
        work.changed("operation", promoted.id)
        return promoted

    @staticmethod
    async def _keep(work: Work, before: Backup, after: Backup) -> None:
        if after != before:
            await work.backups.update(after)
            work.changed("backup", after.id)


def _job(backup: Backup, policy: BackupPolicy, blueprint: Blueprint) -> Job:
    if backup.job_id is None or backup.job_verb is None:
        raise ValueError(f"nothing is to be done about backup {backup.uuid}")
    if backup.job_verb != "backup":
        return Job(id=backup.job_id, verb=backup.job_verb, backup=backup.uuid, snapshot=backup.snapshot)
    rule = blueprint.backup
    return Job(
        id=backup.job_id,
        verb="backup",
        backup=backup.uuid,
        exclude=(*rule.exclude, *policy.exclusions),
        before=_lines(policy.before),
        after=_lines(policy.after),
        quiet=Quiet(
            hold=rule.hold,
            ask=rule.ask,
            held=rule.held,
            timeout_s=rule.timeout_s,
            required=rule.required,
            release=rule.release,
        ),
        stop_first=policy.stop_first,
        verify=policy.verify and backup.cause in ("asked", "schedule"),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in (part.strip() for part in text.splitlines()) if line)


def unfinished_of(backup: Backup, operations: Sequence[Operation]) -> Operation | None:
    """Return an operation that has not ended and needs the backup, None where there is none."""
    return next((one for one in operations if one.restore is not None and one.restore.backup == backup.uuid), None)
