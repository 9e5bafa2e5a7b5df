"""The product as the panel's routes are given it: core's services, tied together over what was chosen for them."""

from dataclasses import dataclass
from typing import Self

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.service import AccountService, PasswordHasher
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.collector import Collector
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.meters import Meters
from innkeeper.core.billing.service import BillingService
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.console.hub import ConsoleHub
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.console.sharing import LogSharing, LogUploader
from innkeeper.core.files.configs import ConfigService
from innkeeper.core.files.service import FileService
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.service import OperationService
from innkeeper.core.players.profiles import Profiles
from innkeeper.core.players.service import PlayerListService
from innkeeper.core.servers.attention import LookParts
from innkeeper.core.servers.directory import ServerDirectory
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
    directory: ServerDirectory
    files: FileService
    idling: IdleStops
    management: ManagementService
    metrics: MetricService
    nodes: NodeService
    operations: OperationService
    players: PlayerListService
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
    ) -> Self:
        """Return the whole product over its models and what was chosen for it."""
        directory, authority, activity = models.directory, models.authority, models.activity
        looks = LookParts(gateway=gateway, servers=directory, rights=authority, clock=clock)
        servers = ServerService(
            works=works,
            clock=clock,
            directory=directory,
            catalog=catalog,
            nodes=models.nodes,
            gateway=gateway,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            meters=models.meters,
            account_exists=authority.id_of,
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
            access=AccessService(works=works, clock=clock, directory=authority, servers=directory, activity=activity),
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
                catalog=catalog,
                gateway=gateway,
            ),
            configs=configs,
            console=console,
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
            operations=models.operations,
            players=PlayerListService(
                works=works,
                gateway=gateway,
                servers=directory,
                catalog=catalog,
                activity=activity,
                profiles=profiles,
            ),
            servers=servers,
            sharing=LogSharing(
                works=works, clock=clock, console=console, servers=directory, activity=activity, uploader=uploader
            ),
        )
