"""A server of Minecraft from its making to its stop, with a real player, our own API and both clients of exaroton."""

import pytest

from tests.acceptance.innkeepers import Innkeeper
from tests.acceptance.looking import eventually
from tests.clients.bots import Bot, ExarotonNode
from tests.clients.exaroton_python import ExarotonPython

pytestmark = pytest.mark.slow

OFFLINE, ONLINE, STARTING, STOPPING, RESTARTING, PREPARING = 0, 1, 2, 3, 4, 10


async def statuses_until(client: ExarotonNode, last: int) -> list[int]:
    """Return the statuses that the client is told, each once in a row, up to `last`."""
    seen: list[int] = []
    while not seen or seen[-1] != last:
        status = (await client.wait_for("status"))["data"]["status"]
        if not seen or seen[-1] != status:
            seen.append(status)
    return seen


async def told_of_players(client: ExarotonNode, *names: str) -> None:
    """Return once the client is told that exactly these are there."""
    while (await client.wait_for("status"))["data"]["players"]["list"] != list(names):
        pass


async def test_a_player_comes_chats_and_leaves_and_every_client_sees_it(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.minecraft(start=False, properties={"motd": "Come in"})
    address, key, id = innkeeper.exaroton_url, innkeeper.api_key, server.exaroton_id
    async with ExarotonNode(address, key) as npm, ExarotonPython(address, key) as pypi:
        await npm.subscribe(id, "console", tail=10)
        assert "data" in await npm.call("start", id)
        started = await statuses_until(npm, ONLINE)
        assert [status for status in started if status != PREPARING] == [STARTING, ONLINE], started
        await npm.wait_for("started", stream="console")

        async with Bot("127.0.0.1", server.port, "Alice") as alice:
            await alice.join()
            await told_of_players(npm, "Alice")
            assert await server.players() == ["Alice"]
            assert (await pypi.call("get_server", id)).players.list == ["Alice"]
            assert (await npm.call("get", id))["data"]["players"]["count"] == 1

            await alice.chat("is anybody here?")
            await npm.wait_for("line", text="<Alice> is anybody here?")
            await server.printed("<Alice> is anybody here?")
            assert "<Alice> is anybody here?\n" in await pypi.call("get_server_logs", id)

            await npm.call("executeCommand", id, "say the npm client greets you")
            await alice.wait_for("chat", text="the npm client greets you")
            await pypi.call("command", id, "say the PyPI client greets you")
            await alice.wait_for("chat", text="the PyPI client greets you")
            await server.command("say our own API greets you")
            await alice.wait_for("chat", text="our own API greets you")
            assert "our own API greets you" in (await npm.wait_for("line", text="our own API"))["text"]

            await alice.leave()
            await told_of_players(npm)
            assert await server.players() == []
            await server.printed("Alice disconnected")

        assert "data" in await npm.call("stop", id)
        assert await statuses_until(npm, OFFLINE) == [STOPPING, OFFLINE]
    view = await server.until("stopped")
    assert view["pid"] is None and view["last_exit"]["clean"], view


async def test_the_pypi_client_alone_can_run_a_server(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.minecraft(start=False)
    id = server.exaroton_id
    async with ExarotonPython(innkeeper.exaroton_url, innkeeper.api_key) as client:
        assert (await client.call("get_account")).name == "admin"
        assert [found.id for found in await client.call("get_servers")] == [id]
        assert (await client.call("get_server", id)).status == "Offline"
        assert (await client.call("start", id))["success"] is True
        await _is(client, id, "Online")
        found = await client.call("get_server", id)
        assert (found.host, found.port) == ("127.0.0.1", server.port)
        before = await server.view()
        assert (await client.call("restart", id))["success"] is True
        await server.another_run(before["pid"])
        assert (await client.call("stop", id))["success"] is True
        await _is(client, id, "Offline")


async def _is(client: ExarotonPython, id: str, status: str) -> None:
    async def look() -> bool:
        return bool((await client.call("get_server", id)).status == status)

    await eventually(look, f"the server to be {status}")
