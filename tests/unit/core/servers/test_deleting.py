"""A deleted server is gone for everybody, and kept: it can be brought back until its time has passed, and then not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import AccountOwnsServers
from innkeeper.core.nodes.errors import NodeHasServers
from innkeeper.core.operations.model import OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer, PortIsTaken, ServerIsBusy, ServerIsDeleted, ServerIsNotKept
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.ids import uuid7
from innkeeper.panel.product import Settings
from innkeeper.testing.gateways import seen_as
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, restarted

GRACE = timedelta(hours=24)
KEEPING = Settings(deletion_grace=GRACE)


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with House.open(tmp_path, clock=clock, settings=KEEPING) as opened:
        yield opened


async def deleted(house: House, **draft: object) -> Record:
    server = await house.server(**draft)
    house.gateway.trees[server.server.uuid] = {"world.dat": b"much work"}
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    return house.now(server)


async def restore(house: House, record: Record) -> Record:
    await house.product.servers.restore(house.actor(house.root), record.server.uuid)
    await house.settle()
    return house.now(record)


async def state_of(house: House, operation: object) -> OperationState:
    return (await house.product.operations.get(operation.uuid)).state  # type: ignore[attr-defined]


# -- while it is kept -------------------------------------------------------------------------------------------------


async def test_a_deleted_server_is_gone_for_all_who_saw_it_and_keeps_what_it_has(house: House) -> None:
    owner, guest = await house.account("owner"), await house.account("guest")
    server = await house.server(owner=owner, port=4000, start=True)
    house.gateway.trees[server.server.uuid] = {"world.dat": b"much work"}
    await house.share(server, guest, "server.view")
    operation = await house.product.servers.delete(house.actor(owner), server)
    await house.settle()
    now = house.now(server).server
    assert (now.state, now.power, now.deleted_at) == (State.DELETED, "off", house.clock.now())
    assert now.purge_at == house.clock.now() + GRACE
    assert await state_of(house, operation) is OperationState.DONE
    for actor in (house.actor(owner), house.actor(guest), house.actor(house.root)):
        assert house.product.servers.list(actor) == []
        with pytest.raises(ServerIsDeleted):
            house.product.servers.find(actor, now.uuid)
        with pytest.raises(ServerIsDeleted):
            await house.product.servers.start(actor, house.now(server))
    assert house.gateway.removed == []
    assert house.gateway.trees[now.uuid] == {"world.dat": b"much work"}
    with pytest.raises(PortIsTaken):
        await house.server(name="heir", port=4000)
    with pytest.raises(NodeHasServers):
        await house.product.nodes.delete(house.actor(house.root), house.node.uuid)


async def test_the_node_is_told_to_end_the_game_and_from_then_on_that_it_must_not_run(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.obeys = False
    operation = await house.product.servers.delete(house.actor(house.root), server)
    order = house.gateway.orders[server.server.uuid]
    assert (order.uuid, order.verb) == (operation.uuid, "kill")
    await house.gateway.see(server.server.uuid, house.gateway.live(State.STOPPING))
    assert await state_of(house, operation) is OperationState.CREATED, "the game has not ended"
    await house.gateway.carry_out(server.server.uuid)
    assert await state_of(house, operation) is OperationState.DONE
    assert house.now(server).server.state is State.DELETED
    await house.reconciler.tick()
    told = house.gateway.desired[server.server.uuid]
    assert (told.server.power, told.order) == ("off", None)


async def test_a_node_that_was_away_ends_the_game_when_it_is_back_after_a_restart_of_the_panel(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.offline = True
    operation = await house.product.servers.delete(house.actor(house.root), server)
    again = await restarted(house)
    assert await state_of(again, operation) is OperationState.CREATED
    assert again.now(server).server.kept
    await again.reconciler.tick()
    await again.settle()
    assert await state_of(again, operation) is OperationState.DONE
    assert again.now(server).live.state is State.DELETED


async def test_a_game_that_had_ended_before_it_could_be_killed_is_as_good_as_killed(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.obeys = False
    operation = await house.product.servers.delete(house.actor(house.root), server)
    await house.gateway.carry_out(server.server.uuid, fail="its process was not found")
    assert await state_of(house, operation) is OperationState.DONE


async def test_what_was_under_way_has_failed_and_a_late_report_brings_nothing_back(house: House) -> None:
    server = await house.server()
    house.gateway.obeys = False
    start = await house.product.servers.start(house.actor(house.root), server)
    await house.product.servers.delete(house.actor(house.root), server)
    await house.gateway.see(server.server.uuid, house.gateway.live(State.RUNNING))
    assert house.now(server).live.state is State.DELETED
    await house.gateway.carry_out(server.server.uuid)
    ended = await house.product.operations.get(start.uuid)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "the server was deleted")


async def test_deleted_at_once_it_is_not_kept(house: House) -> None:
    server = await house.server(port=4000)
    await house.product.servers.delete(house.actor(house.root), server, at_once=True)
    await house.settle()
    now = house.now(server).server
    assert (now.state, now.deleted_at, now.purge_at) == (State.DELETED, house.clock.now(), None)
    assert house.gateway.removed == [server.server.uuid]
    assert (await house.server(name="heir", port=4000)).server.port == 4000
    with pytest.raises(ServerIsNotKept):
        await restore(house, server)


async def test_of_two_deletions_at_once_one_deletes(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    servers = house.product.servers
    assert await refusals(*(servers.delete(root, server) for _ in range(3))) == [ServerIsDeleted] * 2


async def test_who_may_not_delete_may_not_purge_either(house: House) -> None:
    guest, server = await house.account("guest"), await house.server()
    await house.share(server, guest, "server.view", "power.stop")
    with pytest.raises(PermissionIsMissing):
        await house.product.servers.delete(house.actor(guest), server, at_once=True)


# -- bringing back ----------------------------------------------------------------------------------------------------


async def test_a_restored_server_is_as_it_was_but_stopped(house: House) -> None:
    owner, guest = await house.account("owner"), await house.account("guest")
    server = await house.server(owner=owner, port=4000, start=True, description="where we met")
    house.gateway.trees[server.server.uuid] = {"world.dat": b"much work"}
    await house.share(server, guest, "server.view", "power.start")
    await house.product.servers.delete(house.actor(owner), server)
    await house.settle()
    back = await restore(house, server)
    assert back.server.state is back.live.state is State.STOPPED
    assert (back.server.power, back.server.port, back.server.description) == ("off", 4000, "where we met")
    assert (back.server.deleted_at, back.server.purge_at, back.live.run_id) == (None, None, None)
    assert house.gateway.trees[server.server.uuid] == {"world.dat": b"much work"}
    verbs = [one.verb for one in (await house.product.operations.of_server(server.server.id, None, 10)).items]
    assert verbs == ["delete", "start", "install"]
    await house.product.servers.start(house.actor(guest), back)
    await house.settle()
    assert house.now(server).live.state is State.RUNNING
    await house.product.servers.delete(house.actor(owner), house.now(server))
    assert house.now(server).server.kept, "it can be deleted again"


async def test_what_was_never_installed_comes_back_so(house: House) -> None:
    house.gateway.obeys = False
    server = await house.server()
    await house.product.servers.delete(house.actor(house.root), server)
    await house.gateway.see(server.server.uuid, seen_as(house.gateway.live(State.CREATED)))
    assert (await restore(house, server)).server.state is State.CREATED


async def test_only_what_is_kept_can_be_restored_and_only_by_who_may(house: House) -> None:
    owner = await house.account("owner")
    present, gone = await house.server(name="present", owner=owner), await deleted(house, name="gone", owner=owner)
    servers = house.product.servers
    with pytest.raises(ServerIsNotKept):
        await restore(house, present)
    with pytest.raises(NoSuchServer):
        await servers.restore(house.actor(house.root), uuid7())
    assert [record.server.uuid for record in servers.kept(house.actor(house.root))] == [gone.server.uuid]
    for command in (servers.restore(house.actor(owner), gone.server.uuid), servers.purge(house.actor(owner), uuid7())):
        with pytest.raises(PermissionIsMissing):
            await command
    with pytest.raises(PermissionIsMissing):
        servers.kept(house.actor(owner))


async def test_a_game_that_the_node_could_not_be_told_to_end_ends_though_its_server_is_back(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.offline = True
    operation = await house.product.servers.delete(house.actor(house.root), server)
    back = await restore(house, server)
    assert (back.live.state, back.server.power) == (State.STOPPED, "off")
    house.gateway.offline = False
    await house.reconciler.tick()
    await house.settle()
    assert await state_of(house, operation) is OperationState.DONE
    assert house.gateway.desired[server.server.uuid].server.power == "off"
    assert house.now(server).live.state is State.STOPPED


# -- the end of it ----------------------------------------------------------------------------------------------------


async def test_after_its_time_a_kept_server_is_gone_with_its_files_and_its_port_is_free(
    house: House, clock: FakeClock
) -> None:
    server = await deleted(house, port=4000)
    at = server.server.deleted_at
    clock.advance(hours=23, minutes=59)
    await house.product.deleting.tick()
    assert house.now(server).server.kept
    clock.advance(minutes=1)
    with pytest.raises(ServerIsNotKept):
        await restore(house, server)
    house.product.nodes.heard(house.node.id)
    await house.product.deleting.tick()
    await house.settle()
    now = house.now(server).server
    assert (now.state, now.deleted_at, now.purge_at) == (State.DELETED, at, None)
    assert house.gateway.removed == [server.server.uuid]
    assert (await house.server(name="heir", port=4000)).server.port == 4000
    actions = [entry.action for entry in (await house.product.activity.of_server(now.id, None, 10)).items]
    assert actions[:3] == ["server.deleted", "server.purge", "server.delete"]


async def test_the_end_is_asked_of_the_node_until_it_is_done_whoever_was_killed(house: House, clock: FakeClock) -> None:
    server = await deleted(house, port=4000)
    house.gateway.offline = True
    clock.advance(hours=25)
    await house.product.deleting.tick()
    await house.settle()
    assert house.now(server).server.state is State.DELETING
    assert house.product.servers.list(house.actor(house.root)) == []
    assert house.product.servers.kept(house.actor(house.root)) == []
    with pytest.raises(ServerIsNotKept):
        await restore(house, server)
    again = await restarted(house)
    again.product.nodes.heard(again.node.id)
    with pytest.raises(PortIsTaken):
        await again.server(name="early", port=4000)
    await again.reconciler.tick()
    await again.settle()
    assert (again.gateway.removed, again.now(server).server.purge_at) == ([server.server.uuid], None)
    assert (await again.server(name="heir", port=4000)).server.port == 4000


async def test_of_a_restoration_and_a_purge_at_once_one_comes_about(house: House) -> None:
    server, root = await deleted(house), house.actor(house.root)
    refused = await refusals(
        house.product.servers.purge(root, server.server.uuid), house.product.servers.restore(root, server.server.uuid)
    )
    await house.settle()
    assert refused == [ServerIsNotKept]
    assert house.now(server).server.state in (State.DELETED, State.STOPPED)


async def test_an_account_cannot_go_while_a_server_of_it_is_kept(house: House) -> None:
    owner, root = await house.account("owner"), house.actor(house.root)
    server = await deleted(house, name="old fort", owner=owner)
    with pytest.raises(AccountOwnsServers, match="old fort") as refused:
        await house.product.accounts.delete(root, owner.uuid)
    assert refused.value.data == {"kept": ["old fort"]}
    operation = await house.product.servers.purge(root, server.server.uuid)
    await house.settle()
    assert await state_of(house, operation) is OperationState.DONE
    await house.product.accounts.delete(root, owner.uuid)


async def test_the_store_refuses_an_account_whose_server_is_kept(house: House) -> None:
    owner = await house.account("owner")
    await deleted(house, owner=owner)
    with pytest.raises(AccountOwnsServers):
        async with house.product.servers._works() as work:
            await work.accounts.delete(owner.id)


# -- strictly ---------------------------------------------------------------------------------------------------------


async def test_strictly_a_server_is_not_deleted_while_something_is_under_way(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    start = await house.product.servers.start(root, server)
    with pytest.raises(ServerIsBusy) as refused:
        await house.product.servers.delete(root, server, strictly=True)
    assert refused.value.data == {"operation": str(start.uuid), "verb": "start"}
    await house.gateway.carry_out(server.server.uuid)
    await house.product.servers.delete(root, server, strictly=True)
    assert house.now(server).server.kept


async def test_a_kept_server_that_a_wrong_node_speaks_of_is_left_alone(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.obeys = False
    operation = await house.product.servers.delete(house.actor(house.root), server)
    done = Progress(state=OperationState.DONE)
    seen = Observation(
        uuid=server.server.uuid,
        live=house.gateway.live(State.STOPPED),
        generation=9,
        order_id=operation.uuid,
        progress=done,
    )
    await house.reconciler.observe(house.node.id + 1, [seen])
    assert await state_of(house, operation) is OperationState.CREATED
    await asyncio.gather(*(house.reconciler.observe(house.node.id, [seen]) for _ in range(3)))
    assert await state_of(house, operation) is OperationState.DONE
