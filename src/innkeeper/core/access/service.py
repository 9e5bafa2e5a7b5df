"""Keys, roles and grants: who gives what to whom, and never more than they hold."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import inf
from uuid import UUID

import msgspec

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
    TooManyRoles,
)
from innkeeper.core.access.model import Actor, ApiKey, Grant, Role
from innkeeper.core.access.permissions import ALL, ALL_PRODUCT, ALL_SERVER, ProductPermission, ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import LIMITED, Account
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.work import Work, Works
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

    def keys(self, actor: Actor, account: Account | None = None) -> list[ApiKey]:
        """Return one's own API keys, sessions left out, by id; or those of an account that one has power over.

        Raises PermissionIsMissing.
        """
        whose = self._whose(actor, account)
        mine = (key for key in self._directory.keys.values() if key.account_id == whose.id and key.kind == "key")
        return sorted(mine, key=lambda key: key.id)

    def key_by_id(self, actor: Actor, key_id: int) -> ApiKey:
        """Return the API key of that row id: one's own, or of an account that one has power over; raise NoSuchKey."""
        key = self._directory.keys.get(key_id)
        account = self._directory.accounts.get(key.account_id) if key is not None else None
        if key is None or account is None or key.kind != "key":
            raise NoSuchKey
        try:
            self._whose(actor, account)
        except PermissionIsMissing as error:
            raise NoSuchKey from error
        return key

    def _whose(self, actor: Actor, account: Account | None) -> Account:
        """Return the account that is meant: one's own, or another that one has power over."""
        if account is None or account.id == actor.account.id:
            return actor.account
        require_power_over(self._directory, self._servers, actor, account)
        return account

    async def create_key(
        self,
        actor: Actor,
        *,
        name: str,
        account: Account | None = None,
        permissions: frozenset[str] | None = None,
        networks: tuple[str, ...] = (),
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key of one's own account, or of one that one has power over; return it with its secret, told once.

        A key carries at most what the key that makes it carries, from no other networks and for no longer; a session
        ends sooner than what it makes. A key of another account carries nothing that the one who makes it could not do
        on every server. Raises NameIsInvalid, PermissionIsUnknown, NetworkIsInvalid, CannotGiveMoreThanHeld,
        PermissionIsMissing, TooManyKeys.
        """
        check_name(name)
        whose = self._whose(actor, account)
        most = actor.scope
        if whose.id != actor.account.id and not actor.is_superuser:
            most = actor.product | actor.everywhere
        if permissions is not None:
            check_known(permissions, ALL)
            if not permissions <= most:
                raise CannotGiveMoreThanHeld
        elif most != ALL:
            permissions = most
        for network in networks:
            check_network(network)
        networks, expires_at = self._within_own_key(actor, networks, expires_at)
        secret = new_secret("ink")
        key = ApiKey(
            id=0,
            uuid=uuid7(),
            account_id=whose.id,
            name=name,
            digest=digest_of(secret),
            permissions=permissions,
            networks=networks,
            expires_at=expires_at,
            created_at=self._clock.now(),
        )
        async with self._making_keys:  # so that keys made at the same time are counted, too
            if len(self.keys(actor, whose)) >= MAX_KEYS:
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
        """End one of one's own keys at once, or of an account that one has power over; a narrow key ends only itself.

        Raises NoSuchKey, PermissionIsMissing.
        """
        key = self.key_by_id(actor, next((key.id for key in self._directory.keys.values() if key.uuid == uuid), 0))
        if key.id != actor.key_id:
            require_whole_key(actor)
        async with self._works() as work:
            await work.access.delete_key(key.id)
            work.changed("key", key.id)
            await self._activity.note(work, actor, "key.revoked", data={"name": key.name})

    # -- roles ------------------------------------------------------------------------------------------------------

    def roles(self, actor: Actor) -> list[Role]:
        """Return every role, by id; needs `roles.read`, without which one sees those that one manages, if any."""
        roles = sorted(self._directory.roles.values(), key=lambda role: role.id)
        managed = [role for role in roles if _manages(actor, role, ProductPermission.ROLES_READ)]
        if managed and not actor.may(ProductPermission.ROLES_READ):
            return managed
        require(actor, ProductPermission.ROLES_READ)
        return roles

    def role(self, actor: Actor, uuid: UUID) -> Role:
        """Return one role; raise NoSuchRole, PermissionIsMissing."""
        return _only(role for role in self.roles(actor) if role.uuid == uuid)

    def role_by_id(self, actor: Actor, role_id: int) -> Role:
        """Return the role of that row id; raise NoSuchRole, PermissionIsMissing."""
        return _only(role for role in self.roles(actor) if role.id == role_id)

    async def create_role(
        self,
        actor: Actor,
        *,
        name: str,
        permissions: frozenset[str] = frozenset(),
        all_servers: bool = False,
        servers: Mapping[int, frozenset[str]] = {},
        members: frozenset[int] = frozenset(),
        manager_id: int | None = None,
    ) -> Role:
        """Make a role, as `Role` has it.

        Raises PermissionIsMissing, CannotGiveMoreThanHeld, RoleNameIsTaken, PermissionIsUnknown, NoSuchServer,
        NoSuchAccount (a member or the manager), TooManyRoles.
        """
        role = Role(
            id=0,
            uuid=uuid7(),
            name=name,
            permissions=permissions,
            all_servers=all_servers,
            servers=dict(servers),
            members=members,
            manager_id=manager_id,
            created_by=actor.account.id,
            created_at=self._clock.now(),
        )
        require(actor, ProductPermission.ROLES_WRITE)
        self._check_role(actor, role)
        self._check_people(_people(role))
        async with self._works() as work:
            await _require_leave(work, actor.account.id)
            role = await work.access.add_role(role)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.created", data={"name": name})
        return role

    async def change_role(self, actor: Actor, uuid: UUID, change: Callable[[Role], Role]) -> Role:
        """Keep what `change` makes of a role, and return it. Raises as `create_role`, and NoSuchRole.

        `change` is given the role as it is in the transaction that keeps it: of two who change it at once, neither
        undoes what the other did. What it makes of id, UUID and origin is not kept. Who changes a role must hold all
        that it gives before and after. Its manager does without `roles.write`, but does not say who manages it.
        """
        role_id = self.role(actor, uuid).id
        async with self._works() as work:
            before = await _held(work, role_id)
            wanted = change(before)
            if not _manages(actor, before, ProductPermission.ROLES_WRITE) or wanted.manager_id != before.manager_id:
                require(actor, ProductPermission.ROLES_WRITE)
            self._check_role(actor, before)
            self._check_role(actor, wanted)
            self._check_people(_people(wanted) - _people(before))
            role = msgspec.structs.replace(
                wanted,
                id=before.id,
                uuid=before.uuid,
                created_by=before.created_by,
                created_at=before.created_at,
                changed_at=self._clock.now(),
            )
            await work.access.update_role(role)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.changed", data={"name": role.name})
        return role

    async def set_roles(self, actor: Actor, account_id: int, role_ids: frozenset[int]) -> None:
        """Let an account have exactly these roles, or nothing is changed; raise NoSuchAccount and as `check_roles`."""
        if account_id not in self._directory.accounts:
            raise NoSuchAccount
        changed = self.check_roles(actor, account_id, role_ids)
        async with self._works() as work:
            for seen in changed:  # as they are now: others enter and leave them at the same time
                role = await _held(work, seen.id)
                self._require_leave_to_change(actor, role)
                members = role.members | {account_id} if role.id in role_ids else role.members - {account_id}
                await work.access.update_role(msgspec.structs.replace(role, members=members))
                work.changed("role", role.id)
                await self._activity.note(work, actor, "role.changed", data={"name": role.name})

    def check_roles(self, actor: Actor, account_id: int | None, role_ids: frozenset[int]) -> list[Role]:
        """Return which roles an account (None: a new one) enters or leaves to have exactly these.

        The actor must hold all that they give. Raises NoSuchRole, PermissionIsMissing, CannotGiveMoreThanHeld.
        """
        if not role_ids <= self._directory.roles.keys():
            raise NoSuchRole
        roles = sorted(self._directory.roles.values(), key=lambda role: role.id)
        changed = [role for role in roles if (account_id in role.members) != (role.id in role_ids)]
        for role in changed:
            self._require_leave_to_change(actor, role)
        return changed

    def _require_leave_to_change(self, actor: Actor, role: Role) -> None:
        if not _manages(actor, role, ProductPermission.ROLES_WRITE):
            require(actor, ProductPermission.ROLES_WRITE)
        self._check_role(actor, role)

    async def delete_role(self, actor: Actor, uuid: UUID) -> None:
        """Delete a role, taking what it gave; raise NoSuchRole, PermissionIsMissing, CannotGiveMoreThanHeld."""
        role_id = self.role(actor, uuid).id
        require(actor, ProductPermission.ROLES_WRITE)
        async with self._works() as work:
            role = await _held(work, role_id)
            self._check_role(actor, role)
            await work.access.delete_role(role.id)
            work.changed("role", role.id)
            await self._activity.note(work, actor, "role.deleted", data={"name": role.name})

    def _check_role(self, actor: Actor, role: Role) -> None:
        """Raise unless the role makes sense and the actor holds all that it gives."""
        check_name(role.name)
        check_known(role.permissions, ALL)
        if not role.permissions & ALL_PRODUCT <= actor.product:
            raise CannotGiveMoreThanHeld
        if role.all_servers and not role.permissions & ALL_SERVER <= actor.everywhere:
            raise CannotGiveMoreThanHeld
        for server_id, permissions in role.servers.items():
            check_known(permissions, ALL_SERVER)
            record = self._servers.get(server_id)
            if not permissions <= actor.on(server_id, record.server.owner_id):
                raise CannotGiveMoreThanHeld

    def _check_people(self, added: frozenset[int]) -> None:
        """Raise NoSuchAccount unless there are all these."""
        if not added <= self._directory.accounts.keys():
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
        check_known(permissions, ALL_SERVER)
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


def _manages(actor: Actor, role: Role, with_permission: str) -> bool:
    """Say whether the actor manages a role, by a key that carries as much."""
    return role.manager_id == actor.account.id and with_permission in actor.scope


def _only(found: Iterable[Role]) -> Role:
    role = next(iter(found), None)
    if role is None:
        raise NoSuchRole
    return role


def _people(role: Role) -> frozenset[int]:
    """Return its members and its manager."""
    return role.members if role.manager_id is None else role.members | {role.manager_id}


async def _held(work: Work, role_id: int) -> Role:
    """Return a role as it is, which nobody else changes until the transaction's end; raise NoSuchRole."""
    role = await work.access.get_role(role_id, hold=True)
    if role is None:
        raise NoSuchRole
    return role


async def _require_leave(work: Work, account_id: int) -> None:
    """Raise TooManyRoles unless an account may make one more; until the transaction's end, it makes no other."""
    maker = await work.accounts.lock(account_id)
    most = maker.limits.get(ProductPermission.ROLES_WRITE) if maker is not None else 0
    if most is not None and await work.access.count_roles_of(account_id) >= most:
        raise TooManyRoles(f"You have made as many roles as you may: {most}.", limit=most)


def require(actor: Actor, permission: str) -> None:
    """Raise PermissionIsMissing unless the actor holds the product permission."""
    if not actor.may(permission):
        raise PermissionIsMissing(f"The permission {permission} is missing.", permission=str(permission))


def require_rank_over(access: AccessDirectory, actor: Actor, account: Account) -> None:
    """Raise PermissionIsMissing unless the actor may change accounts, and this one holds no more than they.

    What is compared is held on the product and on every server: it is enough for what nobody can sign in by.
    """
    require(actor, ProductPermission.ACCOUNTS_WRITE)
    if account.superuser and not actor.is_superuser:
        raise PermissionIsMissing("Only a superuser changes superusers.")
    theirs = access.powers_of(account, actor.via)
    if not (theirs.product <= actor.product and theirs.everywhere <= actor.everywhere):
        raise PermissionIsMissing("Nobody changes an account that may do more than they may.")


def require_power_over(access: AccessDirectory, servers: ServerDirectory, actor: Actor, account: Account) -> None:
    """Raise PermissionIsMissing unless the actor may act as this account: it holds nothing that they do not.

    Who sets somebody's password, or makes them a key, can act as they. So it takes rank over the account, leave to use
    what it holds as often as it may, and all that it holds on any single server, by ownership, grant or role. Servers
    that are deleted but kept count.
    """
    require_rank_over(access, actor, account)
    if actor.is_superuser:
        return
    theirs = access.powers_of(account, actor.via)
    freer = any(theirs.may(limited) and _most(account, limited) > _most(actor.account, limited) for limited in LIMITED)
    if freer or any(
        not theirs.on(record.server.id, record.server.owner_id) <= actor.on(record.server.id, record.server.owner_id)
        for record in servers.holding()
    ):
        raise PermissionIsMissing("Nobody acts as an account that may do more, on any server, than they may.")


def _most(account: Account, permission: str) -> float:
    """Return how often an account may use a product permission that it holds."""
    return inf if account.superuser else account.limits.get(permission, inf)


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


def check_known(permissions: frozenset[str], known: frozenset[str]) -> None:
    """Raise PermissionIsUnknown for a permission that is not among those known here."""
    unknown = sorted(permissions - known)
    if unknown:
        raise PermissionIsUnknown(f"There is no permission {unknown[0]!r} here.", permission=unknown[0])
