"""What every keeper of the books must hold to: `core.billing.store`, as a test class to derive from.

Used as `store_suite` is. Knows no database.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.billing.errors import IsPoolMember, NoSuchPool
from innkeeper.core.billing.model import (
    INCOME,
    ISSUED,
    LedgerRef,
    Meter,
    Payer,
    Pool,
    Posting,
    Price,
    Transaction,
    stake,
    wallet,
)
from innkeeper.core.work import Work
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, SECOND, TICK, GivenUp, Stores, keep_account, refusals

MINUTE = timedelta(minutes=1)


def a_transaction(key: str, *postings: tuple[LedgerRef, int], **fields: Any) -> Transaction:
    """Return a transaction of those postings, every other field away from its default."""
    values: dict[str, Any] = {
        "uuid": uuid7(),
        "at": NOON,
        "kind": "charge",
        "text": "a “text”",
        "actor_id": 77,
        "server_id": 88,
        "meter_id": 99,
        "since": NOON - MINUTE,
        "until": NOON + TICK,
    }
    return Transaction(key=key, postings=tuple(Posting(*posting) for posting in postings), **(values | fields))


def a_meter(run_id: str, **fields: Any) -> Meter:
    """Return the meter of a run of server 88, not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "server_id": 88,
        "payer": Payer(account_id=7),
        "price": 1 << 50,
        "memory_mib": 1 << 20,
        "started_at": NOON,
        "billed_until": NOON + TICK,
        "warned": 1,
    }
    return Meter(run_id=run_id, **(values | fields))


async def posted(work: Work, transaction: Transaction) -> bool:
    """Lock what a transaction touches and post it."""
    await work.billing.lock([posting.ref for posting in transaction.postings])
    return await work.billing.post(transaction)


async def a_pool(work: Work) -> Pool:
    """Keep a pool."""
    owner = await keep_account(work)
    return await work.billing.add_pool(Pool(id=0, uuid=uuid7(), name="ours", owner_id=owner.id, created_at=NOON))


