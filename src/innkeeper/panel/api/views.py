"""What the API shows: core's things without their integer keys, hashes and secrets.

Only shapes and the way there; what may be shown to whom is asked by whoever calls.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from innkeeper.core.access.model import ApiKey, Grant, Role, Via
from innkeeper.core.accounts.model import Account
from innkeeper.core.activity.model import Activity
from innkeeper.core.files.model import FileEntry
from innkeeper.core.nodes.model import Commitment, Node, NodeFacts
from innkeeper.core.operations.model import Operation, OperationState, Verb
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import CrashPolicy, Handling, LastExit, Limits, OnlinePlayer, PropertyValue, Usage
from innkeeper.panel.product import Product

T = TypeVar("T")


class ListView(msgspec.Struct, Generic[T], frozen=True):
    """Some of a list, and the cursor that continues after them (null at the end)."""

    items: list[T]
    next: str | None = None


class AccountRef(msgspec.Struct, frozen=True):
    """Which account."""

    id: UUID
    username: str


class NodeRef(msgspec.Struct, frozen=True):
    """Which node."""

    id: UUID
    name: str


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in."""

    id: UUID
    username: str
    email: str
    email_verified: bool
    superuser: bool
    disabled: bool
    given_name: str
    family_name: str
    country: str
    """ISO 3166-1 alpha-2; empty: not told."""
    currency: str
    """ISO 4217; empty: the house's."""
    referral_token: str
    """What others name to say that this account brought them."""
    most_servers: int | None
    """How many servers it may own; null: as many as the house allows, and a superuser any number."""
    permissions: list[str]
    """Product permissions that it has of itself, beside those of its roles."""
    limits: dict[str, int]
    """How many servers it may own (`servers.create`), how many accounts (`accounts.write`) and roles (`roles.write`)
    make; one that is left out is not limited, but servers are as the house allows."""
    manager: AccountRef | None
    """The account that looks after it."""
    language: str
    """As in `en_EN`; empty: the house's."""
    theme: str
    hints: bool
    second_factor: bool
    """Signing in takes a one-time code, too."""
    last_login_at: datetime | None
    last_address: str | None
    """From where it last signed in by password."""
    created_at: datetime
    changed_at: datetime | None


class UsedView(msgspec.Struct, frozen=True):
    """How much an account used of what is limited."""

    limits: dict[str, int]
    used: dict[str, int]


class SecondFactorView(msgspec.Struct, frozen=True):
    """How one's own account is proven a second time."""

    on: bool
    recovery_codes_left: int


class NewSecondFactorView(msgspec.Struct, frozen=True):
    """What a device is told, once; nothing is asked for until its first code confirms it."""

    uri: str
    """To be shown as a picture."""
    secret: str
    """To be typed where no picture can be read."""


class RecoveryCodesView(msgspec.Struct, frozen=True):
    """Each lets one sign in once without the device; they are told this once."""

    recovery_codes: list[str]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session begun: its token is sent as `Authorization: Bearer TOKEN` from now on."""

    token: str
    expires_at: datetime
    account: AccountView


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: UUID
    name: str
    permissions: list[str] | None
    """What of the account's permissions it carries; null: all of them."""
    networks: list[str]
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None


class NewKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made, with its secret, which is told this once."""

    key: KeyView
    secret: str


class MeView(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what they may beside single servers."""

    account: AccountView
    permissions: list[str]
    """Product permissions."""
    everywhere: list[str]
    """Permissions held on every server."""
    kind: Literal["key", "session"]
    expires_at: datetime | None


class RoleServerView(msgspec.Struct, frozen=True):
    """What a role gives on one server."""

    server: UUID
    permissions: list[str]


