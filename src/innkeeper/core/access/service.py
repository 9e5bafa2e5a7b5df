"""Keys, roles and grants: who gives what to whom, and never more than they hold."""

import asyncio
import ipaddress
from datetime import datetime
from uuid import UUID

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import (
    CannotGiveMoreThanHeld,
    NameIsInvalid,
    NetworkIsInvalid,
    NoSuchGrant,
    NoSuchKey,
    NoSuchRole,
    OwnerNeedsNoGrant,
    PermissionIsMissing,
    PermissionIsUnknown,
    TooManyGrants,
    TooManyKeys,
)
from innkeeper.core.access.model import Actor, ApiKey, Grant, Role
from innkeeper.core.access.permissions import ALL, ALL_PRODUCT, ALL_SERVER, ProductPermission, ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of, new_secret, uuid7

MAX_KEYS = 100
MOST_GRANTS = 25
"""With how many accounts a server may be shared, unless the house says otherwise."""


class AccessService:
    """Hands out and takes back."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: AccessDirectory,
        servers: ServerDirectory,
        activity: ActivityService,
        most_grants: int = MOST_GRANTS,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._servers = servers
        self._activity = activity
        self._most_grants = most_grants
        self._making_keys = asyncio.Lock()

    # -- keys -------------------------------------------------------------------------------------------------------

    def keys(self, actor: Actor) -> list[ApiKey]:
        """Return the actor's own API keys, sessions left out, by id."""
        mine = (
            key for key in self._directory.keys.values() if key.account_id == actor.account.id and key.kind == "key"
        )
        return sorted(mine, key=lambda key: key.id)

    async def create_key(
        self,
        actor: Actor,
        *,
        name: str,
        permissions: frozenset[str] | None = None,
        networks: tuple[str, ...] = (),
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key of the actor's own account; return it with its secret, which is told this once.

        A key carries at most what the key that makes it carries, from no other networks and for no longer; a session
        ends sooner than what it makes. Raises NameIsInvalid, PermissionIsUnknown, NetworkIsInvalid,
        CannotGiveMoreThanHeld, TooManyKeys.
        """
        check_name(name)
        if permissions is not None:
            _check_known(permissions, ALL)
            if not permissions <= actor.scope:
                raise CannotGiveMoreThanHeld
        elif actor.scope != ALL:
            permissions = actor.scope
        for network in networks:
            check_network(network)
        networks, expires_at = self._within_own_key(actor, networks, expires_at)
        secret = new_secret("ink")
        key = ApiKey(
            id=0,
            uuid=uuid7(),
            account_id=actor.account.id,
            name=name,
            digest=digest_of(secret),
            permissions=permissions,
            networks=networks,
            expires_at=expires_at,
            created_at=self._clock.now(),
        )
        async with self._making_keys:  # so that keys made at the same time are counted, too
            if len(self.keys(actor)) >= MAX_KEYS:
                raise TooManyKeys(limit=MAX_KEYS)
            async with self._works() as work:
                key = await work.access.add_key(key)
                work.changed("key", key.id)
                await self._activity.note(work, actor, "key.created", data={"name": name})
        return key, secret

    def _within_own_key(
        self, actor: Actor, networks: tuple[str, ...], expires_at: datetime | None
    ) -> tuple[tuple[str, ...], datetime | None]:
        """Return networks and end of a new key, kept within those of the key that makes it."""
        own = self._directory.keys.get(actor.key_id) if actor.key_id is not None else None
        if own is None or own.kind != "key":
            return networks, expires_at
        if own.expires_at is not None:
            expires_at = min(expires_at, own.expires_at) if expires_at is not None else own.expires_at
        if own.networks and not set(networks) <= set(own.networks):
            raise CannotGiveMoreThanHeld
        return networks or own.networks, expires_at

    async def revoke_key(self, actor: Actor, uuid: UUID) -> None:
        """End one of the actor's own keys at once; a narrow key ends only itself.

        Raises NoSuchKey, PermissionIsMissing.
        """
        key = next((key for key in self.keys(actor) if key.uuid == uuid), None)
        if key is None:
            raise NoSuchKey
        if key.id != actor.key_id:
            require_whole_key(actor)
        async with self._works() as work:
            await work.access.delete_key(key.id)
            work.changed("key", key.id)
            await self._activity.note(work, actor, "key.revoked", data={"name": key.name})

    # -- roles ------------------------------------------------------------------------------------------------------

    def roles(self, actor: Actor) -> list[Role]:
        """Return every role, by id; needs `roles.read`."""
        require(actor, ProductPermission.ROLES_READ)
        return sorted(self._directory.roles.values(), key=lambda role: role.id)

    def role(self, actor: Actor, uuid: UUID) -> Role:
        """Return one role; raise NoSuchRole."""
        found = next((role for role in self.roles(actor) if role.uuid == uuid), None)
        if found is None:
            raise NoSuchRole
        return found

    async def create_role(
        self,
        actor: Actor,
        *,
        name: str,
        permissions: frozenset[str],
        all_servers: bool = False,
        servers: frozenset[int] = frozenset(),
        members: frozenset[int] = frozenset(),
    ) -> Role:
        """Make a role; raise PermissionIsMissing, CannotGiveMoreThanHeld, RoleNameIsTaken, NoSuchAccount."""
        role = Role(
            id=0,
            uuid=uuid7(),
            name=name,
            permissions=permissions,
            all_servers=all_servers,
            servers=servers,
            members=members,
        )
        self._check_role(actor, role)
        async with self._works() as work:
            role = await work.access.add_role(role)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.created", data={"name": name})
        return role

    async def change_role(self, actor: Actor, role: Role) -> Role:
        """Replace a role by one of the same id; raises as `create_role`.

        Who changes a role must hold all that it gives before and after.
        """
        self._check_role(actor, self.role(actor, role.uuid))
        self._check_role(actor, role)
        async with self._works() as work:
            await work.access.update_role(role)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.changed", data={"name": role.name})
        return role

    async def delete_role(self, actor: Actor, uuid: UUID) -> None:
        """Delete a role, taking what it gave; raise NoSuchRole."""
        role = self.role(actor, uuid)
        self._check_role(actor, role)
        async with self._works() as work:
            await work.access.delete_role(role.id)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.deleted", data={"name": role.name})

    def _check_role(self, actor: Actor, role: Role) -> None:
        require(actor, ProductPermission.ROLES_WRITE)
        check_name(role.name)
        _check_known(role.permissions, ALL)
        if not role.permissions & ALL_PRODUCT <= actor.product:
            raise CannotGiveMoreThanHeld
        on_servers = role.permissions & ALL_SERVER
        if role.all_servers and not on_servers <= actor.everywhere:
            raise CannotGiveMoreThanHeld
        for server_id in role.servers:
            record = self._servers.get(server_id)
            if not on_servers <= actor.on(server_id, record.server.owner_id):
                raise CannotGiveMoreThanHeld
        if not role.members <= self._directory.accounts.keys():
            raise NoSuchAccount

    # -- grants -----------------------------------------------------------------------------------------------------

    def grants(self, record: Record) -> list[Grant]:
        """Return with whom a server is shared, by account id."""
        found = [grants[record.server.id] for grants in self._directory.grants.values() if record.server.id in grants]
        return sorted(found, key=lambda grant: grant.account_id)

    async def share(self, actor: Actor, record: Record, account_id: int, permissions: frozenset[str]) -> Grant:
        """Give an account permissions on a server, in place of what it had by grant; needs `grants.write`.

        Raises CannotGiveMoreThanHeld (also when the old grant held more), OwnerNeedsNoGrant, NoSuchAccount, and
        TooManyGrants for one account more than there may be.
        """
        _check_known(permissions, ALL_SERVER)
        server = self._servers.reach(actor, record, ServerPermission.GRANTS_WRITE).server
        if account_id not in self._directory.accounts:
            raise NoSuchAccount
        if account_id == server.owner_id:
            raise OwnerNeedsNoGrant
        old = self._directory.grants.get(account_id, {}).get(server.id)
        touched = permissions | (old.permissions if old else frozenset())
        if not touched <= actor.on(server.id, server.owner_id):
            raise CannotGiveMoreThanHeld
        async with self._works() as work:
            given = {one.account_id: one for one in await work.access.grants_of(server.id)}
            if account_id not in given and len(given) >= self._most_grants:
                raise TooManyGrants(limit=self._most_grants)
            began = given[account_id].created_at if account_id in given else self._clock.now()
            grant = Grant(account_id=account_id, server_id=server.id, permissions=permissions, created_at=began)
            await work.access.put_grant(grant)
            work.changed("grant", account_id)
            await self._activity.note(
                work,
                actor,
                "grant.given",
                server_id=server.id,
                data={"account": account_id, "permissions": sorted(permissions)},
            )
        return grant

    async def unshare(self, actor: Actor, record: Record, account_id: int) -> None:
        """Take a grant back, with `grants.write` or one's own; raise NoSuchGrant, CannotGiveMoreThanHeld."""
        own = account_id == actor.account.id
        server = self._servers.reach(
            actor, record, ServerPermission.VIEW if own else ServerPermission.GRANTS_WRITE
        ).server
        old = self._directory.grants.get(account_id, {}).get(server.id)
        if old is None:
            raise NoSuchGrant
        if not own and not old.permissions <= actor.on(server.id, server.owner_id):
            raise CannotGiveMoreThanHeld
        async with self._works() as work:
            await work.access.delete_grant(account_id, server.id)
            work.changed("grant", account_id)
            await self._activity.note(work, actor, "grant.taken", server_id=server.id, data={"account": account_id})


def require(actor: Actor, permission: str) -> None:
    """Raise PermissionIsMissing unless the actor holds the product permission."""
    if not actor.may(permission):
        raise PermissionIsMissing(f"The permission {permission} is missing.", permission=str(permission))


def require_whole_key(actor: Actor) -> None:
    """Raise PermissionIsMissing for a key that does not carry all that its account may."""
    if actor.scope != ALL:
        raise PermissionIsMissing("A key of limited permissions cannot change its own account.")


def check_name(name: str) -> None:
    """Raise NameIsInvalid unless `name` is 1 to 100 printable characters with something to read."""
    if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip():
        raise NameIsInvalid


def check_network(network: str) -> None:
    """Raise NetworkIsInvalid unless `network` is an address or a CIDR network."""
    try:
        ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise NetworkIsInvalid(network=network) from error


def _check_known(permissions: frozenset[str], known: frozenset[str]) -> None:
    unknown = sorted(permissions - known)
    if unknown:
        raise PermissionIsUnknown(f"There is no permission {unknown[0]!r} here.", permission=unknown[0])
