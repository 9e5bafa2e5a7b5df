"""The product as the panel's routes are given it: core's services, tied together over what was chosen for them."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.service import AccountService, PasswordHasher
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.announcing import Announcements
from innkeeper.core.billing.collector import Collector
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.meters import Meters
from innkeeper.core.billing.rent_collector import RentCollector
from innkeeper.core.billing.rentals import Rentals
from innkeeper.core.billing.service import BillingService
from innkeeper.core.catalog.offers import Offers
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import Vendors
from innkeeper.core.console.hub import ConsoleHub
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.console.sharing import LogSharing, LogUploader
from innkeeper.core.files.configs import ConfigService
from innkeeper.core.files.service import FileService
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.regions import Regions
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.service import OperationService
from innkeeper.core.players.profiles import Profiles
from innkeeper.core.players.service import PlayerListService
from innkeeper.core.servers.attention import LookParts
from innkeeper.core.servers.deleting import Deleting
from innkeeper.core.servers.deploying import Deploying
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.holding import Holds
from innkeeper.core.servers.idling import IdleStops
from innkeeper.core.servers.management import ManagementService
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.servers.service import ServerService
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import TaskSet


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the administrator of this installation chose about how it presents itself."""

    server_domain: str = "innkeeper.local"
    """Appended to a server's name where a dialect shows an address of that form."""
    show_port_while_offline: bool = False
    """Dialects that hide the port of a stopped server show it all the same."""
    deletion_grace: timedelta = timedelta(0)
    """For how long a deleted server is kept, so that it can be brought back; 0: not at all."""
    most_grants: int = 25
    """With how many accounts a server may be shared."""
    most_servers: int | None = None
    """How many servers an account may own that says nothing else and is no superuser's; None: any number."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """What is kept in memory, with the services that stand on it and on storage alone."""

    directory: ServerDirectory
    authority: AccessDirectory
    activity: ActivityService
    credits: BillingDirectory
    meters: Meters
    operations: OperationService
    nodes: NodeService

    @classmethod
    def over(cls, works: Works, clock: Clock) -> Self:
        """Return them, empty until they are loaded."""
        directory, activity = ServerDirectory(works), ActivityService(works, clock)
        nodes = NodeService(works=works, clock=clock, servers=directory, activity=activity)
        credits = BillingDirectory(works)
        return cls(
            directory=directory,
            authority=AccessDirectory(works, clock),
            activity=activity,
            operations=OperationService(works, clock),
            credits=credits,
            meters=Meters(works=works, clock=clock, directory=credits, servers=directory, nodes=nodes),
            nodes=nodes,
        )

    def reconciler(
        self, *, works: Works, clock: Clock, catalog: Catalog, gateway: NodeGateway, tasks: TaskSet
    ) -> Reconciler:
        """Return what makes nodes do what was decided, over these models."""
        return Reconciler(
            works=works,
            clock=clock,
            directory=self.directory,
            catalog=catalog,
            nodes=self.nodes,
            gateway=gateway,
            operations=self.operations,
            activity=self.activity,
            meters=self.meters,
            tasks=tasks,
        )


@dataclass(frozen=True, kw_only=True)
class Product:
    """Everything that can be asked."""

    clock: Clock
    settings: Settings
    secret: bytes
    """The installation's own key, from which foreign ids are derived."""
    authority: AccessDirectory
    access: AccessService
    accounts: AccountService
    activity: ActivityService
    billing: BillingService
    catalog: Catalog
    collector: Collector
    configs: ConfigService
    console: ConsoleService
    deleting: Deleting
    directory: ServerDirectory
    files: FileService
    idling: IdleStops
    management: ManagementService
    metrics: MetricService
    nodes: NodeService
    offers: Offers
    operations: OperationService
    players: PlayerListService
    regions: Regions
    rent_collector: RentCollector
    rentals: Rentals
    selling: Selling
    servers: ServerService
    sharing: LogSharing

    @classmethod
    def over(
        cls,
        models: Models,
        *,
        works: Works,
        clock: Clock,
        settings: Settings,
        secret: bytes,
        catalog: Catalog,
        gateway: NodeGateway,
        hasher: PasswordHasher,
        reconciler: Reconciler,
        profiles: Profiles | None = None,
        uploader: LogUploader | None = None,
        vendors: Vendors | None = None,
    ) -> Self:
        """Return the whole product over its models and what was chosen for it."""
        directory, authority, activity = models.directory, models.authority, models.activity
        offers = Offers(works, clock, catalog, vendors, spread=random.random)
        looks = LookParts(gateway=gateway, servers=directory, rights=authority, clock=clock)
        holds = Holds(directory)
        selling = Selling(works=works, clock=clock, catalog=catalog, activity=activity)
        rentals = Rentals(works=works, clock=clock, directory=models.credits, activity=activity, plan_of=selling.get)
        announcements = Announcements(catalog=catalog, gateway=gateway)
        deleting = Deleting(
            works=works,
            clock=clock,
            directory=directory,
            holds=holds,
            nodes=models.nodes,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            closing=(rentals.close, models.meters.close),
            reopening=(rentals.reopen,),
            grace=settings.deletion_grace,
        )
        regions = Regions(works=works, selling=selling, nodes=models.nodes, activity=activity)
        deploying = Deploying(
            works=works,
            clock=clock,
            catalog=catalog,
            offers=offers,
            selling=selling,
            regions=regions,
            nodes=models.nodes,
            gateway=gateway,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            opening=(rentals.open,),
            account_id=authority.id_of,
            most_servers=settings.most_servers,
        )
        servers = ServerService(
            works=works,
            directory=directory,
            catalog=catalog,
            nodes=models.nodes,
            gateway=gateway,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            meters=models.meters,
            holds=holds,
            deploying=deploying,
            deleting=deleting,
        )
        billing = BillingService(
            works=works,
            clock=clock,
            directory=models.credits,
            servers=directory,
            meters=models.meters,
            activity=activity,
            tell=reconciler.tell,
        )
        configs = ConfigService(
            works=works,
            gateway=gateway,
            directory=directory,
            servers=servers,
            catalog=catalog,
            activity=activity,
            reconciler=reconciler,
        )
        console = ConsoleService(
            works=works, gateway=gateway, hub=ConsoleHub(gateway), servers=directory, activity=activity
        )
        return cls(
            clock=clock,
            settings=settings,
            secret=secret,
            authority=authority,
            access=AccessService(
                works=works,
                clock=clock,
                directory=authority,
                servers=directory,
                activity=activity,
                most_grants=settings.most_grants,
            ),
            accounts=AccountService(
                works=works,
                clock=clock,
                hasher=hasher,
                access=authority,
                servers=directory,
                activity=activity,
                closing=billing.close_account,
            ),
            activity=activity,
            billing=billing,
            catalog=catalog,
            collector=Collector(
                works=works,
                directory=models.credits,
                meters=models.meters,
                servers=directory,
                commands=servers,
                activity=activity,
                announcements=announcements,
            ),
            configs=configs,
            console=console,
            deleting=deleting,
            directory=directory,
            files=FileService(
                works=works,
                gateway=gateway,
                access=authority,
                servers=directory,
                activity=activity,
                on_written=configs.follow,
            ),
            idling=IdleStops(
                works=works,
                clock=clock,
                directory=directory,
                servers=servers,
                activity=activity,
                reconciler=reconciler,
            ),
            management=ManagementService(works=works, activity=activity, looks=looks),
            metrics=MetricService(works=works, looks=looks),
            nodes=models.nodes,
            offers=offers,
            operations=models.operations,
            players=PlayerListService(
                works=works,
                gateway=gateway,
                servers=directory,
                catalog=catalog,
                activity=activity,
                profiles=profiles,
            ),
            regions=regions,
            rent_collector=RentCollector(
                clock=clock, rentals=rentals, servers=directory, commands=servers, announcements=announcements
            ),
            rentals=rentals,
            selling=selling,
            servers=servers,
            sharing=LogSharing(
                works=works, clock=clock, console=console, servers=directory, activity=activity, uploader=uploader
            ),
        )
