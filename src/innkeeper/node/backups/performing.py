"""Perform one job of one server: a backup made, verified or forgotten, or files taken from one.

The blocking work of the repository goes to a thread that is told to end when its task is cancelled, and is waited for:
nothing of a job goes on behind its end. Refuses to know in which order jobs come, and who is told of them.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec
import structlog

from innkeeper.contracts.blobstore import BlobStoreError
from innkeeper.node.backups.errors import RepositoryError
from innkeeper.node.backups.memory import JobMemory
from innkeeper.node.backups.quiescing import Disturbed, Quieting
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail
from innkeeper.wire.messages import Job, JobResult, Restore

if TYPE_CHECKING:
    from innkeeper.node.backups.repository import Progress, Repository, Snapshot

log = structlog.get_logger(__name__)

T = TypeVar("T")

ATTEMPTS = 3
"""How often a backup is begun again because the game began or ended meanwhile."""
REPORT_EVERY_S = 1.0
NOTE_BACKUP, NOTE_SERVER = "backup", "server"
_TOLD = 3
_SPARE = 2 << 30
"""Bytes that a verification leaves free on the disk: games write there, too."""

Reached = Callable[[str | None, float | None], None]
"""Takes a step that was reached, and how much of the whole is done."""
Cancelled = Callable[[], bool]


class JobFailed(Exception):
    """The job ended without success; the message says why, for people."""


class Performing:
    """Performs the jobs of one server."""

    def __init__(
        self,
        *,
        server: UUID,
        repository: Callable[[], "Repository"],
        jail: Callable[[], Jail],
        quieting: Quieting,
        scratch: Path,
    ) -> None:
        """`repository` may block, and raise. `scratch`: where a backup is restored to be compared."""
        self._server = server
        self._repository = repository
        self._jail = jail
        self._quieting = quieting
        self._scratch = scratch

    async def backup(self, memory: JobMemory, keep: Callable[[], Awaitable[None]], reached: Reached) -> JobResult:
        """Make a backup, or find the one that was made; verify it where that is wanted.

        Raises JobFailed and NotQuiet; Disturbed where the game began or ended meanwhile, and nothing was made.
        """
        if memory.made is None:
            memory.made = await self._made(memory, keep, reached)
            try:
                await keep()
            except OSError as error:  # what was made is found again in the store
                log.error("backup.job.unwritten", server=str(self._server), error=str(error))
        if not memory.job.verify:
            return memory.made
        try:
            return await self._verified(memory.made, reached)
        except (RepositoryError, BlobStoreError, JailError) as error:  # it is good as far as anybody knows
            log.warning("backup.verify.failed", server=str(self._server), error=str(error))
            problem = _together(memory.made.problem, f"not verified: {error}")
            return msgspec.structs.replace(memory.made, problem=problem)

    async def verify(self, job: Job, reached: Reached) -> JobResult:
        """Read a backup whole, restore it into scratch and compare; raises JobFailed where there is none."""
        found = await self._found(job)
        if found is None:
            raise JobFailed("the backup is not in the store")
        return await self._verified(result_of(found), reached)

    async def forget(self, job: Job) -> JobResult:
        """Forget a backup; well done where there is none."""
        found = await self._found(job)
        # One whose blob is damaged is not found, but must go: nothing is freed while it cannot be read.
        doomed = {job.snapshot, found.id if found is not None else ""} - {""}
        repository = await self._opened()
        for snapshot in doomed:
            await in_worker(partial(_forget, repository, snapshot))
        return JobResult()

    async def restore_paths(self, job: Job, reached: Reached) -> JobResult:
        """Put named files of a backup in the place of the server's; what else is there stays."""
        await self._restore(job.backup, job.snapshot, job.paths, False, reached)
        return JobResult()

    async def find(self, wanted: Restore) -> Restore:
        """Return what is to be restored with the snapshot's name, once it is known to be there and whole in the index.

        Raises JobFailed, RepositoryError, BlobStoreError.
        """
        repository = await self._opened()
        name = wanted.snapshot or await self._named(repository, wanted.backup)
        missing = await in_worker(lambda _: repository.missing(name))
        if missing:
            raise JobFailed(f"the backup is damaged: {missing:,} pieces of it are missing")
        return msgspec.structs.replace(wanted, snapshot=name)

    async def restore(self, wanted: Restore, reached: Reached) -> None:
        """Put a whole backup in the place of the server's files; begun again, it goes on."""
        await self._restore(wanted.backup, wanted.snapshot, None, wanted.delete_others, reached)

    # -- within -----------------------------------------------------------------------------------------------------

    async def _made(self, memory: JobMemory, keep: Callable[[], Awaitable[None]], reached: Reached) -> JobResult:
        job = memory.job
        repository = await self._opened()
        found = await self._found(job)
        if found is not None and not memory.begun:
            return result_of(found)
        if found is not None:
            # The node was killed before it could say whether the game was left alone until the end.
            half = found.id
            await in_worker(lambda _: repository.forget(half))
        memory.begun = True
        await keep()
        parent = await self._parent(repository)
        note = {NOTE_BACKUP: str(job.backup), NOTE_SERVER: str(self._server)}
        made: Snapshot | None = None
        try:
            async with self._quieting.quiet(job) as doubt:
                if doubt is not None:
                    reached(doubt, None)
                reached("reading files", 0.0)
                jail, progress = self._jail(), _passed_on(reached)
                made = await in_worker(
                    lambda cancelled: repository.snapshot(
                        jail,
                        exclude=job.exclude,
                        parent=parent,
                        note=note,
                        progress=progress,
                        cancelled=cancelled,
                    )
                )
        except Disturbed:
            if made is not None:
                half = made.id
                await in_worker(lambda _: repository.forget(half))
            raise
        reached("made", None)
        result = result_of(made)
        if result.problem:
            reached(result.problem, None)
        return result

    async def _parent(self, repository: "Repository") -> str | None:
        """Return the newest backup of the server: files that are as they were then need not be read."""
        server = str(self._server)
        known = await in_worker(lambda _: repository.snapshots())
        mine = [one for one in known if one.note.get(NOTE_SERVER) == server]
        return max(mine, key=lambda one: one.at_us).id if mine else None

    async def _verified(self, made: JobResult, reached: Reached) -> JobResult:
        repository = await self._opened()
        reached("verifying", 0.0)
        progress = _passed_on(reached)

        def verify(cancelled: Cancelled) -> Any:
            shutil.rmtree(self._scratch, ignore_errors=True)  # what a crash has left
            self._scratch.mkdir(parents=True, mode=0o700)
            try:
                roomy = shutil.disk_usage(self._scratch).free >= made.bytes + _SPARE
                scratch = Jail(self._scratch) if roomy else None
                return repository.verify(made.snapshot, progress=progress, cancelled=cancelled, scratch=scratch)
            finally:
                shutil.rmtree(self._scratch, ignore_errors=True)

        outcome = await in_worker(verify)
        problem = "; ".join(outcome.problems[:_TOLD])
        if problem:
            reached(f"found damaged: {problem}", None)
        elif outcome.compared:
            reached("verified", None)
        else:
            reached("read whole; not restored to be compared, for there is too little room on the disk", None)
        return msgspec.structs.replace(made, verified=not problem, problem=_together(problem, made.problem))

    async def _restore(
        self, backup: UUID, snapshot: str, paths: list[str] | None, delete_others: bool, reached: Reached
    ) -> None:
        repository = await self._opened()
        name = snapshot or await self._named(repository, backup)
        jail, progress = self._jail(), _passed_on(reached)
        reached("restoring files", 0.0)
        await in_worker(
            lambda cancelled: repository.restore(
                name,
                jail,
                paths=paths,
                delete_others=delete_others,
                progress=progress,
                cancelled=cancelled,
            )
        )

    async def _named(self, repository: "Repository", backup: UUID) -> str:
        known = await in_worker(lambda _: repository.snapshots())
        for one in known:
            if one.note.get(NOTE_BACKUP) == str(backup):
                return one.id
        raise JobFailed("the backup is not in the store")

    async def _found(self, job: Job) -> "Snapshot | None":
        repository = await self._opened()
        known = await in_worker(lambda _: repository.snapshots())
        wanted = str(job.backup)
        return next((one for one in known if one.note.get(NOTE_BACKUP) == wanted), None)

    async def _opened(self) -> "Repository":
        return await in_worker(lambda _: self._repository())


