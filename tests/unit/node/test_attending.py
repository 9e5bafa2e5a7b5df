"""Who is looked at closely is sampled each second, asked for its tick time, and listened to; the others are not."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.identity import Identity
from innkeeper.node.main import NodeOptions, open_node, stop_all_servers
from innkeeper.node.service import NodeService
from innkeeper.node.supervisor.place import Kept
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import Message
from innkeeper.wire.codec import decode
from tests.unit.node.fakes import NODE, FakePanel
from tests.unit.node.test_node import SERVER, Inn, desired

TICKING = """
echo "opened"
while read -r line; do
  case "$line" in
    stop) exit 0;;
    "tick query") echo "Target tick rate: 20"; printf "Average time per "; echo "tick: 12.5ms";;
    *) echo "Average time per tick: ${{line}}ms";;
  esac
done
"""
MANAGED = """
import asyncio, json, os, sys
from websockets.asyncio.server import serve
PORT, SECRET = int(os.environ["PORT"]), os.environ["SECRET"]
async def talk(socket):
    async for text in socket:
        request = json.loads(text)
        await socket.send(json.dumps({{"jsonrpc": "2.0", "method": "minecraft:notification/asked", "params": [1]}}))
        await socket.send(json.dumps({{"jsonrpc": "2.0", "id": request["id"], "result": [request["method"], PORT]}}))
def let_in(socket, request):
    if request.headers.get("Authorization") != f"Bearer {{SECRET}}":
        return socket.respond(401, "")
async def main():
    async with serve(talk, "127.0.0.1", PORT, process_request=let_in):
        print("opened", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""
RULE = wire.TickRule(command="tick query", pattern=r"^Average time per tick: (?P<ms>\S+)ms$")


class Lazy(Inn):
    """A node that samples nobody by itself within a test."""

    async def open(self) -> NodeService:
        options = NodeOptions(data=self.data, sample_interval=timedelta(hours=1))
        self.node = await open_node(options, self.bus, identity=Identity(NODE, "s3cret"))
        return self.node

    async def _sample(self, message: Message) -> None:
        """Keep what tells of servers: the host is sampled whoever looks."""
        await super()._sample(message)
        if not self.samples[-1].servers:
            self.samples.pop()

    @property
    def ticks(self) -> list[float | None]:
        return [sample.tick_ms for samples in self.samples for sample in samples.servers]


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[Lazy]:
    inn = Lazy(bus, panel, tmp_path / "data")
    await inn.listen()
    await inn.open()
    yield inn
    await inn.close()
    assert await stop_all_servers(inn.data) == []


def attend(*what: wire.Attention, for_s: float = 30) -> wire.Attend:
    return wire.Attend(server=SERVER, what=list(what), for_s=for_s)


async def test_who_is_attended_is_sampled_each_second_until_nobody_looks(inn: Lazy) -> None:
    await inn.order("start")
    assert inn.samples == []
    begun = asyncio.get_running_loop().time()
    await inn.done(attend("samples", for_s=2.5))
    await inn.until(lambda: len(inn.samples) == 2)
    assert 1.5 < asyncio.get_running_loop().time() - begun < 3.5
    await inn.until(lambda: inn.node is not None and "attention" not in inn.node._tasks.names)
    assert len(inn.samples) <= 3
    assert {sample.uuid for samples in inn.samples for sample in samples.servers} == {SERVER}


async def test_a_game_is_asked_for_its_tick_time_while_somebody_wants_to_know(inn: Lazy) -> None:
    await inn.order("start", script=TICKING, tick=RULE)
    await inn.done(attend("samples"))
    await inn.until(lambda: len(inn.samples) == 1)
    assert (inn.ticks, b"tick query" in inn.output) == ([None], False)
    await inn.done(attend("tick"))
    await inn.until(lambda: 12.5 in inn.ticks)
    for nonsense in ("nan", "-1", "1e99", "x" * 5000, "inf"):
        await inn.done(wire.SendLine(server=SERVER, line=nonsense[:4000]))
    await inn.done(wire.SendLine(server=SERVER, line="40.25"))
    await inn.until(lambda: 40.25 in inn.ticks)
    assert set(inn.ticks) <= {None, 12.5, 40.25}
    await inn.order("stop", script=TICKING, tick=RULE)
    assert (await inn.refused(attend("tick"))).code == "server_is_not_running"


@pytest.mark.parametrize(
    "rule", [None, wire.TickRule(command="t", pattern="("), wire.TickRule(command="t", pattern="x")]
)
async def test_a_game_that_does_not_tell_its_tick_time_is_sampled_without(
    inn: Lazy, rule: wire.TickRule | None
) -> None:
    await inn.order("start", tick=rule)
    await inn.done(attend("tick"))
    await inn.until(lambda: len(inn.samples) == 1)
    assert inn.ticks == [None]


async def test_nothing_is_attended_to_where_nothing_runs(inn: Lazy) -> None:
    assert (await inn.refused(attend("samples"))).code == "no_such_server"
    await inn.done(wire.Apply(servers=[desired()]))
    assert (await inn.refused(attend("samples"))).code == "server_is_not_running"
    assert inn.samples == []


def managed() -> dict[str, object]:
    return {
        "argv": [sys.executable, "-c", MANAGED],
        "environment": {"PORT": "{management_port}", "SECRET": "{management_secret}"},
        "management": True,
    }


async def test_a_games_management_server_is_asked_and_listened_to_over_a_restart_of_the_node(inn: Lazy) -> None:
    notes: list[wire.ManagementNote] = []

    async def take(message: Message) -> None:
        notes.append(decode(message.payload, wire.ManagementNote))

    await inn.bus.subscribe(wire.node_management(NODE, SERVER), take, name="notes")
    await inn.order("start", **managed())
    call = wire.CallManagement(server=SERVER, method="x:y")
    answer = await inn.ask(call)
    assert (answer.result[0], answer.error) == ("x:y", None)
    kept_file = inn.data / "servers" / str(SERVER) / "memory.json"
    kept = msgspec.json.decode(kept_file.read_bytes(), type=Kept).management
    assert kept is not None and kept.port == answer.result[1]
    assert kept_file.stat().st_mode & 0o777 == 0o600
    assert notes == []
    await inn.done(attend("management"))
    await inn.ask(call)
    await inn.until(lambda: len(notes) == 1)
    assert (notes[0].server, notes[0].name, notes[0].data) == (SERVER, "minecraft:notification/asked", [1])
    await inn.close()
    await inn.open()
    assert (await inn.ask(call)).result == answer.result
    await inn.order("restart", **managed())
    again = await inn.ask(call)
    assert again.result[1] != answer.result[1] or msgspec.json.decode(kept_file.read_bytes())["management"] != kept
    await inn.order("stop", **managed())
    assert (await inn.refused(call)).code == "management_is_unavailable"


async def test_a_game_without_a_management_server_has_none(inn: Lazy) -> None:
    await inn.order("start")
    for ask in (attend("management"), wire.CallManagement(server=SERVER, method="x:y")):
        assert (await inn.refused(ask)).code == "management_is_unavailable"
    assert (await inn.refused(wire.CallManagement(server=SERVER, method=""))).code == "message_is_invalid"


async def test_a_management_server_that_does_not_listen_is_unavailable(inn: Lazy) -> None:
    await inn.order("start", management=True)
    for ask in (attend("management"), wire.CallManagement(server=SERVER, method="x:y")):
        assert (await inn.refused(ask)).code == "management_is_unavailable"
