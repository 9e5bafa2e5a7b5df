"""The sampler over this very process as the game."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.samples.processes import Tree
from innkeeper.node.samples.sampler import Running, Sampler
from innkeeper.wire.messages import Samples

NODE, SERVER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that does nothing."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class FakeClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Inn:
    """A sampler, what it watches and what it published."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.running = [Running(uuid=SERVER, tree=Tree(os.getpid()), players=3)]
        self.published: list[Samples] = []
        self.walks = 0
        self.ticks: dict[UUID, float] = {}
        self.broken = False
        self.sampler = Sampler(
            node=NODE,
            clock=self.clock,
            running=lambda: self.running,
            disk_usage=self.walk,
            publish=self.publish,
            tick_ms=lambda server: self.ticks.get(server),
        )

    def walk(self, server: UUID) -> int:
        self.walks += 1
        if self.broken:
            raise OSError("gone")
        return 4096 * self.walks

    async def publish(self, samples: Samples) -> None:
        self.published.append(samples)


@pytest.fixture
def inn():
    inn = Inn()
    yield inn
    inn.sampler.close()


async def test_cpu_is_averaged_since_the_sample_before(inn: Inn) -> None:
    await inn.sampler.tick()
    burnt = os.times()
    while (now := os.times()).user + now.system < burnt.user + burnt.system + 0.5:
        pass
    inn.clock.seconds += 2
    await inn.sampler.tick()
    first, second = (samples.servers[0] for samples in inn.published)
    assert first.cpu_percent == 0
    assert 20 <= second.cpu_percent <= 60
    assert (second.uuid, second.players, second.processes >= 1) == (SERVER, 3, True)
    assert second.memory_bytes > 10 * 1024 * 1024


async def test_who_is_looked_at_closely_is_sampled_more_often_and_nobody_is_twice_at_once(inn: Inn) -> None:
    with sleeping() as other:
        inn.running.append(Running(uuid=OTHER, tree=Tree(other.pid), players=0))
        await inn.sampler.tick()
        for seconds, only in ((1, [SERVER]), (1, [SERVER]), (0, [SERVER]), (0.1, None), (1, None)):
            inn.clock.seconds += seconds
            await inn.sampler.tick(only)
    taken = [{sample.uuid for sample in samples.servers} for samples in inn.published]
    assert taken == [{SERVER, OTHER}, {SERVER}, {SERVER}, {OTHER}, {SERVER, OTHER}]
    assert all(sample.memory_bytes > 0 for samples in inn.published for sample in samples.servers)


async def test_a_tick_time_is_told_with_the_sample(inn: Inn) -> None:
    inn.ticks[SERVER] = 48.5
    await inn.sampler.tick()
    assert inn.published[-1].servers[0].tick_ms == 48.5


async def test_nothing_is_published_while_nothing_runs(inn: Inn) -> None:
    inn.running = []
    await inn.sampler.tick()
    await inn.sampler.measure_disks()
    assert (inn.published, inn.walks) == ([], 0)


async def test_a_disk_is_walked_when_its_figure_is_old_and_not_before(inn: Inn) -> None:
    await inn.sampler.measure_disks()
    await inn.sampler.measure_disks()
    assert inn.walks == 1
    await inn.sampler.tick()
    assert inn.published[-1].servers[0].disk_bytes == 4096
    inn.clock.seconds += 361
    await inn.sampler.measure_disks()
    assert inn.walks == 2


async def test_a_walk_that_fails_leaves_the_last_figure(inn: Inn) -> None:
    await inn.sampler.measure_disks()
    inn.broken = True
    inn.clock.seconds += 361
    await inn.sampler.measure_disks()
    await inn.sampler.tick()
    assert inn.published[-1].servers[0].disk_bytes == 4096


async def test_a_walk_yields_to_everybody_else() -> None:
    priorities = []
    inn = Inn()

    def walk(server: UUID) -> int:
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        return 0

    sampler = Sampler(node=NODE, clock=SystemClock(), running=lambda: inn.running, disk_usage=walk, publish=inn.publish)
    await sampler.measure_disks()
    sampler.close()
    inn.sampler.close()
    assert priorities == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19


async def test_it_ticks_by_itself(inn: Inn, tmp_path: Path) -> None:
    tasks = TaskSet("test").start_set()
    inn.sampler.start(tasks)
    while not inn.published:
        await __import__("asyncio").sleep(0.01)
    await tasks.aclose()


async def test_each_servers_files_are_measured_as_often_as_is_asked_for_it(inn: Inn) -> None:
    inn.running = [
        Running(uuid=SERVER, tree=Tree(os.getpid()), players=0, measure_disk_s=60),
        Running(uuid=OTHER, tree=Tree(os.getpid()), players=0, measure_disk_s=6000),
    ]
    await inn.sampler.measure_disks()
    assert inn.walks == 2
    inn.clock.seconds += 73
    await inn.sampler.measure_disks()
    assert inn.walks == 3
    inn.running[1] = msgspec.structs.replace(inn.running[1], measure_disk_s=60)
    await inn.sampler.measure_disks()
    assert inn.walks == 4, "what is asked for counts from the moment on that it is asked for"
