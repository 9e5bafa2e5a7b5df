"""Keeps accounts. Knows their table alone; usernames are compared case-folded, the same on every database."""

from typing import Any

from msgspec.structs import replace
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.accounts.errors import AccountOwnsServers, NoSuchAccount, UsernameIsTaken
from innkeeper.core.accounts.model import Account
from innkeeper.core.errors import CoreError
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import accounts

COLUMNS = [column for column in accounts.c if column.name != "username_folded"]


class SqlAccounts:
    """Keeps `core.accounts.store.AccountStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, account: Account) -> Account:
        async with refusing(self._connection, _refusals(account)):
            account_id = await insert_row(self._connection, accounts, _values(account))
        return replace(account, id=account_id)

    async def get(self, account_id: int) -> Account | None:
        return await fetch_one(self._connection, select(*COLUMNS).where(accounts.c.id == account_id), Account)

    async def lock(self, account_id: int) -> Account | None:
        # Its key stays: what refers to it is written meanwhile. SQLite has one writer anyhow.
        held = select(*COLUMNS).where(accounts.c.id == account_id).with_for_update(key_share=True)
        return await fetch_one(self._connection, held, Account)

    async def find(self, username: str) -> Account | None:
        query = select(*COLUMNS).where(accounts.c.username_folded == username.casefold())
        return await fetch_one(self._connection, query, Account)

    async def all(self) -> list[Account]:
        return await fetch_all(self._connection, select(*COLUMNS).order_by(accounts.c.id), Account)

    async def update(self, account: Account) -> None:
        """Replace the row of the same id; raise UsernameIsTaken, NoSuchAccount."""
        async with refusing(self._connection, _refusals(account)):
            statement = update(accounts).where(accounts.c.id == account.id)
            result = await self._connection.execute(statement, _values(account))
        if not result.rowcount:
            raise NoSuchAccount(id=account.id)

    async def delete(self, account_id: int) -> None:
        """Delete it with all that is its own; raise AccountOwnsServers where a server is left that is not deleted."""
        async with refusing(self._connection, {FOREIGN_KEY: AccountOwnsServers(id=account_id)}):
            await self._connection.execute(delete(accounts).where(accounts.c.id == account_id))


def _values(account: Account) -> dict[str, Any]:
    return {**values_of(account), "username_folded": account.username.casefold()}


def _refusals(account: Account) -> dict[str, CoreError]:
    return {"uq_accounts_username_folded": UsernameIsTaken(username=account.username)}
