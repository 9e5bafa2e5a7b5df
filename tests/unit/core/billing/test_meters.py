"""Every run is charged from its birth to its end, once, by whatever way that comes to be known."""

import pytest
from msgspec.structs import replace

from innkeeper.core.billing.errors import CreditsAreExhausted
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Run
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.conftest import PRICE, camp, guest, passes, started
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock, restarted


async def test_a_run_is_charged_by_the_minute_and_to_its_very_end(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    balance = priced.product.billing.balance
    await passes(priced, clock, seconds=30)
    assert balance(owner.account.id) == 100 * MICRO
    await passes(priced, clock, seconds=30)
    assert balance(owner.account.id) == 99 * MICRO
    clock.advance(seconds=90.5)
    node.end(server.server.uuid)
    clock.advance(minutes=20)
    await node.report(priced, server)
    assert balance(owner.account.id) == 100 * MICRO - PRICE * 1505 // 36000
    assert await priced.product.billing.check(None) == []


async def test_a_run_is_metered_from_its_birth_though_its_launch_was_told_before(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    run_id = node.start(server.server.uuid)
    born = node.live(server.server.uuid)
    await priced.gateway.see(server.server.uuid, replace(born, state=State.STARTING, started_at=None, ready_at=None))
    await node.report(priced, server)
    async with priced.database.works() as work:
        assert [meter.run_id for meter in await work.billing.open_meters()] == [run_id]


async def test_charges_by_and_by_are_what_one_charge_would_have_been(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    await priced.product.billing.set_price(priced.actor(priced.root), 31)  # micro-credits: many minutes cost none
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    for _ in range(70):
        await passes(priced, clock, seconds=61.7)
    node.end(server.server.uuid)
    await node.report(priced, server)
    spent = 100 * MICRO - priced.product.billing.balance(owner.account.id)
    assert spent == int(31 * 70 * 61.7 / 3600)


async def test_a_run_that_no_panel_saw_is_charged_when_it_is_told_and_once(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    clock.advance(hours=1)
    node.start(server.server.uuid)
    clock.advance(minutes=3)
    run = node.end(server.server.uuid)
    clock.advance(hours=1)
    for _ in range(2):
        again = await restarted(priced)
        await node.report(again, server)
        node.unheard[server.server.uuid] = [run]
    assert again.product.billing.balance(owner.account.id) == 97 * MICRO
    assert await again.product.billing.check(None) == []


async def test_a_run_of_before_the_price_is_free_and_keeps_so(house: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(house, "owner")
    server = await camp(house, owner)
    await started(house, node, server, owner)
    clock.advance(seconds=1)
    await house.product.billing.set_price(house.actor(house.root), PRICE)
    await passes(house, clock, minutes=5)
    node.end(server.server.uuid)
    await node.report(house, server)
    assert house.product.billing.balance(owner.account.id) == 0
    async with house.database.works() as work:
        assert await work.billing.metered(0, 10) == []


async def test_a_run_keeps_the_price_of_its_beginning(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    clock.advance(minutes=1)
    await priced.product.billing.set_price(priced.actor(priced.root), 5 * PRICE)
    await passes(priced, clock, minutes=1)
    assert priced.product.billing.balance(owner.account.id) == 98 * MICRO


async def test_nothing_is_charged_past_the_moment_a_node_was_last_heard(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    await passes(priced, clock, minutes=2)
    clock.advance(hours=5)
    await priced.product.collector.tick()
    assert priced.product.billing.balance(owner.account.id) == 98 * MICRO


async def test_what_was_charged_past_a_runs_end_is_refunded(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    clock.advance(seconds=50)
    node.end(server.server.uuid)
    await passes(priced, clock, seconds=70)  # the panel does not know yet
    assert priced.product.billing.balance(owner.account.id) == 98 * MICRO
    await node.report(priced, server)
    assert priced.product.billing.balance(owner.account.id) == 100 * MICRO - 50 * MICRO // 60
    kinds = [entry.kind for entry in (await priced.product.billing.entries(owner)).items]
    assert kinds == ["refund", "charge", "top_up"]
    assert await priced.product.billing.check(None) == []


async def test_a_node_whose_clock_is_wrong_bills_at_most_from_when_the_server_was_made(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    clock.advance(days=2)
    priced.product.nodes.heard(priced.node.id)
    server = await camp(priced, owner)
    run = Run(run_id="odd", started_at=clock.now().replace(year=1970), ended_at=clock.now())
    await priced.gateway.see(server.server.uuid, replace(node.live(server.server.uuid), runs=(run,)))
    assert priced.product.billing.balance(owner.account.id) == 100 * MICRO - 24 * PRICE
    back = Run(run_id="backwards", started_at=clock.now(), ended_at=clock.now().replace(year=1970))
    await priced.gateway.see(server.server.uuid, replace(node.live(server.server.uuid), runs=(back,)))
    assert priced.product.billing.balance(owner.account.id) == 100 * MICRO - 24 * PRICE
    assert await priced.product.billing.check(None) == []


async def test_a_run_whose_end_is_never_told_is_closed_where_it_was_last_seen(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    await passes(priced, clock, minutes=2)
    run = node.end(server.server.uuid)
    node.unheard.clear()
    await node.report(priced, server)
    await passes(priced, clock, minutes=11)
    async with priced.database.works() as work:
        assert await work.billing.open_meters() == []
    assert priced.product.billing.balance(owner.account.id) == 98 * MICRO
    late = replace(run, ended_at=clock.now())
    await priced.gateway.see(server.server.uuid, replace(node.live(server.server.uuid), runs=(late,)))
    assert priced.product.billing.balance(owner.account.id) == 87 * MICRO  # told after all, it counts
    assert await priced.product.billing.check(None) == []


async def test_a_run_that_this_panel_only_read_of_is_metered_too(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    node.start(server.server.uuid)
    priced.product.directory.put_live(server.server.id, node.live(server.server.uuid))
    await passes(priced, clock, minutes=1)
    assert priced.product.billing.balance(owner.account.id) == 99 * MICRO


async def test_deleting_a_server_charges_its_last_seconds(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(priced, "owner", has=100)
    server = await camp(priced, owner)
    await started(priced, node, server, owner)
    clock.advance(seconds=90)
    priced.product.nodes.heard(priced.node.id)
    await priced.product.servers.delete(owner, priced.now(server))
    await priced.settle()
    assert priced.product.billing.balance(owner.account.id) == 100 * MICRO - 3 * MICRO // 2
    await passes(priced, clock, minutes=5)
    assert priced.product.billing.balance(owner.account.id) == 100 * MICRO - 3 * MICRO // 2


# -- who pays, and whether they can ----------------------------------------------------------------------------------


async def test_a_free_house_refuses_nobody_and_keeps_nothing(house: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(house, "owner")
    server = await camp(house, owner)
    await started(house, node, server, owner)
    await passes(house, clock, hours=5)
    assert house.product.billing.balance(owner.account.id) == 0


async def test_a_start_needs_credits_for_two_minutes(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(priced, "owner", has=1)
    server = await camp(priced, owner)
    with pytest.raises(CreditsAreExhausted):
        await priced.product.servers.start(owner, server)
    assert priced.now(server).server.power == "off"
    await priced.product.billing.top_up(priced.actor(priced.root), owner.account.id, MICRO)
    await started(priced, node, server, owner)


async def test_what_other_servers_have_used_meanwhile_counts(priced: House, node: TrueNode, clock: FakeClock) -> None:
    owner = await guest(priced, "owner", has=3)
    first, second = await camp(priced, owner), await camp(priced, owner, "second")
    await started(priced, node, first, owner)
    clock.advance(seconds=61)
    priced.product.nodes.heard(priced.node.id)
    with pytest.raises(CreditsAreExhausted):
        await priced.product.servers.start(owner, second)


async def test_who_starts_with_own_credits_pays_until_it_is_started_otherwise(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    owner, friend = await guest(priced, "owner", has=50), await guest(priced, "friend", has=50)
    server = await camp(priced, owner)
    await priced.share(server, friend.account, "server.view", "power.start", "power.restart")
    friend = priced.actor(friend.account)
    balance = priced.product.billing.balance
    await started(priced, node, server, friend, own_credits=True)
    await passes(priced, clock, minutes=1)
    assert (balance(owner.account.id), balance(friend.account.id)) == (50 * MICRO, 49 * MICRO)
    node.end(server.server.uuid)  # a crash, and the node starts it again
    node.start(server.server.uuid)
    await node.report(priced, server)
    await passes(priced, clock, minutes=1)
    assert (balance(owner.account.id), balance(friend.account.id)) == (50 * MICRO, 48 * MICRO)
    await priced.product.servers.restart(friend, priced.now(server))
    assert priced.now(server).server.paid_by == friend.account.id
    node.end(server.server.uuid)
    await node.report(priced, server)
    await priced.gateway.see(server.server.uuid, priced.gateway.live(State.STOPPED))
    await started(priced, node, server, owner)
    assert priced.now(server).server.paid_by is None
    await passes(priced, clock, minutes=1)
    assert (balance(owner.account.id), balance(friend.account.id)) == (49 * MICRO, 48 * MICRO)


async def test_a_server_made_to_be_started_is_not_started_without_credits(priced: House) -> None:
    owner = await guest(priced, "owner")
    server = await priced.server(owner=owner.account, start=True)
    now = priced.now(server)
    assert (now.server.power, now.live.state) == ("off", State.STOPPED)
    happened = (await priced.product.activity.of_server(server.server.id, None, 10)).items
    assert "billing.start_refused" in [entry.action for entry in happened]
