"""The panel's composition root: the one place where its implementations are chosen and tied together."""

import secrets
import string
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from innkeeper.contracts.notifier import Notifier
from innkeeper.contracts.versions import IndexDriver
from innkeeper.core.access.errors import KeyIsUnknown
from innkeeper.core.accounts.errors import UsernameIsTaken
from innkeeper.core.billing.collector import TICK
from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.offers import TICK as OFFERS_TICK
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import Vendors
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.players.profiles import Profiles
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.webhooks.model import WebhookKind
from innkeeper.core.work import Works
from innkeeper.drivers.notifiers.discord import Discord
from innkeeper.drivers.notifiers.json import Json
from innkeeper.drivers.notifiers.mattermost import Mattermost
from innkeeper.drivers.notifiers.slack import Slack
from innkeeper.drivers.notifiers.teams import Teams
from innkeeper.drivers.versions.bedrock import Bedrock
from innkeeper.drivers.versions.fabric import Fabric
from innkeeper.drivers.versions.factorio import Factorio
from innkeeper.drivers.versions.forge import Forge
from innkeeper.drivers.versions.mojang import Mojang
from innkeeper.drivers.versions.papermc import PaperMc
from innkeeper.drivers.versions.sourcemod import SourceMod
from innkeeper.drivers.versions.spigotmc import SpigotMc
from innkeeper.kit.clock import Clock, SystemClock
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet, every, in_thread
from innkeeper.panel.api.app import api_application
from innkeeper.panel.calendars import CronSimTimes
from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.dialects.crafty.app import crafty_application
from innkeeper.panel.dialects.crafty.auth import tokens_and_keys
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.dialects.serverflex.app import serverflex_application
from innkeeper.panel.gateway import BusGateway
from innkeeper.panel.http.front import Front
from innkeeper.panel.http.serving import HttpServer
from innkeeper.panel.inbox import Inbox
from innkeeper.panel.logshare import McLogs
from innkeeper.panel.metrics.app import metrics_application
from innkeeper.panel.passwords import Argon2Hasher
from innkeeper.panel.product import Models, Product, Settings
from innkeeper.panel.second_factors import SecretSealer, TotpCodes
from innkeeper.panel.tokens import JwtSigner
from innkeeper.panel.web.app import web_application
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.wire.bus import Bus

if TYPE_CHECKING:
    from innkeeper.panel.profiles import HttpProfiles
    from innkeeper.panel.vendors import HttpVendors

log = get_logger(__name__)

ADMIN = "admin"
_RECONCILE_EVERY = timedelta(seconds=60)
_SAVE_SAMPLES_EVERY = timedelta(seconds=10)
_SAVE_USES_EVERY = timedelta(minutes=1)
_PRUNE_EVERY = timedelta(hours=1)
_LOOK_AT_DISKS_EVERY = timedelta(minutes=1)
_IDLE_STOPS_EVERY = timedelta(seconds=10)
_PURGES_EVERY = timedelta(seconds=10)
_PASSWORD_LETTERS = string.ascii_letters + string.digits


class PanelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the administrator chose about a panel."""

    database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies that are believed about where a request came from."""
    packages: Path | None = None
    """A folder with packages of one's own, beside the shipped ones."""
    log_share_url: str = ""
    """Where logs are shown to whoever has the link, as `panel.logshare` says; empty: they are not shared."""
    profile_service: str | None = None
    """Where players' accounts are looked up, as `panel.profiles` says; None: nobody is asked."""
    vendors: bool = False
    """Vendors are asked what versions of their software there are, as `panel.vendors` says; false: nobody is."""
    mirror: str = ""
    """Where their documents are fetched from, as `kit.mirrors` says; empty: from themselves."""
    webhook_networks: tuple[str, ...] = ()
    """Networks (CIDR) that are no part of the public Internet and that webhooks may lead to all the same."""
    settings: Settings = Settings()


