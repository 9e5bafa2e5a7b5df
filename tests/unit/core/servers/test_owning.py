"""How many servers an account may own: as it says itself, else as the house does; and who may say it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.model import Account
from innkeeper.core.servers.errors import LimitIsInvalid, TooManyServers
from innkeeper.panel.product import Settings
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock, restarted


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    settings = Settings(most_servers=2, deletion_grace=timedelta(hours=24))
    async with House.open(tmp_path, clock=clock, settings=settings) as opened:
        yield opened


async def fill(house: House, owner: Account, count: int) -> None:
    """Make so many servers for an account, and have one more refused."""
    for number in range(count):
        await house.server(owner=owner, name=f"camp {number}")
    ports = len(house.gateway.desired)
    with pytest.raises(TooManyServers, match=f": {count},") as caught:
        await house.server(owner=owner)
    assert caught.value.data == {"limit": count}
    assert len(house.gateway.desired) == ports


async def allow(house: House, account: Account, count: int | None) -> Account:
    return await house.product.accounts.change(house.actor(house.root), account.uuid, most_servers=count)


async def test_an_account_owns_as_many_servers_as_the_house_allows(house: House) -> None:
    anna, bert = await house.account("anna"), await house.account("bert")
    await fill(house, anna, 2)
    await fill(house, bert, 2)


async def test_what_an_account_says_comes_before_what_the_house_allows(house: House) -> None:
    anna, bert = await house.account("anna"), await house.account("bert")
    await allow(house, anna, 3)
    await fill(house, anna, 3)
    await allow(house, bert, 0)
    await fill(house, bert, 0)
    await allow(house, bert, None)
    await fill(house, bert, 2)
    again = await restarted(house)
    assert again.product.authority.accounts[anna.id].most_servers == 3


async def test_a_superuser_is_bound_by_nothing_but_its_own_account(house: House) -> None:
    for number in range(3):
        await house.server(owner=house.root, name=f"camp {number}")
    other = await house.account("other", superuser=True)
    await allow(house, other, 1)
    await fill(house, other, 1)


async def test_where_neither_says_anything_there_is_no_bound(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        anna = await house.account("anna")
        for number in range(3):
            await house.server(owner=anna, name=f"camp {number}")


async def test_a_deleted_server_counts_while_it_is_kept(house: House, clock: FakeClock) -> None:
    anna, root = await house.account("anna"), house.actor(house.root)
    first, second = [await house.server(owner=anna, name=name) for name in ("one", "two")]
    await house.product.servers.delete(root, first)
    await house.product.servers.delete(root, second, at_once=True)
    await house.settle()
    await house.server(owner=anna, name="three")
    with pytest.raises(TooManyServers):
        await house.server(owner=anna, name="four")
    await house.product.servers.restore(root, first.server.uuid)
    await house.product.servers.delete(root, house.now(first))
    await house.settle()
    clock.advance(hours=25)
    await house.product.deleting.tick()
    await house.settle()
    house.product.nodes.heard(house.node.id)
    await house.server(owner=anna, name="four")


async def test_a_lower_bound_takes_no_server_away(house: House) -> None:
    anna = await house.account("anna")
    await fill(house, anna, 2)
    await allow(house, anna, 1)
    assert len(house.product.servers.list(house.actor(anna))) == 2
    with pytest.raises(TooManyServers):
        await house.server(owner=anna)


async def test_nobody_says_for_themselves_how_many_servers_they_may_own(house: House) -> None:
    anna, accounts = await house.account("anna"), house.product.accounts
    await house.product.access.create_role(
        house.actor(house.root),
        name="keepers",
        permissions=frozenset({"accounts.read", "accounts.write"}),
        members=frozenset({anna.id}),
    )
    bert = await accounts.create(house.actor(anna), username="bert", password=PASSWORD, most_servers=5)
    assert bert.most_servers == 5
    assert (await accounts.change(house.actor(anna), bert.uuid, most_servers=6)).most_servers == 6
    for account in (anna, house.root):
        with pytest.raises(PermissionIsMissing, match="for themselves"):
            await accounts.change(house.actor(account), account.uuid, most_servers=None)


@pytest.mark.parametrize("count", [-1, (1 << 30) + 1])
async def test_a_bound_that_makes_no_sense_is_refused(house: House, count: int) -> None:
    with pytest.raises(LimitIsInvalid):
        await house.product.accounts.create(None, username="anna", password=PASSWORD, most_servers=count)
    anna = await house.account("anna")
    with pytest.raises(LimitIsInvalid):
        await allow(house, anna, count)


async def test_another_change_leaves_the_bound_as_it_is(house: House) -> None:
    anna = await house.account("anna")
    await allow(house, anna, 7)
    changed = await house.product.accounts.change(house.actor(anna), anna.uuid, given_name="Anna")
    assert changed.most_servers == 7
