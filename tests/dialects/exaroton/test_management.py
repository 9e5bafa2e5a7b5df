"""The stream of the game's own management server: requests answered, notifications told, refusals told as well."""

import asyncio

import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from innkeeper.testing.managements import UNKNOWN_METHOD, ScriptedManagement
from tests.dialects.exaroton.served import Served, Socket
from tests.dialects.exaroton.test_websocket import CONNECTED, answers, see

STARTED = {"stream": "management", "type": "started"}


@pytest.fixture
async def game(served: Served) -> ScriptedManagement:
    """The server runs, and the game has a management server."""
    await see(served, State.RUNNING)
    return served.house.gateway.management(served.example.server.uuid)


async def start(socket: Socket) -> None:
    await socket.send({"stream": "management", "type": "start"})
    assert await socket.frame() == STARTED


async def request(socket: Socket, name: str | int, method: str, **params: object) -> None:
    data = {"id": name, "method": method, **params}
    await socket.send({"stream": "management", "type": "request", "data": data})


def response(name: str | int, data: object) -> dict[str, object]:
    return {"stream": "management", "type": "response", "data": {"id": name, "data": {"success": True, "data": data}}}


async def test_what_the_game_tells_by_itself_is_passed_on(served: Served, game: ScriptedManagement) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        for _ in range(2):
            await start(socket)
        game.notify("minecraft:notification/players/joined", [{"name": "Alice", "id": "…"}])
        game.notify("minecraft:notification/server/saved")
        assert await socket.frames(2) == [
            {
                "stream": "management",
                "type": "notification",
                "data": {"name": "minecraft:notification/players/joined", "data": [{"name": "Alice", "id": "…"}]},
            },
            {
                "stream": "management",
                "type": "notification",
                "data": {"name": "minecraft:notification/server/saved", "data": None},
            },
        ]


async def test_a_request_is_answered_under_its_own_id(served: Served, game: ScriptedManagement) -> None:
    game.answers["minecraft:players"] = [{"name": "Alice"}]
    game.answers["minecraft:server/save"] = True
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await start(socket)
        await request(socket, "7e9ee4c8", "minecraft:players")
        assert await socket.frame() == response("7e9ee4c8", [{"name": "Alice"}])
        await request(socket, 8, "minecraft:server/save", params={"flush": True})
        assert await socket.frame() == response(8, True)
    assert game.calls == [("minecraft:players", None), ("minecraft:server/save", {"flush": True})]


async def test_what_the_game_refuses_is_answered_with_its_error(served: Served, game: ScriptedManagement) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await start(socket)
        await request(socket, "a", "minecraft:nothing")
        frame = await socket.frame()
        assert frame["data"] == {"id": "a", "data": {"success": False, "error": UNKNOWN_METHOD}}


async def test_a_game_without_a_management_server_is_not_started_and_says_so_when_asked(served: Served) -> None:
    await see(served, State.RUNNING)
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await socket.send({"stream": "management", "type": "start"})
        await answers(socket)
        await request(socket, "a", "minecraft:players")
        frame = await socket.frame()
        assert frame["data"]["id"] == "a"
        assert frame["data"]["data"]["error"]["code"] == -32603


async def test_a_server_that_is_not_online_has_no_management(served: Served, game: ScriptedManagement) -> None:
    await see(served, State.STOPPED)
    async with served.socket() as socket:
        await socket.send({"stream": "management", "type": "start"})
        await answers(socket)
        await request(socket, "a", "minecraft:players")
        assert "error" in (await socket.frame())["data"]["data"]
    assert game.calls == []


async def test_a_game_that_stops_ends_it(served: Served, game: ScriptedManagement) -> None:
    async with served.socket() as socket:
        assert await socket.frame() == CONNECTED
        await start(socket)
        await see(served, State.STOPPING)
        assert await socket.status() == 3
        assert await socket.frame() == {"stream": "management", "type": "stopped"}
        game.notify("late")
        await answers(socket)
    assert game.watchers == []


async def test_who_may_only_type_commands_manages_nothing(served: Served, game: ScriptedManagement) -> None:
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_WRITE)
    game.answers["minecraft:players"] = []
    async with served.socket(key=await house.key(guest)) as socket:
        assert await socket.frame() == CONNECTED
        await socket.send({"stream": "management", "type": "start"})
        await request(socket, "a", "minecraft:players")
        await answers(socket)
    assert game.calls == []


async def test_a_right_that_goes_closes_the_socket_within_a_second(served: Served, game: ScriptedManagement) -> None:
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.MANAGEMENT)
    async with served.socket(key=await house.key(guest)) as socket:
        assert await socket.frame() == CONNECTED
        await start(socket)
        async with asyncio.timeout(1):
            await house.share(served.example, guest, ServerPermission.VIEW)
            assert await socket.closed() == 1008
