"""Credit pools: whose credits they are, who may do what, and that none is lost whatever members do."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.billing.errors import (
    AmountIsInvalid,
    CreditsAreExhausted,
    IsPoolMember,
    KeyIsInvalid,
    KeyWasUsed,
    NoSuchPool,
    NoSuchPoolMember,
    OwnerStaysInPool,
    PoolNameIsInvalid,
    TooManyPools,
)
from innkeeper.core.billing.pools import MAX_POOLS
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.conftest import camp, guest, passes, started
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock


async def test_an_empty_pool_is_wholly_its_only_members(house: House) -> None:
    owner, billing = await guest(house, "owner"), house.product.billing
    pool = await billing.create_pool(owner, "ours")
    (standing,) = await billing.pools(owner)
    assert standing == await billing.pool(owner, pool.id)
    assert (standing.pool, standing.balance, standing.members, standing.servers) == (pool, 0, 1, 0)
    assert (standing.own_stake, standing.own_share) == (0, 1.0)
    other = await guest(house, "other")
    await billing.add_member(owner, pool.id, other.account.id)
    assert [stake.share for stake in await billing.members(owner, pool.id)] == [0.0, 0.0]


async def test_shares_are_what_each_member_put_in(house: House) -> None:
    owner, other = await guest(house, "owner", has=30), await guest(house, "other", has=30)
    billing = house.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.deposit(owner, pool.id, 5 * MICRO)
    await billing.deposit(other, pool.id, 15 * MICRO)
    mine, theirs = await billing.members(other, pool.id)
    assert (mine.account_id, mine.amount, mine.share, mine.is_owner) == (owner.account.id, 5 * MICRO, 0.25, True)
    assert (theirs.amount, theirs.share, theirs.is_owner) == (15 * MICRO, 0.75, False)
    assert (await billing.pool(other, pool.id)).balance == 20 * MICRO
    await billing.withdraw(other, pool.id, 15 * MICRO)
    assert billing.balance(other.account.id) == 30 * MICRO
    assert await billing.check(None) == []


async def test_nobody_moves_more_than_there_is(house: House) -> None:
    owner, billing = await guest(house, "owner", has=2), house.product.billing
    pool = await billing.create_pool(owner, "ours")
    with pytest.raises(CreditsAreExhausted):
        await billing.deposit(owner, pool.id, 2 * MICRO + 1)
    await billing.deposit(owner, pool.id, 2 * MICRO)
    with pytest.raises(CreditsAreExhausted):
        await billing.withdraw(owner, pool.id, 2 * MICRO + 1)
    for amount in (0, -1, 10**18):
        with pytest.raises(AmountIsInvalid):
            await billing.deposit(owner, pool.id, amount)


async def test_a_repeated_deposit_of_one_key_is_made_once(house: House) -> None:
    owner, billing = await guest(house, "owner", has=10), house.product.billing
    pool = await billing.create_pool(owner, "ours")
    first = await billing.deposit(owner, pool.id, MICRO, key="once")
    again = await billing.deposit(owner, pool.id, MICRO, key="once")
    assert (again.uuid, billing.balance(owner.account.id)) == (first.uuid, 9 * MICRO)
    with pytest.raises(KeyWasUsed):
        await billing.deposit(owner, pool.id, 2 * MICRO, key="once")
    for key in ("", "a\nb", "k" * 101):
        with pytest.raises(KeyIsInvalid):
            await billing.deposit(owner, pool.id, MICRO, key=key)


async def test_for_whoever_is_no_member_there_is_no_such_pool(house: House) -> None:
    owner, other = await guest(house, "owner"), await guest(house, "other", has=5)
    billing = house.product.billing
    pool = await billing.create_pool(owner, "ours")
    mine = await camp(house, other)
    for attempt in (
        billing.pool(other, pool.id),
        billing.members(other, pool.id),
        billing.servers_of(other, pool.id),
        billing.entries(other, pool_id=pool.id),
        billing.deposit(other, pool.id, 1),
        billing.withdraw(other, pool.id, 1),
        billing.leave(other, pool.id),
        billing.rename_pool(other, pool.id, "mine"),
        billing.delete_pool(other, pool.id),
        billing.add_member(other, pool.id, other.account.id),
        billing.remove_member(other, pool.id, owner.account.id),
        billing.assign(other, mine, pool.id),
    ):
        with pytest.raises(NoSuchPool):
            await attempt
    assert await billing.pools(other) == []
    with pytest.raises(PermissionIsMissing):
        await billing.pools(other, everybodys=True)
    assert [standing.pool for standing in await billing.pools(house.actor(house.root), everybodys=True)] == [pool]
    assert (await billing.pool(house.actor(house.root), pool.id)).own_share == 0.0


async def test_a_member_is_no_owner(house: House) -> None:
    owner, other = await guest(house, "owner"), await guest(house, "other")
    billing = house.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    for attempt in (
        billing.rename_pool(other, pool.id, "mine"),
        billing.delete_pool(other, pool.id),
        billing.add_member(other, pool.id, house.root.id),
        billing.remove_member(other, pool.id, owner.account.id),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    with pytest.raises(IsPoolMember):
        await billing.add_member(owner, pool.id, other.account.id)
    with pytest.raises(NoSuchAccount):
        await billing.add_member(owner, pool.id, 4711)
    with pytest.raises(NoSuchPoolMember):
        await billing.remove_member(owner, pool.id, house.root.id)
    with pytest.raises(OwnerStaysInPool):
        await billing.leave(owner, pool.id)
    assert (await billing.rename_pool(owner, pool.id, "yours")).name == "yours"
    with pytest.raises(PoolNameIsInvalid):
        await billing.rename_pool(owner, pool.id, " ")


async def test_a_key_of_few_permissions_moves_no_credits(house: House) -> None:
    owner, billing = await guest(house, "owner", has=5), house.product.billing
    pool = await billing.create_pool(owner, "ours")
    server = await camp(house, owner)
    narrow = house.product.authority.authenticate(await house.key(owner.account, "server.view", "power.start"), "api")
    for attempt in (
        billing.create_pool(narrow, "another"),
        billing.rename_pool(narrow, pool.id, "another"),
        billing.deposit(narrow, pool.id, 1),
        billing.withdraw(narrow, pool.id, 1),
        billing.assign(narrow, server, pool.id),
        billing.unassign(narrow, server),
        billing.add_member(narrow, pool.id, house.root.id),
        billing.leave(narrow, pool.id),
        billing.delete_pool(narrow, pool.id),
        billing.top_up(narrow, owner.account.id, 1),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    assert [standing.pool for standing in await billing.pools(narrow)] == [pool]


async def test_an_account_owns_so_many_pools(house: House) -> None:
    owner, billing = await guest(house, "owner"), house.product.billing
    for number in range(MAX_POOLS):
        await billing.create_pool(owner, f"pool {number}")
    with pytest.raises(TooManyPools):
        await billing.create_pool(owner, "one more")


# -- servers that a pool pays for ------------------------------------------------------------------------------------


async def test_a_pool_pays_in_proportion_and_to_the_last_micro_credit(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner, other = await guest(priced, "owner", has=30), await guest(priced, "other", has=30)
    billing = priced.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.deposit(owner, pool.id, 20 * MICRO)
    await billing.deposit(other, pool.id, 10 * MICRO)
    server = await camp(priced, other)
    await billing.assign(other, server, pool.id)
    assert [record.server.id for record in await billing.servers_of(owner, pool.id)] == [server.server.id]
    await started(priced, node, server, other)
    await passes(priced, clock, minutes=1)
    assert [stake.amount for stake in await billing.members(owner, pool.id)] == [19_333_333, 9_666_667]
    assert billing.balance(other.account.id) == 20 * MICRO


async def test_what_nobody_has_is_the_owners_debt(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner, other = await guest(priced, "owner", has=30), await guest(priced, "other", has=30)
    billing = priced.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.deposit(other, pool.id, 3 * MICRO)
    server = await camp(priced, owner)
    await billing.assign(owner, server, pool.id)
    await started(priced, node, server, owner)
    clock.advance(minutes=5)
    node.end(server.server.uuid)
    await node.report(priced, server)
    assert [stake.amount for stake in await billing.members(owner, pool.id)] == [-2 * MICRO, 0]
    assert (await billing.pool(owner, pool.id)).balance == -2 * MICRO
    await billing.delete_pool(owner, pool.id)
    assert billing.balance(owner.account.id) == 28 * MICRO
    assert priced.now(server).server.pool_id is None
    assert await billing.check(None) == []


async def test_a_server_put_into_a_pool_while_it_runs_is_paid_by_it_from_then_on(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner, billing = await guest(priced, "owner", has=30), priced.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.deposit(owner, pool.id, 10 * MICRO)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    clock.advance(seconds=30)
    priced.product.nodes.heard(priced.node.id)
    await billing.assign(owner, server, pool.id)
    await passes(priced, clock, seconds=60)
    assert (await billing.pool(owner, pool.id)).balance == 9 * MICRO
    await billing.unassign(owner, priced.now(server))
    await passes(priced, clock, seconds=60)
    assert (await billing.pool(owner, pool.id)).balance == 9 * MICRO
    assert billing.balance(owner.account.id) == 20 * MICRO - 3 * MICRO // 2
    assert await billing.check(None) == []


async def test_who_leaves_pays_first_gets_the_rest_and_takes_their_servers_along(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner, other = await guest(priced, "owner", has=10), await guest(priced, "other", has=10)
    billing = priced.product.billing
    pool = await billing.create_pool(owner, "ours")
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.deposit(owner, pool.id, 10 * MICRO)
    await billing.deposit(other, pool.id, 10 * MICRO)
    theirs = await camp(priced, other)
    await billing.assign(other, theirs, pool.id)
    await started(priced, node, theirs, other)
    clock.advance(minutes=2)
    priced.product.nodes.heard(priced.node.id)
    await billing.leave(other, pool.id)
    assert billing.balance(other.account.id) == 9 * MICRO
    assert (await billing.pool(owner, pool.id)).balance == 9 * MICRO
    assert priced.now(theirs).server.pool_id is None
    await passes(priced, clock, minutes=1)
    assert billing.balance(other.account.id) == 8 * MICRO
    with pytest.raises(NoSuchPool):
        await billing.pool(other, pool.id)


async def test_only_its_owner_puts_a_server_into_a_pool_and_the_pools_owner_may_take_it_out(house: House) -> None:
    owner, other = await guest(house, "owner"), await guest(house, "other")
    billing = house.product.billing
    pool = await billing.create_pool(owner, "ours")
    server = await camp(house, other)
    with pytest.raises(PermissionIsMissing):
        await billing.assign(owner, server, pool.id)
    await billing.add_member(owner, pool.id, other.account.id)
    await billing.assign(other, server, pool.id)
    assert (await billing.unassign(owner, house.now(server))).pool_id is None
    with pytest.raises(PermissionIsMissing):
        await billing.unassign(owner, house.now(server))