def result_of(snapshot: "Snapshot") -> JobResult:
    """Return what is told of a snapshot."""
    return JobResult(
        snapshot=snapshot.id,
        at_us=snapshot.at_us,
        files=snapshot.files,
        bytes=snapshot.bytes,
        stored_bytes=snapshot.stored_bytes,
        digest=snapshot.digest,
        problem=_left_out(snapshot),
    )


def _left_out(snapshot: "Snapshot") -> str:
    if not snapshot.skipped_count:
        return ""
    more = ", …" if snapshot.skipped_count > _TOLD else ""
    return f"could not be kept ({snapshot.skipped_count:,}): {', '.join(snapshot.skipped[:_TOLD])}{more}"


def _together(*problems: str) -> str:
    return "; ".join(problem for problem in problems if problem)


def _forget(repository: "Repository", snapshot: str, _: Cancelled) -> None:
    repository.forget(snapshot)


async def in_worker(work: Callable[[Cancelled], T]) -> T:
    """Run blocking `work` in a thread; where the caller is cancelled, it is told to end and waited for."""
    stop = threading.Event()
    # A thread of its own: a store that does not answer must not keep the node's few from all else.
    pool = ThreadPoolExecutor(1, "backup work")
    future = asyncio.get_running_loop().run_in_executor(pool, work, stop.is_set)
    pool.shutdown(wait=False)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        if not future.cancelled() and (error := future.exception()) is not None:
            log.info("backup.work.ended", reason=str(error))
        raise


def _passed_on(reached: Reached) -> Callable[["Progress"], None]:
    """Return what hands a thread's progress to the event loop, not more often than anybody can read."""
    loop = asyncio.get_running_loop()
    last = 0.0

    def progress(how: "Progress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            loop.call_soon_threadsafe(reached, None, how.fraction)

    return progress