class BillingPromises:
    """`core.billing.store`."""

    async def test_the_price_of_a_moment_is_the_last_one_set_by_then(self, stores: Stores) -> None:
        async with stores.works() as work:
            first = await work.billing.add_price(Price(id=0, amount=5, at=NOON, set_by=None))
            same = await work.billing.add_price(Price(id=0, amount=6, at=NOON, set_by=77))
            last = await work.billing.add_price(Price(id=0, amount=0, at=NOON + SECOND, set_by=77))
        async with stores.works() as work:
            assert await work.billing.prices() == [first, same, last]
            moments = (NOON - TICK, NOON, NOON + SECOND - TICK, NOON + SECOND)
            assert [await work.billing.price_at(moment) for moment in moments] == [0, 6, 6, 0]

    async def test_a_posting_changes_balances_and_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        transaction = a_transaction("k", (INCOME, 3), (stake(4, 7), 1 << 52), (wallet(7), -(1 << 52) - 3))
        async with stores.works() as work:
            assert await posted(work, transaction)
        refs = [INCOME, stake(4, 7), wallet(7), wallet(8)]
        async with stores.works() as work:
            assert await work.billing.find("k") == transaction
            assert await work.billing.find("other") is None
            assert list((await work.billing.balances(refs)).values()) == [3, 1 << 52, -(1 << 52) - 3, 0]
            assert await work.billing.wallets() == {wallet(7): -(1 << 52) - 3}
            (entry,) = await work.billing.entries([stake(4, 7)], None, 10)
            assert (entry.ledger, entry.amount, entry.uuid, entry.at) == (
                stake(4, 7),
                1 << 52,
                transaction.uuid,
                NOON,
            )
            assert (entry.kind, entry.text, entry.actor_id, entry.server_id) == ("charge", "a “text”", 77, 88)
            assert (entry.since, entry.until) == (NOON - MINUTE, NOON + TICK)

    async def test_a_transaction_may_move_nothing(self, stores: Stores) -> None:
        async with stores.works() as work:
            assert await work.billing.post(a_transaction("nothing"))
            assert await work.billing.find("nothing") is not None

    async def test_of_two_transactions_of_one_key_there_is_the_first(self, stores: Stores) -> None:
        async with stores.works() as work:
            assert await posted(work, a_transaction("k", (ISSUED, -1), (wallet(7), 1)))
        async with stores.works() as work:
            assert not await posted(work, a_transaction("k", (ISSUED, -2), (wallet(7), 2)))
        async with stores.works() as work:
            assert await work.billing.balances([ISSUED, wallet(7)]) == {ISSUED: -1, wallet(7): 1}

    async def test_what_is_rolled_back_moved_nothing(self, stores: Stores) -> None:
        async with stores.rolled_back() as work:
            await posted(work, a_transaction("k", (ISSUED, -1), (wallet(7), 1)))
        async with stores.works() as work:
            assert await work.billing.wallets() == {}
            assert await posted(work, a_transaction("k", (ISSUED, -1), (wallet(7), 1)))

    async def test_of_many_who_post_at_once_every_one_counts(self, stores: Stores) -> None:
        async def one(number: int) -> None:
            async with stores.works() as work:
                ways = [(ISSUED, -1), (wallet(number % 3), 1)]
                await posted(work, a_transaction(f"key {number}", *(ways if number % 2 else reversed(ways))))

        await asyncio.gather(*(one(number) for number in range(30)))
        async with stores.works() as work:
            assert (await work.billing.balances([ISSUED]))[ISSUED] == -30
            assert await work.billing.wallets() == {wallet(number): 10 for number in range(3)}
            assert await work.billing.unbalanced(10) == []
            assert await work.billing.misstated(10) == []

    async def test_a_locked_balance_is_nobody_elses_until_the_end(self, stores: Stores) -> None:
        """Two who may spend only what is there do not spend it twice."""
        async with stores.works() as work:
            await posted(work, a_transaction("given", (ISSUED, -10), (wallet(7), 10)))

        async def spend(number: int) -> bool:
            async with stores.works() as work:
                balance = (await work.billing.lock([INCOME, wallet(7)]))[wallet(7)]
                await asyncio.sleep(0)
                if balance < 10:
                    return False
                return await work.billing.post(a_transaction(f"spent {number}", (INCOME, 10), (wallet(7), -10)))

        assert sorted(await asyncio.gather(*(spend(number) for number in range(5)))) == [False] * 4 + [True]

    async def test_entries_are_paged_from_the_newest_on(self, stores: Stores) -> None:
        refs = [stake(1, 7), stake(1, 8)]
        async with stores.works() as work:
            for number in range(3):
                await posted(work, a_transaction(f"{number}", (refs[0], number), (refs[1], -number)))
        async with stores.works() as work:
            found, before = [], None
            while page := await work.billing.entries(refs, before, 2 if before else 1):
                found += [(entry.amount, entry.ledger.account_id) for entry in page]
                before = (page[-1].id, page[-1].ledger.name)
            assert found == [(2, 7), (-2, 8), (1, 7), (-1, 8), (0, 7), (0, 8)]

    # -- pools --------------------------------------------------------------------------------------------------------

    async def test_a_pool_has_its_owner_for_a_member_from_the_beginning(self, stores: Stores) -> None:
        async with stores.works() as work:
            pool, other = await a_pool(work), await a_pool(work)
        async with stores.works() as work:
            assert await work.billing.get_pool(pool.id) == pool
            assert await work.billing.lock_pool(pool.id) == pool
            assert await work.billing.lock_pool(other.id + 1) is None
            assert await work.billing.pools(None) == [pool, other]
            assert await work.billing.pools(pool.owner_id) == [pool]
            assert await work.billing.stakes([pool.id, 4711]) == {pool.id: {pool.owner_id: 0}, 4711: {}}
            with pytest.raises(NoSuchAccount):
                await work.billing.add_pool(replace(pool, uuid=uuid7(), owner_id=pool.owner_id + 1000))

    async def test_members_come_in_the_order_in_which_they_joined_with_what_they_have(self, stores: Stores) -> None:
        async with stores.works() as work:
            pool = await a_pool(work)
            late, early = await keep_account(work), await keep_account(work)
            await work.billing.add_member(pool.id, late.id, NOON + SECOND)
            await work.billing.add_member(pool.id, early.id, NOON + TICK)
            await posted(work, a_transaction("k", (ISSUED, -5), (stake(pool.id, early.id), 5)))
        async with stores.works() as work:
            stakes = (await work.billing.stakes([pool.id]))[pool.id]
            assert list(stakes.items()) == [(pool.owner_id, 0), (early.id, 5), (late.id, 0)]
            with pytest.raises(IsPoolMember):
                await work.billing.add_member(pool.id, late.id, NOON)
            with pytest.raises(NoSuchAccount):
                await work.billing.add_member(pool.id, late.id + 1000, NOON)
            assert await work.billing.remove_member(pool.id, late.id)
            assert not await work.billing.remove_member(pool.id, late.id)
            assert await work.billing.strays(10) == []
            await work.billing.remove_member(pool.id, early.id)
            assert await work.billing.strays(10) == [stake(pool.id, early.id)]

    async def test_a_pool_is_renamed_and_deleted_with_its_memberships(self, stores: Stores) -> None:
        async with stores.works() as work:
            pool = await a_pool(work)
            await work.billing.rename_pool(pool.id, "yours")
            assert await work.billing.get_pool(pool.id) == replace(pool, name="yours")
            await work.billing.delete_pool(pool.id)
        async with stores.works() as work:
            assert await work.billing.pools(None) == []
            assert await work.billing.stakes([pool.id]) == {pool.id: {}}
            with pytest.raises(NoSuchPool):
                await work.billing.rename_pool(pool.id, "mine")

    async def test_of_two_who_add_one_member_one_does(self, stores: Stores) -> None:
        async with stores.works() as work:
            pool, account = await a_pool(work), await keep_account(work)

        async def add() -> None:
            async with stores.works() as work:
                await work.billing.add_member(pool.id, account.id, NOON)

        assert await refusals(add(), add(), add()) == [IsPoolMember, IsPoolMember]

    # -- meters -------------------------------------------------------------------------------------------------------

    async def test_a_run_has_one_meter(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = await work.billing.add_meter(a_meter("a"))
            assert kept == replace(a_meter("a"), id=kept.id)
            assert await work.billing.add_meter(a_meter("a", price=1, payer=Payer(pool_id=3))) == kept
            pooled = await work.billing.add_meter(a_meter("a", server_id=89, payer=Payer(pool_id=3)))
        async with stores.works() as work:
            assert await work.billing.find_meter(88, "a") == kept
            assert await work.billing.find_meter(88, "b") is None
            assert await work.billing.open_meters() == [kept, pooled]
            assert await work.billing.open_meters(89) == [pooled]

    async def test_a_meter_moves_only_from_where_it_is_thought_to_be(self, stores: Stores) -> None:
        until = NOON + MINUTE
        async with stores.works() as work:
            meter = await work.billing.add_meter(a_meter("a"))
            for other in (
                replace(meter, billed_until=NOON),
                replace(meter, ended_at=NOON),
                replace(meter, payer=Payer(account_id=8)),
                replace(meter, payer=Payer(pool_id=7)),
                replace(meter, id=meter.id + 1),
            ):
                assert await work.billing.advance(other, until, None) is None
            moved = await work.billing.advance(meter, until, None)
            assert moved == replace(meter, billed_until=until)
            assert moved is not None
            ended = await work.billing.advance(moved, NOON, NOON)
            assert ended == replace(meter, billed_until=NOON, ended_at=NOON)
        async with stores.works() as work:
            assert await work.billing.find_meter(88, "a") == ended
            assert await work.billing.open_meters() == []

    async def test_of_many_who_move_a_meter_at_once_one_does(self, stores: Stores) -> None:
        async with stores.works() as work:
            meter = await work.billing.add_meter(a_meter("a"))

        async def move(until: datetime) -> Meter | None:
            async with stores.works() as work:
                return await work.billing.advance(meter, until, None)

        moved = await asyncio.gather(*(move(NOON + number * SECOND) for number in range(1, 6)))
        assert sum(one is not None for one in moved) == 1

    async def test_who_pays_for_an_open_run_can_be_changed(self, stores: Stores) -> None:
        async with stores.works() as work:
            meter = await work.billing.add_meter(a_meter("a"))
            ended = await work.billing.add_meter(a_meter("b", ended_at=NOON))
            await work.billing.repoint(88, Payer(pool_id=5))
        async with stores.works() as work:
            assert await work.billing.open_meters() == [replace(meter, payer=Payer(pool_id=5))]
            assert await work.billing.find_meter(88, "b") == ended

    async def test_of_two_who_note_a_warning_one_does(self, stores: Stores) -> None:
        async with stores.works() as work:
            meter = await work.billing.add_meter(a_meter("a"))
        async with stores.works() as work:
            assert await work.billing.warn(meter, 2)
            assert not await work.billing.warn(meter, 2)

    async def test_meters_come_with_their_steps_in_order(self, stores: Stores) -> None:
        async with stores.works() as work:
            first, second = await work.billing.add_meter(a_meter("a")), await work.billing.add_meter(a_meter("b"))
            for number in range(2):
                since = NOON + number * SECOND
                earned = ((INCOME, number), (wallet(7), -number)) if number else ()
                step = a_transaction(f"{number}", *earned, meter_id=second.id, since=since, until=since + SECOND)
                await posted(work, step)
        async with stores.works() as work:
            (one,) = await work.billing.metered(0, 1)
            assert one == (first, [])
            ((meter, steps),) = await work.billing.metered(first.id, 10)
            assert meter == second
            assert [(step.since, step.until, step.amount) for step in steps] == [
                (NOON, NOON + SECOND, 0),
                (NOON + SECOND, NOON + 2 * SECOND, 1),
            ]
            assert await work.billing.metered(second.id, 10) == []

    async def test_an_exception_leaves_meter_and_money_together(self, stores: Stores) -> None:
        async with stores.works() as work:
            meter = await work.billing.add_meter(a_meter("a"))
        with pytest.raises(GivenUp):
            async with stores.works() as work:
                await work.billing.advance(meter, NOON + MINUTE, None)
                await posted(work, a_transaction("k", (INCOME, 1), (wallet(7), -1)))
                raise GivenUp
        async with stores.works() as work:
            assert await work.billing.find_meter(88, "a") == meter
            assert await work.billing.wallets() == {}
