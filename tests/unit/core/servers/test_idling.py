"""Servers nobody plays on: when they are stopped, what keeps them, and that this holds over restarts."""

from datetime import datetime, timedelta

import msgspec
import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import ExtensionIsInvalid, LimitIsInvalid, ServerIsNotRunning
from innkeeper.core.servers.idling import empty_since
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer, ServerChanges, Usage
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import a_usage
from tests.unit.core.conftest import FakeClock, restarted


async def idle_server(house: House, minutes: int | None = 10) -> Record:
    """Return a server that has just begun to run."""
    record = await house.server(package="minecraft", start=True, idle_stop_minutes=minutes)
    await house.gateway.see(record.server.uuid, house.gateway.live(State.RUNNING))
    return house.now(record)


async def players(house: House, record: Record, *names: str) -> None:
    """Have the node say who plays."""
    there = tuple(OnlinePlayer(name=name, since=house.clock.now()) for name in names)
    live = msgspec.structs.replace(house.now(record).live, players=there)
    await house.gateway.see(record.server.uuid, live)


async def sample(house: House, record: Record, count: int = 0) -> None:
    """Have a sample of now kept."""
    usage = msgspec.structs.replace(a_usage(house.clock.now()), players=count)
    house.product.metrics.take(house.node.id, [(record.server.uuid, usage)])
    await house.product.metrics.save()


async def state_after_tick(house: House, record: Record, *, away: bool = False) -> State:
    """Have the house look, its node being there or away; return how the server is then."""
    (house.product.nodes.lost if away else house.product.nodes.heard)(house.node.id)
    await house.product.idling.tick()
    await house.settle()
    return house.now(record).live.state


async def test_it_is_stopped_so_long_after_it_was_ready(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=9, seconds=59)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(seconds=1)
    assert await state_after_tick(house, record) is State.STOPPED
    page = await house.product.activity.of_server(record.server.id, None, 10)
    [stop] = [entry for entry in page.items if entry.action == "server.stop"]
    assert (stop.account_id, stop.via) == (None, "system")
    assert stop.data == {"reason": "Nobody has played for 10 minutes."}


async def test_it_is_stopped_so_long_after_the_last_has_left(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=8)
    await players(house, record, "Alice")
    clock.advance(minutes=30)
    assert await state_after_tick(house, record) is State.RUNNING
    await players(house, record)
    clock.advance(minutes=9)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=1)
    assert await state_after_tick(house, record) is State.STOPPED


async def test_a_visit_between_two_looks_counts(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=9)
    await players(house, record, "Alice")
    await players(house, record)
    clock.advance(minutes=5)
    assert await state_after_tick(house, record) is State.RUNNING


@pytest.mark.parametrize("state", [State.STARTING, State.STOPPING, State.STOPPED, State.CRASHED, State.RESTARTING])
async def test_only_what_runs_is_stopped(house: House, clock: FakeClock, state: State) -> None:
    record = await idle_server(house)
    await house.gateway.see(record.server.uuid, house.gateway.live(state))
    house.gateway.obeys = False
    clock.advance(hours=5)
    assert await state_after_tick(house, record) is state
    assert house.gateway.orders == {}


async def test_what_nobody_wants_stopped_runs_on(house: House, clock: FakeClock) -> None:
    record = await idle_server(house, None)
    clock.advance(days=30)
    assert await state_after_tick(house, record) is State.RUNNING
    await house.product.servers.change(house.actor(house.root), record, ServerChanges(idle_stop_minutes=1))
    assert await state_after_tick(house, record) is State.RUNNING, "nobody looked until now"
    clock.advance(minutes=1)
    assert await state_after_tick(house, record) is State.STOPPED


async def test_a_node_that_is_away_is_asked_again(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=10)
    assert await state_after_tick(house, record, away=True) is State.RUNNING
    assert await state_after_tick(house, record) is State.STOPPED


# -- kept for longer ---------------------------------------------------------------------------------------------------


