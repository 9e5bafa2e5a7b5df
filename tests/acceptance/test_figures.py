"""What a game tells of itself reaches whoever looks: heap, tick time, management; and when it ran reaches the panel.

The games are packages of `tests/games`; the last test plays the panel itself, to see every report of a node that is
killed again and again.
"""

import asyncio
import json
import random
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from innkeeper.bus.nats import NatsBus
from innkeeper.testing.nats_server import NatsServer
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import BusError, Subscription
from innkeeper.wire.codec import decode, encode
from tests.acceptance.asking import Api, Server
from tests.acceptance.innkeepers import Command, Embedded, admin
from tests.acceptance.looking import eventually, free_port

pytestmark = pytest.mark.slow

GAMES = Path(__file__).parents[1] / "games"
COUNTER = Path(__file__).parent / "games" / "counter.py"
MIB = 1 << 20
DEADLINE_S = 60


@pytest.fixture
async def inn(tmp_path: Path) -> AsyncIterator[Embedded]:
    """An Innkeeper that has the games of the tests, and runs."""
    async with Embedded(tmp_path, arguments=("--no-sample", "--packages", str(GAMES))) as inn:
        yield inn


class Stream:
    """One of the streams that only tell."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @asynccontextmanager
    async def of(cls, api: Api, server: Server, path: str) -> AsyncIterator[Self]:
        """Open `path` of a server."""
        where = f"ws{api.base.removeprefix('http')}/servers/{server.id}/{path}"
        headers = {"Authorization": f"Bearer {api.key}"}
        async with connect(where, additional_headers=headers, proxy=None) as socket:
            stream = cls(socket)
            await stream.until(lambda frame: frame["type"] == "ready")
            yield stream

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message that is as wanted."""
        last = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    last = json.loads(await self._socket.recv())
                    if wanted(last):
                        return last
        except TimeoutError as error:
            raise AssertionError(f"nothing of the kind came; the last was {last}") from error

    async def usage(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first sample that is as wanted."""
        found = await self.until(lambda frame: frame["type"] == "usage" and wanted(frame["usage"]))
        return found["usage"]


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here")
async def test_a_java_games_heap_is_seen_to_grow_and_shrink_and_its_tick_to_slow_down(inn: Embedded) -> None:
    server = await inn.api.create(package="jvm", port=free_port(), limits={"memory_mib": 512})
    async with Stream.of(inn.api, server, "figures/stream?tick=true") as figures:
        await server.command("gc")
        before = await figures.usage(lambda usage: (usage["heap_bytes"] or 0) > 0)
        assert before["heap_max_bytes"] == 128 * MIB
        assert before["memory_bytes"] > before["heap_bytes"]
        await server.command("eat 60")
        await server.command("gc")
        grown = await figures.usage(lambda usage: usage["heap_bytes"] >= before["heap_bytes"] + 50 * MIB)
        await server.command("forget")
        await server.command("gc")
        await figures.usage(lambda usage: usage["heap_bytes"] <= grown["heap_bytes"] - 50 * MIB)
        await figures.usage(lambda usage: usage["tick_ms"] is not None and usage["tick_ms"] < 10)
        await server.command("lag 20")
        await figures.usage(lambda usage: usage["tick_ms"] is not None and usage["tick_ms"] >= 20)


async def test_a_games_management_is_called_and_followed_and_found_again_after_a_kill(inn: Embedded) -> None:
    server = await inn.api.create(package="management", port=free_port(), properties={"python": sys.executable})
    path = f"/servers/{server.id}/management"
    status = {"method": "minecraft:server/status"}
    assert (await inn.api.ask("POST", path, json=status))["result"]["started"] is True
    refused = await inn.api.ask("POST", path, status=409, json={"method": "minecraft:nonsense"})
    assert refused["error"]["code"] == "management_refused"
    assert refused["error"]["data"]["error"]["code"] == -32601
    async with Stream.of(inn.api, server, "management/stream") as notes:
        await server.command("join Alice")
        joined = await notes.until(lambda frame: frame["type"] == "notification")
        assert joined["name"] == "minecraft:notification/players/joined"
        assert joined["data"][0]["name"] == "Alice"
    await inn.kill()
    await inn.start()
    assert (await inn.api.ask("POST", path, json={"method": "minecraft:players"}))["result"][0]["name"] == "Alice"
    secrets = [line for line in (await _properties(inn, server)).splitlines() if "secret" in line]
    assert secrets and secrets[0].split("=")[1] not in inn.output
    await server.order("stop")
    stopped = await inn.api.ask("POST", path, status=409, json=status)
    assert stopped["error"]["code"] == "server_is_not_running"


async def _properties(inn: Embedded, server: Server) -> str:
    return (inn.node_data / "servers" / server.id / "files" / "server.properties").read_text()


class Panel:
    """A panel as a node sees one, which keeps all it is told and now and then does not answer."""

    def __init__(self, bus: NatsBus, chance: random.Random) -> None:
        self.bus = bus
        self.node = uuid4()
        self.runs: dict[str, wire.RunReport] = {}
        self.times_told = 0
        self.seen: dict[UUID, wire.ObservedServer] = {}
        self._chance = chance
        self._served: list[Subscription] = []

    async def open(self) -> None:
        """Answer from now on."""
        for subject, handler in (
            (wire.PANEL_ENROL, self._enrol),
            (wire.PANEL_HELLO, self._hello),
            (wire.PANEL_REPORT, self._report),
        ):
            self._served.append(await self.bus.serve(subject, handler, name=subject))

    async def ask(self, message: wire.Message) -> Any:
        """Return the node's answer, once there is one."""
        answer: Any = None

        async def answered() -> bool:
            nonlocal answer
            try:
                reply = await self.bus.request(wire.node_ask(self.node), encode(message), timedelta(seconds=5))
            except BusError:
                return False
            answer = decode(reply, wire.Answer)
            return True

        await eventually(answered, "the node to answer", within=DEADLINE_S)
        return answer

    async def _enrol(self, payload: bytes) -> bytes:
        return encode(wire.Enrolled(node=self.node, secret="secret"))

    async def _hello(self, payload: bytes) -> bytes:
        return encode(wire.Welcome())

    async def _report(self, payload: bytes) -> bytes:
        report = decode(payload, wire.Report)
        for seen in report.servers:
            self.seen[seen.uuid] = seen
            for run in seen.runs:
                self.times_told += 1
                assert self.runs.setdefault(run.run_id, run) == run, "one run was told in two ways"
        if self._chance.random() < 0.2:
            return encode(wire.Refusal(code="not_now", message="not now"))
        return encode(wire.Acknowledged())


@asynccontextmanager
async def panel_of(chance: random.Random) -> AsyncIterator[tuple[Panel, str]]:
    async with NatsServer() as nats:
        bus = await NatsBus.connect(nats.url)
        try:
            panel = Panel(bus, chance)
            await panel.open()
            yield panel, nats.url
        finally:
            await bus.aclose()


async def test_no_run_is_lost_or_told_in_two_ways_over_eight_kills_of_the_node(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, data, server = random.Random(seed), tmp_path / "data", uuid4()
    ran: dict[str, tuple[int, int]] = {}
    async with panel_of(chance) as (panel, url):
        command = Command("node", tmp_path, "node", "--data", str(data), "--bus", url, "--name", "far")
        await command.start("--token", "token")
        wanted = wire.DesiredServer(
            uuid=server,
            number=1,
            generation=1,
            name="inn",
            running=True,
            argv=[sys.executable, "-u", "counter.py", "20"],
            patterns=wire.Patterns(ready="^ready"),
            stop=wire.StopRule(command="stop", timeout_s=10),
            crash=wire.CrashRule(restart=False),
        )
        try:
            await panel.ask(wire.Apply(servers=[wanted]))
            shutil.copy(COUNTER, data / "servers" / str(server) / "files")
            for number in range(8):
                await order(panel, wanted, "start", "running")
                born = panel.seen[server]
                assert born.run_id is not None and born.started_us is not None
                assert born.run_id not in ran
                await asyncio.sleep(chance.uniform(0, 0.3))
                # The kill comes before, while or after the game ends, and while its end is told.
                verb: wire.Verb = "kill" if number % 3 == 0 else "stop"
                change = wire.Order(id=uuid4(), verb=verb)
                await panel.ask(wire.Apply(servers=[_with(wanted, change)]))
                await asyncio.sleep(chance.uniform(0, 0.3))
                await command.end(signal.SIGKILL)
                await command.start()
                await order(panel, wanted, "stop", "stopped")
                ran[born.run_id] = (born.started_us, time.time_ns() // 1000)
            await eventually(
                lambda: len(panel.runs) == len(ran), "every run to be told", otherwise=lambda: str(panel.runs)
            )
            kept = json.loads((data / "servers" / str(server) / "memory.json").read_bytes())
            assert kept["machine"]["runs"] == [] or kept["machine"]["runs"][-1]["run_id"] in ran
        finally:
            await command.end()
            await admin("stop-servers", "--data", str(data))
    print(f"{len(panel.runs)} runs, told {panel.times_told} times")
    assert panel.runs.keys() == ran.keys()
    for run_id, run in panel.runs.items():
        started_us, latest_us = ran[run_id]
        assert started_us == run.started_us < run.ended_us <= latest_us


def _with(wanted: wire.DesiredServer, order: wire.Order) -> wire.DesiredServer:
    return msgspec.structs.replace(wanted, order=order)


async def order(panel: Panel, wanted: wire.DesiredServer, verb: wire.Verb, phase: str) -> None:
    """Give an order and wait until the server is where it leads to."""
    change = wire.Order(id=uuid4(), verb=verb)
    await panel.ask(wire.Apply(servers=[_with(wanted, change)]))

    def is_there() -> bool:
        seen = panel.seen.get(wanted.uuid)
        return seen is not None and seen.phase == phase and seen.order is not None and seen.order.id == change.id

    await eventually(is_there, f"the server to be {phase}", within=DEADLINE_S, otherwise=lambda: str(panel.seen))
