"""The database, open: transactions that keep `core.work.Works`' promise.

    waiting ──a connection is free──▶ begun ──the block is left──▶ committed ──▶ announced
                                        └──────an exception──────▶ rolled back

Knows when a transaction begins and ends and who is told; what is in it is the stores' and core's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Self

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from innkeeper.core.access.store import AccessStore
from innkeeper.core.accounts.store import AccountStore
from innkeeper.core.activity.store import ActivityStore
from innkeeper.core.backups.store import BackupStore
from innkeeper.core.billing.rental_store import RentalStore
from innkeeper.core.billing.store import BillingStore
from innkeeper.core.catalog.index_store import IndexStore
from innkeeper.core.catalog.store import SellingStore
from innkeeper.core.metrics.store import MetricStore
from innkeeper.core.nodes.store import NodeStore
from innkeeper.core.operations.store import OperationStore
from innkeeper.core.schedules.store import ScheduleStore
from innkeeper.core.servers.store import ServerStore
from innkeeper.core.webhooks.store import WebhookStore
from innkeeper.core.work import Changed, Noun, SettingStore, Work
from innkeeper.kit.tasks import TaskSet
from innkeeper.storage.access import SqlAccess
from innkeeper.storage.accounts import SqlAccounts
from innkeeper.storage.activity import SqlActivity
from innkeeper.storage.backups import SqlBackups
from innkeeper.storage.billing import SqlBilling
from innkeeper.storage.engines import open_engine
from innkeeper.storage.errors import (
    DatabaseIsUnavailable,
    SchemaIsNewer,
    SchemaIsOld,
    TransactionsDoNotNest,
    cannot_connect,
    is_passing,
)
from innkeeper.storage.indexes import SqlIndexes
from innkeeper.storage.metrics import SqlMetrics
from innkeeper.storage.migrations import HEAD, revision_of
from innkeeper.storage.nodes import SqlNodes
from innkeeper.storage.operations import SqlOperations
from innkeeper.storage.rentals import SqlRentals
from innkeeper.storage.schedules import SqlSchedules
from innkeeper.storage.selling import SqlSelling
from innkeeper.storage.servers import SqlServers
from innkeeper.storage.settings import SqlSettings
from innkeeper.storage.webhooks import SqlWebhooks

log = structlog.get_logger(__name__)

Announce = Callable[[list[Changed]], Awaitable[None]]
CLOSING_SECONDS = 10.0
"""How long closing waits for transactions under way."""
SLOW_SECONDS = 1.0
"""A transaction that is open for longer is worth an event: on SQLite all others wait for it."""


async def announce_to_nobody(changes: list[Changed]) -> None:
    """Tell nobody."""


class SqlWork:
    """The stores of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.accounts: AccountStore = SqlAccounts(connection)
        self.access: AccessStore = SqlAccess(connection)
        self.servers: ServerStore = SqlServers(connection)
        self.nodes: NodeStore = SqlNodes(connection)
        self.operations: OperationStore = SqlOperations(connection)
        self.backups: BackupStore = SqlBackups(connection)
        self.billing: BillingStore = SqlBilling(connection)
        self.rentals: RentalStore = SqlRentals(connection)
        self.metrics: MetricStore = SqlMetrics(connection)
        self.activity: ActivityStore = SqlActivity(connection)
        self.selling: SellingStore = SqlSelling(connection)
        self.indexes: IndexStore = SqlIndexes(connection)
        self.schedules: ScheduleStore = SqlSchedules(connection)
        self.settings: SettingStore = SqlSettings(connection)
        self.webhooks: WebhookStore = SqlWebhooks(connection)
        self.changes: dict[tuple[Noun, int], Changed] = {}

    def changed(self, noun: Noun, row_id: int, row: Any = None) -> None:
        """Announce, after the commit, that a row changed; said twice, it is announced once, as said last."""
        self.changes[noun, row_id] = Changed(noun, row_id, row)


