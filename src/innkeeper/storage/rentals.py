"""Keeps rentals, their terms, and what plans have cost.

A rental is read with its newest term, in one statement. On PostgreSQL its row is locked with FOR UPDATE; on SQLite
there is one writer anyhow.
"""

from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.billing.rental_model import Rate, Rental, RentalHistory, RentalStep, Term
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import (
    RENTED,
    ledger_entries,
    ledger_transactions,
    ledgers,
    rates,
    rental_terms,
    rentals,
)

_TERM = [column.label(f"term_{column.name}") for column in rental_terms.c]
_terms = rental_terms.alias()
_NEWEST = and_(
    rental_terms.c.rental_id == rentals.c.id,
    rental_terms.c.id
    == select(func.max(_terms.c.id)).where(_terms.c.rental_id == rentals.c.id).correlate(rentals).scalar_subquery(),
)
_RENTALS = select(rentals, *_TERM).select_from(rentals.outerjoin(rental_terms, _NEWEST))
_OF_SERVER = rentals.c.server_id == bindparam("server_id")
_FIND = _RENTALS.where(_OF_SERVER)
_LOCK = select(rentals.c.id).where(_OF_SERVER).with_for_update()
_ADVANCE = (
    update(rental_terms)
    .where(rental_terms.c.id == bindparam("term_id"), rental_terms.c.paid_until == bindparam("paid_before"))
    .values(paid_until=bindparam("until"), charged_from=bindparam("begins"))
)
_CHANGING = ("since", "unpaid_since", "month", "spent", "warned", "closed_at")
_RATES = select(rates).where(rates.c.plan == bindparam("of_plan"), rates.c.currency == bindparam("in_currency"))
_NEWEST_RATE = _RATES.order_by(rates.c.at.desc(), rates.c.id.desc()).limit(1)
_RATE_AT = _NEWEST_RATE.where(rates.c.at <= bindparam("moment"))
_FIRST_RATE = _RATES.order_by(rates.c.at, rates.c.id).limit(1)


