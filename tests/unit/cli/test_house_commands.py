"""`innkeeper house`, `nodes usage` and `servers history`."""

import json
from datetime import timedelta

from innkeeper.core.metrics.model import Disk, HostSample, HostUsage
from innkeeper.core.servers.model import Usage
from tests.unit.cli.conftest import Inn


async def test_the_house_is_shown_and_set(inn: Inn) -> None:
    shown = (await inn.run("house", "show")).out
    assert "session_days" in shown and "self_deletion" in shown
    done = await inn.run(
        "house", "set", "session_days=30", "keywords=help,chunk", "self_deletion=yes", "activity_entries=300",
        "language=de_DE", "mounts=/srv",
    )  # fmt: skip
    assert done.code == 0
    assert [line.split(maxsplit=1) for line in done.out.splitlines()[:3]] == [
        ["session_days", "30"],
        ["keywords", "help, chunk"],
        ["self_deletion", "yes"],
    ]
    found = json.loads((await inn.run("house", "show", "--json")).out)
    assert (found["keywords"], found["self_deletion"], found["mounts"]) == (["help", "chunk"], True, ["/srv"])
    assert (found["activity_entries"], found["language"]) == (300, "de_DE")
    await inn.run("house", "set", "activity_entries=none", "mounts=")
    found = json.loads((await inn.run("house", "show", "--json")).out)
    assert (found["activity_entries"], found["mounts"]) == (None, [])


async def test_what_the_house_cannot_be_set_to_is_said(inn: Inn) -> None:
    for wrong in ("session_days=0", "session_days=many", "no_such=1", "self_deletion=perhaps", "session_days"):
        done = await inn.run("house", "set", wrong)
        assert (done.code, done.out) == (1, ""), wrong
    assert "session_days" in (await inn.run("house", "set", "session_days=0")).err


async def test_what_a_host_uses_is_shown(inn: Inn) -> None:
    house = inn.house
    assert (await inn.run("nodes", "usage", "near")).code == 1
    disk = Disk(
        device="/dev/sda", mount="/srv", filesystem="ext4", total_bytes=4 << 30, used_bytes=1 << 30, free_bytes=3 << 30
    )
    now = house.clock.now()
    usage = HostUsage(
        at=now, cpu_percent=12.5, cpus=4, cpu_mhz=2400.0, memory_bytes=1 << 30, memory_total_bytes=8 << 30,
        disks=(disk,), booted_at=now - timedelta(days=1),
    )  # fmt: skip
    house.product.metrics.take_host(house.node.id, usage)
    text = (await inn.run("nodes", "usage", "near")).out
    assert "12.5 % of 4 cores" in text and "2400 MHz" in text and "1.0 GiB of 8.0 GiB" in text
    assert "1.0 GiB of 4.0 GiB, 3.0 GiB free (ext4 on /dev/sda)" in text


async def test_what_a_host_used_is_shown(inn: Inn) -> None:
    house = inn.house
    assert "Nothing is kept" in (await inn.run("nodes", "history", "near")).err
    now = house.clock.now()
    async with house.database.works() as work:
        await work.metrics.add_hosts(
            [(house.node.id, HostSample(at=now, cpu_percent=12.5, memory_bytes=1 << 30, disk_bytes=3 << 30))]
        )
    text = (await inn.run("nodes", "history", "near", "--step", "hour")).out
    assert "BY HOUR" in text and "12.5 / 12.5 %" in text and "3.0 GiB" in text


async def test_what_a_server_used_is_shown(inn: Inn) -> None:
    house = inn.house
    record = await house.server()
    now = house.clock.now()
    async with house.database.works() as work:
        await work.metrics.add(
            [
                (record.server.id, Usage(at=now - timedelta(minutes=minutes), cpu_percent=10.0 * minutes,
                                         memory_bytes=1 << 20, disk_bytes=None, players=1))
                for minutes in (1, 2, 3)
            ]
        )  # fmt: skip
    text = (await inn.run("servers", "history", "camp", "--step", "raw")).out
    assert "BY RAW" in text and "30.0 / 30.0 %" in text and "1.0 MiB / 1.0 MiB" in text
    found = json.loads((await inn.run("servers", "history", "camp", "--since", "2d", "--json", "-n", "2")).out)
    assert found["step"] == "hour"
    assert sum(point["samples"] for point in found["items"]) <= 3
