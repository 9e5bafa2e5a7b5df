"""One command, one transaction; what others must learn of it leaves after the commit.

    async with self._works() as work:
        server = await work.servers.add(server)
        work.changed("server", server.id, server)

Leaving the block commits and then announces the changes; an exception rolls everything back and announces nothing.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

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

Noun = Literal[
    "account",
    "key",
    "role",
    "grant",
    "server",
    "node",
    "operation",
    "price",
    "wallet",
    "billing",
    "selling",
    "house",
    "schedule",
    "webhook",
    "delivery",
    "backup",
]


class Changed(msgspec.Struct, frozen=True):
    """A row was made, changed or deleted: whoever keeps it in memory reads it again.

    A grant's id is that of its account, and so is a wallet's; a webhook's is that of its server, a delivery's that of
    its webhook; what is sold changes as a whole, with the id 0. `row`, where it is given, is what there is to be read,
    as the transaction left it: only the process that committed has it.
    """

    noun: Noun
    id: int
    row: Any = None


class SettingStore(Protocol):
    """Values of the installation itself, by name."""

    async def get(self, name: str) -> str | None: ...

    async def put_if_absent(self, name: str, value: str) -> str:
        """Keep `value` unless there is one; return what is kept (of two writers, the first's)."""
        ...

    async def put(self, name: str, value: str) -> None:
        """Keep `value`, in place of what there is."""
        ...

    async def starting(self, prefix: str) -> dict[str, str]:
        """Return all values whose names begin with `prefix`, by name."""
        ...


class Work(Protocol):
    """The stores of one transaction."""

    accounts: AccountStore
    access: AccessStore
    servers: ServerStore
    nodes: NodeStore
    operations: OperationStore
    backups: BackupStore
    billing: BillingStore
    rentals: RentalStore
    metrics: MetricStore
    activity: ActivityStore
    selling: SellingStore
    indexes: IndexStore
    schedules: ScheduleStore
    settings: SettingStore
    webhooks: WebhookStore

    def changed(self, noun: Noun, row_id: int, row: Any = None) -> None:
        """Announce, after the commit, that a row changed; `row` is all of it as it is now, where that is at hand."""
        ...


class Works(Protocol):
    """Opens transactions."""

    def __call__(self) -> AbstractAsyncContextManager[Work]:
        """Begin a transaction: committed on leaving, rolled back on an exception."""
        ...