class RoleView(msgspec.Struct, frozen=True, kw_only=True):
    """Permissions by name, given to accounts."""

    id: UUID
    name: str
    permissions: list[str]
    """Product permissions; and with `all_servers` those that it gives on every server."""
    all_servers: bool
    servers: list[RoleServerView]
    members: list[UUID]
    manager: AccountRef | None
    """The account that looks after it."""
    created_at: datetime
    changed_at: datetime | None


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may do with a server that is not its own."""

    account: AccountRef
    permissions: list[str]
    created_at: datetime


class PlayersView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on a server now."""

    online: int
    max: int
    list: list[OnlinePlayer] | None
    """Null without `players.read`."""


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A game server: what was decided about it and what is seen of it now."""

    id: UUID
    name: str
    description: str
    owner: AccountRef
    node: NodeRef
    package: str
    runtime: str
    version: str
    addons: dict[str, str]
    """Further runtimes by name, each with its version."""
    plan: str | None
    """What it was sold as; null: it has the limits that somebody gave it."""
    billing_type: Literal["hourly", "monthly"] | None
    region: str
    properties: dict[str, PropertyValue] | None
    """Null without `settings.write`: they may hold secrets."""
    address: str
    port: int | None
    host: str
    """What players type, without the port."""
    limits: Limits
    crash: CrashPolicy
    autostart: bool
    handling: Handling
    idle_stop_minutes: int | None
    """It is stopped after so long without players; null: never."""
    keep_until: datetime | None
    """Before then it is not."""
    paid_by: AccountRef | None
    """Who pays while it is on, having started it with credits of their own."""
    suspended: bool
    suspended_reason: str | None
    power: Literal["on", "off"]
    """What it should be."""
    state: State
    """What it is."""
    reason: str | None
    pid: int | None
    started_at: datetime | None
    ready_at: datetime | None
    last_exit: LastExit | None
    notes: list[str]
    """What of its limits and isolation its node could not give it, and what befell the run under way, for people."""
    players: PlayersView
    usage: Usage | None
    """Null without `metrics.read` or while nothing is known."""
    motd: str
    created_at: datetime
    permissions: list[str]
    """What whoever asks may do with it."""
    dialect_ids: dict[str, str]
    """How the other dialects call it."""


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing asked of one server, and how it stands."""

    id: UUID
    server: UUID
    verb: Verb
    state: OperationState
    reason: str | None
    steps: list[str]
    fraction: float | None
    account: AccountRef | None
    via: Via
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class NewServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A server just made, and its installation."""

    server: ServerView
    operation: OperationView


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did, or that happened to a server."""

    id: int
    at: datetime
    account: AccountRef | None
    """Null: nobody, the house itself or the game."""
    server: UUID | None
    action: str
    data: dict[str, Any]
    via: Via
    address: str | None
    """From where; null where that is not the asker's to know."""


class LineView(msgspec.Struct, frozen=True):
    """A console line."""

    seq: int
    time: datetime
    text: str


class LinesView(msgspec.Struct, frozen=True):
    """Console lines, and the number to go on after (null: the end so far)."""

    items: list[LineView]
    next: int | None = None


class SharedLogView(msgspec.Struct, frozen=True):
    """A log where everybody who has its address can read it."""

    id: str
    url: str
    raw: str


class ManagementView(msgspec.Struct, frozen=True):
    """What a game's management server answered."""

    result: Any


class KeptView(msgspec.Struct, frozen=True):
    """Until when a server is kept running without players."""

    keep_until: datetime


