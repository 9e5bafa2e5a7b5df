"""The streams of figures: begun with the first figure, ended with the game, for those who may see them."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import ServerChanges, Usage
from innkeeper.testing.store_samples import a_usage
from tests.dialects.exaroton.served import PATIENCE_S, Served, Socket
from tests.dialects.exaroton.test_websocket import CONNECTED, answers, see

MIB = 1 << 20
STREAMS = ("tick", "stats", "heap")
FIGURES: dict[str, dict[str, Any]] = {
    "tick": {"averageTickTime": 8.7218612},
    "stats": {"memory": {"percent": 38.49, "usage": 206_643_200}},
    "heap": {"usage": 1_225_721_600},
}


def started(stream: str) -> dict[str, str]:
    return {"stream": stream, "type": "started"}


def stopped(stream: str) -> dict[str, str]:
    return {"stream": stream, "type": "stopped"}


def told(stream: str, data: object) -> dict[str, object]:
    return {"stream": stream, "type": stream, "data": data}


class Node:
    """Takes samples, each a second later than the last."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._taken = 0

    def sample(self, **figures: Any) -> None:
        """Have the node sample the server; figures that are not given it does not have."""
        self._taken += 1
        at = self._served.house.clock.now() + timedelta(seconds=self._taken)
        plain: dict[str, Any] = {"memory_bytes": 206_643_200, "heap_bytes": None, "tick_ms": None}
        usage: Usage = msgspec.structs.replace(a_usage(at), **{**plain, **figures})
        self._served.house.product.metrics.take(self._served.house.node.id, [(self._served.example.server.uuid, usage)])


@pytest.fixture
async def node(served: Served) -> Node:
    """The server runs."""
    await see(served, State.RUNNING)
    return Node(served)


async def begin(socket: Socket, node: Node, *streams: str) -> None:
    """Start streams, and see that they were, each with its first figure."""
    for stream in streams:
        await socket.send({"stream": stream, "type": "start"})
    await answers(socket)
    node.sample(heap_bytes=1_225_721_600, tick_ms=8.7218612)
    frames = await socket.frames(2 * len(streams))
    for stream in streams:
        assert [frame for frame in frames if frame["stream"] == stream] == [
            started(stream),
            told(stream, FIGURES[stream]),
        ]


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_begins_with_its_first_figure_and_goes_on(served: Served, node: Node, stream: str) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, stream)
        node.sample(memory_bytes=MIB, heap_bytes=5, tick_ms=50.0)
        later = {
            "tick": {"averageTickTime": 50.0},
            "stats": {"memory": {"percent": 0.2, "usage": MIB}},
            "heap": {"usage": 5},
        }
        assert await socket.frame() == told(stream, later[stream])


async def test_all_of_them_at_once(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, *STREAMS)


async def test_the_tick_is_asked_of_the_game_and_nothing_else_is(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "heap")
        assert {what for _, what, _ in served.house.gateway.attended} == {("samples",)}
        await begin_again(socket, node)
        assert ("tick",) in {what for _, what, _ in served.house.gateway.attended}


async def begin_again(socket: Socket, node: Node) -> None:
    await socket.send({"stream": "tick", "type": "start"})
    await answers(socket)
    node.sample(tick_ms=1.0)
    assert await socket.frame() == started("tick")


async def test_each_start_is_acknowledged_and_no_figure_comes_twice(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        for _ in range(3):
            await socket.send({"stream": "stats", "type": "start"})
        await answers(socket)
        node.sample()
        assert await socket.frames(4) == [started("stats")] * 3 + [told("stats", FIGURES["stats"])]
        await socket.send({"stream": "stats", "type": "start"})
        assert await socket.frame() == started("stats")
        node.sample(memory_bytes=MIB)
        assert await socket.frame() == told("stats", {"memory": {"percent": 0.2, "usage": MIB}})
        await answers(socket)


async def test_a_stopped_stream_tells_no_more_and_can_be_started_again(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "stats")
        await socket.send({"stream": "stats", "type": "stop"})
        assert await socket.frame() == stopped("stats")
        node.sample(memory_bytes=1)
        await answers(socket)
        await socket.send({"stream": "stats", "type": "start"})
        frames = await socket.frames(2)  # the newest sample is known already
        assert frames == [started("stats"), told("stats", {"memory": {"percent": 0.0, "usage": 1}})]


@pytest.mark.parametrize(("stream", "lacking"), [("heap", {"tick_ms": 1.0}), ("tick", {"heap_bytes": 1})])
async def test_a_figure_that_the_game_does_not_have_is_never_begun(
    served: Served, node: Node, stream: str, lacking: dict[str, Any]
) -> None:
    async with served.at(first_figure_s=0.05), served.socket() as socket:
        assert await socket.frame() == CONNECTED
        looking = served.house.product.directory.changes.listeners
        nobody = len(looking)
        for _ in range(2):
            await socket.send({"stream": stream, "type": "start"})
            await answers(socket)
            node.sample(**lacking)
            async with asyncio.timeout(PATIENCE_S):
                while len(looking) > nobody:  # noqa: ASYNC110 - nobody says so
                    await asyncio.sleep(0.01)
        await answers(socket)


async def test_a_figure_that_is_missing_for_once_is_passed_over(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "heap")
        node.sample()
        node.sample(heap_bytes=7)
        assert await socket.frame() == told("heap", {"usage": 7})


async def test_without_a_limit_memory_is_of_what_the_node_has(served: Served, node: Node) -> None:
    house = served.house
    facts = msgspec.structs.replace(house.node.facts, memory_mib=2048)
    await house.product.nodes.greet(house.node.uuid, "secret", facts)
    record = house.product.directory.get(served.example.server.id)
    unlimited = msgspec.structs.replace(
        record.server, limits=msgspec.structs.replace(record.server.limits, memory_mib=None)
    )
    unlimited = msgspec.structs.replace(unlimited, generation=unlimited.generation + 1)
    async with house.database.works() as work:
        await work.servers.update(unlimited)
        work.changed("server", unlimited.id, unlimited)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.send({"stream": "stats", "type": "start"})
        await answers(socket)
        node.sample(memory_bytes=512 * MIB)
        assert (await socket.frames(2))[1] == told("stats", {"memory": {"percent": 25.0, "usage": 512 * MIB}})


async def test_a_limit_that_changes_counts_at_once(served: Served, node: Node) -> None:
    house = served.house
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "stats")
        limits = msgspec.structs.replace(served.example.server.limits, memory_mib=1024)
        await house.product.servers.change(
            house.actor(house.root), house.now(served.example), ServerChanges(limits=limits)
        )
        await answers(socket)
        node.sample(memory_bytes=512 * MIB)
        assert await socket.frame() == told("stats", {"memory": {"percent": 50.0, "usage": 512 * MIB}})


