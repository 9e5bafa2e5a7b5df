"""A whole product for tests: core's real services on a database of its own, with scripted nodes.

    async with House.open(tmp_path) as house:
        guest = await house.account("guest")
        server = await house.server(owner=guest)
        key = await house.key(guest)

Knows no HTTP: applications are made from `house.product` by whoever tests them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.accounts.model import Account
from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import Vendors
from innkeeper.core.nodes.model import Node, NodeFacts
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import ServerDraft
from innkeeper.core.webhooks.model import Courier
from innkeeper.core.work import Changed
from innkeeper.kit.clock import Clock, SystemClock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.calendars import CronSimTimes
from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.main import notifiers
from innkeeper.panel.product import Models, Product, Settings
from innkeeper.panel.second_factors import SecretSealer, TotpCodes
from innkeeper.panel.tokens import JwtSigner
from innkeeper.storage.database import Database
from innkeeper.testing.databases import fresh_database
from innkeeper.testing.gateways import ScriptedGateway

PASSWORD = "correct horse battery"
SECRET = b"a secret of the tests alone: 32 b"
FACTS = NodeFacts(
    version="1",
    hostname="near",
    system="Linux",
    cpus=64,
    memory_mib=1 << 20,
    disk_mib=1 << 24,
    disk_free_mib=1 << 24,
    runtimes=["process"],
    tools={"node": "22.0.0", "npm": "10.0.0", "java": "21.0.0"},
    javas=[8, 17, 21],
    servers_path="/innkeeper/servers",
    backups_path="/innkeeper/backups",
)
"""What the node has."""


class PlainHasher:
    """Keeps `core.accounts.passwords.PasswordHasher` at no cost and with no safety."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, digest: str, password: str) -> bool:
        return digest == f"plain:{password}"


class House:
    """A product and what it stands on. One node, named `near`, is there and obeys."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tasks: TaskSet,
        settings: Settings,
        catalog: Catalog | None = None,
        vendors: Vendors | None = None,
        courier: Courier | None = None,
    ) -> None:
        works = database.works
        self.clock = clock
        self.tasks = tasks
        self.database = database
        self.gateway = ScriptedGateway(clock, tasks)
        models = Models.over(works, clock)
        self.credits, self.meters, self.settings = models.credits, models.meters, models.house
        catalog = catalog or _catalog()
        self.reconciler = models.reconciler(
            works=works, clock=clock, catalog=catalog, gateway=self.gateway, tasks=tasks
        )
        self.gateway.observe = self.reconciler.observe
        self.product = Product.over(
            models,
            works=works,
            clock=clock,
            settings=settings,
            secret=SECRET,
            catalog=catalog,
            gateway=self.gateway,
            hasher=PlainHasher(),
            signer=JwtSigner(SECRET),
            codes=TotpCodes(),
            sealer=SecretSealer(SECRET),
            reconciler=self.reconciler,
            cron=CronSimTimes(),
            tasks=tasks,
            courier=courier or HttpCourier(notifiers(), clock=clock),
            vendors=vendors,
        )
        database.set_announcer(self._announce)
        self.node: Node
        self.root: Account

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        vendors: Vendors | None = None,
        courier: Courier | None = None,
    ) -> "AsyncIterator[House]":
        """Build a product whose database lies in `folder`, over the shipped packages or a `catalog`; then close it."""
        database = await fresh_database(folder / "innkeeper.db")
        tasks = TaskSet("house").start_set()
        try:
            house = cls(database, clock or SystemClock(), tasks, settings or Settings(), catalog, vendors, courier)
            await house._furnish()
            yield house
        finally:
            await tasks.aclose()
            await database.aclose()

    async def _furnish(self) -> None:
        product = self.product
        await self.settings.load()
        await product.authority.load()
        await self.credits.load()
        await product.selling.load()
        await product.regions.load()
        await product.nodes.load()
        await product.directory.load()
        await product.webhooks.load()
        self.node = await product.nodes.ensure_own(
            "near", uuid7(), "secret", address="127.0.0.1", public_host="play.example.com"
        )
        self.node = await product.nodes.greet(self.node.uuid, "secret", FACTS)
        product.nodes.heard(self.node.id)
        self.root = await product.accounts.create(None, username="root", password=PASSWORD, superuser=True)

    async def _announce(self, changes: list[Changed]) -> None:
        for change in changes:
            match change.noun:
                case "server":
                    await self.product.directory.reload(change.id, change.row)
                case "node":
                    await self.product.nodes.apply(change)
                case "operation":
                    await self.product.operations.apply(change)
                case "backup":
                    await self.product.backups.apply(change)
                case "price" | "wallet" | "billing":
                    await self.credits.apply(change)
                case "house":
                    await self.settings.load()
                case "schedule":
                    await self.product.schedules.apply(change)
                case "selling":
                    await self.product.selling.load()
                    await self.product.regions.load()
                case "webhook" | "delivery":
                    await self.product.webhooks.apply(change)
                case _:
                    await self.product.authority.apply(change)

    # -- who ----------------------------------------------------------------------------------------------------------

    async def account(self, username: str, *, superuser: bool = False) -> Account:
        """Make an account with the password PASSWORD."""
        return await self.product.accounts.create(None, username=username, password=PASSWORD, superuser=superuser)

    def actor(self, account: Account) -> Actor:
        """Return the account as an actor with all its rights."""
        return self.product.authority.actor_of(account.id, "system")

    async def key(self, account: Account, *permissions: str, name: str = "test") -> str:
        """Return the secret of a new key of an account; no permissions: all that the account has."""
        scope = frozenset(map(str, permissions)) if permissions else None
        _, secret = await self.product.access.create_key(self.actor(account), name=name, permissions=scope)
        return secret

    async def share(self, server: Record, account: Account, *permissions: str) -> None:
        """Grant an account permissions on a server, in its owner's name."""
        await self.product.access.share(self.actor(self.root), server, account.id, frozenset(map(str, permissions)))

    # -- servers ------------------------------------------------------------------------------------------------------

    async def server(self, *, owner: Account | None = None, name: str = "camp", **draft: Any) -> Record:
        """Make a server that is installed and stopped (with `start=True`: running)."""
        properties = draft.pop(
            "properties", {"command": "sleep 1000"} if draft.get("package", "custom") == "custom" else {}
        )
        wanted = ServerDraft(
            name=name,
            package=draft.pop("package", "custom"),
            properties=properties,
            owner=owner.uuid if owner else None,
            **draft,
        )
        server, _ = await self.product.servers.create(self.actor(self.root), wanted)
        await self.settle()
        return self.product.directory.get(server.id)

    def now(self, record: Record) -> Record:
        """Return a server's record as it is now."""
        return self.product.directory.get(record.server.id)

    async def settle(self) -> None:
        """Return when nothing is under way any more."""
        await self.tasks.wait()


@cache
def _catalog() -> Catalog:
    """Return the shipped packages; they are read once a process."""
    return Catalog(load_packages(SHIPPED))