class SqlRentals:
    """Keeps `core.billing.rental_store.RentalStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, rental: Rental) -> Rental:
        values = values_of(rental)
        del values["term"]
        return replace(rental, id=await insert_row(self._connection, rentals, values))

    async def find(self, server_id: int) -> Rental | None:
        row = (await self._connection.execute(_FIND, {"server_id": server_id})).one_or_none()
        return None if row is None else _rental(row)

    async def lock(self, server_id: int) -> Rental | None:
        # The term is read by a statement of its own: one that waited for the row sees the term as it was before.
        found = (await self._connection.execute(_LOCK, {"server_id": server_id})).one_or_none()
        return None if found is None else await self.find(server_id)

    async def update(self, rental: Rental) -> None:
        values = {name: getattr(rental, name) for name in _CHANGING}
        await self._connection.execute(update(rentals).where(rentals.c.id == rental.id), values)

    async def due(self, before: datetime, charging_since: datetime, after_id: int, limit: int) -> list[Rental]:
        waits = or_(
            rental_terms.c.id.is_(None),
            rental_terms.c.paid_until <= before,
            rental_terms.c.charging_since != charging_since,
            rental_terms.c.since < rentals.c.since,
            rentals.c.unpaid_since.is_not(None),
        )
        query = _RENTALS.where(RENTED, rentals.c.id > after_id, waits).order_by(rentals.c.id).limit(limit)
        return [_rental(row) for row in await self._connection.execute(query)]

    async def unpaid(self) -> set[int]:
        query = select(rentals.c.server_id).where(RENTED, rentals.c.unpaid_since.is_not(None))
        return set((await self._connection.execute(query)).scalars())

    async def warn(self, rental: Rental, warned: int) -> bool:
        statement = update(rentals).where(rentals.c.id == rental.id, rentals.c.warned == rental.warned)
        return (await self._connection.execute(statement.values(warned=warned))).rowcount > 0

    # -- terms --------------------------------------------------------------------------------------------------------

    async def add_term(self, term: Term) -> Term:
        return replace(term, id=await insert_row(self._connection, rental_terms, values_of(term)))

    async def advance(self, term: Term, until: datetime) -> Term | None:
        begins = term.paid_until
        values = {"term_id": term.id, "paid_before": begins, "until": until, "begins": begins}
        result = await self._connection.execute(_ADVANCE, values)
        return replace(term, paid_until=until, charged_from=begins) if result.rowcount else None

    # -- rates --------------------------------------------------------------------------------------------------------

    async def rates(self, plan: str | None = None, currency: str | None = None) -> list[Rate]:
        query = select(rates).order_by(rates.c.at, rates.c.id)
        if plan is not None:
            query = query.where(rates.c.plan == plan)
        if currency is not None:
            query = query.where(rates.c.currency == currency)
        return await fetch_all(self._connection, query, Rate)

    async def rate_at(self, plan: str, currency: str, moment: datetime) -> Rate | None:
        found = await self._rate(_RATE_AT, plan, currency, moment=moment)
        return found if found is not None else await self._rate(_FIRST_RATE, plan, currency)

    async def newest_rate(self, plan: str, currency: str) -> Rate | None:
        return await self._rate(_NEWEST_RATE, plan, currency)

    async def add_rate(self, rate: Rate) -> Rate:
        return replace(rate, id=await insert_row(self._connection, rates, values_of(rate)))

    async def charged_last(self, plan: str, currency: str) -> datetime | None:
        query = (
            select(func.max(rental_terms.c.charged_from, type_=rental_terms.c.charged_from.type))
            .join_from(rental_terms, rentals, rentals.c.id == rental_terms.c.rental_id)
            .where(rentals.c.plan == plan, rentals.c.currency == currency)
        )
        found: datetime | None = (await self._connection.execute(query)).scalar_one_or_none()
        return found

    async def plans_in_use(self) -> list[str]:
        query = select(rentals.c.plan).where(RENTED).distinct().order_by(rentals.c.plan)
        return list((await self._connection.execute(query)).scalars())

    async def _rate(self, query: Select[Any], plan: str, currency: str, **values: Any) -> Rate | None:
        return await fetch_one(self._connection, query, Rate, of_plan=plan, in_currency=currency, **values)

    # -- looking through the books ------------------------------------------------------------------------------------

    async def histories(self, after_id: int, limit: int) -> list[RentalHistory]:
        # Locked in the order in which charges lock them, one after the other, so that each is seen at one moment.
        some = select(rentals.c.id).where(rentals.c.id > after_id).order_by(rentals.c.id).limit(limit)
        ids = list((await self._connection.execute(some.with_for_update())).scalars())
        if not ids:
            return []
        found = await self._connection.execute(_RENTALS.where(rentals.c.id.in_(ids)).order_by(rentals.c.id))
        histories = {row.id: RentalHistory(rental=_rental(row), terms=[], steps=[]) for row in found}
        mine = rental_terms.c.rental_id.in_(ids)
        for term in await fetch_all(
            self._connection, select(rental_terms).where(mine).order_by(rental_terms.c.id), Term
        ):
            histories[term.rental_id].terms.append(term)
        for row in await self._connection.execute(_steps(mine)):
            step = RentalStep(
                transaction_id=row.id, term_id=row.term_id, since=row.since, until=row.until, amount=row.amount or 0
            )
            histories[row.rental_id].steps.append(step)
        return list(histories.values())


def _steps(mine: ColumnElement[bool]) -> Select[Any]:
    """Return the charges of terms, in order, each with what the house got by it in the rental's currency."""
    steps = ledger_transactions
    earned = (ledgers.c.kind == "income") & (ledgers.c.currency == rentals.c.currency)
    entries = ledger_entries.join(ledgers, ledgers.c.name == ledger_entries.c.ledger)
    return (
        select(
            rental_terms.c.rental_id, steps.c.id, steps.c.term_id, steps.c.since, steps.c.until, ledger_entries.c.amount
        )
        .select_from(
            rental_terms.join(rentals, rentals.c.id == rental_terms.c.rental_id)
            .join(steps, steps.c.term_id == rental_terms.c.id)
            .outerjoin(entries, (ledger_entries.c.transaction_id == steps.c.id) & earned)
        )
        .where(mine)
        .order_by(steps.c.id)
    )


def _rental(row: Any) -> Rental:
    term = None
    if row.term_id is not None:
        term = Term(
            id=row.term_id,
            rental_id=row.id,
            since=row.term_since,
            paid_until=row.term_paid_until,
            charged_from=row.term_charged_from,
            charging_since=row.term_charging_since,
        )
    return Rental(
        id=row.id,
        server_id=row.server_id,
        account_id=row.account_id,
        plan=row.plan,
        billing_type=row.billing_type,
        currency=row.currency,
        since=row.since,
        unpaid_since=row.unpaid_since,
        month=row.month,
        spent=row.spent,
        warned=row.warned,
        closed_at=row.closed_at,
        term=term,
    )
