"""Wallets and prices, their history, deleting accounts, and faults in the books that are found."""

import pytest
from sqlalchemy import update

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.billing.errors import AccountOwnsPools, AmountIsInvalid, KeyWasUsed
from innkeeper.core.billing.model import ISSUED, LedgerRef, Posting, Transaction, stake, wallet
from innkeeper.core.billing.service import MAX_PRICE
from innkeeper.kit.ids import uuid7
from innkeeper.kit.money import MICRO
from innkeeper.kit.pages import BadCursor
from innkeeper.storage.schema import ledger_entries, ledgers, meters
from innkeeper.testing.products import House
from tests.unit.core.billing.conftest import PRICE, camp, guest, passes, started
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock, restarted


async def test_wallets_start_at_nothing_and_are_topped_up_by_who_may(house: House) -> None:
    owner, root, billing = await guest(house, "owner"), house.actor(house.root), house.product.billing
    assert billing.balance(owner.account.id) == 0
    with pytest.raises(PermissionIsMissing):
        await billing.top_up(owner, owner.account.id, MICRO)
    await billing.top_up(root, owner.account.id, 5 * MICRO)
    await billing.adjust(root, owner.account.id, -6 * MICRO, text="given by mistake")
    assert billing.balance(owner.account.id) == -MICRO
    with pytest.raises(NoSuchAccount):
        await billing.top_up(root, 4711, MICRO)
    for amount in (0, -1, 10**18):
        with pytest.raises(AmountIsInvalid):
            await billing.top_up(root, owner.account.id, amount)
    assert (await restarted(house)).product.billing.balance(owner.account.id) == -MICRO


async def test_two_top_ups_of_one_key_are_one(house: House) -> None:
    owner, root, billing = await guest(house, "owner"), house.actor(house.root), house.product.billing
    first = await billing.top_up(root, owner.account.id, MICRO, key="invoice 7")
    assert await billing.top_up(root, owner.account.id, MICRO, key="invoice 7") == first
    assert billing.balance(owner.account.id) == MICRO
    with pytest.raises(KeyWasUsed):
        await billing.adjust(root, owner.account.id, MICRO, text="", key="invoice 7")


async def test_the_history_of_a_wallet_is_its_owners_and_comes_in_pages(house: House) -> None:
    owner, other = await guest(house, "owner"), await guest(house, "other")
    billing, root = house.product.billing, house.actor(house.root)
    for amount in range(1, 6):
        await billing.top_up(root, owner.account.id, amount, text=f"gift {amount}")
    page = await billing.entries(owner, limit=3)
    rest = await billing.entries(owner, cursor=page.next, limit=3)
    assert [entry.amount for entry in (*page.items, *rest.items)] == [5, 4, 3, 2, 1]
    assert (rest.next, page.items[0].text, page.items[0].actor_id) == (None, "gift 5", house.root.id)
    with pytest.raises(NoSuchAccount):
        await billing.entries(other, account_id=owner.account.id)
    assert len((await billing.entries(root, account_id=owner.account.id)).items) == 5
    with pytest.raises(BadCursor):
        await billing.entries(owner, cursor="bm8")


