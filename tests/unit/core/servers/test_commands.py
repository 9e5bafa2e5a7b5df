"""Every command in every state, and what stands in its way."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import (
    NoSuchServer,
    ServerIsBusy,
    ServerIsDeleted,
    ServerIsInstalling,
    ServerIsNotInstalled,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsStopping,
    ServerIsSuspended,
)
from innkeeper.core.servers.lifecycle import ENDED, State
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, server_in

Refusal = type[CoreError] | None
EVERYWHERE: dict[State, Refusal] = {
    State.CREATED: ServerIsNotInstalled,
    State.INSTALLING: ServerIsInstalling,
    State.TRANSFERRING: ServerIsBusy,
    State.DELETING: ServerIsDeleted,
    State.DELETED: ServerIsDeleted,
}
NOT_STOPPED = (State.PREPARING, State.STARTING, State.RUNNING, State.STOPPING, State.SAVING, State.RESTARTING)
ANSWERS: dict[str, dict[State, Refusal]] = {
    "start": EVERYWHERE
    | dict.fromkeys((State.STOPPED, State.CRASHED))
    | dict.fromkeys((State.PREPARING, State.STARTING, State.RESTARTING), ServerIsStarting)
    | dict.fromkeys((State.RUNNING, State.STOPPING, State.SAVING), ServerIsNotStopped),
    "stop": EVERYWHERE
    | dict.fromkeys((State.PREPARING, State.STARTING, State.RUNNING, State.RESTARTING, State.CRASHED))
    | dict.fromkeys((State.STOPPING, State.SAVING), ServerIsStopping)
    | {State.STOPPED: ServerIsNotRunning},
    "restart": EVERYWHERE
    | dict.fromkeys((State.RUNNING, State.STARTING))
    | dict.fromkeys((State.STOPPING, State.SAVING), ServerIsStopping)
    | dict.fromkeys((State.STOPPED, State.CRASHED, State.PREPARING, State.RESTARTING), ServerIsNotRunning),
    "kill": EVERYWHERE | dict.fromkeys((*NOT_STOPPED, State.CRASHED)) | {State.STOPPED: ServerIsNotRunning},
    "reinstall": EVERYWHERE
    | dict.fromkeys((State.CREATED, State.STOPPED, State.CRASHED))
    | dict.fromkeys(NOT_STOPPED, ServerIsNotStopped),
    "delete": dict.fromkeys(State) | dict.fromkeys(ENDED, ServerIsDeleted),
}
INTENT = {"start": "on", "stop": "off", "restart": "on", "kill": "off", "reinstall": "off", "delete": "off"}


async def command(house: House, name: str, record: Record) -> object:
    return await getattr(house.product.servers, name)(house.actor(house.root), record)


async def in_any_state(house: House, state: State) -> Record:
    if state not in ENDED:
        return await server_in(house, state)
    server = await house.server(name=f"{state}")
    house.gateway.offline = state is State.DELETING
    await command(house, "delete", server)
    await house.settle()
    house.gateway.offline = False
    return house.now(server)


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_command_is_taken_or_refused_by_state(house: House, name: str) -> None:
    assert ANSWERS[name].keys() == set(State)
    house.gateway.ports_taken = set()
    answers: dict[State, Refusal] = {}
    for state in State:
        record = await in_any_state(house, state)
        assert record.live.state is state
        house.gateway.obeys = False
        before = record.server
        refused = await refusals(command(house, name, record))
        answers[state] = refused[0] if refused else None
        after = house.now(record).server
        if refused:
            assert after == before, "what is refused changes nothing"
        else:
            assert after.power == INTENT[name]
            assert (after.generation, after.order_id != before.order_id) == (before.generation + 1, True)
        house.gateway.obeys = True
    assert answers == ANSWERS[name]


async def test_a_crashed_server_that_has_given_up_cannot_be_stopped_again(house: House) -> None:
    crashed = await server_in(house, State.CRASHED, power="off")
    with pytest.raises(ServerIsNotRunning):
        await command(house, "stop", crashed)


async def test_the_power_intent_that_counts_is_the_one_of_now(house: House) -> None:
    waiting = await server_in(house, State.CRASHED, power="on")
    house.gateway.obeys = False
    await command(house, "stop", waiting)
    await house.gateway.see(waiting.server.uuid, house.gateway.live(State.CRASHED))
    with pytest.raises(ServerIsNotRunning):
        await command(house, "stop", waiting)


async def test_of_two_starts_at_once_one_wins(house: House) -> None:
    server = await house.server()
    refused = await refusals(*(command(house, "start", server) for _ in range(5)))
    assert refused == [ServerIsStarting] * 4
    await house.settle()
    assert house.now(server).live.state is State.RUNNING


async def test_of_a_deletion_and_a_start_at_once_the_server_is_deleted(house: House) -> None:
    server = await house.server()
    refused = await refusals(
        command(house, "delete", server), command(house, "start", server), command(house, "delete", server)
    )
    assert refused == [ServerIsDeleted] * 2
    await house.settle()
    assert house.now(server).server.state is State.DELETED


# -- suspended ------------------------------------------------------------------------------------------------------


async def test_a_suspended_server_stops_and_may_not_start(house: House) -> None:
    root, servers = house.actor(house.root), house.product.servers
    server = await house.server(start=True)
    suspended = await servers.suspend(root, server, "unpaid")
    assert (suspended.power, suspended.suspended_reason) == ("off", "unpaid")
    assert house.gateway.desired[server.server.uuid].server.power == "off"
    for name in ("start", "restart"):
        with pytest.raises(ServerIsSuspended):
            await command(house, name, server)
    await command(house, "kill", server)


async def test_an_unsuspended_server_is_not_started_by_that_but_may_be(house: House) -> None:
    root, servers = house.actor(house.root), house.product.servers
    server = await house.server()
    await servers.suspend(root, server, "unpaid")
    free = await servers.unsuspend(root, server)
    assert (free.suspended, free.suspended_reason, free.power) == (False, None, "off")
    await command(house, "start", server)
    await house.settle()
    assert house.now(server).live.state is State.RUNNING


async def test_suspending_twice_changes_nothing(house: House) -> None:
    root, servers = house.actor(house.root), house.product.servers
    server = await house.server()
    first = await servers.suspend(root, server, "unpaid")
    assert await servers.suspend(root, server, "unpaid") == first


async def test_whoever_suspends_what_is_suspended_gives_the_reason_anew_but_not_the_house(house: House) -> None:
    root, servers = house.actor(house.root), house.product.servers
    server = await house.server()
    await servers.lock(server, "billing")
    assert (await servers.suspend(root, server, "maintenance")).suspended_reason == "maintenance"
    assert (await servers.lock(server, "billing")).suspended_reason == "maintenance"
    assert (await servers.unlock(server, "billing")).suspended
    assert not (await servers.unsuspend(root, server)).suspended


async def test_what_is_suspended_while_it_is_installed_does_not_start_then(house: House) -> None:
    root, servers = house.actor(house.root), house.product.servers
    house.gateway.obeys = False
    server = await house.server(start=True)
    await servers.lock(server, "billing")
    house.gateway.obeys = True
    await house.gateway.carry_out(server.server.uuid)
    await house.settle()
    assert house.now(server).live.state is State.STOPPED
    assert house.gateway.desired[server.server.uuid].server.power == "off"
    await servers.unlock(server, "billing")
    await house.settle()
    assert house.now(server).live.state is State.STOPPED
    assert [one.verb for one in (await house.product.operations.of_server(server.server.id, None, 9)).items] == [
        "install"
    ]
    await servers.start(root, server)


async def test_an_owner_does_not_lift_a_suspension(house: House) -> None:
    guest = await house.account("guest")
    server = await house.server(owner=guest)
    await house.product.servers.suspend(house.actor(house.root), server, "unpaid")
    with pytest.raises(PermissionIsMissing):
        await house.product.servers.unsuspend(house.actor(guest), server)


# -- who ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_command_needs_its_own_permission(house: House, name: str) -> None:
    needed = {"reinstall": "server.reinstall", "delete": "server.delete"}.get(name, f"power.{name}")
    guest = await house.account("guest")
    server = await house.server()
    with pytest.raises(NoSuchServer):
        await getattr(house.product.servers, name)(house.actor(guest), server)
    others = {"server.view", "power.start", "power.stop", "power.restart", "power.kill", "server.delete"} - {needed}
    await house.share(server, guest, *others)
    with pytest.raises(PermissionIsMissing) as refused:
        await getattr(house.product.servers, name)(house.actor(guest), server)
    assert refused.value.data == {"permission": needed}


# -- nodes that are away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["start", "reinstall"])
async def test_a_command_to_a_node_that_is_away_is_refused_and_changes_nothing(house: House, name: str) -> None:
    server = await house.server()
    house.product.nodes.lost(house.node.id)
    with pytest.raises(NodeIsOffline):
        await command(house, name, server)
    assert house.now(server) == server


async def test_a_node_that_is_silent_for_45_seconds_is_away(house: House, clock: FakeClock) -> None:
    server = await house.server()
    clock.advance(seconds=44)
    await command(house, "start", server)
    await house.settle()
    clock.advance(seconds=45)
    with pytest.raises(NodeIsOffline):
        await command(house, "stop", server)
