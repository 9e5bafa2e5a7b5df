"""The product as the panel's routes are given it: core's services, tied together over what was chosen for them."""

from dataclasses import dataclass
from typing import Self

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.service import AccountService, PasswordHasher
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.console.hub import ConsoleHub
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.files.service import FileService
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.directory import ServerDirectory
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
    operations: OperationService
    nodes: NodeService
    metrics: MetricService

    @classmethod
    def over(cls, works: Works, clock: Clock) -> Self:
        """Return them, empty until they are loaded."""
        directory, activity = ServerDirectory(works), ActivityService(works, clock)
        return cls(
            directory=directory,
            authority=AccessDirectory(works, clock),
            activity=activity,
            operations=OperationService(works, clock),
            nodes=NodeService(works=works, clock=clock, servers=directory, activity=activity),
            metrics=MetricService(works=works, clock=clock, servers=directory),
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
    catalog: Catalog
    console: ConsoleService
    directory: ServerDirectory
    files: FileService
    metrics: MetricService
    nodes: NodeService
    operations: OperationService
    servers: ServerService

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
    ) -> Self:
        """Return the whole product over its models and what was chosen for it."""
        directory, authority, activity = models.directory, models.authority, models.activity
        return cls(
            clock=clock,
            settings=settings,
            secret=secret,
            authority=authority,
            access=AccessService(works=works, clock=clock, directory=authority, servers=directory, activity=activity),
            accounts=AccountService(
                works=works, clock=clock, hasher=hasher, access=authority, servers=directory, activity=activity
            ),
            activity=activity,
            catalog=catalog,
            console=ConsoleService(
                works=works, gateway=gateway, hub=ConsoleHub(gateway), servers=directory, activity=activity
            ),
            directory=directory,
            files=FileService(works=works, gateway=gateway, access=authority, servers=directory, activity=activity),
            metrics=models.metrics,
            nodes=models.nodes,
            operations=models.operations,
            servers=ServerService(
                works=works,
                clock=clock,
                directory=directory,
                catalog=catalog,
                nodes=models.nodes,
                gateway=gateway,
                operations=models.operations,
                activity=activity,
                reconciler=reconciler,
                account_exists=authority.id_of,
            ),
        )
