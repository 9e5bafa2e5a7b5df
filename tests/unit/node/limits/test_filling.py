"""Games and users that fill a server's storage: real writes, through a whole node."""

import signal
from pathlib import Path

import pytest

from innkeeper.node.layout import DataFolder
from innkeeper.node.limits.cgroups import ControlGroups
from innkeeper.node.limits.guard import Guard
from innkeeper.node.limits.storage import MIB
from innkeeper.wire import messages as wire
from tests.unit.node.limits.conftest import NEIGHBOUR, House
from tests.unit.node.test_node import SERVER


@pytest.fixture
async def full(house: House) -> House:
    """A house with a stopped server that has used up what it may."""
    await house.done(wire.Apply(servers=[house.wanted(disk_mib=8)]))
    (house.files() / "world").write_bytes(bytes(9 * MIB))
    return house


async def upload(house: House, path: str, size: int, *, archive: bool = False) -> wire.Refusal | None:
    """Upload so many bytes in parts; return the refusal that ended it."""
    ask = wire.BeginArchive(server=SERVER, name=path) if archive else wire.BeginUpload(server=SERVER, path=path)
    begun = await house.ask(ask)
    for offset in range(0, size, MIB // 2):
        answer = await house.ask(wire.UploadPart(upload=begun.upload, offset=offset, data=bytes(MIB // 2)))
        if isinstance(answer, wire.Refusal):
            return answer
    answer = await house.ask(wire.FinishUpload(upload=begun.upload))
    return answer if isinstance(answer, wire.Refusal) else None


async def test_a_game_that_fills_its_disk_is_ended_and_only_it(house: House) -> None:
    neighbour = await house.start(NEIGHBOUR, 8, disk_mib=100)
    await house.start(disk_mib=32)
    await house.tell("fill 16")
    seen = await house.reaches("stopped")
    assert seen.reason is not None and seen.reason.startswith("out of storage: ")
    assert seen.last_exit is not None and seen.last_exit.reason == seen.reason
    assert house.of(NEIGHBOUR).pid == neighbour.pid
    await house.tell("write a 1", NEIGHBOUR)
    await house.until(lambda: (house.files(NEIGHBOUR) / "a").exists())


async def test_a_game_a_little_over_its_limit_is_stopped_in_order(house: House) -> None:
    await house.start(disk_mib=32)
    for number in range(4):
        await house.tell(f"write {number} 9")
    seen = await house.reaches("stopped")
    assert b"saving\n" in house.output
    assert seen.last_exit is not None
    assert (seen.last_exit.code, seen.reason) == (0, "out of storage: 37 of 32 MiB")


async def test_one_file_comes_to_its_end_at_the_limit_at_once(house: House) -> None:
    await house.start(disk_mib=8, crash=wire.CrashRule(restart=True, first_delay_s=0.1))
    await house.tell("write one 1000")
    seen = await house.reaches("stopped")
    assert (house.files() / "one").stat().st_size <= 8 * MIB
    assert seen.reason == "out of storage: 9 of 8 MiB"
    assert seen.last_exit is not None
    assert seen.last_exit.signal in (signal.SIGXFSZ, None)  # Python ignores the signal, and raises


async def test_a_start_without_room_is_refused_and_not_tried_again(full: House) -> None:
    assert full.node is not None
    order = wire.Order(id=NEIGHBOUR, verb="start")
    full.node._find(SERVER).storage.measure()
    wanted = full.wanted(disk_mib=8, order=order)
    await full.done(wire.Apply(servers=[wanted]))
    await full.panel.until(lambda: full.seen.order is not None and full.seen.order.state == "failed")
    assert (full.seen.phase, full.seen.reason) == ("stopped", "out of storage: 10 of 8 MiB")
    await full.done(wire.DeleteFile(server=SERVER, path="world"))
    assert (await full.start(disk_mib=8)).phase == "running"


async def test_a_game_that_is_over_its_limit_when_the_node_begins_is_stopped(full: House) -> None:
    await full.start(disk_mib=8)
    seen = await full.reaches("stopped")
    assert seen.reason == "out of storage: 10 of 8 MiB"


async def test_uploads_stop_at_the_limit(house: House) -> None:
    await house.done(wire.Apply(servers=[house.wanted(disk_mib=4)]))
    assert await upload(house, "a", 3 * MIB) is None
    refusal = await upload(house, "b", 3 * MIB)
    assert refusal is not None
    assert refusal.code == "no_space_left"
    assert refusal.message.startswith("the server's storage is full: 4 of 4 MiB")
    assert sorted(path.name for path in house.files().iterdir()) == ["a"]
    assert await upload(house, "big.zip", 5 * MIB, archive=True) is not None
    await house.done(wire.DeleteFile(server=SERVER, path="a"))
    assert await upload(house, "b", 3 * MIB) is None


async def test_a_larger_limit_holds_at_once(house: House) -> None:
    await house.done(wire.Apply(servers=[house.wanted(disk_mib=2)]))
    assert await upload(house, "a", 3 * MIB) is not None
    await house.done(wire.Apply(servers=[house.wanted(disk_mib=8, generation=2)]))
    assert await upload(house, "a", 3 * MIB) is None


def test_the_node_says_how_storage_is_limited(tmp_path: Path) -> None:
    (sentence,) = Guard(ControlGroups(None, "none"), DataFolder(tmp_path)).describe()
    assert sentence.startswith("Storage is limited by")
