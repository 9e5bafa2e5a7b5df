"""Console blocks leave in messages of bounded size; installers reach what they may and nothing else."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.contracts.installer import FolderError, InstallFailed, Report, Run, RunAsServer
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.broadcast import Broadcast, parts
from innkeeper.node.layout import DataFolder
from innkeeper.node.places import Places
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import Message
from innkeeper.wire.codec import decode
from tests.unit.node.fakes import DEADLINE_S, NODE

SERVER = UUID(int=3)


def block(seq: int, size: int = 10) -> wire.Block:
    return wire.Block(seq, 0, b"x" * size)


def test_blocks_are_parted_by_size_and_stay_in_order() -> None:
    blocks = [block(number, 300) for number in range(1, 8)]
    runs = parts(blocks, 1000)
    assert [one for run in runs for one in run] == blocks
    assert [len(run) for run in runs] == [3, 3, 1]
    assert parts([block(1, 5000), block(2)], 1000) == [[block(1, 5000)], [block(2)]]
    assert parts([]) == []


async def test_what_is_offered_in_one_turn_goes_as_one_message(bus: InProcessBus) -> None:
    heard: list[wire.ConsoleBlocks] = []
    came = asyncio.Event()

    async def hear(message: Message) -> None:
        heard.append(decode(message.payload, wire.ConsoleBlocks))
        came.set()

    await bus.subscribe(wire.node_console("*", SERVER), hear, name="console")
    broadcast = Broadcast(bus, NODE)
    async with TaskSet("test") as tasks:
        tasks.start(broadcast.run(), name="broadcast")
        broadcast.offer(SERVER, [block(1)])
        broadcast.offer(SERVER, [block(2), block(3)])
        async with asyncio.timeout(DEADLINE_S):
            await came.wait()
        await tasks.stop()
    assert [[one.first_seq for one in message.blocks] for message in heard] == [[1, 2, 3]]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    data = DataFolder(tmp_path / "data")
    data.prepare()
    opened = tmp_path / "opened"
    opened.mkdir()
    (opened / "world").mkdir()
    (opened / "world" / "level.dat").write_bytes(b"1")
    (opened / "leak").symlink_to(tmp_path)

    def no_run(report: Report) -> Run:
        raise NotImplementedError

    def no_run_as_server(desired: wire.DesiredServer, report: Report) -> RunAsServer:
        raise NotImplementedError

    return Places(
        data,
        make_run=no_run,
        make_run_as_server=no_run_as_server,
        imports=[opened],
        tools_path="/usr/bin:/bin",
    )


def test_an_import_is_read_below_what_was_opened(places: Places, tmp_path: Path) -> None:
    source, path = places.source(str(tmp_path / "opened" / "world"))
    assert path == "world"
    assert [found.path for found in source.walk(path)] == ["level.dat"]
    assert places.source(str(tmp_path / "opened" / ".hidden"))[1] == ".hidden"
    source, path = places.source(str(tmp_path / "opened"))
    assert source.exists("world/level.dat")
    assert path == ""


@pytest.mark.parametrize("path", ["/etc", "opened/world", "{opened}/../data", "{opened}_secret", ""])
def test_what_was_not_opened_is_not_imported(places: Places, tmp_path: Path, path: str) -> None:
    with pytest.raises(InstallFailed):
        places.source(path.format(opened=tmp_path / "opened"))


def test_a_link_out_of_an_import_leads_nowhere(places: Places, tmp_path: Path) -> None:
    source, path = places.source(str(tmp_path / "opened" / "leak" / "data"))
    with pytest.raises(FolderError):
        list(source.walk(path))


def test_a_tool_is_found_or_said_to_be_missing(places: Places) -> None:
    assert places.tool("sh").name == "sh"
    with pytest.raises(InstallFailed, match="has no frobnicate"):
        places.tool("frobnicate")
