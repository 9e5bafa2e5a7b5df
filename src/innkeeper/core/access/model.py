"""Keys, roles, grants, and the actor that every request ends in."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.permissions import ALL, ALL_PRODUCT, ALL_SERVER
from innkeeper.core.accounts.model import Account

Via = Literal["api", "cli", "exaroton", "serverflex", "pterodactyl", "crafty", "mccoal", "system"]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key by which a program acts for an account. The secret itself is shown once and kept only hashed."""

    id: int
    uuid: UUID
    account_id: int
    name: str
    digest: str
    """SHA-256 of the secret."""
    kind: Literal["key", "session"] = "key"
    """A session is the short-lived key that signing in gives."""
    permissions: frozenset[str] | None = None
    """What of the account's permissions the key carries; None: all of them."""
    networks: tuple[str, ...] = ()
    """Addresses or CIDR networks it may be used from; empty: from anywhere."""
    expires_at: datetime | None = None
    created_at: datetime
    last_used_at: datetime | None = None

    @property
    def carries_everything(self) -> bool:
        """Whether it lets through all that its account may."""
        return self.permissions is None


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """Permissions by name, given to accounts: on the product, on all servers, on single ones."""

    id: int
    uuid: UUID
    name: str
    """Unique whatever the case."""
    permissions: frozenset[str]
    """Product permissions, and the server permissions that hold on every server if `all_servers`, else nowhere."""
    all_servers: bool = False
    servers: dict[int, frozenset[str]] = {}
    """Server permissions on single servers, by server id."""
    members: frozenset[int] = frozenset()
    """Account ids."""
    manager_id: int | None = None
    """The account that looks after it: changes it within what it holds itself."""
    created_by: int | None = None
    """The account that made it."""
    created_at: datetime
    changed_at: datetime | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What one account may do with one server that is not its own."""

    account_id: int
    server_id: int
    permissions: frozenset[str]
    created_at: datetime


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: an account, narrowed by the key it came with."""

    account: Account
    product: frozenset[str]
    """Product permissions held."""
    everywhere: frozenset[str]
    """Server permissions held on every server."""
    servers: dict[int, frozenset[str]]
    """Server permissions held by grant or role on single servers, by server id."""
    scope: frozenset[str]
    """What the key lets through; ALL without a narrower key."""
    owner_permissions: frozenset[str]
    via: Via
    key_id: int | None = None
    address: str | None = None
    token_generation: int | None = None
    """Of the token it came with; None: it came with none."""

    def on(self, server_id: int, owner_id: int) -> frozenset[str]:
        """Return the permissions held on the server `server_id` that belongs to account `owner_id`."""
        held = self.everywhere
        if owner_id == self.account.id:
            held = held | self.owner_permissions
        granted = self.servers.get(server_id)
        if granted:
            held = held | (granted & self.scope)
        return held

    def may(self, permission: str) -> bool:
        """Say whether the product permission is held."""
        return permission in self.product

    @property
    def is_superuser(self) -> bool:
        """Whether the account is a superuser's and its key carries all that this means."""
        return self.account.superuser and self.scope >= ALL

    @property
    def sees_all_servers(self) -> bool:
        """Whether every server is visible to the actor."""
        return "server.view" in self.everywhere


def actor_for(
    account: Account,
    roles: list[Role],
    grants: list[Grant],
    *,
    scope: frozenset[str] | None,
    owner: frozenset[str],
    via: Via,
    key_id: int | None = None,
    address: str | None = None,
    token_generation: int | None = None,
) -> Actor:
    """Return what `account` amounts to, given its roles, grants and the scope of its key."""
    allowed = ALL if scope is None else scope
    product = ALL_PRODUCT if account.superuser else account.permissions & ALL_PRODUCT
    everywhere: frozenset[str] = ALL_SERVER if account.superuser else frozenset()
    servers: dict[int, frozenset[str]] = {}
    for role in roles:
        product |= role.permissions & ALL_PRODUCT
        if role.all_servers:
            everywhere |= role.permissions & ALL_SERVER
        for server_id, there in role.servers.items():
            servers[server_id] = servers.get(server_id, frozenset()) | there
    for grant in grants:
        servers[grant.server_id] = servers.get(grant.server_id, frozenset()) | grant.permissions
    return Actor(
        account=account,
        product=product & allowed,
        everywhere=everywhere & allowed,
        servers=servers,
        scope=allowed,
        owner_permissions=owner & allowed,
        via=via,
        key_id=key_id,
        address=address,
        token_generation=token_generation,
    )
