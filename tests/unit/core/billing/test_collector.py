"""Servers whose credits run out: their players are told, and they are stopped in order, in time."""

from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.directory import Record
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.conftest import GIB, guest, passes
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock, restarted


async def running(house: House, node: TrueNode, *, has: int) -> Record:
    owner = await guest(house, "owner", has=has)
    record = await house.server(owner=owner.account, package="minecraft", limits=GIB)
    house.gateway.obeys = False
    await house.product.servers.start(owner, record)
    node.start(record.server.uuid)
    await node.report(house, record)
    return record


def said(house: House, record: Record) -> list[str]:
    return house.gateway.console(record.server.uuid).typed


async def test_players_are_warned_twice_and_the_server_is_stopped_with_its_reason(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    server = await running(priced, node, has=8)
    timeout_s = priced.product.catalog.blueprint(server.server).stop.timeout_s
    for _ in range(40):
        await passes(priced, clock, seconds=30)
        if priced.now(server).server.power == "off":
            break
    stopped_after = (clock.now() - node.alive[server.server.uuid][1]).total_seconds()
    assert 8 * 60 - timeout_s - 60 <= stopped_after <= 8 * 60 - timeout_s
    first, second = said(priced, server)
    assert "5 minutes" in first
    assert "1 minute:" in second
    (operation, *_) = (await priced.product.operations.of_server(server.server.id, None, 10)).items
    assert (operation.verb, operation.account_id, operation.reason) == ("stop", None, "its credits ran out")
    happened = (await priced.product.activity.of_server(server.server.id, None, 10)).items
    assert "billing.ran_dry" in [entry.action for entry in happened]
    node.end(server.server.uuid)
    await node.report(priced, server)
    done = await priced.product.operations.get(operation.uuid)
    assert (done.state, done.reason) == (OperationState.DONE, "its credits ran out")
    assert priced.product.billing.balance(server.server.owner_id) >= 0


async def test_a_top_up_in_time_calls_it_off_and_the_next_time_players_are_warned_again(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    server = await running(priced, node, has=5)
    await passes(priced, clock, seconds=60)
    assert len(said(priced, server)) == 1
    await priced.product.billing.top_up(priced.actor(priced.root), server.server.owner_id, 5 * MICRO)
    await passes(priced, clock, seconds=30)
    assert len(said(priced, server)) == 1
    for _ in range(8):
        await passes(priced, clock, seconds=30)
    assert len(said(priced, server)) == 2
    assert priced.now(server).server.power == "on"


async def test_a_panel_that_comes_up_again_does_not_repeat_a_warning(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    server = await running(priced, node, has=5)
    await passes(priced, clock, seconds=60)
    again = await restarted(priced)
    await node.report(again, server)
    await passes(again, clock, seconds=30)
    assert said(again, server) == []
    assert len(said(priced, server)) == 1


async def test_a_warning_that_did_not_reach_the_game_is_told_again(
    priced: House, node: TrueNode, clock: FakeClock
) -> None:
    server = await running(priced, node, has=5)
    priced.gateway.deaf = True
    await passes(priced, clock, seconds=60)
    assert said(priced, server) == []
    priced.gateway.deaf = False
    await passes(priced, clock, seconds=30)
    await passes(priced, clock, seconds=30)
    assert len(said(priced, server)) == 1


async def test_servers_of_one_payer_run_dry_together(priced: House, node: TrueNode, clock: FakeClock) -> None:
    first = await running(priced, node, has=12)
    owner = priced.product.authority.actor_of(first.server.owner_id, "system")
    priced.gateway.obeys = True
    second = await priced.server(owner=owner.account, name="second", package="minecraft", limits=GIB)
    priced.gateway.obeys = False
    await priced.product.servers.start(owner, second)
    node.start(second.server.uuid)
    await node.report(priced, first, second)
    for _ in range(11):
        await passes(priced, clock, seconds=30)
    assert [priced.now(one).server.power for one in (first, second)] == ["off", "off"]
    assert priced.product.billing.balance(owner.account.id) > 0
