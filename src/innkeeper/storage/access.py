"""Keeps keys, roles and grants. A role's servers and members stand in tables of their own, read and written with it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Select, Table, delete, func, insert, select, update
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

    async def delete_sessions(self, account_id: int) -> list[int]:
        theirs = (api_keys.c.account_id == account_id) & (api_keys.c.kind == "session")
        result = await self._connection.execute(delete(api_keys).where(theirs).returning(api_keys.c.id))
        return sorted(result.scalars())

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

    async def get_role(self, role_id: int, *, hold: bool = False) -> Role | None:
        query = select(roles).where(roles.c.id == role_id)
        found = await self._roles(query.with_for_update(key_share=True) if hold else query)
        return found[0] if found else None

    async def count_roles_of(self, account_id: int) -> int:
        query = select(func.count()).select_from(roles).where(roles.c.created_by == account_id)
        return (await self._connection.execute(query)).scalar_one()

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
        pairs: list[dict[str, Any]] = [
            {"role_id": role.id, "server_id": server_id, "permissions": permissions}
            for server_id, permissions in sorted(role.servers.items())
        ]
        known: list[Reference] = [(servers.c.id, server_id, NoSuchServer(id=server_id)) for server_id in role.servers]
        await self._insert_pairs(role_servers, pairs, known)
        pairs = [{"role_id": role.id, "account_id": account_id} for account_id in sorted(role.members)]
        known = [(accounts.c.id, account_id, NoSuchAccount(id=account_id)) for account_id in role.members]
        await self._insert_pairs(role_members, pairs, known)

    async def _insert_pairs(self, table: Table, pairs: list[dict[str, Any]], references: Sequence[Reference]) -> None:
        if pairs:
            async with refusing(self._connection, {}, references):
                await self._connection.execute(insert(table), pairs)

    async def _roles(self, query: Select[Any]) -> list[Role]:
        rows = (await self._connection.execute(query)).mappings().all()
        only = rows[0]["id"] if len(rows) == 1 else None
        on_servers: dict[int, dict[int, frozenset[str]]] = defaultdict(dict)
        for role_id, server_id, permissions in await self._belonging(role_servers, only):
            on_servers[role_id][server_id] = permissions
        members: dict[int, list[int]] = defaultdict(list)
        for role_id, account_id in await self._belonging(role_members, only):
            members[role_id].append(account_id)
        return [
            Role(
                **{name: value for name, value in row.items() if name != "name_folded"},
                servers=on_servers.get(row["id"], {}),
                members=frozenset(members.get(row["id"], ())),
            )
            for row in rows
        ]

    async def _belonging(self, table: Table, only: int | None) -> list[tuple[Any, ...]]:
        """Return the rows of a table of what belongs to roles: of one, or of all."""
        query = select(table)
        found = await self._connection.execute(query if only is None else query.where(table.c.role_id == only))
        return [tuple(row) for row in found]

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
    return {**values, "name_folded": role.name.casefold()}


def _role_refusals(role: Role) -> dict[str, CoreError]:
    return {"uq_roles_name_folded": RoleNameIsTaken(name=role.name)}
