"""What every keeper of rentals must hold to: `core.billing.rental_store`, as a test class to derive from.

Used as `store_suite` is. Knows no database.
"""

import asyncio
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from innkeeper.core.billing.model import Posting, Transaction, income, wallet
from innkeeper.core.billing.rental_model import Rate, Rental, Term
from innkeeper.core.work import Work
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, SECOND, TICK, Stores

HOUR = timedelta(hours=1)


def a_rental(server_id: int, **fields: Any) -> Rental:
    """Return a rental that is not kept yet, every field away from its default."""
    values: dict[str, Any] = {
        "id": 0,
        "account_id": 7,
        "plan": "luanti.small",
        "billing_type": "hourly",
        "currency": "CHF",
        "since": NOON,
        "unpaid_since": NOON + TICK,
        "month": NOON - TICK,
        "spent": 1 << 50,
        "warned": 1,
        "closed_at": NOON + SECOND,
    }
    return Rental(server_id=server_id, **(values | fields))


def an_open_rental(server_id: int, **fields: Any) -> Rental:
    """Return a rental that is charged and paid."""
    return a_rental(server_id, **({"unpaid_since": None, "closed_at": None} | fields))


async def a_term(work: Work, rental: Rental, **fields: Any) -> Term:
    """Keep a term of a rental, paid for an hour."""
    values: dict[str, Any] = {
        "since": NOON,
        "paid_until": NOON + HOUR,
        "charged_from": NOON,
        "charging_since": NOON - HOUR,
    }
    return await work.rentals.add_term(Term(id=0, rental_id=rental.id, **(values | fields)))


