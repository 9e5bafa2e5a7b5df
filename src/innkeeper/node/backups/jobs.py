"""The jobs of a node's servers: one at a time of each server, a few at once of all, each ended once.

    taken (written down) ──its turn, and the game is settled──▶ running ──▶ done | failed ──▶ told until acknowledged
          └──────────────────── the node is killed: begun again at its next start ────────────────┘

What a game is owed for a backup under way (`quiescing`) is given back first after a start. A job that is repeated is
answered from memory. Knows no repository: what a job does is `performing`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import msgspec
import structlog

from innkeeper.contracts.blobstore import BlobStoreError
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.node.backups.errors import LeaseIsLost, RepositoryError, RepositoryIsBusy
from innkeeper.node.backups.memory import JobMemory, Owed, Remembered, load, save
from innkeeper.node.backups.performing import ATTEMPTS, NOTE_SERVER, JobFailed, Performing, in_worker
from innkeeper.node.backups.quiescing import Disturbed, NotQuiet, Quieting, Runner
from innkeeper.node.backups.upkeep import Upkeep
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail
from innkeeper.node.supervisor.installing import InstallBroken
from innkeeper.wire.messages import Block, Job, JobReport, JobResult, Restore

if TYPE_CHECKING:
    from innkeeper.node.backups.repository import Repository

log = structlog.get_logger(__name__)

AT_ONCE = 2
OWED_PAUSE_S = 5.0
BUSY_PAUSE_S = 2.0
BUSY_ATTEMPTS = 30
_FAILURES = (JobFailed, NotQuiet, RepositoryError, BlobStoreError, JailError)
FORGOTTEN = "the backup was deleted"


class Backups(Protocol):
    """The repository of backups, opened when it is first needed."""

    def __call__(self) -> "Repository":
        """Return it. Blocking; raises BlobStoreError."""
        ...

    def close(self) -> None:
        """Close it, if it was opened. Blocking."""
        ...


class Kept(Protocol):
    """What of a server that is kept must be known here."""

    @property
    def runner(self) -> Runner: ...

    @property
    def jail(self) -> Jail: ...


class Jobs:
    """All jobs of a node. `find` returns a server that is kept, or raises; `changed` is told whose jobs are otherwise.

    `repository` may block, and is asked in threads only. `file_of` says where the jobs of a server are written down.
    """

    def __init__(
        self,
        *,
        repository: Callable[[], "Repository"],
        find: Callable[[UUID], Kept],
        changed: Callable[[UUID], None],
        file_of: Callable[[UUID], Path],
        scratch: Path,
        tasks: TaskSet,
    ) -> None:
        self._repository = repository
        self._find = find
        self._changed = changed
        self._file_of = file_of
        self._scratch = scratch
        self._tasks = tasks
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.upkeep = Upkeep(repository, tasks)
        self._of: dict[UUID, ServerJobs] = {}

    async def load(self, server: UUID) -> None:
        """Read what an earlier life of the node left of a server's jobs; before anything else is asked of them."""
        if server not in self._of:
            self._jobs(server, await in_thread(load, self._file_of(server)))

    def go_on(self, server: UUID) -> None:
        """Go on with what was left, now that it is known how the game is."""
        self._jobs(server).go_on()

    def take(self, server: UUID, jobs: Iterable[Job]) -> Awaitable[None]:
        """Have jobs done; returns once they are written down. One that is known already is not done again."""
        return self._jobs(server).take(jobs)

    def reports(self, server: UUID) -> list[JobReport]:
        """Return what a panel is to be told of a server's jobs."""
        known = self._of.get(server)
        return known.remembered.reports() if known is not None else []

    async def told(self, server: UUID, reports: Sequence[JobReport]) -> None:
        """Take note that a panel has acknowledged these."""
        known = self._of.get(server)
        if known is not None:
            await known.told(reports)

    def moved(self, server: UUID) -> None:
        """Take note that a server's game may be otherwise now."""
        known = self._of.get(server)
        if known is not None:
            known.quieting.moved()

    def hear(self, server: UUID, blocks: Sequence[Block]) -> None:
        """Take in what a game printed."""
        known = self._of.get(server)
        if known is not None:
            known.quieting.hear(blocks)

    async def restore(
        self,
        server: UUID,
        wanted: Restore,
        begun: Callable[[], Awaitable[None]],
        progressed: Callable[[str | None, float | None], None],
    ) -> None:
        """Put a backup in the place of a server's files, in which nothing runs; begun again, it goes on.

        `begun` is awaited before anything is overwritten. Raises InstallBroken.
        """
        await self._jobs(server).restore(wanted, begun, progressed)

    async def give_up(self, server: UUID) -> None:
        """Do nothing more for a server, which is to be removed. Idempotent."""
        known = self._of.pop(server, None)
        if known is not None:
            await known.close()

    async def forget_all(self, server: UUID) -> None:
        """Forget all backups of a server. Idempotent; raises RepositoryError, BlobStoreError."""
        label = str(server)

        def forget_all(_: object) -> int:
            repository = self._repository()
            mine = [one.id for one in repository.snapshots() if one.note.get(NOTE_SERVER) == label]
            for snapshot in mine:
                repository.forget(snapshot)
            return len(mine)

        count = await in_worker(forget_all)
        if count:
            self.upkeep.forgot()
            log.info("server.backups.forgotten", server=label, backups=count)

    async def close(self) -> None:
        """End what is under way, to be begun again at the next start; games are given what they are owed first."""
        await asyncio.gather(*(known.close() for known in self._of.values()))

    def _jobs(self, server: UUID, remembered: Remembered | None = None) -> "ServerJobs":
        known = self._of.get(server)
        if known is None:
            known = self._of[server] = ServerJobs(
                server,
                remembered or Remembered(),
                repository=self._repository,
                kept=partial(self._find, server),
                file=self._file_of(server),
                scratch=self._scratch / str(server),
                slots=self._slots,
                changed=partial(self._changed, server),
                forgotten=self.upkeep.forgot,
                tasks=self._tasks,
            )
        return known


