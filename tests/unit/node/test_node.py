"""A whole node with real keepers and games, and a panel that the test plays."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.identity import Identity, load_identity
from innkeeper.node.layout import DataFolderInUse
from innkeeper.node.main import NodeOptions, NotEnrolled, open_node, stop_all_servers
from innkeeper.node.service import NodeService
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import Message
from innkeeper.wire.codec import decode, encode
from tests.unit.node.fakes import DEADLINE_S, NODE, FakePanel

SERVER = UUID("0198a000-0000-7000-8000-00000000000a")
GAME = """
echo "opened on $1"
while read -r line; do
  case "$line" in
    stop) echo saving; exit 0;;
    crash) exit 3;;
    *) echo "heard $line";;
  esac
done
"""
DEAF = "trap '' TERM; echo opened; while :; do sleep 0.05; done"


def desired(uuid: UUID = SERVER, script: str = GAME, **changes: Any) -> wire.DesiredServer:
    return msgspec.structs.replace(
        wire.DesiredServer(
            uuid=uuid,
            number=7,
            generation=1,
            name="The Inn",
            running=True,
            argv=["sh", "-c", script, "game", "{server}"],
            patterns=wire.Patterns(ready="^opened"),
            stop=wire.StopRule(command="stop", timeout_s=10),
            crash=wire.CrashRule(restart=False),
        ),
        **changes,
    )


class Inn:
    """The test's end of the bus: orders, asks, and what comes back."""

    def __init__(self, bus: InProcessBus, panel: FakePanel, data: Path) -> None:
        self.bus = bus
        self.panel = panel
        self.data = data
        self.node: NodeService | None = None
        self.console: list[wire.Block] = []
        self.samples: list[wire.Samples] = []
        self.generation = 1

    async def open(self) -> NodeService:
        options = NodeOptions(data=self.data, sample_interval=timedelta(milliseconds=50))
        self.node = await open_node(options, self.bus, identity=Identity(NODE, "s3cret"))
        return self.node

    async def close(self) -> None:
        if self.node is not None:
            await self.node.close()
            self.node = None

    async def listen(self) -> None:
        await self.bus.subscribe(wire.node_console("*", SERVER), self._hear, name="console")
        await self.bus.subscribe(wire.ANY_SAMPLES, self._sample, name="samples")

    async def ask(self, message: wire.Message) -> Any:
        reply = await self.bus.request(wire.node_ask(NODE), encode(message), timedelta(seconds=DEADLINE_S))
        return decode(reply, wire.Answer)

    async def done(self, message: wire.Message) -> None:
        assert isinstance(answer := await self.ask(message), wire.Done), answer

    async def refused(self, message: wire.Message) -> wire.Refusal:
        answer = await self.ask(message)
        assert isinstance(answer, wire.Refusal), answer
        return answer

    async def order(self, verb: wire.Verb, **changes: Any) -> wire.ObservedServer:
        """Give an order and wait until the panel was told that it is done."""
        order = wire.Order(id=uuid4(), verb=verb)
        await self.done(wire.Apply(servers=[desired(order=order, **changes)]))
        await self.panel.until(lambda: (seen := self.seen.order) is not None and seen.id == order.id and ended(seen))
        assert self.seen.order is not None
        assert self.seen.order.state == "done", self.seen.order
        return self.seen

    @property
    def seen(self) -> wire.ObservedServer:
        found = self.panel.servers.get(SERVER)
        return found or wire.ObservedServer(uuid=SERVER, generation=0, phase="created")

    @property
    def output(self) -> bytes:
        return b"".join(block.payload for block in self.console)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():  # noqa: ASYNC110 - not everything waited for has an event
                await asyncio.sleep(0.01)

    async def _hear(self, message: Message) -> None:
        self.console.extend(decode(message.payload, wire.ConsoleBlocks).blocks)

    async def _sample(self, message: Message) -> None:
        self.samples.append(decode(message.payload, wire.Samples))


def ended(order: wire.OrderReport) -> bool:
    return order.state in ("done", "failed")


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[Inn]:
    inn = Inn(bus, panel, tmp_path / "data")
    await inn.listen()
    await inn.open()
    yield inn
    await inn.close()
    assert await stop_all_servers(inn.data) == []


async def test_a_server_is_started_spoken_to_and_stopped(inn: Inn) -> None:
    seen = await inn.order("start")
    assert seen.phase == "running"
    assert seen.pid is not None
    await inn.done(wire.SendLine(server=SERVER, line="hello"))
    await inn.until(lambda: b"heard hello\n" in inn.output)
    seen = await inn.order("stop")
    assert (seen.phase, seen.pid) == ("stopped", None)
    assert seen.last_exit is not None
    assert (seen.last_exit.code, seen.last_exit.clean) == (0, True)
    assert (await inn.refused(wire.SendLine(server=SERVER, line="x"))).code == "server_is_not_running"