async def test_it_is_kept_from_when_it_would_be_stopped(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    begun = clock.now()
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(minutes=4)
    until = await house.product.idling.extend(house.actor(house.root), record, 300)
    assert until == begun + timedelta(minutes=15) == house.now(record).server.keep_until
    assert await house.product.idling.extend(house.actor(house.root), house.now(record), 60) == begun + timedelta(
        minutes=16
    )
    clock.advance(minutes=11, seconds=59)
    assert await state_after_tick(house, record) is State.RUNNING
    clock.advance(seconds=1)
    assert await state_after_tick(house, record) is State.STOPPED


async def test_while_somebody_plays_it_is_kept_from_now_on(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    await players(house, record, "Alice")
    clock.advance(hours=1)
    until = await house.product.idling.extend(house.actor(house.root), house.now(record), 60)
    assert until == clock.now() + timedelta(seconds=60)


async def test_that_it_is_kept_is_noted_and_its_node_told(house: House) -> None:
    record = await idle_server(house)
    until = await house.product.idling.extend(house.actor(house.root), record, 60)
    [entry, *_] = (await house.product.activity.of_server(record.server.id, None, 10)).items
    assert (entry.action, entry.account_id) == ("server.kept", house.root.id)
    assert entry.data == {"seconds": 60, "until": until.isoformat()}
    assert house.gateway.desired[record.server.uuid].server == house.now(record).server


@pytest.mark.parametrize("seconds", [-1, 0, 86_401])
async def test_only_so_much_longer(house: House, seconds: int) -> None:
    record = await idle_server(house)
    with pytest.raises(ExtensionIsInvalid):
        await house.product.idling.extend(house.actor(house.root), record, seconds)


@pytest.mark.parametrize("state", [State.STARTING, State.STOPPING, State.STOPPED, State.CRASHED])
async def test_only_what_runs_is_kept(house: House, state: State) -> None:
    record = await idle_server(house)
    await house.gateway.see(record.server.uuid, house.gateway.live(state))
    with pytest.raises(ServerIsNotRunning):
        await house.product.idling.extend(house.actor(house.root), house.now(record), 60)


async def test_who_may_start_it_may_keep_it(house: House) -> None:
    record = await idle_server(house)
    guest = await house.account("guest")
    await house.share(record, guest, ServerPermission.VIEW, ServerPermission.STOP)
    with pytest.raises(PermissionIsMissing):
        await house.product.idling.extend(house.actor(guest), record, 60)
    await house.share(record, guest, ServerPermission.VIEW, ServerPermission.START)
    assert await house.product.idling.extend(house.actor(guest), record, 60)


# -- restarts and other panels -----------------------------------------------------------------------------------------


async def again(house: House, record: Record) -> House:
    """Return the house after its panel has begun anew and heard of the server, which ran on."""
    live = house.now(record).live
    fresh = await restarted(house)
    await fresh.gateway.see(record.server.uuid, live)
    return fresh


async def test_a_panel_that_begins_anew_remembers_who_played_and_what_is_kept(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    for minute in range(20):
        await sample(house, record, count=minute <= 14)
        clock.advance(minutes=1)
    fresh = await again(house, record)
    clock.advance(minutes=3, seconds=59)
    await sample(fresh, record)
    assert await state_after_tick(fresh, record) is State.RUNNING, "the last was seen in minute 14"
    clock.advance(seconds=1)
    assert await state_after_tick(fresh, record) is State.RUNNING, "nobody looked for four minutes"


async def test_a_panel_that_begins_anew_need_not_wait_again(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    for _ in range(9):
        clock.advance(minutes=1)
        await sample(house, record)
    fresh = await again(house, record)
    assert await state_after_tick(fresh, record) is State.RUNNING
    clock.advance(minutes=1)
    assert await state_after_tick(fresh, record) is State.STOPPED


async def test_what_is_kept_is_kept_over_a_restart(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    until = await house.product.idling.extend(house.actor(house.root), record, 3600)
    for _ in range(30):
        clock.advance(minutes=1)
        await sample(house, record)
    fresh = await again(house, record)
    assert fresh.now(record).server.keep_until == until
    assert await state_after_tick(fresh, record) is State.RUNNING


async def test_of_two_panels_one_stops_it(house: House, clock: FakeClock) -> None:
    record = await idle_server(house)
    other = await again(house, record)
    assert await state_after_tick(house, record) is State.RUNNING
    assert await state_after_tick(other, record) is State.RUNNING
    clock.advance(minutes=10)
    house.gateway.obeys = other.gateway.obeys = False
    for panel in (house, other, house):  # the first of them hears nothing of what the other keeps
        await state_after_tick(panel, record)
    page = await house.product.activity.of_server(record.server.id, None, 10)
    assert [entry.action for entry in page.items].count("server.stop") == 1


def test_samples_show_since_when_nobody_plays() -> None:
    base = a_usage(datetime.fromisoformat("2026-11-21T12:00:00+00:00"))

    def at(minute: float, count: int = 0) -> Usage:
        return msgspec.structs.replace(base, at=base.at + timedelta(minutes=minute), players=count)

    def since(*samples: Usage, now: float = 10) -> float:
        found = empty_since(samples, base.at, base.at + timedelta(minutes=now))
        return (found - base.at) / timedelta(minutes=1)

    every = [at(minute) for minute in range(1, 10)]
    assert since(*every) == 0
    assert since(*every[:3], at(4, 2), *every[4:]) == 4
    assert since(*every[:2], *every[6:]) == 7
    assert since(*every[:4]) == 10
    assert since() == 10
    assert since(now=2) == 0


# -- what may be wished ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0, -1, 10_081])
async def test_only_so_many_minutes(house: House, minutes: int) -> None:
    with pytest.raises(LimitIsInvalid):
        await house.server(package="minecraft", idle_stop_minutes=minutes)
    record = await house.server(package="minecraft", idle_stop_minutes=10_080)
    with pytest.raises(LimitIsInvalid):
        await house.product.servers.change(house.actor(house.root), record, ServerChanges(idle_stop_minutes=minutes))


async def test_a_game_that_does_not_tell_who_plays_is_not_stopped_for_that(house: House) -> None:
    with pytest.raises(LimitIsInvalid, match="does not tell who plays"):
        await house.server(idle_stop_minutes=10)