def a_rate(**fields: Any) -> Rate:
    """Return a rate that is not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "plan": "luanti.small",
        "currency": "CHF",
        "hourly": 1 << 50,
        "monthly": 1 << 51,
        "at": NOON,
    }
    return Rate(**(values | fields))


class RentalPromises:
    """`core.billing.rental_store`."""

    async def test_a_rental_comes_back_as_it_was_kept_with_its_newest_term(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = await work.rentals.add(a_rental(88))
            other = await work.rentals.add(an_open_rental(89))
            assert kept == a_rental(88, id=kept.id)
            await a_term(work, kept)
            newest = await a_term(work, kept, since=NOON + TICK)
        async with stores.works() as work:
            assert await work.rentals.find(88) == await work.rentals.lock(88) == replace(kept, term=newest)
            assert await work.rentals.find(89) == await work.rentals.lock(89) == other
            assert await work.rentals.find(90) is None
            assert await work.rentals.lock(90) is None

    async def test_what_changes_of_a_rental_is_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = await work.rentals.add(a_rental(88))
            changed = replace(
                kept, since=NOON - TICK, unpaid_since=None, month=NOON, spent=3, warned=0, closed_at=None, term=None
            )
            await work.rentals.update(changed)
        async with stores.works() as work:
            assert await work.rentals.find(88) == changed

    async def test_those_are_due_that_are_not_paid_beyond_then_or_do_not_go_on(self, stores: Stores) -> None:
        switched = NOON - HOUR
        async with stores.works() as work:
            rentals = [await work.rentals.add(an_open_rental(number)) for number in range(1, 7)]
            new, paid, _due, stale, returned, closed = rentals
            await a_term(work, paid, paid_until=NOON + HOUR + TICK)
            await a_term(work, _due)
            await a_term(work, stale, paid_until=NOON + 9 * HOUR, charging_since=switched - TICK)
            await a_term(work, returned, paid_until=NOON + 9 * HOUR, since=NOON - TICK)
            await a_term(work, closed)
            await work.rentals.update(replace(closed, closed_at=NOON))
            unpaid = await work.rentals.add(an_open_rental(9, unpaid_since=NOON))
            await a_term(work, unpaid, paid_until=NOON + 9 * HOUR)
        async with stores.works() as work:
            due = await work.rentals.due(NOON + HOUR, switched, 0, 10)
            assert [one.id for one in due] == [new.id, _due.id, stale.id, returned.id, unpaid.id]
            assert due[0].term is None
            assert due[1].term is not None
            some = await work.rentals.due(NOON + HOUR, switched, new.id, 2)
            assert [one.id for one in some] == [_due.id, stale.id]
            assert await work.rentals.unpaid() == {9}
            assert await work.rentals.plans_in_use() == ["luanti.small"]

    async def test_a_term_is_paid_on_only_from_where_it_is_thought_to_be(self, stores: Stores) -> None:
        async with stores.works() as work:
            term = await a_term(work, await work.rentals.add(an_open_rental(88)))
            assert await work.rentals.advance(replace(term, paid_until=NOON), NOON + 2 * HOUR) is None
            moved = await work.rentals.advance(term, NOON + 2 * HOUR)
            assert moved == replace(term, paid_until=NOON + 2 * HOUR, charged_from=NOON + HOUR)
            assert await work.rentals.advance(term, NOON + 2 * HOUR) is None
        async with stores.works() as work:
            found = await work.rentals.find(88)
            assert found is not None
            assert found.term == moved

    async def test_whoever_locks_a_rental_sees_what_the_one_before_did(self, stores: Stores) -> None:
        async with stores.works() as work:
            term = await a_term(work, await work.rentals.add(an_open_rental(88)))

        async def pay() -> None:
            async with stores.works() as work:
                rental = await work.rentals.lock(88)
                assert rental is not None
                assert rental.term is not None
                assert await work.rentals.advance(rental.term, rental.term.paid_until + HOUR) is not None
                await work.rentals.update(replace(rental, spent=rental.spent + 1))

        await asyncio.gather(*(pay() for _ in range(8)))
        async with stores.works() as work:
            found = await work.rentals.find(88)
            assert found is not None
            assert found.term is not None
            assert (found.term.paid_until, found.spent) == (term.paid_until + 8 * HOUR, (1 << 50) + 8)

    async def test_of_two_who_note_a_warning_one_does(self, stores: Stores) -> None:
        async with stores.works() as work:
            rental = await work.rentals.add(an_open_rental(88))
        async with stores.works() as work:
            assert await work.rentals.warn(rental, 2)
            assert not await work.rentals.warn(rental, 2)

    async def test_the_rate_of_a_moment_is_the_last_by_then_or_the_first(self, stores: Stores) -> None:
        async with stores.works() as work:
            assert await work.rentals.rate_at("luanti.small", "CHF", NOON) is None
            first = await work.rentals.add_rate(a_rate())
            same = await work.rentals.add_rate(a_rate(hourly=5))
            last = await work.rentals.add_rate(a_rate(at=NOON + SECOND))
            other = await work.rentals.add_rate(a_rate(currency="EUR"))
            await work.rentals.add_rate(a_rate(plan="luanti.large"))
        async with stores.works() as work:
            moments = (NOON - TICK, NOON, NOON + SECOND - TICK, NOON + SECOND)
            found = [await work.rentals.rate_at("luanti.small", "CHF", moment) for moment in moments]
            assert found == [first, same, same, last]
            assert await work.rentals.newest_rate("luanti.small", "CHF") == last
            assert await work.rentals.newest_rate("luanti.small", "USD") is None
            assert await work.rentals.rates("luanti.small", "CHF") == [first, same, last]
            assert await work.rentals.rates("luanti.small") == [first, same, other, last]
            assert len(await work.rentals.rates()) == 5

    async def test_the_last_charge_at_a_plans_rates_is_known(self, stores: Stores) -> None:
        async with stores.works() as work:
            assert await work.rentals.charged_last("luanti.small", "CHF") is None
            one, two = await work.rentals.add(a_rental(88)), await work.rentals.add(an_open_rental(89))
            await a_term(work, one, charged_from=NOON + TICK)
            await a_term(work, two)
            await a_term(work, await work.rentals.add(a_rental(90, currency="EUR")), charged_from=NOON + HOUR)
        async with stores.works() as work:
            assert await work.rentals.charged_last("luanti.small", "CHF") == NOON + TICK

    async def test_rentals_come_with_their_terms_and_charges_in_order(self, stores: Stores) -> None:
        async with stores.works() as work:
            first, second = await work.rentals.add(a_rental(88)), await work.rentals.add(an_open_rental(89))
            terms = [await a_term(work, second), await a_term(work, second, since=NOON + 2 * HOUR)]
            await work.billing.lock([income("CHF"), wallet(7, "CHF"), income("EUR"), wallet(7, "EUR")])
            for number, (term, code) in enumerate([(terms[0], "CHF"), (terms[0], "EUR"), (terms[1], "CHF")]):
                postings = (Posting(income(code), number + 1), Posting(wallet(7, code), -number - 1))
                charge = Transaction(
                    uuid=uuid7(),
                    at=NOON,
                    kind="charge",
                    key=f"{number}",
                    postings=postings,
                    term_id=term.id,
                    since=NOON + number * HOUR,
                    until=NOON + (number + 1) * HOUR,
                )
                assert await work.billing.post(charge)
        async with stores.works() as work:
            (one,) = await work.rentals.histories(0, 1)
            assert (one.rental, one.terms, one.steps) == (first, [], [])
            (two,) = await work.rentals.histories(first.id, 10)
            assert (two.rental, two.terms) == (replace(second, term=terms[1]), terms)
            assert [(step.term_id, step.since, step.until, step.amount) for step in two.steps] == [
                (terms[0].id, NOON, NOON + HOUR, 1),
                (terms[0].id, NOON + HOUR, NOON + 2 * HOUR, 0),
                (terms[1].id, NOON + 2 * HOUR, NOON + 3 * HOUR, 3),
            ]
            assert await work.rentals.histories(second.id, 10) == []
            assert await work.billing.mixed(10) == []
            assert await work.billing.unbalanced(10) == []
            assert await work.billing.wallets(7) == {wallet(7, "CHF"): -4, wallet(7, "EUR"): -2}
