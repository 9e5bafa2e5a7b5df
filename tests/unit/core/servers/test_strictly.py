"""Strictly, one operation at a time: while one has not ended, every other is refused and told which it is."""

from pathlib import Path

import pytest

from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.service import PRESENT_FOR
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import (
    ServerIsBusy,
    ServerIsInstalling,
    ServerIsNotInstalled,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsSuspended,
)
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import ServerDraft
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, restarted, server_in

COMMANDS = ("start", "stop", "restart", "delete")


async def strictly(house: House, name: str, record: Record) -> Operation:
    operation: Operation = await getattr(house.product.servers, name)(house.actor(house.root), record, strictly=True)
    return operation


async def seen_in(house: House, state: State) -> Record:
    """Return a server that is seen in `state`, all of whose operations have ended."""
    server = await server_in(house, state)
    async with house.database.works() as work:
        for operation in await work.operations.unfinished(server.server.id):
            await house.product.operations.note(work, operation, Progress(state=OperationState.DONE))
    return house.now(server)


@pytest.mark.parametrize(
    ("state", "to_start", "to_stop"),
    [
        (State.STOPPED, None, ServerIsNotRunning),
        (State.CRASHED, None, ServerIsNotRunning),
        (State.RUNNING, ServerIsNotStopped, None),
        (State.PREPARING, ServerIsStarting, ServerIsNotRunning),
        (State.STARTING, ServerIsStarting, ServerIsNotRunning),
        (State.STOPPING, ServerIsNotStopped, ServerIsNotRunning),
        (State.RESTARTING, ServerIsStarting, ServerIsNotRunning),
        (State.INSTALLING, ServerIsInstalling, ServerIsInstalling),
        (State.CREATED, ServerIsNotInstalled, ServerIsNotInstalled),
    ],
)
async def test_what_rests_starts_and_what_runs_stops_and_nothing_else(
    house: House, state: State, to_start: type[CoreError] | None, to_stop: type[CoreError] | None
) -> None:
    for name, expected in (("start", to_start), ("stop", to_stop), ("restart", to_stop)):
        house.gateway.obeys = True
        server = await seen_in(house, state)
        house.gateway.obeys = False
        assert await refusals(strictly(house, name, server)) == ([expected] if expected else []), name
        await house.product.servers.delete(house.actor(house.root), server)


async def test_while_an_operation_is_under_way_every_other_is_refused_with_its_name(house: House) -> None:
    server = await house.server()
    house.gateway.obeys = False
    start = await strictly(house, "start", server)
    for _ in range(2):
        for name in COMMANDS:
            with pytest.raises(ServerIsBusy) as refused:
                await strictly(house, name, server)
            assert refused.value.data == {"operation": str(start.uuid), "verb": "start"}
        await house.gateway.see(server.server.uuid, house.gateway.live(State.RUNNING))
    await house.gateway.carry_out(server.server.uuid)
    assert (await strictly(house, "restart", server)).verb == "restart"


async def test_what_is_being_installed_is_busy(house: House) -> None:
    house.gateway.obeys = False
    draft = ServerDraft(name="camp", package="custom", properties={"command": "sleep 1"})
    server, install = await house.product.servers.create(house.actor(house.root), draft)
    record = house.product.directory.get(server.id)
    for name in COMMANDS:
        with pytest.raises(ServerIsBusy) as refused:
            await strictly(house, name, record)
        assert refused.value.data["operation"] == str(install.uuid)


async def test_of_five_starts_at_once_one_wins_and_the_others_hear_of_it(house: House) -> None:
    server = await house.server()
    house.gateway.obeys = False
    assert await refusals(*(strictly(house, "start", server) for _ in range(5))) == [ServerIsBusy] * 4


async def test_another_panel_that_has_not_heard_of_it_is_refused_too(house: House) -> None:
    server = await house.server()
    other = await restarted(house)
    house.gateway.obeys = False
    house.database.set_announcer(house._announce)  # the other hears nothing of what is decided here
    start = await strictly(house, "start", server)
    for name in ("start", "delete"):
        with pytest.raises(ServerIsBusy) as refused:
            await strictly(other, name, server)
        assert refused.value.data["operation"] == str(start.uuid)
    await house.gateway.carry_out(server.server.uuid)
    with pytest.raises(ServerIsNotStopped):
        await strictly(other, "start", server)


async def test_a_suspended_server_does_not_start_and_can_be_deleted(house: House) -> None:
    server = await house.server()
    await house.product.servers.suspend(house.actor(house.root), server, "unpaid")
    with pytest.raises(ServerIsSuspended):
        await strictly(house, "start", server)
    assert (await strictly(house, "delete", server)).verb == "delete"


async def test_an_order_that_no_node_ever_heard_of_does_not_stand_in_the_way_for_ever(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    house.gateway.offline = True
    lost = await house.product.servers.start(root, server)
    stop = await house.product.servers.stop(root, server)
    with pytest.raises(ServerIsBusy):
        await strictly(house, "start", server)
    house.gateway.offline = False
    await house.reconciler.tick()
    await house.settle()
    assert (await house.product.operations.get(stop.uuid)).state is OperationState.DONE
    ended = await house.product.operations.get(lost.uuid)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "superseded by a newer order: stop")
    assert (await strictly(house, "start", server)).verb == "start"


async def test_what_a_node_that_is_away_was_asked_keeps_nobody_from_deleting(tmp_path: Path) -> None:
    clock = FakeClock()
    async with House.open(tmp_path, clock=clock) as house:
        server, root = await house.server(), house.actor(house.root)
        house.gateway.offline = True
        await house.product.servers.start(root, server)
        with pytest.raises(ServerIsBusy):
            await strictly(house, "delete", server)
        clock.advance(seconds=PRESENT_FOR.total_seconds() + 1)
        assert (await strictly(house, "delete", server)).verb == "delete"