class TicketView(msgspec.Struct, frozen=True):
    """The right to open one console stream, once."""

    ticket: str
    expires_at: datetime


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A host that runs game servers."""

    id: UUID
    name: str
    address: str
    public_host: str
    first_port: int
    last_port: int
    region: str
    memory_mib: int | None
    """Promised to its servers at most; null: what its host has, to those with a plan."""
    disk_mib: int | None
    most_servers: int | None
    promised: Commitment
    """What its servers have been promised, those that are deleted but kept included."""
    online: bool
    servers: int
    facts: NodeFacts
    last_seen_at: datetime | None
    created_at: datetime


class NodeTokenView(msgspec.Struct, frozen=True):
    """The right to add one node, once."""

    token: str
    expires_at: datetime


class StatusView(msgspec.Struct, frozen=True):
    """How this installation is."""

    version: str
    ready: bool


class PermissionsView(msgspec.Struct, frozen=True):
    """Every permission there is."""

    server: list[str]
    product: list[str]


EntryView = FileEntry


def account(product: Product, item: Account) -> AccountView:
    """Return an account as it is shown to itself and its administrators."""
    return AccountView(
        id=item.uuid,
        username=item.username,
        email=item.email,
        email_verified=item.email_verified,
        superuser=item.superuser,
        disabled=item.disabled,
        given_name=item.given_name,
        family_name=item.family_name,
        country=item.country,
        currency=item.currency,
        referral_token=item.referral_token,
        most_servers=item.most_servers,
        permissions=sorted(item.permissions),
        limits=item.limits,
        manager=account_ref(product, item.manager_id),
        language=item.language,
        theme=item.theme,
        hints=item.hints,
        second_factor=item.second_factor,
        last_login_at=item.last_login_at,
        last_address=item.last_address,
        created_at=item.created_at,
        changed_at=item.changed_at,
    )


def account_ref(product: Product, account_id: int | None) -> AccountRef | None:
    """Return which account that is, None for nobody and for one that was deleted."""
    known = product.authority.accounts.get(account_id) if account_id is not None else None
    return AccountRef(known.uuid, known.username) if known is not None else None


def key(item: ApiKey) -> KeyView:
    """Return a key without what it is made of."""
    return KeyView(
        id=item.uuid,
        name=item.name,
        permissions=sorted(item.permissions) if item.permissions is not None else None,
        networks=list(item.networks),
        expires_at=item.expires_at,
        created_at=item.created_at,
        last_used_at=item.last_used_at,
    )


def role(product: Product, item: Role) -> RoleView:
    """Return a role with UUIDs for its servers and members; what was deleted is left out."""
    accounts = product.authority.accounts
    return RoleView(
        id=item.uuid,
        name=item.name,
        permissions=sorted(item.permissions),
        all_servers=item.all_servers,
        servers=[
            RoleServerView(uuid, sorted(permissions))
            for server, permissions in sorted(item.servers.items())
            if (uuid := server_uuid(product, server)) is not None
        ],
        members=[accounts[member].uuid for member in sorted(item.members) if member in accounts],
        manager=account_ref(product, item.manager_id),
        created_at=item.created_at,
        changed_at=item.changed_at,
    )


def grant(product: Product, item: Grant) -> GrantView | None:
    """Return a grant, None when its account was deleted."""
    whom = account_ref(product, item.account_id)
    if whom is None:
        return None
    return GrantView(account=whom, permissions=sorted(item.permissions), created_at=item.created_at)


def grants(product: Product, items: Iterable[Grant]) -> list[GrantView]:
    """Return grants of accounts that there are."""
    return [view for item in items if (view := grant(product, item)) is not None]


def operation(product: Product, item: Operation) -> OperationView:
    """Return an operation as it stands."""
    return OperationView(
        id=item.uuid,
        server=product.directory.get(item.server_id).server.uuid,
        verb=item.verb,
        state=item.state,
        reason=item.reason,
        steps=list(item.steps),
        fraction=item.fraction,
        account=account_ref(product, item.account_id),
        via=item.via,
        created_at=item.created_at,
        started_at=item.started_at,
        finished_at=item.finished_at,
    )


def activity(product: Product, item: Activity, *, with_address: bool) -> ActivityView:
    """Return an activity entry."""
    return ActivityView(
        id=item.id,
        at=item.at,
        account=account_ref(product, item.account_id),
        server=server_uuid(product, item.server_id),
        action=item.action,
        data=item.data,
        via=item.via,
        address=item.address if with_address else None,
    )


def node(product: Product, item: Node) -> NodeView:
    """Return a node and whether it is there."""
    return NodeView(
        id=item.uuid,
        name=item.name,
        address=item.address,
        public_host=item.public_host,
        first_port=item.first_port,
        last_port=item.last_port,
        region=item.region,
        memory_mib=item.memory_mib,
        disk_mib=item.disk_mib,
        most_servers=item.most_servers,
        promised=product.nodes.promised(item.id),
        online=product.nodes.is_online(item.id),
        servers=sum(1 for record in product.directory.present() if record.server.node_id == item.id),
        facts=item.facts,
        last_seen_at=item.last_seen_at,
        created_at=item.created_at,
    )


def server_uuid(product: Product, server_id: int | None) -> UUID | None:
    """Return a server's UUID, deleted or not, None for none."""
    if server_id is None:
        return None
    try:
        return product.directory.get(server_id).server.uuid
    except NoSuchServer:
        return None
