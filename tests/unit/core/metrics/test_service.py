"""Samples: the newest shown, one a minute kept, and a node believed for its own servers only."""

from datetime import timedelta

import pytest

from innkeeper.core.metrics.service import KEPT, MetricService
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Usage
from innkeeper.kit.ids import uuid7
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import a_usage
from tests.unit.core.conftest import FakeClock, second_node, server_in


@pytest.fixture
def metrics(house: House) -> MetricService:
    return house.product.metrics


async def history(house: House, server: Record) -> list[Usage]:
    now = house.clock.now()
    return await house.product.metrics.history(
        server.server.id, now - timedelta(days=30), now + timedelta(days=1), 1000
    )


@pytest.mark.parametrize("state", [State.STOPPED, State.RUNNING, State.CRASHED, State.STOPPING])
async def test_only_a_live_server_uses_anything(house: House, metrics: MetricService, state: State) -> None:
    server = await server_in(house, state)
    usage = a_usage(house.clock.now())
    metrics.take(house.node.id, [(uuid7(), usage), (server.server.uuid, usage)])
    assert house.now(server).live.usage == (usage if state in ALIVE else None)


async def test_a_node_samples_its_own_servers_only(house: House, metrics: MetricService) -> None:
    server = await house.server(start=True, node=house.node.uuid)
    far = await second_node(house)
    with pytest.raises(NoSuchNode):
        metrics.take(far, [(server.server.uuid, a_usage(house.clock.now()))])
    assert house.now(server).live.usage is None


async def test_a_stopped_servers_last_sample_is_not_shown_and_a_reports_news_keep_the_newest(
    house: House, metrics: MetricService
) -> None:
    server = await house.server(start=True)
    usage = a_usage(house.clock.now())
    metrics.take(house.node.id, [(server.server.uuid, usage)])
    await house.gateway.see(server.server.uuid, house.gateway.live(State.STOPPING))
    assert house.now(server).live.usage == usage
    await house.gateway.see(server.server.uuid, house.gateway.live(State.STOPPED))
    assert house.now(server).live.usage is None


async def test_each_sample_is_kept_once(house: House, metrics: MetricService, clock: FakeClock) -> None:
    server, idle = await house.server(start=True), await house.server(name="idle")
    first = a_usage(clock.now())
    metrics.take(house.node.id, [(server.server.uuid, first)])
    await metrics.save()
    await metrics.save()
    clock.advance(minutes=1)
    second = a_usage(clock.now(), cpu_percent=50.0, disk_bytes=None)
    metrics.take(
        house.node.id, [(server.server.uuid, a_usage(clock.now() - timedelta(seconds=2))), (server.server.uuid, second)]
    )
    await metrics.save()
    assert await history(house, server) == [first, second]
    assert await history(house, idle) == []


async def test_history_is_from_and_before_its_bounds(house: House, metrics: MetricService, clock: FakeClock) -> None:
    server = await house.server(start=True)
    kept = []
    for _ in range(4):
        kept.append(a_usage(clock.now()))
        metrics.take(house.node.id, [(server.server.uuid, kept[-1])])
        await metrics.save()
        clock.advance(minutes=1)
    assert await metrics.history(server.server.id, kept[1].at, kept[3].at, 100) == kept[1:3]
    assert await metrics.history(server.server.id, kept[0].at, clock.now(), 2) == kept[:2]


async def test_old_samples_are_deleted(house: House, metrics: MetricService, clock: FakeClock) -> None:
    server = await house.server(start=True)
    for days in (0, 1):
        clock.advance(days=days)
        metrics.take(house.node.id, [(server.server.uuid, a_usage(clock.now()))])
        await metrics.save()
    clock.passed = KEPT + timedelta(seconds=1)
    await metrics.prune()
    assert [usage.at for usage in await history(house, server)] == [clock.now() - clock.passed + timedelta(days=1)]