async def test_the_console_is_read_and_searched_from_the_journal(inn: Inn) -> None:
    await inn.order("start")
    await inn.done(wire.SendLine(server=SERVER, line="hello"))
    await inn.until(lambda: b"heard hello\n" in inn.output)
    read = await inn.ask(wire.ReadConsole(server=SERVER, tail=1))
    assert [block.payload for block in read.blocks] == [b"heard hello\n"]
    whole = await inn.ask(wire.ReadConsole(server=SERVER))
    assert b"".join(block.payload for block in whole.blocks) == inn.output
    assert (whole.first_seq, whole.next_seq) == (1, 3)
    found = await inn.ask(wire.SearchConsole(server=SERVER, text="HEARD"))
    assert [(seq, line) for seq, _, line in found.lines] == [(2, b"heard hello")]
    assert found.next_after is None


async def test_a_game_outlives_its_node_and_is_adopted_by_the_next(inn: Inn) -> None:
    pid = (await inn.order("start")).pid
    await inn.close()
    assert pid is not None
    assert lives(pid)
    inn.panel.servers.clear()
    node = await inn.open()
    await node.settled()
    assert (inn.seen.phase, inn.seen.pid) == ("running", pid)
    assert inn.panel.reports[-1].complete
    assert len({hello.session for hello in inn.panel.hellos}) == 2
    await inn.done(wire.SendLine(server=SERVER, line="again"))
    await inn.until(lambda: b"heard again\n" in inn.output)
    assert inn.output.count(b"opened") == 1


async def test_what_happened_while_the_panel_was_away_is_told_when_it_is_back(inn: Inn) -> None:
    await inn.order("start")
    await inn.panel.close()
    await inn.done(wire.SendLine(server=SERVER, line="crash"))
    await inn.until(lambda: inn.node is not None and inn.node.observed()[0].phase == "crashed")
    assert inn.seen.phase == "running"
    await inn.panel.open()
    await inn.panel.until(lambda: inn.seen.phase == "crashed")
    assert inn.seen.last_exit is not None
    assert inn.seen.last_exit.code == 3


async def test_a_server_left_out_of_a_complete_apply_is_left_alone(inn: Inn) -> None:
    pid = (await inn.order("start")).pid
    await inn.done(wire.Apply(servers=[], complete=True))
    assert inn.node is not None
    assert [server.pid for server in inn.node.observed()] == [pid]
    await inn.done(wire.SendLine(server=SERVER, line="x"))


async def test_a_removed_server_is_killed_and_deleted_and_removing_it_again_is_fine(inn: Inn) -> None:
    pid = (await inn.order("start")).pid
    begun = await inn.ask(wire.BeginArchive(server=SERVER, name="world.zip"))
    await inn.done(wire.UploadPart(upload=begun.upload, offset=0, data=b"PK"))
    await inn.done(wire.Remove(server=SERVER))
    assert pid is not None
    assert not lives(pid)
    assert list((inn.data / "servers").iterdir()) == []
    assert list((inn.data / "uploads").iterdir()) == []
    await inn.done(wire.Remove(server=SERVER))
    await inn.done(wire.Announce())
    assert inn.node is not None
    await inn.node.settled()
    assert SERVER not in inn.panel.servers
    assert (await inn.refused(wire.SendLine(server=SERVER, line="x"))).code == "no_such_server"


async def test_an_older_generation_is_ignored(inn: Inn) -> None:
    await inn.done(wire.Apply(servers=[desired(generation=5)]))
    await inn.done(wire.Apply(servers=[desired(generation=4, order=wire.Order(id=uuid4(), verb="start"))]))
    assert inn.node is not None
    assert inn.node.observed()[0].generation == 5
    assert inn.node.observed()[0].phase in ("created", "stopped")


async def test_what_should_be_is_on_disk_when_it_was_taken_in(inn: Inn) -> None:
    await inn.done(wire.Apply(servers=[desired(environment={"SECRET": "1"})]))
    path = inn.data / "servers" / str(SERVER) / "desired.json"
    assert msgspec.json.decode(path.read_bytes(), type=wire.DesiredServer).environment == {"SECRET": "1"}
    assert path.stat().st_mode & 0o777 == 0o600


async def test_an_unknown_runtime_is_refused_and_the_others_are_kept(inn: Inn) -> None:
    strange = desired(uuid4(), runtime="cauldron", number=8)
    refusal = await inn.refused(wire.Apply(servers=[strange, desired()]))
    assert (refusal.code, refusal.data["servers"]) == ("runtime_is_unknown", [str(strange.uuid)])
    assert inn.node is not None
    assert [server.uuid for server in inn.node.observed()] == [SERVER]