class Database:
    """An open database. `works` is core's `Works`; whoever opened it awaits `aclose()`."""

    def __init__(self, engine: AsyncEngine, announce: Announce) -> None:
        self._engine = engine
        self._announce = announce
        self._inside: set[asyncio.Task[Any] | None] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._tasks = TaskSet("database").start_set()

    @classmethod
    async def open(cls, url: str, announce: Announce = announce_to_nobody) -> Self:
        """Connect to the database at `url`; raise UrlIsInvalid, DatabaseIsUnavailable.

        `announce` is given what changed, after each commit. It may begin a transaction of its own. When it raises,
        that is logged and the command stands.
        """
        database = cls(open_engine(url), announce)
        try:
            connection = await database._connect()
            await connection.close()
        except BaseException:
            await database.aclose()
            raise
        return database

    def set_announcer(self, announce: Announce) -> None:
        """Tell `announce`, from now on, what changed."""
        self._announce = announce

    async def aclose(self) -> None:
        """Begin no more transactions, let those under way come to their end, then close every connection.

        Closing again does nothing.
        """
        self._closing = True
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._idle.wait()
                await self._tasks.wait()
        except TimeoutError:
            log.warning("storage.close.unfinished", transactions=len(self._inside), commits=self._tasks.names)
        await self._tasks.aclose()
        await self._engine.dispose()

    async def check_schema(self) -> None:
        """Raise SchemaIsOld or SchemaIsNewer unless the tables are as this release needs them."""
        connection = await self._connect()
        try:
            revision = await connection.run_sync(revision_of)
        finally:
            await connection.close()
        if revision is None or revision < HEAD:
            raise SchemaIsOld(f"the database is at {revision or 'nothing'}, not {HEAD}: run `innkeeper db upgrade`")
        if revision > HEAD:
            raise SchemaIsNewer(
                f"the database is at {revision}, this release knows {HEAD} at most: install a newer one"
            )

    @asynccontextmanager
    async def works(self) -> AsyncIterator[Work]:
        """Begin a transaction: committed on leaving, rolled back on an exception.

        Waits for its turn. A task cannot begin one inside its own (TransactionsDoNotNest). Where the database does
        not answer, or breaks the transaction off, DatabaseIsUnavailable is raised and nothing is kept; only when the
        connection is lost during the commit itself may it have been.
        """
        task = asyncio.current_task()
        if task in self._inside:
            raise TransactionsDoNotNest("a transaction was begun inside another of the same task")
        self._inside.add(task)
        self._idle.clear()
        try:
            connection = await self._connect()
            begun = monotonic()
            try:
                work = SqlWork(connection)
                yield work
            except BaseException as error:
                # Closing rolls back, and is shielded from cancellation.
                await connection.close()
                if is_passing(error):
                    raise DatabaseIsUnavailable from error
                raise
            # A caller who is cancelled now gets away at once; what it did is committed and announced all the same.
            await asyncio.shield(self._tasks.start(self._finish(connection, work, begun), name="commit", fatal=False))
        finally:
            self._inside.discard(task)
            if not self._inside:
                self._idle.set()

    async def _connect(self) -> AsyncConnection:
        if self._closing:
            raise DatabaseIsUnavailable("the database is being closed")
        try:
            connection = await self._engine.connect()
            try:
                await connection.begin()
            except BaseException:
                await connection.close()
                raise
        except Exception as error:
            if not cannot_connect(error):
                raise
            log.warning("storage.database.unavailable", error=str(error))
            raise DatabaseIsUnavailable from error
        return connection

    async def _finish(self, connection: AsyncConnection, work: SqlWork, begun: float) -> None:
        try:
            await connection.commit()
        except BaseException as error:
            if is_passing(error):
                raise DatabaseIsUnavailable from error
            raise
        finally:
            await connection.close()
        seconds = monotonic() - begun
        if seconds > SLOW_SECONDS:
            log.warning("storage.transaction.slow", seconds=round(seconds, 3))
        changes = list(work.changes.values())
        if not changes:
            return
        try:
            await self._announce(changes)
        except Exception:
            log.exception("storage.announce.failed", changes=[(change.noun, change.id) for change in changes])