class FirstKey(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator gets in by; the password only when it was just made."""

    username: str
    password: str | None
    api_key: str


class Panel:
    """A panel, running. `await Panel.open(...)`, later `await panel.aclose()`."""

    def __init__(
        self, options: PanelOptions, product: Product, reconciler: Reconciler, inbox: Inbox, tasks: TaskSet
    ) -> None:
        self.options = options
        self.product = product
        self._reconciler = reconciler
        self._inbox = inbox
        self._tasks = tasks
        self._exit = AsyncExitStack()
        self.http: HttpServer

    @classmethod
    async def open(
        cls,
        options: PanelOptions,
        bus: Bus,
        *,
        clock: Clock | None = None,
        upgrade_first: bool = False,
        own_node: Callable[[NodeService], Awaitable[None]] | None = None,
    ) -> Self:
        """Tie everything together and begin to serve.

        `upgrade_first` brings the database's tables up to date (an embedded install does). `own_node` is called before
        nodes are listened to: a node within this process is made known then.
        """
        async with AsyncExitStack() as exits:
            if upgrade_first:
                await upgrade(options.database_url)
            database = await Database.open(options.database_url)
            exits.push_async_callback(database.aclose)
            await database.check_schema()
            tasks = TaskSet("panel").start_set()
            exits.push_async_callback(tasks.aclose)
            clock = clock or SystemClock()
            profiles, vendors = _profiles(options, clock), _vendors(options)
            courier = HttpCourier(notifiers(), networks=options.webhook_networks, clock=clock)
            for outside in (profiles, vendors, courier):
                if outside is not None:
                    exits.push_async_callback(outside.aclose)
            panel = await cls._tie(options, bus, database, clock, tasks, own_node, profiles, vendors, courier)
            exits.push_async_callback(panel._inbox.close)
            panel.http = HttpServer(panel._front(), tasks, proxies=options.proxies)
            await panel.http.open(options.host, options.port)
            exits.push_async_callback(panel.http.close)
            panel._begin()
            panel._exit = exits.pop_all()
        return panel

    @classmethod
    async def _tie(
        cls,
        options: PanelOptions,
        bus: Bus,
        database: Database,
        clock: Clock,
        tasks: TaskSet,
        own_node: Callable[[NodeService], Awaitable[None]] | None,
        profiles: Profiles | None,
        vendors: Vendors | None,
        courier: HttpCourier,
    ) -> Self:
        works: Works = database.works
        models = Models.over(works, clock)
        catalog = Catalog([*load_packages(SHIPPED), *(load_packages(options.packages) if options.packages else [])])
        gateway = BusGateway(bus, models.nodes)
        reconciler = models.reconciler(works=works, clock=clock, catalog=catalog, gateway=gateway, tasks=tasks)
        async with works() as work:
            secret = await work.settings.put_if_absent("installation_secret", secrets.token_hex(32))
        product = Product.over(
            models,
            works=works,
            clock=clock,
            settings=options.settings,
            secret=(own_secret := bytes.fromhex(secret)),
            catalog=catalog,
            gateway=gateway,
            hasher=Argon2Hasher(),
            signer=JwtSigner(own_secret),
            codes=TotpCodes(),
            sealer=SecretSealer(own_secret),
            reconciler=reconciler,
            cron=CronSimTimes(),
            tasks=tasks,
            profiles=profiles,
            uploader=McLogs(options.log_share_url) if options.log_share_url else None,
            vendors=vendors,
            courier=courier,
        )
        inbox = Inbox(
            bus=bus,
            access=models.authority,
            backups=product.backups,
            credits=models.credits,
            house=models.house,
            servers=models.directory,
            nodes=models.nodes,
            operations=models.operations,
            metrics=product.metrics,
            selling=product.selling,
            regions=product.regions,
            schedules=product.schedules,
            webhooks=product.webhooks,
            tasks=tasks,
        )
        database.set_announcer(inbox.announce)
        await models.nodes.load()
        await product.offers.load()
        if own_node is not None:
            await own_node(models.nodes)
        await inbox.open(reconciler)
        await product.rentals.note_prices()
        return cls(options, product, reconciler, inbox, tasks)

    def _front(self) -> Front:
        crafty = crafty_application(self.product)
        serverflex = serverflex_application(self.product)
        return Front(
            {
                "/api/innkeeper/v1": api_application(self.product),
                "/api/v2": crafty,
                "/ws": crafty,
                "/v1": exaroton_application(self.product),
                "/1.0": serverflex,
                "/server": serverflex,
                "/metrics": metrics_application(self.product, tokens_and_keys(self.product)),
            },
            otherwise=web_application(self.product),
        )

    def _begin(self) -> None:
        """Start what is done on a timer."""
        product = self.product
        for interval, work, name in (
            (_RECONCILE_EVERY, self._reconciler.tick, "reconciliation"),
            (TICK, product.collector.tick, "metering"),
            (TICK, product.rent_collector.tick, "collecting rent"),
            (OFFERS_TICK, product.offers.refresh, "reading vendors' indexes"),
            (_IDLE_STOPS_EVERY, product.idling.tick, "idle stops"),
            (_PURGES_EVERY, product.deleting.tick, "purging deleted servers"),
            (_PURGES_EVERY, product.backups.tick, "seeing to backups"),
            (_SAVE_SAMPLES_EVERY, product.metrics.save, "saving samples"),
            (_SAVE_USES_EVERY, product.authority.save_uses, "saving uses of keys"),
            (_PRUNE_EVERY, product.metrics.prune, "pruning samples"),
            (_PRUNE_EVERY, product.activity.prune, "pruning activity"),
            (_LOOK_AT_DISKS_EVERY, product.webhooks.look_at_disks, "looking at servers' disks"),
            (_PRUNE_EVERY, product.webhooks.prune, "pruning deliveries"),
        ):
            self._tasks.start(every(interval, work, name=name), name=name)
        self._tasks.start(product.schedules.keep_time(), name="running schedules")
        self._tasks.start(product.webhooks.queue.run(), name="delivering messages")

    async def reload(self) -> None:
        """Read everything from the database again: somebody else changed it."""
        await self._inbox.load()

    async def first_key(self, kept: Path) -> FirstKey:
        """Return what to get in by: on an empty install the account `admin` is made, with a random password.

        The API key is kept in the file `kept` (mode 0600), so that later starts can show it again.
        """
        accounts, password = self.product.accounts, None
        if not self.product.authority.accounts:
            password = "".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(20))
            try:
                await accounts.create(None, username=ADMIN, password=password, superuser=True)
            except UsernameIsTaken:  # another panel of the same database was first
                password = None
                await self.reload()
        secret = await in_thread(_read, kept)
        try:
            actor = self.product.authority.authenticate(secret, "system")
            return FirstKey(username=actor.account.username, password=password, api_key=secret)
        except KeyIsUnknown:
            pass
        except CoreError as error:
            log.warning("first_key.unusable", reason=str(error))
        account = self.product.authority.by_username(ADMIN)
        if account is None:
            account = next(account for account in self.product.authority.accounts.values() if account.superuser)
        actor = self.product.authority.actor_of(account.id, "system")
        _, secret = await self.product.access.create_key(actor, name="first key")
        write_private(kept, secret + "\n")
        return FirstKey(username=account.username, password=password, api_key=secret)

    async def wait(self) -> None:
        """Return when something of the panel that must not end has ended, raising why."""
        await self._tasks.wait()

    async def aclose(self) -> None:
        """End in order: no more connections, then the tasks, then the database."""
        await self._exit.aclose()


def _profiles(options: PanelOptions, clock: Clock) -> "HttpProfiles | None":
    if options.profile_service is None:
        return None
    from innkeeper.panel.profiles import HttpProfiles  # an HTTP client is much for those who never ask

    return HttpProfiles(options.profile_service, clock)


def _vendors(options: PanelOptions) -> "HttpVendors | None":
    if not options.vendors:
        return None
    from innkeeper.panel.vendors import HttpVendors

    return HttpVendors(index_drivers(), mirror=options.mirror)


def index_drivers() -> list[IndexDriver]:
    """Return every way that there is to read a vendor's index."""
    return [Mojang(), PaperMc(), SpigotMc(), Fabric(), Forge(), Factorio(), SourceMod(), Bedrock()]


def notifiers() -> dict[WebhookKind, Notifier]:
    """Return every kind of place that messages can be sent to."""
    return {"discord": Discord(), "slack": Slack(), "teams": Teams(), "mattermost": Mattermost(), "json": Json()}


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path`, readable by its owner only, in one step."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)