@pytest.mark.parametrize("state", [State.STOPPED, State.STARTING, State.STOPPING, State.CRASHED])
async def test_only_a_server_that_is_online_tells_figures(served: Served, state: State) -> None:
    await see(served, state)
    node = Node(served)
    async with served.socket() as socket:
        for stream in STREAMS:
            await socket.send({"stream": stream, "type": "start"})
        node.sample(heap_bytes=1, tick_ms=1.0)
        await socket.send({"stream": "console", "type": "stop"})
        frame = await socket.frame()
        assert (frame if frame != CONNECTED else await socket.frame()) == {"stream": "console", "type": "stopped"}


async def test_a_game_that_stops_ends_its_streams(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, *STREAMS)
        await see(served, State.STOPPING)
        assert await socket.status() == 3
        assert await socket.frames(3) == [stopped(stream) for stream in STREAMS]
        await see(served, State.STOPPED)
        assert await socket.status() == 0
        assert await socket.frame() == {"type": "disconnected", "data": "invalid-status"}
        await see(served, State.RUNNING)
        assert await socket.status() == 1
        assert await socket.frame() == CONNECTED
        await begin(socket, node, *STREAMS)


async def test_a_stream_that_has_not_begun_is_not_said_to_have_stopped(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "stats")
        node.sample()
        assert (await socket.frame())["type"] == "stats"
        await socket.send({"stream": "heap", "type": "start"})
        await answers(socket)
        await see(served, State.STOPPING)
        assert await socket.status() == 3
        assert await socket.frame() == stopped("stats")
        await answers(socket)


async def test_a_game_that_dies_ends_its_streams_without_a_word(served: Served, node: Node) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "stats", "heap")
        await see(served, State.CRASHED)
        assert await socket.status() == 7
        assert await socket.frame() == {"type": "disconnected", "data": "invalid-status"}
        await answers(socket)


async def test_who_may_not_see_figures_gets_none_and_is_not_thrown_out(served: Served, node: Node) -> None:
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    async with served.socket(key=await house.key(guest)) as socket:
        assert await socket.frame() == CONNECTED
        for stream in STREAMS:
            await socket.send({"stream": stream, "type": "start"})
        node.sample(heap_bytes=1, tick_ms=1.0)
        await answers(socket)


async def test_a_right_to_figures_that_goes_closes_the_socket_within_a_second(served: Served, node: Node) -> None:
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.METRICS_READ)
    async with served.socket(key=await house.key(guest)) as socket:
        assert await socket.frame() == CONNECTED
        await begin(socket, node, "stats")
        async with asyncio.timeout(1):
            await house.share(served.example, guest, ServerPermission.VIEW)
            assert await socket.closed() == 1008


async def test_many_sockets_each_get_every_figure(served: Served, node: Node) -> None:
    async def one() -> list[Any]:
        async with served.socket() as socket:
            assert await socket.frame() == CONNECTED
            await socket.send({"stream": "heap", "type": "start"})
            await answers(socket)
            ready.release()
            return [frame["data"] for frame in await socket.frames(4) if frame["type"] == "heap"]

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(one()) for _ in range(20)]
        for _ in readers:
            await ready.acquire()
        for usage in (1, 2, 3):
            node.sample(heap_bytes=usage)
    assert all(reader.result() == [{"usage": usage} for usage in (1, 2, 3)] for reader in readers)
