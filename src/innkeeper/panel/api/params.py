"""Shapes of what requests carry: bounds that hold before core is asked anything.

What a name or a password must be is core's to say; here is only what keeps nonsense out (control characters, texts and
numbers without end).
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import UNSET, Meta, UnsetType

from innkeeper.core.webhooks.model import (
    DEFAULT_BODY,
    DEFAULT_BOT,
    DEFAULT_COLOUR,
    WebhookChanges,
    WebhookDraft,
)
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
Allowances = Annotated[dict[Line, Whole], Meta(max_length=20)]

Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=500, description="Where the last page ended.")]
Currency = Annotated[
    str | None,
    QueryParameter(name="currency", pattern="^[A-Z]{3}$", description="Its wallet; else that for credits."),
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_PAGE, description="How many at most.")]
OfAccount = Annotated[UUID | None, QueryParameter(name="account", description="Whose; else one's own.")]
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
    code: Annotated[str, Meta(max_length=100)] | None = None
    """A one-time or a recovery code, for an account with a second factor."""


class ConfirmSecondFactor(msgspec.Struct, frozen=True):
    """Proof that a device has the secret."""

    code: Annotated[str, Meta(max_length=100)]


class DisableSecondFactor(msgspec.Struct, frozen=True):
    """Proof that it is oneself who turns the second factor off."""

    password: Password


class RenewRecoveryCodes(msgspec.Struct, frozen=True):
    """Proof that it is oneself who asks for new recovery codes: a code, or else the password."""

    password: Password = ""
    code: Annotated[str, Meta(max_length=100)] | None = None
    """A one-time or a recovery code; it is used up."""


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
    disabled: bool = False
    permissions: Permissions = []
    """Product permissions that it has of itself, beside those of its roles."""
    limits: Allowances = {}
    """How many servers it may own (`servers.create`), and how many accounts (`accounts.write`) and roles
    (`roles.write`) make."""
    manager: UUID | None = None
    """The account that looks after it."""
    language: Line = ""
    """As in `en_EN`; empty: the house's."""
    theme: Line = ""
    hints: bool = True


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
    username: Line | None = None
    """Needs `accounts.write`, for one's own, too."""
    permissions: Permissions | None = None
    """Product permissions that it has of itself, in place of those before."""
    limits: Allowances | None = None
    """In place of those before: how many servers it may own (`servers.create`), and how many accounts
    (`accounts.write`) and roles (`roles.write`) make."""
    manager: UUID | UnsetType | None = UNSET
    """The account that looks after it; null: none."""
    language: Line | None = None
    """As in `en_EN`; empty: the house's."""
    theme: Line | None = None
    hints: bool | None = None


class CreateKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be made."""

    name: Line
    permissions: Permissions | None = None
    """Null: all that the account has."""
    networks: Annotated[list[Line], Meta(max_length=50)] = []
    """Addresses or networks it may be used from; none: from anywhere."""
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    account: UUID | None = None
    """Whose key, if not one's own: of an account that may do no more than oneself."""


class RoleServer(msgspec.Struct, frozen=True, kw_only=True):
    """What a role gives on one server."""

    server: UUID
    permissions: Permissions


class CreateRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role to be made."""

    name: Line
    permissions: Permissions = []
    """Product permissions; and with `all_servers` those that it gives on every server."""
    all_servers: bool = False
    servers: Annotated[list[RoleServer], Meta(max_length=1000)] = []
    members: Annotated[list[UUID], Meta(max_length=1000)] = []
    manager: UUID | None = None
    """The account that looks after it, within what it holds itself."""


class ChangeRole(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a role; what is left out stays."""

    name: Line | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET
    all_servers: bool | UnsetType = UNSET
    servers: Annotated[list[RoleServer], Meta(max_length=1000)] | UnsetType = UNSET
    members: Annotated[list[UUID], Meta(max_length=1000)] | UnsetType = UNSET
    manager: UUID | UnsetType | None = UNSET


class PutGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What an account shall be permitted."""

    permissions: Permissions


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


Template = Annotated[str, Meta(max_length=4000, pattern=_TEXT)]
WebhookUrl = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Triggers = Annotated[list[Line], Meta(max_length=50)]


class CreateWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to be made."""

    name: Line
    kind: Line
    """discord, slack, teams, mattermost, or json: a signed document for programs."""
    url: WebhookUrl
    triggers: Triggers
    """Kinds of happenings that it is told of."""
    bot_name: Line = DEFAULT_BOT
    """Who the message is from, where the place shows that."""
    body: Template = DEFAULT_BODY
    """A Jinja2 template of the message's text."""
    colour: Line = DEFAULT_COLOUR
    """As `#rrggbb`."""
    enabled: bool = True

    def draft(self) -> WebhookDraft:
        """Return the same as core's."""
        return WebhookDraft(
            name=self.name,
            kind=self.kind,
            url=self.url,
            triggers=frozenset(self.triggers),
            bot_name=self.bot_name,
            body=self.body,
            colour=self.colour,
            enabled=self.enabled,
        )


class ChangeWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a webhook; what is left out stays."""

    name: Line | UnsetType = UNSET
    kind: Line | UnsetType = UNSET
    url: WebhookUrl | UnsetType = UNSET
    triggers: Triggers | UnsetType = UNSET
    bot_name: Line | UnsetType = UNSET
    body: Template | UnsetType = UNSET
    colour: Line | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def changes(self) -> WebhookChanges:
        """Return the same as core's."""
        return WebhookChanges(
            name=self.name,
            kind=self.kind,
            url=self.url,
            triggers=UNSET if isinstance(self.triggers, UnsetType) else frozenset(self.triggers),
            bot_name=self.bot_name,
            body=self.body,
            colour=self.colour,
            enabled=self.enabled,
        )
