"""The product as the panel's routes are given it: core's services, nothing else."""

from dataclasses import dataclass

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.service import AccountService
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.files.service import FileService
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.service import ServerService
from innkeeper.kit.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the administrator of this installation chose about how it presents itself."""

    server_domain: str = "innkeeper.local"
    """Appended to a server's name where a dialect shows an address of that form."""
    show_port_while_offline: bool = False
    """Dialects that hide the port of a stopped server show it all the same."""


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
