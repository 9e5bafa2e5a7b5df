"""Shapes of what requests carry: bounds that hold before core is asked anything.

What a name or a password must be is core's to say; here is only what keeps nonsense out (control characters, texts and
numbers without end).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import UNSET, Meta, UnsetType

from innkeeper.core.servers.model import CrashPolicy, Limits, ServerChanges, ServerDraft
from innkeeper.kit.pages import MAX_PAGE
from innkeeper.panel.http.bodies import BodyIsInvalid

MAX_SERVERS_PAGE = 1000
MAX_WAIT_S = 60
_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"

Text = Annotated[str, Meta(max_length=2000, pattern=_TEXT)]
Line = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Host = Annotated[str, Meta(max_length=253, pattern=r"^[A-Za-z0-9._:-]*$")]
Path = Annotated[str, Meta(max_length=4096)]
Password = Annotated[str, Meta(max_length=1000)]
Permissions = Annotated[list[Line], Meta(max_length=200)]
Whole = Annotated[int, Meta(ge=0, le=1 << 30)]

Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=500, description="Where the last page ended.")]
Currency = Annotated[
    str | None,
    QueryParameter(name="currency", pattern="^[A-Z]{3}$", description="Its wallet; else that for credits."),
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_PAGE, description="How many at most.")]
Wait = Annotated[
    float | None,
    QueryParameter(name="wait", ge=0, le=MAX_WAIT_S, description="Seconds to wait for the operation's end."),
]
Purge = Annotated[
    bool, QueryParameter(name="purge", description="Do not keep the server for a while: delete its files.")
]
FilePath = Annotated[
    str,
    QueryParameter(name="path", max_length=4096, description="A path below the server's folder; empty: the folder."),
]


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, one without a zone taken for UTC; raise BodyIsInvalid outside the calendar."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise BodyIsInvalid("This moment is too far away.") from error


class SignIn(msgspec.Struct, frozen=True):
    """Who signs in."""

    username: Annotated[str, Meta(max_length=200)]
    password: Password


class CreateAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account to be made."""

    username: Line
    password: Password
    email: Annotated[str, Meta(max_length=254)] = ""
    superuser: bool = False
    given_name: Line = ""
    family_name: Line = ""
    country: Line = ""
    """ISO 3166-1 alpha-2."""
    currency: Line = ""
    """ISO 4217; empty: the house's."""
    referral: Line = ""
    """The referral token of the account that brought this one."""
    most_servers: Whole | None = None
    """How many servers it may own; null: as many as the house allows."""


class ChangeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of an account."""

    email: Annotated[str, Meta(max_length=254)] | None = None
    given_name: Line | None = None
    family_name: Line | None = None
    country: Line | None = None
    """ISO 3166-1 alpha-2; empty: not told."""
    currency: Line | None = None
    """ISO 4217; empty: the house's."""
    password: Password | None = None
    current_password: Password | None = None
    """Needed to change one's own password."""
    superuser: bool | None = None
    disabled: bool | None = None
    most_servers: Whole | UnsetType | None = UNSET
    """How many servers it may own; null: as many as the house allows. Nobody says that for themselves."""


class CreateKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be made."""

    name: Line
    permissions: Permissions | None = None
    """Null: all that the account has."""
    networks: Annotated[list[Line], Meta(max_length=50)] = []
    """Addresses or networks it may be used from; none: from anywhere."""
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class CreateRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role to be made."""

    name: Line
    permissions: Permissions
    all_servers: bool = False
    servers: Annotated[list[UUID], Meta(max_length=1000)] = []
    members: Annotated[list[UUID], Meta(max_length=1000)] = []


