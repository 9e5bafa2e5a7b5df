"""Core's objects as ServerFlex shows them: who may see them, core has said.

What is sold, and for how much, `catalogue` renders.
"""

import ipaddress
from collections.abc import Sequence

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from innkeeper.core.access.model import Actor, Grant
from innkeeper.core.accounts.model import Account
from innkeeper.core.catalog.errors import NoSuchPackage
from innkeeper.core.metrics.model import UsagePoint
from innkeeper.core.operations.model import Operation, OperationState, Verb
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server
from innkeeper.kit.money import to_credits
from innkeeper.panel.dialects.serverflex.catalogue import Catalogue
from innkeeper.panel.dialects.serverflex.ids import label_of
from innkeeper.panel.dialects.serverflex.levels import Level, level_of, level_on
from innkeeper.panel.dialects.serverflex.paging import Place, results
from innkeeper.panel.dialects.serverflex.replies import moment
from innkeeper.panel.dialects.serverflex.shapes import (
    BalanceView,
    LockView,
    NetworkView,
    OperationView,
    PackageRef,
    PortView,
    ServerView,
    ShareView,
    StatsView,
    UserRef,
    UserView,
)
from innkeeper.panel.http.rendered import Bodies
from innkeeper.panel.product import Product

CREATED = "created"
"""What a server is in the answer to its deploy. ref: Deploy a new server."""

STATES: dict[State, str] = {
    State.CREATED: "deploying",
    State.INSTALLING: "deploying",
    State.STOPPED: "stopped",
    State.PREPARING: "starting",
    State.STARTING: "starting",
    State.RUNNING: "running",
    State.STOPPING: "stopping",
    State.SAVING: "stopping",
    State.RESTARTING: "stopping",
    State.CRASHED: "stopped",
    State.TRANSFERRING: "deploying",
    State.DELETING: "deleting",
    State.DELETED: "deleting",
}

TYPES: dict[Verb, str] = {
    "install": "Deploy",
    "start": "Start",
    "stop": "Stop",
    "restart": "Restart",
    "kill": "Stop",
    "restore": "Deploy",
    "delete": "Delete",
}

UNRENTED = "hourly"
"""How a server is paid for that nobody rents: its plan shows that it costs nothing."""

_MOST_ENCODED = 20_000
_MIB = 1 << 20
_Stamp = tuple[int, tuple[object, ...]]


