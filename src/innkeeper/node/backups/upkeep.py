"""Keep a node's store of backups sound: checked when an administrator asks, collected daily and when one asks.

One check or collection at a time: a check learns the index anew, which must not happen under a collection. What came of
the last of each is remembered until the node ends. Knows no servers, and no jobs.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from innkeeper.contracts.blobstore import BlobStoreError
from innkeeper.kit.clock import wall_microseconds
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.backups.errors import RepositoryError, RepositoryIsDamaged
from innkeeper.node.backups.performing import Cancelled, in_worker
from innkeeper.node.refusals import Refused
from innkeeper.wire.messages import StoreDeed, StoreReport, StoreRun

if TYPE_CHECKING:
    from innkeeper.node.backups.repository import Repository

log = structlog.get_logger(__name__)

COLLECT_EVERY = timedelta(days=1)
COLLECT_AFTER = timedelta(minutes=10)
"""So long after a start, after backups were forgotten, and after a collection that could not be."""
MOST_PROBLEMS = 100
LONGEST_PROBLEM = 1000


class Upkeep:
    """Checks and collects. `repository` may block, and is asked in threads only."""

    def __init__(self, repository: Callable[[], "Repository"], tasks: TaskSet) -> None:
        self._repository = repository
        self._tasks = tasks
        self._turn = asyncio.Lock()
        self._forgotten = asyncio.Event()
        self._last: dict[StoreDeed, StoreRun] = {}

    def forgot(self) -> None:
        """Take note that backups were forgotten, so that something can be freed."""
        self._forgotten.set()

    async def report(self) -> StoreReport:
        """Return where the store is, and what came of the last check and collection. Raises BlobStoreError."""
        where = await in_worker(lambda _: self._repository().describe())
        return StoreReport(where=where, check=self._last.get("check"), collection=self._last.get("collect"))

    async def begin(self, deed: StoreDeed) -> StoreReport:
        """Begin a check or a collection; raise Refused while one is under way."""
        if self._turn.locked():
            raise Refused("backup_store_is_busy")
        self._last[deed] = StoreRun(begun_us=wall_microseconds())
        self._tasks.start(self._do(deed), name=f"{deed} of the backups' store", fatal=False)
        return await self.report()

    async def discard(self, snapshot: str) -> None:
        """Remove a backup that cannot be read. Raises RepositoryError, BlobStoreError."""
        await in_worker(lambda _: self._repository().discard(snapshot.removeprefix("snapshots/")))
        log.warning("backups.snapshot.discarded", id=snapshot)
        self.forgot()

    async def keep_collecting(self) -> None:
        """Have the store freed of what no backup needs, for ever: now and then, and soon after some were forgotten."""
        while True:
            await asyncio.sleep(COLLECT_AFTER.total_seconds())
            self._forgotten.clear()
            if await self._do("collect"):
                with suppress(TimeoutError):
                    async with asyncio.timeout(COLLECT_EVERY.total_seconds()):
                        await self._forgotten.wait()

    async def _do(self, deed: StoreDeed) -> bool:
        """Do it, and note what came of it; say whether nothing is gained by trying again soon."""
        async with self._turn:
            run = self._last[deed] = StoreRun(begun_us=wall_microseconds())
            act = self._check if deed == "check" else self._collect
            settled = True
            try:
                run = await in_worker(lambda cancelled: act(run, cancelled))
            except (RepositoryError, BlobStoreError) as error:
                log.warning("backups.upkeep.failed", deed=deed, error=str(error))
                run = msgspec.structs.replace(run, failure=str(error))
                settled = isinstance(error, RepositoryIsDamaged)
            except asyncio.CancelledError:
                del self._last[deed]
                raise
            except Exception as error:  # whatever is broken, the next time comes
                log.exception("backups.upkeep.broken", deed=deed)
                run = msgspec.structs.replace(run, failure=f"internal error: {type(error).__name__}")
            self._last[deed] = msgspec.structs.replace(run, ended_us=wall_microseconds())
        return settled

    def _check(self, run: StoreRun, cancelled: Cancelled) -> StoreRun:
        problems = self._repository().check(cancelled)
        log.info("backups.checked", problems=len(problems))
        told = [problem[:LONGEST_PROBLEM] for problem in problems[:MOST_PROBLEMS]]
        return msgspec.structs.replace(run, problems=told, problems_count=len(problems))

    def _collect(self, run: StoreRun, _: Cancelled) -> StoreRun:
        found = self._repository().collect()
        log.info("backups.collected", removed=found.removed, freed_bytes=found.freed_bytes)
        return msgspec.structs.replace(run, removed=found.removed, freed_bytes=found.freed_bytes)