class ChangeRole(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a role; what is left out stays."""

    name: Line | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET
    all_servers: bool | UnsetType = UNSET
    servers: Annotated[list[UUID], Meta(max_length=1000)] | UnsetType = UNSET
    members: Annotated[list[UUID], Meta(max_length=1000)] | UnsetType = UNSET


class PutGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What an account shall be permitted."""

    permissions: Permissions


class LimitsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a server may use; null: not limited."""

    memory_mib: Whole | None = None
    cpu_percent: Whole | None = None
    """100 is one core."""
    disk_mib: Whole | None = None

    def limits(self) -> Limits:
        """Return the same as core's."""
        return Limits(memory_mib=self.memory_mib, cpu_percent=self.cpu_percent, disk_mib=self.disk_mib)


class CrashBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a crashed server is started again, and after how many crashes within ten minutes no more."""

    restart: bool = True
    limit: Annotated[int, Meta(ge=1, le=100)] = 5

    def policy(self) -> CrashPolicy:
        """Return the same as core's."""
        return CrashPolicy(restart=self.restart, limit=self.limit)


class CreateServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server to be made; what is left out is the package's or the house's choice."""

    name: Line
    package: Line
    runtime: Line | None = None
    version: Line | None = None
    description: Text = ""
    properties: dict[str, Any] = {}
    address: Host | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    limits: LimitsBody = LimitsBody()
    crash: CrashBody = CrashBody()
    autostart: bool = True
    idle_stop_minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    """Stop it after so long without players; null: never."""
    node: UUID | None = None
    region: Line | None = None
    """Null: any that is offered."""
    plan: Line | None = None
    """Its resources are those of the plan; `limits` must then be left out."""
    billing_type: Literal["hourly", "monthly"] = "hourly"
    """How its plan is paid for."""
    addons: Annotated[dict[str, Line | None], Meta(max_length=50)] = {}
    """Further runtimes by name, each with a version or alias; null: its default."""
    owner: UUID | None = None
    start: bool = False
    """Start it once it is installed."""

    def draft(self) -> ServerDraft:
        """Return the same as core's."""
        return ServerDraft(
            name=self.name,
            package=self.package,
            runtime=self.runtime,
            version=self.version,
            description=self.description,
            properties=self.properties,
            address=self.address,
            port=self.port,
            limits=self.limits.limits(),
            crash=self.crash.policy(),
            autostart=self.autostart,
            idle_stop_minutes=self.idle_stop_minutes,
            node=self.node,
            region=self.region,
            plan=self.plan,
            billing_type=self.billing_type,
            addons=self.addons,
            owner=self.owner,
            start=self.start,
        )


class ChangeServer(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a server; what is left out stays."""

    name: Line | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType = UNSET
    """Only the named properties change."""
    port: Annotated[int, Meta(ge=1, le=65535)] | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    crash: CrashBody | UnsetType = UNSET
    autostart: bool | UnsetType = UNSET
    idle_stop_minutes: Annotated[int, Meta(ge=1, le=10_080)] | UnsetType | None = UNSET
    """Stop it after so long without players; null: never."""

    def changes(self) -> ServerChanges:
        """Return the same as core's."""
        return ServerChanges(
            name=self.name,
            description=self.description,
            properties=self.properties,
            port=self.port,
            limits=UNSET if isinstance(self.limits, UnsetType) else self.limits.limits(),
            crash=UNSET if isinstance(self.crash, UnsetType) else self.crash.policy(),
            autostart=self.autostart,
            idle_stop_minutes=self.idle_stop_minutes,
        )


class Suspend(msgspec.Struct, frozen=True, kw_only=True):
    """Why a server is suspended."""

    reason: Line = ""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One line to type on the game's console."""

    command: Annotated[str, Meta(max_length=8192)]


class ChangePlayerList(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to take off a player list, and whom to put on it."""

    add: Annotated[list[Line], Meta(max_length=500)] = []
    remove: Annotated[list[Line], Meta(max_length=500)] = []


class ChangeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a config file, by key; what is left out stays."""

    values: Annotated[dict[str, str | int | float | bool | list[str]], Meta(max_length=1000)]


class CallManagement(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask the game's management server."""

    method: Line
    params: Any = None


class Extend(msgspec.Struct, frozen=True, kw_only=True):
    """For how much longer a server without players is kept."""

    seconds: Annotated[int, Meta(ge=1, le=86_400)]


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is started."""

    own_credits: bool = False
    """Whoever starts it pays for it, while it is on."""


Micro = Annotated[int, Meta(ge=-(10**15), le=10**15)]
"""Credits as whole micro-credits: 1 credit is 1,000,000."""
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""
Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class MoveCredits(msgspec.Struct, frozen=True, kw_only=True):
    """So many credits, moved once: sent again with the same key, nothing is moved again."""

    amount_micro: Micro
    key: Key | None = None


class GiveCredits(msgspec.Struct, frozen=True, kw_only=True):
    """So many credits, given once (below zero: taken): sent again with the same key, not again."""

    amount_micro: Micro
    text: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    key: Key | None = None
    currency: CurrencyCode | None = None
    """Money in this currency instead, in millionths."""


class ChangeBilling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether rented servers are charged for, and in which currency, where an account chose none."""

    charging: bool | UnsetType = UNSET
    currency: CurrencyCode | UnsetType = UNSET


class SetPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a GiB of memory costs an hour of running."""

    amount_micro: Annotated[int, Meta(ge=0, le=10**12)]


class NamePool(msgspec.Struct, frozen=True, kw_only=True):
    """What a credit pool is called."""

    name: Line


class AssignPool(msgspec.Struct, frozen=True, kw_only=True):
    """Which credit pool pays; null: none."""

    pool: UUID | None


class MakeDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """A folder to be made, with those above it."""

    path: Path


class Rename(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be called otherwise, or moved."""

    source: Path
    target: Path


class ChangeNode(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a node."""

    name: Line | None = None
    address: Host | None = None
    public_host: Host | None = None
    first_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    last_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    region: Line | None = None
    memory_mib: Whole | UnsetType | None = UNSET
    """Promised to its servers at most; null: what its host has, to those with a plan."""
    disk_mib: Whole | UnsetType | None = UNSET
    most_servers: Whole | UnsetType | None = UNSET
