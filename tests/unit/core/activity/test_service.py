"""Activity: who did what, from where, by which dialect; one's own, or with the permission everybody's."""

from datetime import timedelta

import pytest

from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.errors import PortIsTaken
from innkeeper.kit.pages import BadCursor
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock


@pytest.fixture
def activity(house: House) -> ActivityService:
    return house.product.activity


async def test_an_entry_says_who_when_from_where_and_by_what(
    house: House, activity: ActivityService, clock: FakeClock
) -> None:
    server = await house.server()
    actor = house.product.authority.authenticate(await house.key(house.root), "exaroton", "10.0.0.7")
    clock.advance(minutes=3)
    house.product.nodes.heard(house.node.id)
    await house.product.servers.start(actor, server)
    await house.settle()
    entry = (await activity.of_server(server.server.id, None, 1)).items[0]
    assert (entry.action, entry.account_id, entry.via, entry.address) == (
        "server.start",
        house.root.id,
        "exaroton",
        "10.0.0.7",
    )
    assert entry.at == clock.now()


async def test_what_was_rolled_back_was_not_done(house: House, activity: ActivityService) -> None:
    server, root = await house.server(port=4000), house.actor(house.root)
    before = (await activity.recent(root, None, 100)).items
    with pytest.raises(PortIsTaken):
        await house.server(name="late", port=server.server.port)
    assert (await activity.recent(root, None, 100)).items == before


async def test_one_sees_ones_own_doings_and_all_with_the_permission(house: House, activity: ActivityService) -> None:
    guest = await house.account("guest")
    await house.key(guest, name="mine")
    await house.key(house.root, name="roots")
    assert [entry.data for entry in (await activity.recent(house.actor(guest), None, 100)).items] == [{"name": "mine"}]
    seen = [entry.data.get("name") for entry in (await activity.recent(house.actor(house.root), None, 100)).items]
    assert {"mine", "roots"} <= set(seen)


async def test_pages_hold_every_entry_once_while_new_ones_come(house: House, activity: ActivityService) -> None:
    root = house.actor(house.root)
    for number in range(7):
        await house.key(house.root, name=f"{number}")
    everything = [entry.id for entry in (await activity.recent(root, None, 100)).items]
    assert everything == sorted(everything, reverse=True)
    walked, cursor = [], None
    while True:
        page = await activity.recent(root, cursor, 3)
        walked += [entry.id for entry in page.items]
        await house.key(house.root, name="late")
        cursor = page.next
        if cursor is None:
            break
    assert walked == everything
    with pytest.raises(BadCursor):
        await activity.recent(root, "nonsense", 3)


async def test_a_page_that_is_just_full_is_the_last(house: House, activity: ActivityService) -> None:
    root = house.actor(house.root)
    count = len((await activity.recent(root, None, 100)).items)
    assert (await activity.recent(root, None, count)).next is None
    assert count == 1 or (await activity.recent(root, None, count - 1)).next is not None


async def test_a_year_later_it_is_forgotten(house: House, activity: ActivityService, clock: FakeClock) -> None:
    root = house.actor(house.root)
    clock.passed = timedelta(days=365)
    await activity.prune()
    assert (await activity.recent(root, None, 100)).items
    clock.passed = timedelta(days=365) + timedelta(microseconds=1)
    await activity.prune()
    assert (await activity.recent(root, None, 100)).items == []