class ServerJobs:
    """The jobs of one server."""

    def __init__(
        self,
        server: UUID,
        remembered: Remembered,
        *,
        repository: Callable[[], "Repository"],
        kept: Callable[[], Kept],
        file: Path,
        scratch: Path,
        slots: asyncio.Semaphore,
        changed: Callable[[], None],
        forgotten: Callable[[], None],
        tasks: TaskSet,
    ) -> None:
        self.remembered = remembered
        self._label = str(server)[:8]
        self._file = file
        self._slots = slots
        self._changed = changed
        self._forgotten = forgotten
        self._tasks = tasks
        self._saving = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None
        self._active: tuple[JobMemory, asyncio.Task[JobReport]] | None = None
        self._closed = False
        self.quieting = Quieting(lambda: kept().runner, lambda: remembered.owed, self._owe, self._label)
        self._performing = Performing(
            server=server, repository=repository, jail=lambda: kept().jail, quieting=self.quieting, scratch=scratch
        )

    def go_on(self) -> None:
        """Give back what is owed, and do what is to do, if nobody is at it."""
        busy = self._worker is not None and not self._worker.done()
        if not busy and not self._closed and (self.remembered.pending or self.remembered.owed != Owed()):
            self._worker = self._tasks.start(self._work(), name=f"jobs of {self._label}", fatal=False)

    async def take(self, jobs: Iterable[Job]) -> None:
        """Add what is not known yet."""
        fresh = False
        for job in jobs:
            if self._repeated(job):
                continue
            fresh = True
            self.remembered.pending.append(JobMemory(job))
            if job.verb == "forget":
                self._call_off(job.backup)
        if fresh:
            await self._save_if_possible()
            self._changed()
        self.go_on()

    async def told(self, reports: Sequence[JobReport]) -> None:
        """Take note that these were acknowledged."""
        ended = {report.id for report in reports if report.state in ("done", "failed")}
        if ended & set(self.remembered.untold):
            self.remembered.untold = [job for job in self.remembered.untold if job not in ended]
            await self._save_if_possible()

    async def close(self) -> None:
        """Do nothing any more; return once nothing is under way."""
        self._closed = True
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            await asyncio.wait([self._worker])

    async def restore(
        self,
        wanted: Restore,
        begun: Callable[[], Awaitable[None]],
        progressed: Callable[[str | None, float | None], None],
    ) -> None:
        """As `Jobs.restore` says."""
        async with self._turn, self._slots:
            try:
                found = await self._performing.find(wanted)
                if wanted.before is not None:
                    progressed("making a backup of what there is", None)
                    await self._before(wanted.before)
                await begun()
                await self._performing.restore(found, progressed)
            except InstallBroken:
                raise
            except _FAILURES as error:
                raise InstallBroken(str(error)) from error
            except Exception as error:  # whatever is broken, the order must end
                log.exception("backup.restore.broken", server=self._label)
                raise InstallBroken(_broken(error)) from error

    # -- within -----------------------------------------------------------------------------------------------------

    def _repeated(self, job: Job) -> bool:
        """Whether a job is known already; the panel is told again how it ended, where it did."""
        ended = self.remembered.ending_of(job.id)
        if ended is not None and job.id not in self.remembered.untold:
            self.remembered.untold.append(job.id)
            self._changed()
        return ended is not None or any(known.job.id == job.id for known in self.remembered.pending)

    def _call_off(self, backup: UUID) -> None:
        """Do nothing more about a backup that is to be forgotten."""
        active = self._active
        for known in list(self.remembered.pending):
            if known.job.backup != backup or known.job.verb == "forget":
                continue
            if active is not None and active[0] is known:
                active[1].cancel()
            else:
                self.remembered.finish(known.ended(None, FORGOTTEN))

    async def _work(self) -> None:
        while True:
            await self.quieting.give_back()
            if self._closed:
                return
            if self.remembered.pending:
                await self._do(self.remembered.pending[0])
            elif self.remembered.owed == Owed():
                return
            else:
                await asyncio.sleep(OWED_PAUSE_S)

    async def _do(self, memory: JobMemory) -> None:
        task = self._tasks.start(self._perform(memory), name=f"{memory.job.verb} of {self._label}", fatal=False)
        self._active = (memory, task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._active = None
        if not self._closed:
            await self._finish(memory.ended(None, FORGOTTEN) if task.cancelled() else task.result())

    async def _finish(self, report: JobReport) -> None:
        self.remembered.finish(report)
        await self._save_if_possible()
        log.info("backup.job.ended", server=self._label, job=str(report.id), state=report.state, reason=report.reason)
        self._changed()

    async def _perform(self, memory: JobMemory) -> JobReport:
        try:
            return memory.ended(await self._persevere(memory), None)
        except _FAILURES as error:
            return memory.ended(None, str(error))
        except Exception as error:  # whatever is broken, the job must end
            log.exception("backup.job.broken", server=self._label, job=str(memory.job.id))
            return memory.ended(None, _broken(error))

    async def _persevere(self, memory: JobMemory) -> JobResult:
        busy = disturbed = 0
        while True:
            try:
                return await self._try(memory)
            except Disturbed:
                disturbed += 1
                if disturbed >= ATTEMPTS:
                    raise JobFailed("the game began or ended each time while its files were read") from None
                memory.step("begun again: the game began or ended meanwhile")
            except (RepositoryIsBusy, LeaseIsLost) as error:
                busy += 1
                if busy >= BUSY_ATTEMPTS:
                    raise
                self._wait_for(memory, f"waits: {error}")
                await asyncio.sleep(BUSY_PAUSE_S)

    async def _try(self, memory: JobMemory) -> JobResult:
        reads_game = memory.job.verb == "backup" and memory.made is None
        while True:
            if reads_game and not self.quieting.is_settled:
                self._wait_for(memory, "waits until the server has started or stopped")
                await self.quieting.settled()
            if self._turn.locked() or self._slots.locked():
                self._wait_for(memory, "waits until other work on this host is done")
            async with self._turn, self._slots:
                if reads_game and not self.quieting.is_settled:
                    continue
                memory.state, memory.reason = "running", None
                self._changed()
                return await self._perform_now(memory)

    async def _perform_now(self, memory: JobMemory) -> JobResult:
        job, reached = memory.job, partial(self._reached, memory)
        match job.verb:
            case "backup":
                return await self._performing.backup(memory, self._save, reached)
            case "verify":
                return await self._performing.verify(job, reached)
            case "forget":
                result = await self._performing.forget(job)
                self._forgotten()
                return result
            case "restore":
                return await self._performing.restore_paths(job, reached)

    async def _before(self, job: Job) -> None:
        """Make the backup that comes before a restore, once: a restore that goes on would keep a half restored one."""
        ended = self.remembered.ending_of(job.id)
        if ended is None:
            memory = next((known for known in self.remembered.pending if known.job.id == job.id), None) or JobMemory(
                job
            )
            self._changed()
            try:
                result = await self._performing.backup(memory, self._save, partial(self._reached, memory))
                ended = memory.ended(result, None)
            except (*_FAILURES, Disturbed) as error:
                ended = memory.ended(None, str(error) or "the game was started meanwhile")
            await self._finish(ended)
        if ended.state == "failed":
            raise InstallBroken(f"the backup before it failed: {ended.reason}")

    def _reached(self, memory: JobMemory, step: str | None, fraction: float | None) -> None:
        if step is not None:
            memory.step(step)
        memory.fraction = fraction
        if not self._closed:
            self._changed()

    def _wait_for(self, memory: JobMemory, reason: str) -> None:
        memory.state, memory.reason = "waiting", reason
        self._changed()

    async def _owe(self, owed: Owed) -> None:
        self.remembered.owed = owed
        if owed == Owed():
            await self._save_if_possible()
        else:
            await self._save()

    async def _save_if_possible(self) -> None:
        """Write down what may be lost: at worst something is done twice. A full disk must not end all work."""
        try:
            await self._save()
        except OSError as error:
            log.error("backup.jobs.unwritten", server=self._label, error=str(error))

    async def _save(self) -> None:
        async with self._saving:
            if self._file.parent.is_dir():
                await in_thread(save, self._file, msgspec.json.encode(self.remembered))


def _broken(error: Exception) -> str:
    """Return for people what nobody had foreseen; what the operating system refuses says something to them."""
    return (
        f"the host failed: {error.strerror or error}"
        if isinstance(error, OSError)
        else (f"internal error: {type(error).__name__}")
    )