class Views:
    """Renders for one installation; a server is rendered once for each change of it."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.catalogue = Catalogue(product)
        self._encoded: dict[tuple[int, Level], tuple[_Stamp, bytes]] = {}
        self._bodies = Bodies(product)

    # -- servers ------------------------------------------------------------------------------------------------------

    def server(self, record: Record, level: Level, *, state: str | None = None) -> ServerView:
        """Return a server as somebody of a level sees it; `state` in place of the one it is in."""
        server, catalogue = record.server, self.catalogue
        billing = server.billing_type or UNRENTED
        return ServerView(
            uuid=str(server.uuid),
            name=server.name,
            state=state or state_of(record),
            package=PackageRef(self._title(server), server.package),
            billingType=billing,
            bilingType=billing,
            createdAt=moment(server.created_at),
            locked=LockView(server.suspended, server.suspended_reason if server.suspended else None),
            network=self._network(server),
            permission=level,
            plan=catalogue.plan_of(server),
            region=catalogue.region_of(server),
            runtimes=catalogue.runtimes_of(server),
        )

    def encoded(self, actor: Actor, record: Record) -> bytes:
        """Return a server as JSON, made once for each change."""
        return self._server(record, level_on(actor, record.server), self.catalogue.stamp())

    def _server(self, record: Record, level: Level, stamp: tuple[object, ...]) -> bytes:
        key, made_of = (record.server.id, level), (record.version, stamp)
        known = self._encoded.get(key)
        if known is not None and known[0] == made_of:
            return known[1]
        if len(self._encoded) >= _MOST_ENCODED:
            self._encoded.clear()
        encoded = msgspec.json.encode(self.server(record, level))
        self._encoded[key] = (made_of, encoded)
        return encoded

    def servers(self, actor: Actor, place: Place) -> bytes:
        """Return a page of the servers that `actor` may see, oldest first."""
        stamp = self.catalogue.stamp()
        return self._bodies.get(actor, (place, stamp), lambda: self._page(actor, place, stamp))

    def _page(self, actor: Actor, place: Place, stamp: tuple[object, ...]) -> bytes:
        records = self._product.servers.list(actor)
        shown = [self._server(record, level_on(actor, record.server), stamp) for record in records[place.span]]
        return results(shown, len(records), place)

    def _title(self, server: Server) -> str:
        try:
            return self._product.catalog.get(server.package).title
        except NoSuchPackage:  # its file was taken away; the server is still there
            return server.package

    def _network(self, server: Server) -> NetworkView:
        product = self._product
        ports = [PortView(self.catalogue.port_name(server), server.port, server.protocol)] if server.port else []
        node = product.nodes.get(server.node_id)
        candidates = (node.public_host, server.address, node.address)
        address = next((one for one in candidates if _is_an_address(one)), None)
        return NetworkView(address, ports, f"{label_of(server)}.{product.settings.server_domain}")

    # -- operations ---------------------------------------------------------------------------------------------------

    @staticmethod
    def operation(operation: Operation) -> OperationView:
        """Return how an operation stands."""
        succeeded = operation.state is OperationState.DONE
        return OperationView(
            uuid=str(operation.uuid),
            type=TYPES[operation.verb],
            isCompleted=operation.ended,
            isCompletedSuccesfully=succeeded,
            isCompletedSuccessfully=succeeded,
            createdAt=moment(operation.created_at),
            completedAt=moment(operation.finished_at) if operation.finished_at else None,
        )

    # -- accounts -----------------------------------------------------------------------------------------------------

    @staticmethod
    def user(account: Account) -> UserView:
        """Return an account to itself."""
        return UserView(
            country=account.country,
            createdAt=moment(account.created_at),
            emailAddress=account.email,
            givenName=account.given_name,
            familyName=account.family_name,
            referralToken=account.referral_token,
            username=account.username,
            uuid=str(account.uuid),
        )

    @staticmethod
    def balance(currency: str, micro: int) -> BalanceView:
        """Return what an account has in one currency."""
        return BalanceView(to_credits(micro), currency)

    def share(self, grant: Grant) -> ShareView:
        """Return with whom a server is shared, and how."""
        account = self._product.authority.accounts[grant.account_id]
        return ShareView(
            createdAt=moment(grant.created_at),
            permission=level_of(grant.permissions),
            user=UserRef(
                emailAddress=account.email,
                familyName=account.family_name,
                givenName=account.given_name,
                username=account.username,
                uuid=str(account.uuid),
            ),
        )


def stats(points: Sequence[UsagePoint], *, cpu: bool, ram: bool, storage: bool) -> StatsView:
    """Return what was used: of the processor in percent of one core, of memory and storage in MiB."""
    return StatsView(
        cpuUsage={moment(one.at): one.cpu_mean for one in points} if cpu else None,
        ramUsage={moment(one.at): one.memory_mean / _MIB for one in points} if ram else None,
        storageUsage={moment(one.at): one.disk_mean / _MIB for one in points if one.disk_mean is not None}
        if storage
        else None,
    )


def state_of(record: Record) -> str:
    """Return the state of a server: one that could not be installed is stopped, for nothing more will happen to it."""
    live = record.live
    return STATES[State.STOPPED if live.state is State.CREATED and live.reason else live.state]


def _is_an_address(text: str) -> bool:
    """Say whether `text` is the numeric address of one host."""
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


Shown = NamedDependency[SkipValidation[Views]]
"""How a route asks for the views."""
