"""Keeps the books: ledgers and transactions, prices, pools and meters.

A ledger's row carries its balance, changed by the statement `balance = balance + amount` in the very transaction that
keeps the entries. On PostgreSQL rows are locked with FOR UPDATE, ledgers by name; on SQLite there is one writer anyhow.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import BigInteger, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.billing.errors import IsPoolMember, NoSuchPool
from innkeeper.core.billing.model import (
    INCOME,
    Entry,
    LedgerRef,
    Meter,
    Payer,
    Pool,
    Posting,
    Price,
    Step,
    Transaction,
    stake,
)
from innkeeper.storage.columns import Moment
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import (
    OPEN,
    WALLET,
    ledger_entries,
    ledger_transactions,
    ledgers,
    meters,
    pool_members,
    pools,
    prices,
)

_NAMED = ledgers.c.name.in_(bindparam("names", expanding=True))
_BALANCES = select(ledgers.c.name, ledgers.c.balance).where(_NAMED)
_LOCK = _BALANCES.order_by(ledgers.c.name).with_for_update()
_ADD = (
    update(ledgers)
    .where(ledgers.c.name == bindparam("ledger"))
    .values(balance=ledgers.c.balance + bindparam("amount", type_=BigInteger))
)
_PRICE_AT = (
    select(prices.c.amount)
    .where(prices.c.at <= bindparam("moment"))
    .order_by(prices.c.at.desc(), prices.c.id.desc())
    .limit(1)
)
_OF_RUN = select(meters).where(meters.c.server_id == bindparam("server_id"), meters.c.run_id == bindparam("run_id"))
_OPEN = select(meters).where(OPEN).order_by(meters.c.id)
_ADVANCE = (
    update(meters)
    .where(
        meters.c.id == bindparam("meter_id"),
        meters.c.billed_until == bindparam("billed_before"),
        meters.c.ended_at.is_not_distinct_from(bindparam("ended_before", type_=Moment)),
        meters.c.payer_account_id.is_not_distinct_from(bindparam("account_before", type_=BigInteger)),
        meters.c.payer_pool_id.is_not_distinct_from(bindparam("pool_before", type_=BigInteger)),
    )
    .values(billed_until=bindparam("until"), ended_at=bindparam("ended"))
)


class SqlBilling:
    """Keeps `core.billing.store.BillingStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    # -- prices -------------------------------------------------------------------------------------------------------

    async def add_price(self, price: Price) -> Price:
        return replace(price, id=await insert_row(self._connection, prices, values_of(price)))

    async def prices(self) -> list[Price]:
        return await fetch_all(self._connection, select(prices).order_by(prices.c.at, prices.c.id), Price)

    async def price_at(self, moment: datetime) -> int:
        found = (await self._connection.execute(_PRICE_AT, {"moment": moment})).scalar_one_or_none()
        return found or 0

    # -- ledgers ------------------------------------------------------------------------------------------------------

    async def balances(self, refs: Sequence[LedgerRef]) -> dict[LedgerRef, int]:
        found = await self._balances(_BALANCES, refs)
        return {ref: found.get(ref.name, 0) for ref in refs}

    async def wallets(self, account_id: int | None = None) -> dict[LedgerRef, int]:
        query = select(*_REF, ledgers.c.balance).where(WALLET)
        if account_id is not None:
            query = query.where(ledgers.c.account_id == account_id)
        return {_ref(row): row.balance for row in await self._connection.execute(query)}

    async def lock(self, refs: Sequence[LedgerRef]) -> dict[LedgerRef, int]:
        # All of them are there before any is locked: one that is made later would be locked out of turn.
        known = await self._balances(_BALANCES, refs)
        missing = [_ledger(ref) for ref in sorted(set(refs), key=lambda ref: ref.name) if ref.name not in known]
        if missing:
            await self._connection.execute(inserting(self._connection, ledgers).on_conflict_do_nothing(), missing)
        found = await self._balances(_LOCK, refs)
        return {ref: found[ref.name] for ref in refs}

    async def stakes(self, pool_ids: Sequence[int]) -> dict[int, dict[int, int]]:
        mine = (ledgers.c.pool_id == pool_members.c.pool_id) & (ledgers.c.account_id == pool_members.c.account_id)
        query = (
            select(pool_members.c.pool_id, pool_members.c.account_id, func.coalesce(ledgers.c.balance, 0))
            .select_from(pool_members.outerjoin(ledgers, mine))
            .where(pool_members.c.pool_id.in_(pool_ids))
            .order_by(pool_members.c.joined_at, pool_members.c.account_id)
        )
        found: dict[int, dict[int, int]] = {pool_id: {} for pool_id in pool_ids}
        for pool_id, account_id, balance in await self._connection.execute(query):
            found[pool_id][account_id] = balance
        return found

    async def post(self, transaction: Transaction) -> bool:
        values = values_of(transaction)
        del values["postings"]
        keep = (
            inserting(self._connection, ledger_transactions)
            .on_conflict_do_nothing(index_elements=[ledger_transactions.c.key])
            .returning(ledger_transactions.c.id)
        )
        number = (await self._connection.execute(keep, values)).scalar_one_or_none()
        if number is None:
            return False
        entries = [
            {"ledger": posting.ref.name, "transaction_id": number, "amount": posting.amount}
            for posting in transaction.postings
        ]
        if entries:
            await self._connection.execute(insert(ledger_entries), entries)
            await self._connection.execute(
                _ADD, [{k: v for k, v in e.items() if k != "transaction_id"} for e in entries]
            )
        return True

    async def find(self, key: str) -> Transaction | None:
        query = select(ledger_transactions).where(ledger_transactions.c.key == key)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        values = dict(row)
        mine = ledger_entries.c.transaction_id == values.pop("id")
        query = select(*_REF, ledger_entries.c.amount).join_from(ledger_entries, ledgers).where(mine)
        found = await self._connection.execute(query.order_by(ledgers.c.name))
        return Transaction(**values, postings=tuple(Posting(_ref(row), row.amount) for row in found))

    async def entries(self, refs: Sequence[LedgerRef], before: tuple[int, str] | None, limit: int) -> list[Entry]:
        query = (
            select(ledger_transactions, *_REF, ledger_entries.c.amount)
            .select_from(ledger_entries.join(ledgers).join(ledger_transactions))
            .where(ledger_entries.c.ledger.in_([ref.name for ref in refs]))
            .order_by(ledger_entries.c.transaction_id.desc(), ledger_entries.c.ledger)
            .limit(limit)
        )
        if before is not None:
            number, name = before
            same = (ledger_entries.c.transaction_id == number) & (ledger_entries.c.ledger > name)
            query = query.where((ledger_entries.c.transaction_id < number) | same)
        return [
            Entry(
                id=row.id,
                ledger=_ref(row),
                amount=row.amount,
                uuid=row.uuid,
                at=row.at,
                kind=row.kind,
                text=row.text,
                actor_id=row.actor_id,
                server_id=row.server_id,
                since=row.since,
                until=row.until,
            )
            for row in await self._connection.execute(query)
        ]

    async def _balances(self, query: Select[Any], refs: Sequence[LedgerRef]) -> dict[str, int]:
        found = await self._connection.execute(query, {"names": sorted({ref.name for ref in refs})})
        return {name: balance for name, balance in found}  # noqa: C416 - rows are no pairs to a type checker

    # -- pools --------------------------------------------------------------------------------------------------------

    async def add_pool(self, pool: Pool) -> Pool:
        """Keep a new pool with its owner for a member; raise NoSuchAccount."""
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchAccount(id=pool.owner_id)}):
            pool = replace(pool, id=await insert_row(self._connection, pools, values_of(pool)))
        await self.add_member(pool.id, pool.owner_id, pool.created_at)
        return pool

    async def get_pool(self, pool_id: int) -> Pool | None:
        return await fetch_one(self._connection, select(pools).where(pools.c.id == pool_id), Pool)

    async def find_pool(self, uuid: UUID) -> Pool | None:
        return await fetch_one(self._connection, select(pools).where(pools.c.uuid == uuid), Pool)

    async def lock_pool(self, pool_id: int) -> Pool | None:
        return await fetch_one(self._connection, select(pools).where(pools.c.id == pool_id).with_for_update(), Pool)

    async def pools(self, member_id: int | None) -> list[Pool]:
        query = select(pools).order_by(pools.c.id)
        if member_id is not None:
            query = query.join(pool_members).where(pool_members.c.account_id == member_id)
        return await fetch_all(self._connection, query, Pool)

    async def rename_pool(self, pool_id: int, name: str) -> None:
        """Rename a pool; raise NoSuchPool."""
        result = await self._connection.execute(update(pools).where(pools.c.id == pool_id), {"name": name})
        if not result.rowcount:
            raise NoSuchPool(id=pool_id)

    async def delete_pool(self, pool_id: int) -> None:
        await self._connection.execute(delete(pools).where(pools.c.id == pool_id))

    async def add_member(self, pool_id: int, account_id: int, at: datetime) -> None:
        keep = inserting(self._connection, pool_members).on_conflict_do_nothing()
        values = {"pool_id": pool_id, "account_id": account_id, "joined_at": at}
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchAccount(id=account_id)}):
            result = await self._connection.execute(keep, values)
        if not result.rowcount:
            raise IsPoolMember(account=account_id)

    async def remove_member(self, pool_id: int, account_id: int) -> bool:
        mine = (pool_members.c.pool_id == pool_id) & (pool_members.c.account_id == account_id)
        return (await self._connection.execute(delete(pool_members).where(mine))).rowcount > 0

    # -- meters -------------------------------------------------------------------------------------------------------

    async def add_meter(self, meter: Meter) -> Meter:
        keep = inserting(self._connection, meters).on_conflict_do_nothing()
        await self._connection.execute(keep, _meter_values(meter))
        of_run = {"server_id": meter.server_id, "run_id": meter.run_id}
        return _meter((await self._connection.execute(_OF_RUN, of_run)).one())

    async def find_meter(self, server_id: int, run_id: str) -> Meter | None:
        row = (await self._connection.execute(_OF_RUN, {"server_id": server_id, "run_id": run_id})).one_or_none()
        return None if row is None else _meter(row)

    async def open_meters(self, server_id: int | None = None) -> list[Meter]:
        query = _OPEN if server_id is None else _OPEN.where(meters.c.server_id == server_id)
        return [_meter(row) for row in await self._connection.execute(query)]

    async def advance(self, meter: Meter, until: datetime, ended_at: datetime | None) -> Meter | None:
        values = {
            "meter_id": meter.id,
            "billed_before": meter.billed_until,
            "ended_before": meter.ended_at,
            "account_before": meter.payer.account_id,
            "pool_before": meter.payer.pool_id,
            "until": until,
            "ended": ended_at,
        }
        result = await self._connection.execute(_ADVANCE, values)
        return replace(meter, billed_until=until, ended_at=ended_at) if result.rowcount else None

    async def repoint(self, server_id: int, payer: Payer) -> None:
        statement = update(meters).where(meters.c.server_id == server_id, OPEN)
        await self._connection.execute(
            statement, {"payer_account_id": payer.account_id, "payer_pool_id": payer.pool_id}
        )

    async def warn(self, meter: Meter, warned: int) -> bool:
        statement = update(meters).where(meters.c.id == meter.id, meters.c.warned == meter.warned)
        return (await self._connection.execute(statement.values(warned=warned))).rowcount > 0

    # -- looking through the books ------------------------------------------------------------------------------------

    async def unbalanced(self, limit: int) -> list[tuple[int, int]]:
        total = func.sum(ledger_entries.c.amount)
        query = (
            select(ledger_entries.c.transaction_id, total)
            .group_by(ledger_entries.c.transaction_id)
            .having(total != 0)
            .limit(limit)
        )
        return [(number, int(amount)) for number, amount in await self._connection.execute(query)]

    async def misstated(self, limit: int) -> list[tuple[LedgerRef, int, int]]:
        total = func.coalesce(func.sum(ledger_entries.c.amount), 0)
        query = (
            select(*_REF, ledgers.c.balance, total.label("total"))
            .select_from(ledgers.outerjoin(ledger_entries))
            .group_by(ledgers.c.name, *_REF, ledgers.c.balance)
            .having(total != ledgers.c.balance)
            .limit(limit)
        )
        return [(_ref(row), row.balance, int(row.total)) for row in await self._connection.execute(query)]

    async def mixed(self, limit: int) -> list[int]:
        currency = func.coalesce(ledgers.c.currency, "")
        query = (
            select(ledger_entries.c.transaction_id)
            .join_from(ledger_entries, ledgers)
            .group_by(ledger_entries.c.transaction_id)
            .having(func.min(currency) != func.max(currency))
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def strays(self, limit: int) -> list[LedgerRef]:
        mine = (ledgers.c.pool_id == pool_members.c.pool_id) & (ledgers.c.account_id == pool_members.c.account_id)
        query = (
            select(*_REF)
            .select_from(ledgers.outerjoin(pool_members, mine))
            .where(ledgers.c.kind == "stake", ledgers.c.balance != 0, pool_members.c.pool_id.is_(None))
            .limit(limit)
        )
        return [_ref(row) for row in await self._connection.execute(query)]

    async def metered(self, after_id: int, limit: int) -> list[tuple[Meter, list[Step]]]:
        earned = ledger_entries.c.ledger == INCOME.name
        some = select(meters).where(meters.c.id > after_id).order_by(meters.c.id).limit(limit).subquery()
        steps = ledger_transactions
        query = (
            select(some, steps.c.id.label("step_id"), steps.c.since, steps.c.until, ledger_entries.c.amount)
            .select_from(
                some.outerjoin(steps, steps.c.meter_id == some.c.id).outerjoin(
                    ledger_entries, (ledger_entries.c.transaction_id == steps.c.id) & earned
                )
            )
            .order_by(some.c.id, steps.c.id)
        )
        found: list[tuple[Meter, list[Step]]] = []
        for row in await self._connection.execute(query):
            if not found or found[-1][0].id != row.id:
                found.append((_meter(row), []))
            if row.step_id is not None:
                step = Step(
                    meter_id=row.id,
                    transaction_id=row.step_id,
                    since=row.since,
                    until=row.until,
                    amount=row.amount or 0,
                )
                found[-1][1].append(step)
        return found


_REF = [ledgers.c.kind.label("ledger_kind"), ledgers.c.account_id, ledgers.c.pool_id, ledgers.c.currency]


def _ref(row: Any) -> LedgerRef:
    if row.ledger_kind == "stake":
        return stake(row.pool_id, row.account_id)
    return LedgerRef(row.ledger_kind, row.account_id, currency=row.currency)


def _ledger(ref: LedgerRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "kind": ref.kind,
        "account_id": ref.account_id,
        "pool_id": ref.pool_id,
        "currency": ref.currency,
        "balance": 0,
    }


def _meter(row: Any) -> Meter:
    return Meter(
        id=row.id,
        server_id=row.server_id,
        run_id=row.run_id,
        payer=Payer(row.payer_account_id, row.payer_pool_id),
        price=row.price,
        memory_mib=row.memory_mib,
        started_at=row.started_at,
        billed_until=row.billed_until,
        ended_at=row.ended_at,
        warned=row.warned,
    )


def _meter_values(meter: Meter) -> dict[str, Any]:
    values = values_of(meter)
    values["payer_account_id"], values["payer_pool_id"] = meter.payer.account_id, meter.payer.pool_id
    del values["payer"]
    return values
