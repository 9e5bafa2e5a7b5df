"""Core's objects as exaroton shows them. The field sets are exact: its clients refuse extra keys."""

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.accounts.model import Account
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.dialects.exaroton.ids import Ids, software_id
from innkeeper.panel.http.rendered import Bodies
from innkeeper.panel.product import Product

OFFLINE, ONLINE, STARTING, STOPPING, RESTARTING, SAVING, LOADING, CRASHED, PENDING, TRANSFERRING, PREPARING = range(11)

STATUS: dict[State, int] = {
    State.CREATED: OFFLINE,
    State.INSTALLING: PREPARING,
    State.STOPPED: OFFLINE,
    State.PREPARING: PREPARING,
    State.STARTING: STARTING,
    State.RUNNING: ONLINE,
    State.STOPPING: STOPPING,
    State.SAVING: SAVING,
    State.RESTARTING: RESTARTING,
    State.CRASHED: CRASHED,
    State.TRANSFERRING: TRANSFERRING,
    State.DELETING: OFFLINE,
    State.DELETED: OFFLINE,
}
WITHOUT_ADDRESS = frozenset({OFFLINE, CRASHED})
"""Statuses in which `host` and `port` are null. ref: "only available if the server is online"."""

_MOST_ENCODED = 20_000


class AccountView(msgspec.Struct, frozen=True):
    name: str
    email: str
    verified: bool
    credits: float


class PlayersView(msgspec.Struct, frozen=True):
    max: int
    count: int
    list: list[str]


class SoftwareView(msgspec.Struct, frozen=True):
    id: str
    name: str
    version: str


class ServerView(msgspec.Struct, frozen=True):
    id: str
    name: str
    address: str
    motd: str
    status: int
    host: str | None
    port: int | None
    players: PlayersView
    software: SoftwareView
    shared: bool


class LogView(msgspec.Struct, frozen=True):
    content: str | None


class Envelope(msgspec.Struct, frozen=True):
    """What every JSON reply is."""

    success: bool
    error: str | None
    data: object


class Views:
    """Renders for one installation; a server is rendered once for each change of it."""

    def __init__(self, product: Product, ids: Ids) -> None:
        self._product = product
        self._ids = ids
        self._encoded: dict[tuple[int, bool], tuple[int, int, bytes]] = {}
        self._bodies = Bodies(product)

    def account(self, account: Account) -> AccountView:
        """Return an account; this installation has no ledger, so nobody has credits."""
        return AccountView(name=account.username, email=account.email, verified=account.email_verified, credits=0)

    def server(self, record: Record, *, shared: bool) -> ServerView:
        """Return a server; `shared` when whoever asks does not own it."""
        server, live, product = record.server, record.live, self._product
        status = STATUS[live.state]
        hidden = status in WITHOUT_ADDRESS
        return ServerView(
            id=self._ids.of_server(server),
            name=server.name,
            address=f"{server.name}.{product.settings.server_domain}",
            motd=product.catalog.motd(server),
            status=status,
            host=None if hidden else product.nodes.host_of(server),
            port=None if hidden and not product.settings.show_port_while_offline else server.port,
            players=PlayersView(
                max=product.catalog.max_players(server),
                count=len(live.players),
                list=[player.name for player in live.players],
            ),
            software=SoftwareView(
                id=software_id(server.package, server.runtime),
                name=product.catalog.software(server),
                version=server.version,
            ),
            shared=shared,
        )

    def encoded(self, record: Record, *, shared: bool) -> bytes:
        """Return a server as JSON, made once for each change."""
        key, nodes = (record.server.id, shared), self._product.nodes.version
        known = self._encoded.get(key)
        if known is not None and known[0] == record.version and known[1] == nodes:
            return known[2]
        if len(self._encoded) >= _MOST_ENCODED:
            self._encoded.clear()
        encoded = msgspec.json.encode(self.server(record, shared=shared))
        self._encoded[key] = (record.version, nodes, encoded)
        return encoded

    def servers(self, actor: Actor) -> bytes:
        """Return the servers that `actor` may see, in their envelope."""
        return self._bodies.get(actor, "servers", lambda: self._servers(actor))

    def _servers(self, actor: Actor) -> bytes:
        mine, records = actor.account.id, self._product.servers.list(actor)
        shown = [self.encoded(record, shared=record.server.owner_id != mine) for record in records]
        return success(b"[%b]" % b",".join(shown))


def success(data: bytes) -> bytes:
    """Return the envelope of a reply whose data is already JSON."""
    return b'{"success":true,"error":null,"data":' + data + b"}"


def failure(text: str) -> bytes:
    """Return the envelope of a refusal."""
    return msgspec.json.encode(Envelope(False, text, None))
