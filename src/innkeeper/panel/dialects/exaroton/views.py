"""Core's objects as exaroton shows them: who may see them, core has said."""

from collections.abc import Iterable

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.accounts.model import Account
from innkeeper.core.billing.model import PoolStanding, Stake
from innkeeper.core.files.configs import OptionValue
from innkeeper.core.files.model import FileNode
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server
from innkeeper.panel.dialects.exaroton.ids import Ids, software_id
from innkeeper.panel.dialects.exaroton.replies import success
from innkeeper.panel.dialects.exaroton.shapes import (
    AccountView,
    FileView,
    MemberView,
    OptionView,
    PlayersView,
    PoolView,
    ServerView,
    SoftwareView,
)
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
_MICRO = 1_000_000
_MIB = 1 << 20
_MIB_PER_GB = 1024
_LOG_NAMES = (".log", ".log.gz")
_LOG_FOLDER = "logs"


class Views:
    """Renders for one installation; a server is rendered once for each change of it."""

    def __init__(self, product: Product, ids: Ids) -> None:
        self._product = product
        self.ids = ids
        self._encoded: dict[tuple[int, bool], tuple[int, int, bytes]] = {}
        self._bodies = Bodies(product)

    def account(self, account: Account) -> AccountView:
        """Return an account, with what is in its own wallet."""
        balance = self._product.billing.balance(account.id)
        return AccountView(account.username, account.email, account.email_verified, credits_of(balance))

    def server(self, record: Record, *, shared: bool) -> ServerView:
        """Return a server; `shared` when whoever asks does not own it."""
        server, live, product = record.server, record.live, self._product
        status = STATUS[live.state]
        hidden = status in WITHOUT_ADDRESS
        return ServerView(
            id=self.ids.of_server(server),
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
        return success(self.listed(actor, self._product.servers.list(actor)))

    def listed(self, actor: Actor, records: Iterable[Record]) -> bytes:
        """Return servers as a JSON array, as `actor` sees them."""
        mine = actor.account.id
        return b"[%b]" % b",".join(self.encoded(record, shared=record.server.owner_id != mine) for record in records)

    def memory_bytes(self, server: Server) -> int:
        """Return what a server may use of memory: its limit, without one all that its node has."""
        return (server.limits.memory_mib or self._product.nodes.get(server.node_id).facts.memory_mib) * _MIB

    def ram(self, server: Server) -> int:
        """Return the same in whole gigabytes, rounded up: clients hold an integer."""
        return -(-self.memory_bytes(server) // (_MIB * _MIB_PER_GB))

    # -- files ------------------------------------------------------------------------------------------------------

    def file(self, actor: Actor, record: Record, node: FileNode) -> FileView:
        """Return a file or a folder with all below it."""
        held = actor.on(record.server.id, record.server.owner_id)
        return self._file(record, node, ServerPermission.FILES_READ in held, ServerPermission.FILES_WRITE in held)

    def _file(self, record: Record, node: FileNode, may_read: bool, may_write: bool) -> FileView:
        entry, children = node.entry, node.children
        is_file = entry.kind == "file"
        return FileView(
            path=entry.path,
            name=entry.name,
            isTextFile=is_file and entry.text is True,
            isConfigFile=is_file and self._product.configs.is_config(record, entry.path),
            isDirectory=entry.kind == "directory",
            isLog=is_file and is_log(entry.path),
            isReadable=is_file and may_read,
            isWritable=is_file and may_write,
            size=entry.size,
            children=None
            if children is None
            else [self._file(record, child, may_read, may_write) for child in children],
        )

    # -- money ------------------------------------------------------------------------------------------------------

    def pool(self, actor: Actor, standing: PoolStanding) -> PoolView:
        """Return a credit pool as `actor` sees it."""
        return PoolView(
            id=self.ids.of_pool(standing.pool.id),
            name=standing.pool.name,
            credits=credits_of(standing.balance),
            servers=standing.servers,
            owner=self.ids.of_account(standing.pool.owner_id),
            isOwner=standing.pool.owner_id == actor.account.id,
            members=standing.members,
            ownShare=standing.own_share,
            ownCredits=credits_of(standing.own_stake),
        )

    def member(self, stake: Stake) -> MemberView:
        """Return a member of a credit pool."""
        return MemberView(
            account=self.ids.of_account(stake.account_id),
            name=self._product.authority.accounts[stake.account_id].username,
            share=stake.share,
            credits=credits_of(stake.amount),
            isOwner=stake.is_owner,
        )


def credits_of(amount: int) -> float | int:
    """Return micro-credits as credits, a whole number where they are one."""
    return amount / _MICRO if amount % _MICRO else amount // _MICRO


def option(value: OptionValue) -> OptionView:
    """Return an option of a config file."""
    choices = list(value.choices or ()) if value.type in ("select", "multiselect") else None
    return OptionView(value.key, value.label, value.type, value.value, choices)


def entries(listed: Iterable[ListedPlayer]) -> list[str]:
    """Return what stands on a player list."""
    return [entry.name for entry in listed]


def is_log(path: str) -> bool:
    """Say whether the file at `path` is a log, by its name or its folder."""
    *folders, name = path.split("/")
    return name.endswith(_LOG_NAMES) or _LOG_FOLDER in folders


Shown = NamedDependency[SkipValidation[Views]]
"""How a route asks for the views."""