async def test_the_history_of_a_pool_is_paged_within_a_transaction_too(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    members = [await guest(priced, f"guest{number}", has=10) for number in range(3)]
    owner, billing = members[0], priced.product.billing
    pool = await billing.create_pool(owner, "ours")
    for member in members:
        if member is not owner:
            await billing.add_member(owner, pool.id, member.account.id)
        await billing.deposit(member, pool.id, 4 * MICRO)
    server = await camp(priced, owner)
    await billing.assign(owner, server, pool.id)
    await started(priced, node, server, owner)
    await passes(priced, clock, minutes=1)
    found, cursor = [], None
    while True:
        page = await billing.entries(members[2], pool_id=pool.id, cursor=cursor, limit=2)
        found += [(entry.kind, entry.ledger.account_id) for entry in page.items]
        cursor = page.next
        if cursor is None:
            break
    ids = [member.account.id for member in members]
    assert found == [*(("charge", one) for one in ids), *(("deposit", one) for one in reversed(ids))]


async def test_prices_have_a_history_and_are_set_by_who_may(house: House, clock: FakeClock) -> None:
    billing, root = house.product.billing, house.actor(house.root)
    assert (billing.price, billing.price_history()) == (0, [])
    with pytest.raises(PermissionIsMissing):
        await billing.set_price(await guest(house, "owner"), 1)
    for amount in (-1, MAX_PRICE + 1):
        with pytest.raises(AmountIsInvalid):
            await billing.set_price(root, amount)
    first = await billing.set_price(root, PRICE)
    clock.advance(hours=1)
    second = await billing.set_price(root, 0)
    assert (billing.price, billing.price_history()) == (0, [first, second])
    assert (await restarted(house)).product.billing.price_history() == [first, second]


async def test_a_deleted_accounts_stakes_and_wallet_are_settled(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner, other = await guest(priced, "owner", has=10), await guest(priced, "other", has=10)
    billing, root = priced.product.billing, priced.actor(priced.root)
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.deposit(other, pool.id, 4 * MICRO)
    server = await camp(priced, owner)
    await priced.share(server, other.account, "server.view", "power.start")
    await started(priced, node, server, priced.actor(other.account), own_credits=True)
    clock.advance(minutes=1)
    priced.product.nodes.heard(priced.node.id)
    with pytest.raises(AccountOwnsPools):
        # Its server is gone before: what refuses is the pool.
        lone = await guest(priced, "lone")
        await billing.create_pool(lone, "mine")
        await priced.product.accounts.delete(root, lone.account.uuid)
    await priced.product.accounts.delete(root, other.account.uuid)
    async with priced.database.works() as work:
        left = [wallet(other.account.id), stake(pool.id, other.account.id)]
        assert set((await work.billing.balances(left)).values()) == {0}
        assert (await work.billing.balances([ISSUED]))[ISSUED] == -11 * MICRO
    await passes(priced, clock, minutes=1)
    assert billing.balance(owner.account.id) == 9 * MICRO


# -- the books -------------------------------------------------------------------------------------------------------


def test_a_transaction_that_does_not_sum_to_zero_cannot_be_made(clock: FakeClock) -> None:
    postings = (Posting(ISSUED, -1), Posting(LedgerRef("wallet", 1), 2))
    with pytest.raises(ValueError, match="sum to zero"):
        Transaction(uuid=uuid7(), at=clock.now(), kind="top_up", key="k", postings=postings)


async def test_every_sort_of_fault_in_the_books_is_found(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner, billing = await guest(priced, "owner", has=10), priced.product.billing
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    await passes(priced, clock, minutes=1)

    async def faults_after(statement: object) -> str:
        engine = priced.database._engine  # the books are spoiled behind everybody's back
        async with engine.begin() as connection:
            await connection.execute(statement)  # type: ignore[call-overload]
        return "\n".join(await billing.check(priced.actor(priced.root)))

    assert await billing.check(None) == []
    told = await faults_after(update(ledgers).where(ledgers.c.name == "income").values(balance=7))
    assert "ledger income has 0.000007 credits, its entries sum to 1" in told
    told = await faults_after(update(ledger_entries).where(ledger_entries.c.ledger == "income").values(amount=2))
    assert "sums to" in told
    assert "is of 0.000002 credits, not 1" in told
    told = await faults_after(update(meters).values(billed_until=clock.now(), ended_at=clock.now().replace(year=2030)))
    assert "it ended at 2030" in told
    told = await faults_after(update(meters).values(started_at=clock.now().replace(year=2020)))
    assert "not from 2020" in told
    told = await faults_after(update(meters).values(billed_until=clock.now().replace(year=2031)))
    assert "its meter says 2031" in told
    with pytest.raises(PermissionIsMissing):
        await billing.check(owner)
