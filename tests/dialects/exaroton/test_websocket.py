"""The WebSocket of a server, frame by frame. ref: Websocket API."""

import asyncio
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from tests.dialects.exaroton.served import Served, Socket

START = {"stream": "console", "type": "start"}
STARTED = {"stream": "console", "type": "started"}
CONNECTED = {"type": "connected"}


def line(text: str) -> dict[str, str]:
    """Return the frame of a console line."""
    return {"stream": "console", "type": "line", "data": text}


async def see(served: Served, *states: State) -> None:
    """Have the node report states, one after the other."""
    for state in states:
        await served.house.gateway.see(served.example.server.uuid, served.house.gateway.live(state))


def say(served: Served, *lines: str) -> None:
    """Have the game print."""
    served.house.gateway.say(served.example.server.uuid, *lines)


async def answers(socket: Socket) -> None:
    """See that the socket still does what it is told."""
    await socket.send({"stream": "console", "type": "stop"})
    assert await socket.frame() == {"stream": "console", "type": "stopped"}


async def test_a_server_that_runs_is_ready_then_connected(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED


async def test_statuses_are_told_without_asking_and_in_order(served: Served) -> None:
    async with served.socket() as socket:
        await see(served, State.PREPARING)
        frame = await socket.frame()
        assert frame == {
            "stream": "status",
            "type": "status",
            "data": (await served.get(f"/servers/{served.id}")).json()["data"],
        }
        assert frame["data"]["status"] == 10
        await see(served, State.STARTING)
        assert await socket.status() == 2
        assert await socket.frame() == CONNECTED
        await see(served, State.RUNNING)
        assert await socket.status() == 1
        await see(served, State.STOPPING)
        assert await socket.status() == 3
        await see(served, State.STOPPED)
        assert await socket.status() == 0
        assert await socket.frame() == {"type": "disconnected", "data": "invalid-status"}
        await see(served, State.RUNNING)
        assert await socket.status() == 1
        assert await socket.frame() == CONNECTED


async def test_console_lines_come_as_they_are(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.start_console()
        say(served, "\x1b[32mgreen\x1b[0m", 'with "quotes" and ü')
        assert await socket.frames(2) == [line("\x1b[32mgreen\x1b[0m"), line('with "quotes" and ü')]


async def test_a_start_is_acknowledged_each_time_and_doubles_no_line(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        for _ in range(4):
            await socket.start_console(tail=0)
        say(served, "once")
        await socket.send(START)
        assert sorted(map(str, await socket.frames(2))) == sorted(map(str, [line("once"), STARTED]))


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (1, 1), (3, 3), (500, 500), (501, 500), (10**30, 500), (-5, 0)])
async def test_the_tail_is_of_the_last_lines_and_five_hundred_at_most(served: Served, asked: int, given: int) -> None:
    await see(served, State.RUNNING)
    say(served, *(f"line {number}" for number in range(600)))
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.start_console(tail=asked)
        say(served, "new")
        wanted = [f"line {number}" for number in range(600 - given, 600)] + ["new"]
        assert await socket.frames(given + 1) == [line(text) for text in wanted]


@pytest.mark.parametrize("tail", [True, 1.5, "7", None, [], {}])
async def test_a_tail_that_is_no_whole_number_is_none(served: Served, tail: object) -> None:
    await see(served, State.RUNNING)
    say(served, "old")
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.start_console(tail=tail)
        say(served, "new")
        assert await socket.frame() == line("new")


async def test_a_stopped_stream_tells_no_more_and_can_be_started_again(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.start_console()
        await answers(socket)
        say(served, "unheard")
        await answers(socket)
        await socket.start_console()
        say(served, "heard")
        assert await socket.frame() == line("heard")


async def test_the_console_of_a_server_that_does_not_run_is_not_started(served: Served) -> None:
    async with served.socket() as socket:
        await socket.send(START)
        await answers(socket)
        await see(served, State.STARTING)
        assert await socket.status() == 2
        assert await socket.frame() == CONNECTED
        await socket.start_console()


async def test_a_command_is_typed(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.send({"stream": "console", "type": "command", "data": "say Hello World!"})
        await answers(socket)
    assert served.house.gateway.console(served.example.server.uuid).typed == ["say Hello World!"]


async def test_whoever_may_only_read_types_nothing_and_is_not_thrown_out(served: Served) -> None:
    guest = await served.house.account("guest")
    await served.house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    await see(served, State.RUNNING)
    async with served.socket(key=await served.house.key(guest)) as socket:
        assert await socket.frame() == CONNECTED
        await socket.send({"stream": "console", "type": "command", "data": "stop"})
        await answers(socket)
    assert served.house.gateway.console(served.example.server.uuid).typed == []


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{",
        "null",
        "[]",
        '"start"',
        "{}",
        '{"stream": "console"}',
        '{"type": 7, "stream": []}',
        b"\xff\xfe",
        b'{"stream": "console", "type": "start", "data": 7}',
        {"stream": "nowhere", "type": "start"},
        {"stream": "tick", "type": "start"},
        {"stream": "management", "type": "request", "data": {"id": "x", "method": "y"}},
        {"stream": "status", "type": "stop"},
        {"stream": "console", "type": "command"},
        {"stream": "console", "type": "command", "data": ""},
        {"stream": "console", "type": "command", "data": "two\nlines"},
        {"stream": "console", "type": "command", "data": "\ud800"},
        {"stream": "console", "type": "command", "data": "x" * 5000},
        {"stream": "console", "type": "command", "data": {"a": 1}},
        "[" * 100_000,
        {"stream": "console", "type": "command", "data": "x" * 300_000},
        {"stream": "stats", "type": "start", "data": {"tail": []}},
        {"stream": "management", "type": "request", "data": {"id": [], "method": 7}},
        {"stream": "management", "type": "request"},
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_understood_breaks_nothing(served: Served, garbage: object) -> None:
    async with served.socket() as socket:
        await socket.send(garbage)
        await answers(socket)


async def test_silence_is_filled_with_keep_alives(served: Served) -> None:
    async with served.socket() as socket:
        for _ in range(2):
            assert await socket.frame(keep_alives=True) == {"type": "keep-alive"}


@pytest.mark.parametrize("key", [None, "Bearer ink_wrong", "Bearer ", "Basic cm9vdDpyb290"])
async def test_without_a_key_there_is_no_socket(served: Served, key: str | None) -> None:
    where = f"ws{served.url.removeprefix('http')}/v1/servers/{served.id}/websocket"
    headers = {"Authorization": key} if key is not None else {}
    with pytest.raises(InvalidStatus) as refused:
        await connect(where, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 403


async def test_a_stranger_gets_no_socket(served: Served) -> None:
    stranger = await served.house.account("stranger")
    with pytest.raises(InvalidStatus):
        async with served.socket(key=await served.house.key(stranger)):
            pass


async def test_a_revoked_key_closes_its_sockets_within_a_second(served: Served) -> None:
    house = served.house
    actor = house.actor(house.root)
    key, secret = await house.product.access.create_key(actor, name="passing")
    await see(served, State.RUNNING)
    async with served.socket(key=secret) as socket, served.socket() as other:
        await socket.frame()
        await socket.start_console()
        begun = time.monotonic()
        await house.product.access.revoke_key(actor, key.uuid)
        assert await socket.closed() == 1008
        assert time.monotonic() - begun < 1
        assert await other.frame() == CONNECTED
        await answers(other)


async def test_a_share_taken_back_closes_the_socket(served: Served) -> None:
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW)
    async with served.socket(key=await house.key(guest)) as socket:
        await house.product.access.unshare(house.actor(house.root), served.example, guest.id)
        assert await socket.closed() == 1008


async def test_a_deleted_server_closes_the_socket(served: Served) -> None:
    house = served.house
    async with served.socket() as socket:
        await house.product.servers.delete(house.actor(house.root), house.now(served.example))
        assert await socket.closed() == 1008


async def test_many_sockets_each_get_every_line(served: Served) -> None:
    await see(served, State.RUNNING)
    texts = [f"line {number}" for number in range(200)]

    async def one() -> list[str]:
        async with served.socket() as socket:
            assert await socket.frame() == CONNECTED
            await socket.start_console()
            begun.release()
            return [(await socket.frame())["data"] for _ in texts]

    begun = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(one()) for _ in range(20)]
        for _ in readers:
            await begun.acquire()
        for text in texts:
            say(served, text)
    assert all(reader.result() == texts for reader in readers)
