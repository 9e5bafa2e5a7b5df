"""What this very host uses, read as a node reads it."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import psutil
import pytest

from innkeeper.kit.clock import SystemClock, from_microseconds
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.samples.host import HostProbe, HostSampler
from innkeeper.wire.codec import decode, encode
from innkeeper.wire.messages import Sample, Samples

NODE = UUID(int=1)


def test_the_host_is_read_as_it_is(tmp_path: Path) -> None:
    sample = HostProbe(tmp_path).read()
    assert sample.cpus == psutil.cpu_count()
    assert 0 <= sample.cpu_percent <= 100
    assert sample.memory_total_bytes == os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < sample.memory_bytes < sample.memory_total_bytes
    assert sample.cpu_mhz is None or sample.cpu_mhz > 0
    up = float(Path("/proc/uptime").read_text().split()[0])
    booted = SystemClock().now() - timedelta(seconds=up)
    assert abs(from_microseconds(sample.booted_us) - booted) < timedelta(seconds=5)


def test_the_file_system_of_the_nodes_data_is_among_the_disks_and_each_stands_once(tmp_path: Path) -> None:
    disks = HostProbe(tmp_path).disks()
    numbers = [Path(disk.mount).stat().st_dev for disk in disks]
    assert tmp_path.stat().st_dev in numbers
    assert len(set(numbers)) == len(numbers)
    for disk in disks:
        assert disk.total_bytes > 0
        assert disk.used_bytes + disk.free_bytes <= disk.total_bytes


def mounts(monkeypatch: pytest.MonkeyPatch, devices: Sequence[tuple[str, str, str]]) -> None:
    """Have the kernel tell these mounts: device, mount point, file system."""
    parts = [SimpleNamespace(device=device, mountpoint=mount, fstype=kind) for device, mount, kind in devices]

    def told(all: bool = False) -> list[Any]:
        return parts

    monkeypatch.setattr(psutil, "disk_partitions", told)


def test_images_lost_mounts_and_files_are_no_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hosts"
    file.touch()
    told = [
        ("/dev/loop0", "/", "squashfs"),
        ("/dev/gone", str(tmp_path / "gone"), "ext4"),
        ("/dev/sda", str(file), "ext4"),
        ("/dev/sda", str(tmp_path), "ext4"),
        ("/dev/sda", "/" + "x" * 5000, "ext4"),
    ]
    mounts(monkeypatch, told)
    assert [disk.mount for disk in HostProbe(tmp_path).disks()] == [str(tmp_path)]


async def test_a_host_is_told_of_where_nothing_runs_and_no_process_is_started(tmp_path: Path) -> None:
    published: list[Samples] = []
    before = {child.pid for child in psutil.Process().children()}

    async def publish(samples: Samples) -> None:
        published.append(samples)

    sampler = HostSampler(
        node=NODE, clock=SystemClock(), data=tmp_path, publish=publish, interval=timedelta(milliseconds=1)
    )
    tasks = TaskSet("hosts").start_set()
    sampler.start(tasks)
    await sampler.tick()
    await sampler.tick()
    await tasks.aclose()
    assert len(published) >= 2
    assert all(samples.servers == [] and samples.host is not None for samples in published)
    assert {child.pid for child in psutil.Process().children()} == before


class SamplesOfBefore(msgspec.Struct, frozen=True, kw_only=True, tag="Samples"):
    """The message as releases knew it that sampled no hosts."""

    node: UUID
    at_us: int
    servers: list[Sample]


def test_panels_and_nodes_of_before_hosts_were_sampled_understand_and_are_understood(tmp_path: Path) -> None:
    told = Samples(node=NODE, at_us=1, servers=[], host=HostProbe(tmp_path).read())
    assert decode(encode(told), Samples) == told
    before = SamplesOfBefore(node=NODE, at_us=1, servers=[])
    assert decode(encode(told), SamplesOfBefore) == before
    assert decode(encode(before), Samples) == Samples(node=NODE, at_us=1, servers=[])
