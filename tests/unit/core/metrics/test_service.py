"""Samples: the newest shown, the first of each span kept and gathered, and a node believed for its own servers only."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.house.model import HouseChanges
from innkeeper.core.metrics.errors import HostIsNotSampled
from innkeeper.core.metrics.model import Disk, HostUsage, Step
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.servers.attention import LookParts
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Usage
from innkeeper.core.work import Work
from innkeeper.kit.ids import uuid7
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import a_usage
from tests.unit.core.conftest import FakeClock, restarted, second_node, server_in


@pytest.fixture
def metrics(house: House) -> MetricService:
    return house.product.metrics


async def kept(house: House, server: Record) -> list[Usage]:
    now = house.clock.now()
    return await house.product.metrics.samples(
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


async def test_the_first_sample_of_each_span_is_kept_once(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server, idle = await house.server(start=True), await house.server(name="idle")
    taken = []
    for _ in range(7):  # at 0, 10, 20 … seconds of the minute
        taken.append(a_usage(clock.now()))
        metrics.take(house.node.id, [(server.server.uuid, taken[-1])])
        await metrics.save()
        await metrics.save()
        clock.advance(seconds=10)
    assert await kept(house, server) == [taken[0], taken[3], taken[6]]
    assert await kept(house, idle) == []


async def test_panels_that_hear_the_same_samples_keep_the_same_ones(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    second = (await restarted(house)).product
    await house.gateway.see(server.server.uuid, house.gateway.live(State.RUNNING))
    second.directory.put_live(server.server.id, house.now(server).live)
    for number in range(13):
        usage = a_usage(clock.now(), cpu_percent=float(number))
        for panel in (metrics, second.metrics):
            panel.take(house.node.id, [(server.server.uuid, usage)])
        if number % 2:
            await metrics.save()
        if not number % 3:
            await second.metrics.save()
        clock.advance(seconds=10)
    await asyncio.gather(metrics.save(), second.metrics.save())
    assert [usage.cpu_percent for usage in await kept(house, server)] == [0, 3, 6, 9, 12]
    hour = await metrics.history(server.server.id, clock.now() - timedelta(hours=1), clock.now(), step="hour")
    assert [(point.samples, point.cpu_mean, point.cpu_max) for point in hour] == [(5, 6.0, 12.0)]


async def test_how_often_samples_are_kept_is_a_setting_of_the_house(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    await house.product.house.change(house.actor(house.root), HouseChanges(sample_seconds=10))
    for _ in range(6):
        metrics.take(house.node.id, [(server.server.uuid, a_usage(clock.now()))])
        clock.advance(seconds=5)
    await metrics.save()
    assert len(await kept(house, server)) == 3


async def test_what_could_not_be_kept_is_kept_later_but_not_for_ever(house: House, clock: FakeClock) -> None:
    server = await house.server(start=True)
    broken = True

    def works() -> AbstractAsyncContextManager[Work]:
        if broken:
            raise ConnectionError("the database went away")
        return house.database.works()

    parts = LookParts(
        gateway=house.gateway, servers=house.product.directory, rights=house.product.authority, clock=clock
    )
    metrics = MetricService(works=works, looks=parts, house=house.settings)
    for _ in range(3):
        metrics.take(house.node.id, [(server.server.uuid, a_usage(clock.now()))])
        with pytest.raises(ConnectionError):
            await metrics.save()
        clock.advance(minutes=25)
    broken = False
    await metrics.save()
    begun = clock.now() - timedelta(minutes=75)
    assert [usage.at for usage in await kept(house, server)] == [
        begun + timedelta(minutes=minutes) for minutes in (25, 50)
    ]


async def test_a_sample_of_a_clock_that_is_far_ahead_is_not_kept(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    metrics.take(house.node.id, [(server.server.uuid, a_usage(clock.now() + timedelta(days=900)))])
    await metrics.save()
    assert await kept(house, server) == []


async def fill(house: House, server: Record, clock: FakeClock, *, minutes: int, every: int = 30) -> None:
    for second in range(0, minutes * 60, every):
        house.product.metrics.take(house.node.id, [(server.server.uuid, a_usage(clock.now(), players=second // 60))])
        clock.advance(seconds=every)
    await house.product.metrics.save()


async def test_history_is_from_and_before_its_bounds_at_the_step_that_is_asked_for(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server, begun = await house.server(start=True), clock.now()
    await fill(house, server, clock, minutes=4)
    now = clock.now()
    assert len(await metrics.history(server.server.id, begun, now, step="raw")) == 8
    by_minute = await metrics.history(server.server.id, begun, now, step="minute")
    assert [(point.at, point.samples, point.players_mean) for point in by_minute] == [
        (begun + timedelta(minutes=minute), 2, float(minute)) for minute in range(4)
    ]
    within = await metrics.history(
        server.server.id, begun + timedelta(seconds=90), begun + timedelta(minutes=3), step="minute"
    )
    assert within == by_minute[1:3], "the span in which the beginning lies is the first"
    assert await metrics.history(server.server.id, begun, now, step="minute", limit=2) == by_minute[:2]
    (hour,) = await metrics.history(server.server.id, begun + timedelta(minutes=2), now, step="hour")
    assert (hour.at, hour.samples, hour.players_mean, hour.players_max) == (begun, 8, 1.5, 3)


async def test_a_gap_is_a_gap(house: House, metrics: MetricService, clock: FakeClock) -> None:
    server, begun = await house.server(start=True), clock.now()
    await fill(house, server, clock, minutes=1)
    clock.advance(minutes=10)
    await fill(house, server, clock, minutes=1)
    found = await metrics.history(server.server.id, begun, clock.now(), step="minute")
    assert [(point.at - begun) // timedelta(minutes=1) for point in found] == [0, 11]


@pytest.mark.parametrize(
    ("ago", "length", "step"),
    [
        (timedelta(hours=1), timedelta(hours=1), "raw"),
        (timedelta(hours=8), timedelta(hours=8), "raw"),
        (timedelta(hours=12), timedelta(hours=12), "minute"),
        (timedelta(days=3), timedelta(hours=1), "minute"),
        (timedelta(days=3), timedelta(days=3), "hour"),
        (timedelta(days=10), timedelta(hours=1), "hour"),
    ],
)
async def test_the_step_is_the_finest_that_is_kept_and_gives_few_points(
    metrics: MetricService, clock: FakeClock, ago: timedelta, length: timedelta, step: str
) -> None:
    begin = clock.now() - ago
    assert metrics.step_for(begin, begin + length, 1000) == step


async def test_each_kind_of_history_is_deleted_in_its_own_time(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    server, begun = await house.server(start=True), clock.now()
    await house.product.house.change(house.actor(house.root), HouseChanges(raw_days=1, minute_days=3, hour_days=5))
    await fill(house, server, clock, minutes=5)

    async def left() -> list[int]:
        await metrics.prune()
        steps: tuple[Step, ...] = ("raw", "minute", "hour")
        return [len(await metrics.history(server.server.id, begun, clock.now(), step=step)) for step in steps]

    assert await left() == [10, 5, 1]
    clock.passed = timedelta(days=1, minutes=2, seconds=30)
    assert await left() == [5, 5, 1]
    clock.passed = timedelta(days=3, minutes=2, seconds=30)
    assert await left() == [0, 2, 1]
    clock.passed = timedelta(days=6)
    assert await left() == [0, 0, 0]


def host(at: datetime, **fields: Any) -> HostUsage:
    values: dict[str, Any] = {
        "cpu_percent": 25.0,
        "cpus": 4,
        "memory_bytes": 3 << 30,
        "memory_total_bytes": 8 << 30,
        "disks": tuple(
            Disk(device=f"/dev/{name}", mount=mount, filesystem="ext4", total_bytes=10, used_bytes=4, free_bytes=5)
            for name, mount in (("sda", "/"), ("sdb", "/srv"))
        ),
        "booted_at": at - timedelta(days=3),
    }
    return HostUsage(at=at, **(values | fields))


async def test_a_host_is_known_while_it_is_heard_of_to_who_may(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    root, guest = house.actor(house.root), house.actor(await house.account("guest"))
    with pytest.raises(HostIsNotSampled):
        metrics.host(root, house.node.id)
    metrics.take_host(house.node.id, host(clock.now()))
    assert metrics.host(root, house.node.id) == host(clock.now())
    with pytest.raises(PermissionIsMissing):
        metrics.host(guest, house.node.id)
    clock.advance(minutes=2)
    assert metrics.hosts() == {}


async def test_what_a_host_used_is_kept_as_that_of_servers_is(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    root, guest, begun = house.actor(house.root), house.actor(await house.account("guest")), clock.now()
    for number in range(9):  # every ten seconds, of which every third is kept
        metrics.take_host(house.node.id, host(clock.now(), cpu_percent=float(number)))
        clock.advance(seconds=10)
    await metrics.save()
    node, end = house.node.id, clock.now()
    raw = await metrics.host_history(root, node, begun, end, step="raw")
    assert [(point.cpu_mean, point.disk_max) for point in raw] == [(0, 8), (3, 8), (6, 8)]
    within = begun + timedelta(seconds=20)
    minutes = await metrics.host_history(root, node, within, end, step="minute")
    assert [(point.samples, point.cpu_mean, point.cpu_max) for point in minutes] == [(2, 1.5, 3), (1, 6, 6)]
    assert [point.memory_mean for point in await metrics.host_history(root, node, begun, end, step="hour")] == [3 << 30]
    assert await metrics.host_history(root, node + 1, begun, end, step="hour") == []
    with pytest.raises(PermissionIsMissing):
        await metrics.host_history(guest, node, begun, end, step="raw")
    clock.advance(days=3)
    await metrics.prune()
    left = [await metrics.host_history(root, node, begun, end, step=step) for step in ("raw", "minute", "hour")]
    assert [len(points) for points in left] == [0, 2, 1]


def test_a_disk_that_is_mounted_twice_counts_once() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    disks = host(now).disks
    again = replace(disks[0], mount="/elsewhere")
    assert host(now, disks=(*disks, again)).sample().disk_bytes == 8
    assert host(now, disks=()).sample().disk_bytes is None


async def test_the_disks_that_are_shown_are_a_setting_of_the_house(
    house: House, metrics: MetricService, clock: FakeClock
) -> None:
    metrics.take_host(house.node.id, host(clock.now()))
    await house.product.house.change(house.actor(house.root), HouseChanges(mounts=("/srv", "/elsewhere")))
    assert [disk.mount for disk in metrics.hosts()[house.node.id].disks] == ["/srv"]
    await house.product.house.change(house.actor(house.root), HouseChanges(mounts=()))
    assert [disk.mount for disk in metrics.hosts()[house.node.id].disks] == ["/", "/srv"]