async def test_files_are_served_and_belong_to_the_game(inn: Inn) -> None:
    await inn.done(wire.Apply(servers=[desired()]))
    begun = await inn.ask(wire.BeginUpload(server=SERVER, path="motd.txt"))
    await inn.done(wire.UploadPart(upload=begun.upload, offset=0, data=b"welcome"))
    await inn.done(wire.FinishUpload(upload=begun.upload))
    part = await inn.ask(wire.ReadFile(server=SERVER, path="motd.txt"))
    assert (part.data, part.size) == (b"welcome", 7)
    files = inn.data / "servers" / str(SERVER) / "files"
    assert (
        (files / "motd.txt").stat().st_uid
        == files.stat().st_uid
        == (1_900_000_007 if os.geteuid() == 0 else os.geteuid())
    )
    assert (await inn.refused(wire.ReadFile(server=SERVER, path="../desired.json"))).code in (
        "escapes_jail",
        "file_name_is_invalid",
    )
    assert (await inn.refused(wire.StatFile(server=SERVER, path="none"))).code == "file_not_found"


@pytest.mark.parametrize("line", ["two\nlines", "a\rb", "\x1b[2J", "x" * 5000])
async def test_one_command_is_one_line(inn: Inn, line: str) -> None:
    assert (await inn.refused(wire.SendLine(server=SERVER, line=line))).code == "command_is_invalid"


async def test_what_is_no_ask_is_refused(inn: Inn) -> None:
    for payload in (b"", b"\xc1", encode(wire.Welcome())):
        reply = await inn.bus.request(wire.node_ask(NODE), payload, timedelta(seconds=DEADLINE_S))
        assert decode(reply, wire.Refusal).code == "message_is_invalid"


async def test_a_free_port_is_found(inn: Inn) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    ask = wire.FindPort(address="127.0.0.1", protocol="tcp", candidates=[0, 70_000, taken])
    assert (await inn.ask(ask)).port is None
    server.close()
    await server.wait_closed()
    assert (await inn.ask(ask)).port == taken


async def test_running_servers_are_sampled(inn: Inn) -> None:
    await inn.order("start")
    await inn.until(lambda: any(sample.disk_bytes is not None for one in inn.samples for sample in one.servers))
    sample = inn.samples[-1].servers[0]
    assert (sample.uuid, sample.processes) == (SERVER, 1)
    assert sample.memory_bytes > 100_000


async def test_all_servers_are_stopped_and_mean_to_run_again(inn: Inn) -> None:
    await inn.order("start")
    assert inn.node is not None
    await inn.node.stop_servers()
    assert inn.node.observed()[0].phase == "stopped"
    path = inn.data / "servers" / str(SERVER) / "desired.json"
    assert msgspec.json.decode(path.read_bytes(), type=wire.DesiredServer).running


@pytest.mark.parametrize("alive", [True, False])
async def test_all_servers_are_stopped_from_outside(inn: Inn, alive: bool) -> None:
    pid = (await inn.order("start")).pid
    if not alive:
        await inn.close()
    assert await stop_all_servers(inn.data) == []
    assert pid is not None
    assert not lives(pid)
    if not alive:
        await inn.open()
    await inn.panel.until(lambda: inn.seen.phase == "stopped")
    assert inn.seen.last_exit is not None
    assert inn.seen.last_exit.code == 0


async def test_a_game_that_does_not_stop_is_killed(inn: Inn) -> None:
    stop = wire.StopRule(signal="SIGTERM", timeout_s=0.2)
    pid = (await inn.order("start", script=DEAF, stop=stop)).pid
    await inn.close()
    assert await stop_all_servers(inn.data) == []
    assert pid is not None
    assert not lives(pid)


async def test_one_process_keeps_a_data_folder(inn: Inn) -> None:
    with pytest.raises(DataFolderInUse):
        await open_node(NodeOptions(data=inn.data), inn.bus, identity=Identity(NODE, "s"))


async def test_a_node_without_identity_needs_a_token(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled):
        await open_node(NodeOptions(data=tmp_path), bus)
    node = await open_node(NodeOptions(data=tmp_path, token="t", name="east"), bus)
    await node.settled()
    assert load_identity(tmp_path / "identity.json") == node.identity == Identity(NODE, "s3cret")
    assert panel.enrols[0].facts.runtimes == ["process"]
    await node.close()
    again = await open_node(NodeOptions(data=tmp_path), bus)
    await again.close()
    assert len(panel.enrols) == 1
