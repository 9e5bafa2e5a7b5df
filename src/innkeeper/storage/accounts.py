"""Keeps accounts, what proves them a second time, and how often somebody failed to prove that it is theirs.

Knows their tables alone; usernames are compared case-folded, the same on every database.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Select, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.accounts.errors import AccountOwnsServers, NoSuchAccount, UsernameIsTaken
from innkeeper.core.accounts.model import Account, FailedSignIns, SecondFactor
from innkeeper.core.errors import CoreError
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import accounts, failed_sign_ins, recovery_codes, second_factors

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

    async def lock_superusers(self) -> None:
        # In one order: two who lock them must not wait for each other.
        held = select(accounts.c.id).where(accounts.c.superuser).order_by(accounts.c.id).with_for_update(key_share=True)
        await self._connection.execute(held)

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

    async def note_sign_in(self, account_id: int, at: datetime, address: str | None) -> None:
        statement = update(accounts).where(accounts.c.id == account_id)
        await self._connection.execute(statement, {"last_login_at": at, "last_address": address})

    async def count_made_by(self, account_id: int) -> int:
        query = select(func.count()).select_from(accounts).where(accounts.c.created_by == account_id)
        return (await self._connection.execute(query)).scalar_one()

    # -- second factors -----------------------------------------------------------------------------------------------

    async def put_second_factor(self, factor: SecondFactor) -> None:
        """Keep it in place of the account's other one; raise NoSuchAccount."""
        await self.delete_second_factor(factor.account_id)
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchAccount(id=factor.account_id)}):
            await self._connection.execute(insert(second_factors), values_of(factor))

    async def second_factor(self, account_id: int) -> SecondFactor | None:
        query = select(second_factors).where(second_factors.c.account_id == account_id)
        return await fetch_one(self._connection, query, SecondFactor)

    async def spend_code(self, account_id: int, counter: int) -> bool:
        unused = (second_factors.c.account_id == account_id) & (second_factors.c.last_counter < counter)
        result = await self._connection.execute(update(second_factors).where(unused), {"last_counter": counter})
        return result.rowcount > 0

    async def delete_second_factor(self, account_id: int) -> None:
        for table in (recovery_codes, second_factors):
            await self._connection.execute(delete(table).where(table.c.account_id == account_id))

    async def put_recovery_codes(self, account_id: int, digests: Iterable[str]) -> None:
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
        rows = [{"account_id": account_id, "digest": digest} for digest in digests]
        if rows:
            await self._connection.execute(insert(recovery_codes), rows)

    async def spend_recovery_code(self, account_id: int, digest: str) -> bool:
        mine = (recovery_codes.c.account_id == account_id) & (recovery_codes.c.digest == digest)
        result = await self._connection.execute(delete(recovery_codes).where(mine))
        return result.rowcount > 0

    async def count_recovery_codes(self, account_id: int) -> int:
        query = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.account_id == account_id)
        return (await self._connection.execute(query)).scalar_one()

    # -- failed sign-ins ----------------------------------------------------------------------------------------------

    async def failed_sign_ins(self, names: Iterable[str], at: datetime) -> list[FailedSignIns]:
        query = select(failed_sign_ins).where(failed_sign_ins.c.name.in_(list(names)), failed_sign_ins.c.ends_at > at)
        return await fetch_all(self._connection, query, FailedSignIns)

    async def count_failed_sign_in(self, names: Iterable[str], at: datetime, ends_at: datetime) -> list[FailedSignIns]:
        table = failed_sign_ins
        ended = table.c.ends_at <= at
        insertion = inserting(self._connection, table)
        counting = insertion.on_conflict_do_update(
            index_elements=[table.c.name],
            set_={
                "failures": case((ended, 1), else_=table.c.failures + 1),
                "ends_at": case((ended, insertion.excluded.ends_at), else_=table.c.ends_at),
            },
        ).returning(*table.c)
        counted = []
        for name in sorted(names):  # in one order: two who count the same names must not wait for each other
            row = await self._connection.execute(counting, {"name": name, "failures": 1, "ends_at": ends_at})
            counted.append(FailedSignIns(**row.mappings().one()))
        return counted

    async def forget_failed_sign_ins(self, name: str) -> None:
        await self._connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.name == name))

    async def delete_failed_sign_ins(self, at: datetime, *, most: int) -> None:
        table = failed_sign_ins
        await self._delete_unless_counted(select(table.c.name).where(table.c.ends_at <= at))
        there = (await self._connection.execute(select(func.count()).select_from(table))).scalar_one()
        if there > most:
            fewest = select(table.c.name).order_by(table.c.failures, table.c.ends_at)
            await self._delete_unless_counted(fewest.limit(there - most))

    async def _delete_unless_counted(self, names: Select[tuple[str]]) -> None:
        """Delete counts, but those that other transactions count just now: two must not wait for each other."""
        found = names.with_for_update(skip_locked=True).cte("found")
        await self._connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.name.in_(select(found.c.name))))


def _values(account: Account) -> dict[str, Any]:
    return {**values_of(account), "username_folded": account.username.casefold()}


def _refusals(account: Account) -> dict[str, CoreError]:
    return {"uq_accounts_username_folded": UsernameIsTaken(username=account.username)}
