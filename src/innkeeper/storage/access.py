"""Keeps keys, roles and grants. A role's servers and members stand in tables of their own, read and written with it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Column, Select, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.access.errors import NoSuchRole, RoleNameIsTaken
from innkeeper.core.access.model import ApiKey, Grant, Role
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.storage.errors import FOREIGN_KEY, Reference, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import accounts, api_keys, grants, role_members, role_servers, roles, servers


class SqlAccess:
    """Keeps `core.access.store.AccessStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    # -- keys -------------------------------------------------------------------------------------------------------

    async def add_key(self, key: ApiKey) -> ApiKey:
        """Keep a new key and return it with its id; raise NoSuchAccount."""
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchAccount(id=key.account_id)}):
            key_id = await insert_row(self._connection, api_keys, values_of(key))
        return replace(key, id=key_id)

    async def get_key(self, key_id: int) -> ApiKey | None:
        return await fetch_one(self._connection, select(api_keys).where(api_keys.c.id == key_id), ApiKey)

    async def all_keys(self) -> list[ApiKey]:
        return await fetch_all(self._connection, select(api_keys).order_by(api_keys.c.id), ApiKey)

    async def touch_key(self, key_id: int, at: datetime) -> None:
        """Note when a key was last used; one that is gone meanwhile is no error."""
        await self._connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))

    async def delete_key(self, key_id: int) -> None:
        await self._connection.execute(delete(api_keys).where(api_keys.c.id == key_id))

    async def delete_expired_keys(self, before: datetime) -> int:
        result = await self._connection.execute(delete(api_keys).where(api_keys.c.expires_at < before))
        return result.rowcount

    # -- roles ------------------------------------------------------------------------------------------------------

    async def add_role(self, role: Role) -> Role:
        """Keep a new role with servers and members; raise RoleNameIsTaken, NoSuchServer, NoSuchAccount."""
        async with self._connection.begin_nested():
            async with refusing(self._connection, _role_refusals(role)):
                role_id = await insert_row(self._connection, roles, _role_values(role))
            role = replace(role, id=role_id)
            await self._connect(role)
        return role

    async def get_role(self, role_id: int) -> Role | None:
        found = await self._roles(select(roles).where(roles.c.id == role_id))
        return found[0] if found else None

    async def all_roles(self) -> list[Role]:
        return await self._roles(select(roles).order_by(roles.c.id))

    async def update_role(self, role: Role) -> None:
        """Replace a role wholly; raise RoleNameIsTaken, NoSuchRole, NoSuchServer, NoSuchAccount."""
        async with self._connection.begin_nested():
            async with refusing(self._connection, _role_refusals(role)):
                statement = update(roles).where(roles.c.id == role.id)
                result = await self._connection.execute(statement, _role_values(role))
            if not result.rowcount:
                raise NoSuchRole(id=role.id)
            for table in (role_servers, role_members):
                await self._connection.execute(delete(table).where(table.c.role_id == role.id))
            await self._connect(role)

    async def delete_role(self, role_id: int) -> None:
        await self._connection.execute(delete(roles).where(roles.c.id == role_id))

    async def _connect(self, role: Role) -> None:
        pairs = [{"role_id": role.id, "server_id": server_id} for server_id in sorted(role.servers)]
        known: list[Reference] = [(servers.c.id, server_id, NoSuchServer(id=server_id)) for server_id in role.servers]
        await self._insert_pairs(role_servers, pairs, known)
        pairs = [{"role_id": role.id, "account_id": account_id} for account_id in sorted(role.members)]
        known = [(accounts.c.id, account_id, NoSuchAccount(id=account_id)) for account_id in role.members]
        await self._insert_pairs(role_members, pairs, known)

    async def _insert_pairs(self, table: Table, pairs: list[dict[str, int]], references: Sequence[Reference]) -> None:
        if pairs:
            async with refusing(self._connection, {}, references):
                await self._connection.execute(insert(table), pairs)

    async def _roles(self, query: Select[Any]) -> list[Role]:
        rows = (await self._connection.execute(query)).mappings().all()
        only = rows[0]["id"] if len(rows) == 1 else None
        on_servers = await self._pairs(role_servers.c.role_id, role_servers.c.server_id, only)
        members = await self._pairs(role_members.c.role_id, role_members.c.account_id, only)
        return [
            Role(**row, servers=frozenset(on_servers[row["id"]]), members=frozenset(members[row["id"]])) for row in rows
        ]

    async def _pairs(self, role: Column[int], other: Column[int], only: int | None) -> dict[int, list[int]]:
        query = select(role, other)
        if only is not None:
            query = query.where(role == only)
        found: dict[int, list[int]] = defaultdict(list)
        for role_id, other_id in await self._connection.execute(query):
            found[role_id].append(other_id)
        return found

    # -- grants -----------------------------------------------------------------------------------------------------

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant, in place of the one for the same account and server; raise NoSuchAccount, NoSuchServer."""
        values = values_of(grant)
        statement = (
            inserting(self._connection, grants)
            .values(values)
            .on_conflict_do_update(
                index_elements=[grants.c.account_id, grants.c.server_id],
                set_={"permissions": grant.permissions, "created_at": grant.created_at},
            )
        )
        references = [
            (accounts.c.id, grant.account_id, NoSuchAccount(id=grant.account_id)),
            (servers.c.id, grant.server_id, NoSuchServer(id=grant.server_id)),
        ]
        async with refusing(self._connection, {}, references):
            await self._connection.execute(statement)

    async def delete_grant(self, account_id: int, server_id: int) -> bool:
        mine = (grants.c.account_id == account_id) & (grants.c.server_id == server_id)
        result = await self._connection.execute(delete(grants).where(mine))
        return result.rowcount > 0

    async def grants_of(self, server_id: int) -> list[Grant]:
        await self._connection.execute(
            select(servers.c.id).where(servers.c.id == server_id).with_for_update(key_share=True)
        )
        query = select(grants).where(grants.c.server_id == server_id).order_by(grants.c.account_id)
        return await fetch_all(self._connection, query, Grant)

    async def all_grants(self) -> list[Grant]:
        query = select(grants).order_by(grants.c.account_id, grants.c.server_id)
        return await fetch_all(self._connection, query, Grant)


def _role_values(role: Role) -> dict[str, Any]:
    values = values_of(role)
    del values["servers"], values["members"]
    return values


def _role_refusals(role: Role) -> dict[str, CoreError]:
    return {"uq_roles_name": RoleNameIsTaken(name=role.name)}
