"""The books show whatever is wrong with rentals, and nothing is wrong wherever a panel is broken off."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from innkeeper.core.work import Work
from innkeeper.storage.database import Database
from innkeeper.storage.schema import ledger_entries, ledger_transactions, ledgers, rates, rental_terms, rentals
from innkeeper.testing.products import House
from tests.unit.core.billing.renting import HOURLY, amounts, charges, charging, passes, priced, rents, tenant
from tests.unit.core.billing.simulation import BrokenOff
from tests.unit.core.conftest import FakeClock, restarted

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda c: update(ledgers).where(ledgers.c.name == "income:USD").values(balance=7),
            "0.000007 USD, its entries",
        ),
        (lambda c: update(ledgers).where(ledgers.c.name == "income:USD").values(currency="EUR"), "several currencies"),
        (
            lambda c: update(ledger_entries).where(ledger_entries.c.amount > 0).values(amount=2),
            "is of 0.000002 USD, not",
        ),
        (lambda c: update(rates).values(hourly=1), "is of 0.07 USD, not 0.000001"),
        (lambda c: update(rates).values(monthly=HOURLY), "is of 0.07 USD, not 0"),
        (lambda c: update(rentals).values(spent=1), "cost 0.21, not 0.000001"),
        (lambda c: update(rentals).values(billing_type="monthly"), "charges until"),
        (lambda c: update(rental_terms).values(paid_until=c.now() + 9 * HOUR), "is charged until"),
        (lambda c: update(rental_terms).values(charged_from=c.now() - 9 * HOUR), "was charged last from"),
        (lambda c: update(rental_terms).values(since=c.now() - 9 * HOUR), "charges from"),
        (lambda c: update(ledger_transactions).values(until=c.now() + HOUR / 2), "charges from"),
        (
            lambda c: update(ledger_transactions).where(ledger_transactions.c.id == 3).values(term_id=None),
            "charges from",
        ),
        (lambda c: delete(rates), "is of 0.07 USD, not 0"),
    ],
)
async def test_every_sort_of_fault_of_a_rental_is_found(
    house: House, clock: FakeClock, spoil: Callable[[FakeClock], Any], told: str
) -> None:
    await priced(house)
    await charging(house)
    await rents(house, await tenant(house, has=9 * HOURLY))
    await passes(house, clock, hours=2)
    async with house.database._engine.begin() as connection:  # the books are spoiled behind everybody's back
        await connection.execute(spoil(clock))
    assert told in "\n".join(await house.product.billing.check(None))


async def test_terms_that_overlap_are_found(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    await rents(house, await tenant(house, has=9 * HOURLY))
    await charging(house, on=False)
    await passes(house, clock, hours=2)
    await charging(house)
    await passes(house, clock, hours=1)
    async with house.database._engine.begin() as connection:
        moved = update(rental_terms).where(rental_terms.c.id == 2)
        await connection.execute(moved.values(since=clock.now() - 3 * HOUR))
    assert any("and term 1 is paid until" in fault for fault in await house.product.billing.check(None))


class BrokenAt:
    """A database that is broken off in one of its coming transactions: before it, before its commit, or after it."""

    def __init__(self, database: Database, number: int, where: str) -> None:
        self._database = database
        self._left = number
        self._where = where
        self.broke = False

    def set_announcer(self, announce: Any) -> None:
        self._database.set_announcer(announce)

    @asynccontextmanager
    async def works(self) -> AsyncIterator[Work]:
        self._left -= 1
        here = self._where if self._left == 0 else ""
        self._break_off(here == "before")
        async with self._database.works() as work:
            yield work
            self._break_off(here == "before the commit")
        self._break_off(here == "after")

    def _break_off(self, now: bool) -> None:
        if now:
            self.broke = True
            raise BrokenOff


@pytest.mark.parametrize("where", ["before", "before the commit", "after"])
async def test_wherever_a_panel_is_broken_off_the_next_one_does_the_rest_and_nothing_twice(
    house: House, clock: FakeClock, where: str
) -> None:
    await priced(house)
    await charging(house)
    guest, poor = await tenant(house, has=10_000 * HOURLY), await tenant(house, "poor", has=HOURLY)
    camp = await rents(house, guest)
    locked = await rents(house, poor, name="locked")
    hours, number, broke = 1, 0, True
    while broke:
        number += 1
        clock.advance(hours=30)
        hours += 30
        database = house.database
        breaking = BrokenAt(database, number, where)
        house.database = breaking  # type: ignore[assignment]
        broken = await restarted_over(house)
        with suppress(BrokenOff):
            await broken.product.rent_collector.tick()
        broke = breaking.broke
        house.database = database
        house = await restarted(house)
        await house.product.rent_collector.tick()
        assert await house.product.billing.check(None) == []
        assert amounts(await charges(house, guest))[:100] == [HOURLY] * min(hours, 100)
        assert len(await charges(house, guest)) == hours
        assert len(await charges(house, poor)) == 1
        assert house.now(locked).server.suspended_reason == "billing"
        assert not house.now(camp).server.suspended
    assert number > 4


async def restarted_over(house: House) -> House:
    """Return a panel over the house's database, which is read without being broken off."""
    breaking = house.database
    number, breaking._left = breaking._left, 0  # type: ignore[attr-defined]
    again = await restarted(house)
    breaking._left = number  # type: ignore[attr-defined]
    return again
