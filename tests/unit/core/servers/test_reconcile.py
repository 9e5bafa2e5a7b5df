"""What is decided is done, late or honestly failed; what a node says is believed, as far as it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from innkeeper.core.backups.noting import BackupNotes
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import ServerIsDeleted, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, Live, ServerChanges, ServerDraft
from innkeeper.core.servers.reconcile import Observation, Reconciler
from innkeeper.core.work import Work, Works
from innkeeper.testing.gateways import seen_as
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, restarted, second_node, server_in

DONE = Progress(state=OperationState.DONE)
STARTED = ServerDraft(name="camp", package="custom", properties={"command": "sleep 1"}, start=True)


async def verbs_and_states(house: House, record: Record) -> list[tuple[str, OperationState]]:
    operations = (await house.product.operations.of_server(record.server.id, None, 50)).items
    return [(operation.verb, operation.state) for operation in reversed(operations)]


async def crashes(house: House, record: Record) -> int:
    entries = (await house.product.activity.of_server(record.server.id, None, 100)).items
    return sum(entry.action == "server.crashed" for entry in entries)


def crashed(house: House, state: State, **exit: Any) -> Live:
    ended = {"code": 1, "signal": None, "at": house.clock.now(), "clean": False, "reason": "exit code 1"} | exit
    return seen_as(house.gateway.live(state), last_exit=LastExit(**ended))


def said(house: House, record: Record, state: State, order: Operation, *, generation: int) -> Observation:
    """Return the report of a node that heard `generation` last and has done `order`."""
    live = house.gateway.live(state)
    return Observation(uuid=record.server.uuid, live=live, generation=generation, order_id=order.uuid, progress=DONE)


# -- nodes that hear late -------------------------------------------------------------------------------------------


async def test_a_command_that_the_node_did_not_hear_is_done_at_the_next_reconciliation(house: House) -> None:
    server = await house.server()
    house.gateway.offline = True
    operation = await house.product.servers.start(house.actor(house.root), server)
    await house.settle()
    assert house.now(server).live.state is State.PREPARING
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.CREATED
    await house.reconciler.tick()
    house.gateway.offline = False
    await house.reconciler.tick()
    await house.settle()
    assert house.now(server).live.state is State.RUNNING
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE


async def test_a_command_outlives_a_restart_of_the_panel(house: House) -> None:
    server = await house.server()
    house.gateway.offline = True
    await house.product.servers.start(house.actor(house.root), server)
    again = await restarted(house)
    await again.reconciler.tell_all(again.node.id)
    await again.settle()
    assert again.now(server).live.state is State.RUNNING


async def test_a_node_is_told_all_its_own_servers_and_no_finished_order(house: House) -> None:
    far = await second_node(house)
    near = [await house.server(name=f"{number}", node=house.node.uuid) for number in range(2)]
    away = await house.server(node=house.product.nodes.get(far).uuid)
    house.gateway.desired.clear()
    await house.reconciler.tell_all(house.node.id)
    assert house.gateway.desired.keys() == {record.server.uuid for record in near}
    assert all(desired.order is None for desired in house.gateway.desired.values())
    house.product.nodes.lost(house.node.id)
    house.gateway.desired.clear()
    await house.reconciler.tick()
    assert house.gateway.desired.keys() == {away.server.uuid}


async def test_telling_a_node_that_is_away_says_so(house: House) -> None:
    house.gateway.offline = True
    with pytest.raises(NodeIsOffline):
        await house.reconciler.tell_all(house.node.id)


# -- made to be started ---------------------------------------------------------------------------------------------


async def test_a_server_made_to_be_started_is_installed_then_started(house: House) -> None:
    server = await house.server(start=True)
    assert server.live.state is State.RUNNING
    assert await verbs_and_states(house, server) == [("install", OperationState.DONE), ("start", OperationState.DONE)]


async def test_it_is_started_though_the_panel_ended_between_installation_and_start(house: House) -> None:
    house.gateway.obeys = False
    server, operation = await house.product.servers.create(house.actor(house.root), STARTED)
    async with house.database.works() as work:
        await house.product.operations.note(work, operation, DONE)
        await work.servers.note_state(server.id, State.STOPPED, None)
    again = await restarted(house)
    await again.gateway.see(server.uuid, again.gateway.live(State.STOPPED), DONE)
    await again.settle()
    assert again.product.directory.get(server.id).live.state is State.RUNNING


async def test_it_is_started_once_however_often_the_installations_end_is_reported(house: House) -> None:
    house.gateway.obeys = False
    server, operation = await house.product.servers.create(house.actor(house.root), STARTED)
    seen = Observation(
        uuid=server.uuid, live=house.gateway.live(State.STOPPED), generation=1, order_id=operation.uuid, progress=DONE
    )
    await asyncio.gather(*(house.reconciler.observe(house.node.id, [seen, seen]) for _ in range(3)))
    record = house.product.directory.get(server.id)
    assert record.live.state is State.PREPARING
    assert [verb for verb, _ in await verbs_and_states(house, record)] == ["install", "start"]


async def test_one_suspended_while_it_is_installed_is_not_started(house: House) -> None:
    house.gateway.obeys = False
    root = house.actor(house.root)
    server, _ = await house.product.servers.create(root, STARTED)
    await house.product.servers.suspend(root, house.product.directory.get(server.id), "unpaid")
    await house.gateway.carry_out(server.uuid)
    assert house.product.directory.get(server.id).live.state is State.STOPPED


async def test_it_is_started_though_it_was_renamed_while_the_node_was_busy_installing(house: House) -> None:
    house.gateway.obeys = False
    root = house.actor(house.root)
    server, operation = await house.product.servers.create(root, STARTED)
    record = house.product.directory.get(server.id)
    house.gateway.offline = True
    await house.product.servers.change(root, record, ServerChanges(name="renamed"))
    house.gateway.offline = False
    await house.reconciler.observe(house.node.id, [said(house, record, State.STOPPED, operation, generation=1)])
    assert house.now(record).server.power == "on"
    await house.reconciler.observe(house.node.id, [said(house, record, State.STOPPED, operation, generation=2)])
    assert house.now(record).live.state is State.PREPARING


async def test_one_whose_installation_fails_is_not_started_and_says_why(house: House) -> None:
    house.gateway.obeys = False
    server, operation = await house.product.servers.create(house.actor(house.root), STARTED)
    await house.gateway.carry_out(server.uuid, fail="the disk is full")
    record = house.product.directory.get(server.id)
    assert (record.live.state, record.server.power) == (State.STOPPED, "off")
    ended = await house.product.operations.get(operation.uuid)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "the disk is full")


# -- deleting -------------------------------------------------------------------------------------------------------


async def test_a_server_of_a_node_that_is_away_is_deleted_when_it_is_back(house: House) -> None:
    server = await house.server()
    house.gateway.offline = True
    operation = await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    assert house.now(server).live.state is State.DELETING
    with pytest.raises(ServerIsDeleted):
        house.product.servers.find(house.actor(house.root), server.server.uuid)
    house.gateway.offline = False
    await house.reconciler.tick()
    await house.settle()
    now = house.now(server).server
    assert (now.state, now.deleted_at) == (State.DELETED, house.clock.now())
    assert house.gateway.removed == [server.server.uuid]
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE


async def test_a_deletion_outlives_a_restart_of_the_panel(house: House) -> None:
    server = await house.server()
    house.gateway.offline = True
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    again = await restarted(house)
    await again.reconciler.tick()
    await again.settle()
    assert again.now(server).server.state is State.DELETED


async def test_what_was_under_way_on_a_deleted_server_has_failed(house: House) -> None:
    server = await house.server()
    house.gateway.obeys = False
    operation = await house.product.servers.start(house.actor(house.root), server)
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    ended = await house.product.operations.get(operation.uuid)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "the server was deleted")


async def test_a_late_report_does_not_bring_a_deleted_server_back(house: House) -> None:
    server = await house.server(start=True)
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    await house.gateway.see(server.server.uuid, house.gateway.live(State.RUNNING))
    assert house.now(server).live.state is State.DELETED


# -- orders that were superseded ------------------------------------------------------------------------------------


async def test_a_report_on_an_older_order_ends_that_order_and_leaves_the_newer_ones_state(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    house.gateway.obeys = False
    first = await house.product.servers.start(root, server)
    second = await house.product.servers.kill(root, server)
    await house.reconciler.observe(house.node.id, [said(house, server, State.RUNNING, first, generation=2)])
    assert house.now(server).live.state is State.STOPPING
    assert (await house.product.operations.get(first.uuid)).state is OperationState.DONE
    assert (await house.product.operations.get(second.uuid)).state is OperationState.CREATED
    await house.gateway.carry_out(server.server.uuid)
    assert house.now(server).live.state is State.STOPPED


async def test_an_operation_that_has_ended_stays_as_it_ended(house: House) -> None:
    server = await house.server(start=True)
    uuid = house.gateway.desired[server.server.uuid].server.order_id
    assert uuid is not None
    again = await restarted(house)
    await again.gateway.see(
        server.server.uuid, server.live, Progress(state=OperationState.FAILED, reason="no, it did not")
    )
    assert (await again.product.operations.get(uuid)).state is OperationState.DONE


@pytest.mark.parametrize("report_first", [True, False])
async def test_a_report_and_a_command_at_the_same_time_do_not_undo_the_command(
    house: House, report_first: bool
) -> None:
    server = await house.server(start=True)
    house.gateway.obeys = False
    report = house.gateway.see(server.server.uuid, house.gateway.live(State.STOPPED))
    restart = house.product.servers.restart(house.actor(house.root), server)
    refused = await refusals(*((report, restart) if report_first else (restart, report)))
    now = house.now(server)
    if refused:  # the report was taken in wholly before
        assert refused == [ServerIsNotRunning]
        assert (now.live.state, now.server.power) == (State.STOPPED, "off")
    else:
        assert (now.live.state, now.server.state, now.server.power) == (State.RESTARTING, State.RESTARTING, "on")


async def test_an_operation_of_another_server_is_not_ended_by_a_report(house: House) -> None:
    server, other = await house.server(), await house.server(name="other")
    house.gateway.obeys = False
    operation = await house.product.servers.start(house.actor(house.root), other)
    await house.reconciler.observe(house.node.id, [said(house, server, State.STOPPED, operation, generation=1)])
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.CREATED


async def test_progress_is_kept_step_by_step(house: House) -> None:
    house.gateway.obeys = False
    server, operation = await house.product.servers.create(house.actor(house.root), STARTED)
    progress = Progress(state=OperationState.RUNNING, reason="downloads", steps=("download",), fraction=0.5)
    await house.gateway.see(server.uuid, house.gateway.live(State.INSTALLING), progress)
    now = await house.product.operations.get(operation.uuid)
    assert (now.state, now.reason, now.steps, now.fraction) == (OperationState.RUNNING, "downloads", ("download",), 0.5)
    assert (now.started_at, now.finished_at) == (house.clock.now(), None)


async def test_the_end_of_an_operation_that_could_not_be_kept_is_kept_with_the_next_report(house: House) -> None:
    server = await house.server()
    house.gateway.obeys = False
    operation = await house.product.servers.start(house.actor(house.root), server)
    broken = [True]

    @asynccontextmanager
    async def works() -> AsyncIterator[Work]:
        async with house.database.works() as work:
            yield work
            if broken and broken.pop():
                raise ConnectionError("the database went away")

    reconciler = _reconciler(house, works)
    seen = said(house, server, State.RUNNING, operation, generation=2)
    with pytest.raises(ConnectionError):
        await reconciler.observe(house.node.id, [seen])
    assert house.now(server).live.state is State.PREPARING
    await reconciler.observe(house.node.id, [seen])
    assert house.now(server).live.state is State.RUNNING
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE


def _reconciler(house: House, works: Works) -> Reconciler:
    product = house.product
    return Reconciler(
        works=works,
        clock=house.clock,
        directory=product.directory,
        catalog=product.catalog,
        nodes=product.nodes,
        gateway=house.gateway,
        operations=product.operations,
        activity=product.activity,
        meters=house.meters,
        tasks=house.tasks,
        house=house.settings,
        happenings=product.happenings,
        backups=BackupNotes(house.clock, product.operations, product.activity),
    )


# -- what happens unasked -------------------------------------------------------------------------------------------


async def test_a_game_that_ends_cleanly_by_itself_is_meant_to_be_off(house: House) -> None:
    server = await house.server(start=True)
    await house.gateway.see(server.server.uuid, crashed(house, State.STOPPED, clean=True, code=0))
    now = house.now(server)
    assert (now.live.state, now.server.power, now.server.state) == (State.STOPPED, "off", State.STOPPED)
    assert await crashes(house, server) == 0


async def test_so_it_is_when_the_panel_was_away_meanwhile(house: House) -> None:
    server = await house.server(start=True)
    again = await restarted(house)
    await again.gateway.see(server.server.uuid, again.gateway.live(State.STOPPED), DONE)
    now = again.now(server)
    assert (now.live.state, now.server.power) == (State.STOPPED, "off")


async def test_a_crash_is_noted_once_and_leaves_the_power_intent(house: House) -> None:
    server = await house.server(start=True)
    seen = crashed(house, State.CRASHED)
    for _ in range(3):
        await house.gateway.see(server.server.uuid, seen)
    assert await crashes(house, server) == 1
    assert (house.now(server).live.state, house.now(server).server.power) == (State.CRASHED, "on")
    entry = (await house.product.activity.of_server(server.server.id, None, 1)).items[0]
    assert (entry.account_id, entry.via, entry.data["code"], entry.data["reason"]) == (None, "system", 1, "exit code 1")


async def test_a_crash_that_was_overcome_between_two_reports_is_noted_too(house: House, clock: FakeClock) -> None:
    server = await house.server(start=True)
    await house.gateway.see(server.server.uuid, crashed(house, State.RUNNING))
    clock.advance(seconds=9)
    await house.gateway.see(server.server.uuid, crashed(house, State.RUNNING))
    assert await crashes(house, server) == 2


async def test_a_crash_is_not_noted_again_after_a_restart_of_the_panel_but_one_that_was_missed_is(
    house: House, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    seen = crashed(house, State.CRASHED)
    await house.gateway.see(server.server.uuid, seen)
    again = await restarted(house)
    await again.gateway.see(server.server.uuid, seen, DONE)
    assert await crashes(again, server) == 1
    clock.advance(seconds=1)
    third = await restarted(again)
    await third.gateway.see(server.server.uuid, crashed(third, State.CRASHED), DONE)
    assert await crashes(third, server) == 2


async def test_a_report_makes_its_node_present(house: House) -> None:
    house.product.nodes.lost(house.node.id)
    await house.reconciler.observe(house.node.id, [])
    assert house.product.nodes.is_online(house.node.id)


# -- what another panel kept ----------------------------------------------------------------------------------------


async def test_what_another_panel_kept_is_seen_and_not_written(house: House) -> None:
    server = await house.server(start=True)
    live = house.gateway.live(State.STOPPING)
    seen = Observation(
        uuid=server.server.uuid, live=live, generation=server.server.generation, order_id=None, progress=None
    )
    house.reconciler.mirror(house.node.id, [seen])
    assert house.now(server).live == live
    assert house.now(server).server == server.server


async def test_of_older_decisions_and_deleted_servers_nothing_is_mirrored(house: House) -> None:
    server = await server_in(house, State.RUNNING)
    gone = await house.server(name="gone")
    await house.product.servers.delete(house.actor(house.root), gone)
    await house.settle()
    live = house.gateway.live(State.CRASHED)
    told = {house.node.uuid: 1, server.server.uuid: server.server.generation - 1, gone.server.uuid: 99}
    house.reconciler.mirror(
        house.node.id,
        [
            Observation(uuid=uuid, live=live, generation=known, order_id=None, progress=None)
            for uuid, known in told.items()
        ],
    )
    assert house.now(server).live.state is State.RUNNING
    assert house.now(gone).live.state is State.DELETED
