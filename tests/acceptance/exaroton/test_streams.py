"""The streams of exaroton's WebSocket by its real clients: consoles, figures of real games, a game's own management."""

import shutil
import sys
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.asking import Server
from tests.acceptance.exaroton.proving import OFFLINE, ON_ONE_INNKEEPER, statuses_until
from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import free_port
from tests.clients.bots import ExarotonNode

pytestmark = ON_ONE_INNKEEPER

MIB = 1024 * 1024


@pytest.mark.proves("exaroton stream console", by=["npm 1", "npm 2"])
async def test_a_console_has_its_past_and_echoes_commands(each_npm: ExarotonNode, online: Server) -> None:
    client, id = each_npm, online.exaroton_id
    await online.command("say before anybody listened")
    await online.printed("before anybody listened", last=True)
    await client.subscribe(id, "console", tail=5)
    await client.wait_for("started", stream="console")
    await client.wait_for("line", text="before anybody listened")
    asked = len(client.asked)
    assert await client.get("executeCommand", id, "say by the socket") is True
    await client.wait_for("line", text="by the socket")
    assert len(client.asked) == asked, "it went another way than the socket"
    await client.get("unsubscribe", id, "console")


@pytest.mark.proves("exaroton stream tick", "exaroton stream stats", by=["npm 1", "npm 2"])
async def test_the_figures_of_a_real_minecraft_are_believable(each_npm: ExarotonNode, online: Server) -> None:
    client, id = each_npm, online.exaroton_id
    await client.subscribe(id, "tick", "stats")
    tick = (await client.wait_for("tick"))["data"]
    assert tick["averageTickTime"] > 0
    assert 0 < tick["tps"] <= 20
    memory = (await client.wait_for("stats"))["data"]["memory"]
    assert 0 < memory["percent"] < 100
    assert memory["usage"] > 20 * MIB


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def java(inn: Embedded) -> Server:
    """A game in a real Java virtual machine, running."""
    if shutil.which("javac") is None:
        pytest.skip("there is no Java development kit here")
    return await inn.api.create(package="jvm", name="java", port=free_port())


@pytest.mark.proves("exaroton stream heap", by=["npm 1", "npm 2"])
async def test_the_heap_of_a_real_virtual_machine_grows_with_what_it_holds(
    each_npm: ExarotonNode, java: Server
) -> None:
    client, id = each_npm, java.exaroton_id
    await java.command("forget")
    await java.command("gc")
    await client.subscribe(id, "heap", "tick")
    await client.wait_for("started", stream="heap")
    assert await _heap(client) > 0
    await java.command("eat 64")
    await java.command("gc")
    while await _heap(client) < 64 * MIB:
        pass
    assert 0 < (await client.wait_for("tick"))["data"]["tps"] <= 20


async def _heap(client: ExarotonNode) -> int:
    usage: int = (await client.wait_for("heap"))["data"]["usage"]
    return usage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def managed(inn: Embedded) -> Server:
    """A game with a management server, running."""
    return await inn.api.create(
        package="management", name="managed", port=free_port(), properties={"python": sys.executable}
    )


@pytest.mark.proves("exaroton stream management", by=["npm 2"])
async def test_a_game_is_managed_by_its_own_protocol(npm2: ExarotonNode, managed: Server) -> None:
    id = managed.exaroton_id
    await npm2.subscribe(id, "management")
    await npm2.wait_for("started", stream="management")
    status: dict[str, Any] = await npm2.get("manage", id, "getStatus")
    assert status["started"] is True
    assert status["version"]["name"] == "1.21.9"
    await npm2.get("notice", id, "minecraft:notification/players/joined")
    await managed.command("join Alice")
    told = await npm2.wait_for("notification", name="minecraft:notification/players/joined")
    assert "Alice" in str(told["data"])
    await npm2.get("manage", id, "sendSystemMessage", "hello by the protocol")
    await managed.printed("hello by the protocol")
    assert await npm2.get("manage", id, "kickPlayers", "Alice")
    await managed.printed("Alice left the game")
    _, message = await npm2.refused("manage", id, "getGameRules")
    assert "Method not found" in message


async def test_streams_end_with_the_game_and_the_socket_stays(each_npm: ExarotonNode, online: Server) -> None:
    client, id = each_npm, online.exaroton_id
    await client.subscribe(id, "console", "stats")
    await client.wait_for("started", stream="console")
    await client.wait_for("stats")
    await client.get("stop", id)
    assert (await statuses_until(client, OFFLINE))[-1] == OFFLINE
    await client.wait_for("disconnected")
    await client.get("start", id)
    await client.wait_for("started", stream="console")
    await client.wait_for("stats")
    assert [event for event in client.events if event["event"] == "close"] == []
