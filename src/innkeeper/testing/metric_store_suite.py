"""What every keeper of samples must hold to: each counts once in its minute and its hour, whoever gives it and when.

Used as `store_suite` is.
"""

import asyncio
from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

from innkeeper.core.metrics.model import SPANS, HostPoint, HostSample, Step, UsagePoint
from innkeeper.core.servers.model import Usage
from innkeeper.testing.store_samples import NOON, SECOND, TICK, Stores, a_usage

KINDS: tuple[Step, ...] = ("raw", "minute", "hour")


class MetricPromises:
    """`core.metrics.store`."""

    async def test_samples_come_back_oldest_first_within_their_time(self, stores: Stores) -> None:
        usages = [a_usage(NOON + number * SECOND, players=number) for number in range(5)]
        usages[3] = replace(usages[3], disk_bytes=None, cpu_percent=0.1 + 0.2)
        async with stores.works() as work:
            await work.metrics.add([(1, usage) for usage in reversed(usages)] + [(2, a_usage(NOON))])
        async with stores.works() as work:
            everything = NOON + 10 * SECOND
            assert await work.metrics.of_server(1, NOON, everything, 100) == usages
            assert await work.metrics.of_server(1, NOON + SECOND, NOON + 3 * SECOND, 100) == usages[1:3]
            assert await work.metrics.of_server(1, NOON, everything, 2) == usages[:2]
            assert await work.metrics.of_server(2, NOON, everything, 100) == [a_usage(NOON)]
            assert await work.metrics.of_server(3, NOON, everything, 100) == []

    async def test_a_sample_for_a_moment_that_has_one_is_dropped(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.metrics.add([(1, a_usage(NOON, players=1)), (1, a_usage(NOON, players=2))])
            await work.metrics.add([(1, a_usage(NOON, players=3)), (1, a_usage(NOON + TICK, players=4))])
            await work.metrics.add([])
            kept = await work.metrics.of_server(1, NOON, NOON + SECOND, 10)
            assert [usage.players for usage in kept] == [1, 4]

    async def test_thousands_of_samples_are_kept_at_once(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.metrics.add([(server_id, a_usage(NOON)) for server_id in range(10_000)])
            assert await work.metrics.delete_before(NOON + TICK) == 10_000

    async def test_samples_count_in_their_minute_and_hour_once_in_whatever_order_they_come(
        self, stores: Stores
    ) -> None:
        begin = NOON.replace(second=0, microsecond=0) - timedelta(minutes=2)
        random = Random(5)
        samples = [
            (
                server_id,
                a_usage(
                    begin + timedelta(seconds=7 * number, microseconds=number),
                    cpu_percent=round(random.uniform(0, 400), 2),
                    memory_bytes=random.randrange(1 << 45),
                    players=random.randrange(100),
                    disk_bytes=random.choice([None, random.randrange(1 << 45)]),
                ),
            )
            for server_id in (1, 2)
            for number in range(600)
        ]
        given = samples + random.sample(samples, 200)
        random.shuffle(given)
        while given:
            size = random.randrange(1, 200)
            async with stores.works() as work:
                await work.metrics.add(given[:size])
            given = given[size:]
        async with stores.works() as work:
            for span in SPANS:
                for server_id in (1, 2):
                    own = [usage for owner, usage in samples if owner == server_id]
                    found = await work.metrics.gathered(
                        span, server_id, begin - timedelta(hours=1), begin + timedelta(hours=3), 1000
                    )
                    assert found == by_hand(own, SPANS[span])
            minutes = by_hand([usage for owner, usage in samples if owner == 1], SPANS["minute"])
            some = await work.metrics.gathered("minute", 1, minutes[2].at, minutes[5].at, 1000)
            assert some == minutes[2:5], "from the first to before the last"
            assert await work.metrics.gathered("minute", 1, minutes[0].at, minutes[9].at, 4) == minutes[:4]

    async def test_panels_that_keep_the_same_samples_at_once_neither_wait_for_ever_nor_count_twice(
        self, stores: Stores
    ) -> None:
        samples = [(server_id, a_usage(NOON)) for server_id in range(50)]

        async def keep(number: int) -> None:
            mine = list(samples)
            Random(number).shuffle(mine)
            async with stores.works() as work:
                await work.metrics.add(mine)

        await asyncio.gather(*(keep(number) for number in range(6)))
        async with stores.works() as work:
            for server_id, _ in samples:
                (point,) = await work.metrics.gathered("hour", server_id, NOON - timedelta(hours=1), NOON + SECOND, 10)
                assert point.samples == 1

    async def test_what_was_gathered_outlives_its_samples_and_is_given_up_with_them_rolled_back(
        self, stores: Stores
    ) -> None:
        async with stores.works() as work:
            await work.metrics.add([(1, a_usage(NOON))])
        async with stores.rolled_back() as work:
            await work.metrics.add([(1, a_usage(NOON + SECOND))])
        async with stores.works() as work:
            assert await work.metrics.delete_before(NOON + SECOND) == 1
            (point,) = await work.metrics.gathered("minute", 1, NOON - timedelta(minutes=1), NOON + SECOND, 10)
            assert point.samples == 1

    async def test_the_oldest_of_each_kind_are_deleted_so_many_at_once(self, stores: Stores) -> None:
        async with stores.works() as work:
            for hours in range(4):
                await work.metrics.add([(number, a_usage(NOON + timedelta(hours=hours))) for number in (1, 2)])
            before = (NOON + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
            for kind in KINDS:
                assert await work.metrics.delete_before(before, of=kind, most=3) == 3
            left = [await work.metrics.of_server(server_id, NOON, NOON + timedelta(days=1), 10) for server_id in (1, 2)]
            assert sorted(len(usages) for usages in left) == [2, 3], "the oldest went first"
            for kind in KINDS:
                assert await work.metrics.delete_before(before, of=kind, most=100) > 0
                assert await work.metrics.delete_before(before, of=kind, most=100) == 0
            kept = await work.metrics.gathered("hour", 1, NOON - timedelta(days=1), NOON + timedelta(days=1), 10)
            assert [point.at.hour for point in kept] == [before.hour]

    async def test_hosts_are_kept_beside_servers_and_gathered_and_deleted_like_them(self, stores: Stores) -> None:
        begin = NOON.replace(minute=0, second=0, microsecond=0)
        taken = [
            HostSample(at=begin + 20 * number * SECOND, cpu_percent=10.5 * number, memory_bytes=number, disk_bytes=disk)
            for number, disk in enumerate((100, None, 300, None))
        ]
        async with stores.works() as work:
            await work.metrics.add([(1, a_usage(begin))])
            await work.metrics.add_hosts([(1, sample) for sample in (*taken, taken[0])])
            await work.metrics.add_hosts([(1, taken[1]), (2, taken[3])])
            await work.metrics.add_hosts([])
        end = begin + timedelta(hours=1)
        async with stores.works() as work:
            raw = await work.metrics.of_host("raw", 1, begin, end, 10)
            assert [(one.at, one.cpu_mean, one.cpu_max, one.disk_max) for one in raw] == [
                (sample.at, sample.cpu_percent, sample.cpu_percent, sample.disk_bytes) for sample in taken
            ]
            assert await work.metrics.of_host("raw", 1, taken[1].at, end, 1) == raw[1:2]
            assert [one.samples for one in await work.metrics.of_host("minute", 1, begin, end, 10)] == [3, 1]
            assert await work.metrics.of_host("hour", 1, begin, end, 10) == [
                HostPoint(
                    at=begin,
                    samples=4,
                    cpu_mean=15.75,
                    cpu_max=31.5,
                    memory_mean=1,
                    memory_max=3,
                    disk_mean=200,
                    disk_max=300,
                )
            ]
            assert len(await work.metrics.of_server(1, begin, end, 10)) == 1
            for kind, count in zip(KINDS, (5, 3, 2), strict=True):
                assert await work.metrics.delete_before(end, of=kind) == count
                assert await work.metrics.of_host(kind, 1, begin, end, 10) == []

    async def test_what_is_older_is_deleted(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.metrics.add([(number, a_usage(NOON + number * SECOND)) for number in range(4)])
            assert await work.metrics.delete_before(NOON + 2 * SECOND) == 2
            assert await work.metrics.delete_before(NOON + 2 * SECOND) == 0
            assert await work.metrics.of_server(2, NOON, NOON + 9 * SECOND, 10) == [a_usage(NOON + 2 * SECOND)]


def by_hand(usages: list[Usage], span: timedelta) -> list[UsagePoint]:
    """Return what samples come to in each span, worked out one span at a time."""
    zero = datetime.min.replace(tzinfo=NOON.tzinfo)
    points = []
    for at in sorted({usage.at - (usage.at - zero) % span for usage in usages}):
        mine = [usage for usage in usages if at <= usage.at < at + span]
        disks = [usage.disk_bytes for usage in mine if usage.disk_bytes is not None]
        points.append(
            UsagePoint(
                at=at,
                samples=len(mine),
                cpu_mean=round(sum(round(usage.cpu_percent * 100) for usage in mine) / 100 / len(mine), 4),
                cpu_max=max(usage.cpu_percent for usage in mine),
                memory_mean=sum(usage.memory_bytes for usage in mine) // len(mine),
                memory_max=max(usage.memory_bytes for usage in mine),
                players_mean=round(sum(usage.players for usage in mine) / len(mine), 4),
                players_max=max(usage.players for usage in mine),
                disk_mean=sum(disks) // len(disks) if disks else None,
                disk_max=max(disks, default=None),
            )
        )
    return points
