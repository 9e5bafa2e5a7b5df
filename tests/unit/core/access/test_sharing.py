"""With how many a server is shared, and whom somebody means."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from innkeeper.core.access.errors import TooManyGrants
from innkeeper.core.access.service import MOST_GRANTS
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals

VIEW = frozenset({"server.view"})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path, settings=Settings(most_grants=3)) as opened:
        yield opened


async def test_a_server_is_shared_with_so_many_and_one_who_leaves_makes_room(house: House) -> None:
    server, root, access = await house.server(), house.actor(house.root), house.product.access
    guests = [await house.account(f"guest{number}") for number in range(4)]
    for guest in guests[:3]:
        await access.share(root, server, guest.id, VIEW)
    with pytest.raises(TooManyGrants) as refused:
        await access.share(root, server, guests[3].id, VIEW)
    assert refused.value.data == {"limit": 3}
    await access.share(root, server, guests[0].id, VIEW | {"power.start"})
    await access.share(root, await house.server(name="other"), guests[3].id, VIEW)
    await access.unshare(root, server, guests[0].id)
    await access.share(root, server, guests[3].id, VIEW)
    assert {grant.account_id for grant in access.grants(server)} == {guest.id for guest in guests[1:]}


async def test_who_gets_another_level_has_had_it_shared_since_the_beginning(house: House) -> None:
    server, root, access = await house.server(), house.actor(house.root), house.product.access
    guest = await house.account("guest")
    first = await access.share(root, server, guest.id, VIEW)
    changed = await access.share(root, server, guest.id, VIEW | {"power.start"})
    assert changed.created_at == first.created_at
    assert access.grants(server) == [changed]
    await access.unshare(root, server, guest.id)
    assert (await access.share(root, server, guest.id, VIEW)).created_at > first.created_at


async def test_of_ten_shared_with_at_once_so_many_get_it(house: House) -> None:
    server, root, access = await house.server(), house.actor(house.root), house.product.access
    guests = [await house.account(f"guest{number}") for number in range(10)]
    assert await refusals(*(access.share(root, server, guest.id, VIEW) for guest in guests)) == [TooManyGrants] * 7
    assert len(access.grants(server)) == 3


def test_a_house_that_says_nothing_else_lets_a_server_be_shared_with_25() -> None:
    assert Settings().most_grants == MOST_GRANTS == 25


async def test_somebody_is_meant_by_name_or_by_an_address_that_no_other_has(house: House) -> None:
    create, authority = house.product.accounts.create, house.product.authority
    anna, *_ = await asyncio.gather(
        create(None, username="anna", password="correct horse", email="Anna@example.com"),
        create(None, username="bert", password="correct horse", email="two@example.com"),
        create(None, username="bart", password="correct horse", email="TWO@example.com"),
    )
    assert authority.person("ANNA") == authority.person("anna@EXAMPLE.com") == authority.by_email("anna@example.com")
    assert authority.person("anna") == anna
    for nobody in ("two@example.com", "none@example.com", "nobody", "", "@"):
        assert authority.person(nobody) is None
