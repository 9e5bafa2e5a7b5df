"""Accounts, servers, power, commands, logs and options of exaroton's dialect: its real clients, a real Minecraft."""

import pytest

from tests.acceptance.asking import Server
from tests.acceptance.exaroton.proving import (
    OFFLINE,
    ON_ONE_INNKEEPER,
    ONLINE,
    PREPARING,
    RESTARTING,
    STARTING,
    STOPPING,
    LogHost,
    statuses_until,
)
from tests.acceptance.looking import eventually
from tests.clients.bots import ExarotonNode
from tests.clients.exaroton_python import ExarotonPython

pytestmark = ON_ONE_INNKEEPER


@pytest.mark.proves(
    "exaroton GET /account",
    "exaroton GET /servers",
    "exaroton GET /servers/{server}",
    by=["npm 1", "npm 2", "PyPI"],
)
async def test_every_client_sees_the_account_and_its_servers(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, offline: Server
) -> None:
    id = offline.exaroton_id
    for client in (npm, npm2):
        account = await client.get("account")
        assert set(account) == {"name", "email", "verified", "credits"}
        assert (account["name"], account["verified"]) == ("admin", False)
        assert id in [server["id"] for server in await client.get("servers")]
        server = await client.get("get", id)
        assert (server["status"], server["host"], server["port"]) == (OFFLINE, None, None)
        assert (server["name"], server["motd"], server["shared"]) == ("example", "Come in", False)
        assert server["address"] == "example.innkeeper.local"
        assert server["players"] == {"max": 20, "count": 0, "list": []}
        assert (server["software"]["name"], server["software"]["version"]) == ("flying-squid", "1.21.4")
    assert (await pypi.call("get_account")).name == "admin"
    assert id in [server.id for server in await pypi.call("get_servers")]
    seen = await pypi.call("get_server", id)
    assert (seen.status, seen.host, seen.software.version) == ("Offline", None, "1.21.4")


@pytest.mark.proves(
    "exaroton POST /servers/{server}/start",
    "exaroton GET /servers/{server}/restart",
    "exaroton GET /servers/{server}/stop",
    "exaroton stream status",
    by=["npm 1", "npm 2"],
)
async def test_power_shows_on_the_socket_as_it_happens(each_npm: ExarotonNode, offline: Server) -> None:
    client, id = each_npm, offline.exaroton_id
    await client.subscribe(id)
    await client.wait_for("open")
    assert await client.refused("stop", id) == (400, "Server is not online")
    await client.get("start", id)
    started = await statuses_until(client, ONLINE)
    assert [status for status in started if status != PREPARING] == [STARTING, ONLINE], started
    server = await client.get("get", id)
    assert (server["host"], server["port"]) == ("127.0.0.1", offline.port)
    assert await client.refused("start", id) == (400, "Server is not offline")

    await client.get("restart", id)
    assert (await statuses_until(client, ONLINE, after=RESTARTING))[0] == RESTARTING
    await client.get("stop", id)
    assert await statuses_until(client, OFFLINE) == [STOPPING, OFFLINE]
    await client.wait_for("disconnected")


@pytest.mark.proves("exaroton GET /servers/{server}/start", by=["npm 1", "npm 2"])
async def test_a_server_is_started_by_get_as_documented(npm: ExarotonNode, npm2: ExarotonNode, offline: Server) -> None:
    for client in (npm, npm2):
        await client.get("request", None, "GET", f"servers/{offline.exaroton_id}/start/")
        await offline.until("running")
        await offline.order("stop")


@pytest.mark.proves(
    "exaroton POST /servers/{server}/start",
    "exaroton POST /servers/{server}/restart",
    "exaroton POST /servers/{server}/stop",
    by=["PyPI"],
)
async def test_the_pypi_client_starts_restarts_and_stops(pypi: ExarotonPython, offline: Server) -> None:
    id = offline.exaroton_id
    assert (await pypi.call("start", id))["success"] is True
    before = await offline.until("running")
    assert (await pypi.call("get_server", id)).status == "Online"
    assert (await pypi.call("restart", id))["success"] is True
    await offline.another_run(before["pid"])
    assert (await pypi.call("stop", id))["success"] is True
    await offline.until("stopped")
    assert (await pypi.call("stop", id))["error"] == "Server is not online"


@pytest.mark.proves(
    "exaroton POST /servers/{server}/command",
    "exaroton GET /servers/{server}/logs",
    by=["npm 1", "npm 2", "PyPI"],
)
async def test_a_command_is_in_the_log_within_seconds(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, online: Server
) -> None:
    id = online.exaroton_id
    await npm.get("executeCommand", id, "say one calls")
    await npm2.get("executeCommand", id, "say two calls")
    await pypi.call("command", id, "say three calls")
    said = ["one calls", "two calls", "three calls"]

    async def all_in(log: str) -> bool:
        return all(words in log for words in said)

    async def npm_has() -> bool:
        return await all_in(await npm.get("getLogs", id))

    await eventually(npm_has, "the commands in the log")
    assert await all_in(await npm2.get("getLogs", id))
    assert await all_in(await pypi.call("get_server_logs", id))
    assert "\x1b" not in await npm.get("getLogs", id)


@pytest.mark.proves("exaroton GET /servers/{server}/logs/share", by=["npm 1", "npm 2", "PyPI"])
async def test_a_log_is_shared_with_whoever_has_its_address(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, online: Server, log_host: LogHost
) -> None:
    id = online.exaroton_id
    await online.command("say this is for everybody, but 203.0.113.9 is not")
    await online.printed("this is for everybody")
    urls = [await npm.get("shareLogs", id), await npm2.get("shareLogs", id)]
    shared = await pypi.call("upload_logs", id)
    assert {*urls, shared.url} <= {f"{log_host.url}/{name}" for name in log_host.logs}
    assert shared.raw == f"{log_host.url}/1/raw/{shared.id}"
    assert "this is for everybody" in log_host.logs[shared.id]
    assert "203.0.113.9" not in log_host.logs[shared.id]


@pytest.mark.proves(
    "exaroton GET /servers/{server}/options/ram",
    "exaroton POST /servers/{server}/options/ram",
    by=["npm 1", "npm 2", "PyPI"],
)
async def test_every_client_sets_the_memory_in_gib(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, offline: Server
) -> None:
    id = offline.exaroton_id
    for client, gib in ((npm, 2), (npm2, 3)):
        assert (await client.get("setRAM", id, gib))["data"] == {"ram": gib}
        assert await client.get("getRAM", id) == gib
        assert (await offline.view())["limits"]["memory_mib"] == gib * 1024
    assert await pypi.call("set_server_ram", id, 4) == 4
    assert await pypi.call("get_server_ram", id) == 4
    assert (await npm.refused("setRAM", id, 1))[0] == 400
    assert await npm.get("getRAM", id) == 4


@pytest.mark.proves(
    "exaroton GET /servers/{server}/options/motd",
    "exaroton POST /servers/{server}/options/motd",
    by=["npm 1", "npm 2"],
)
async def test_the_message_of_the_day_is_the_games_own(npm: ExarotonNode, npm2: ExarotonNode, offline: Server) -> None:
    id = offline.exaroton_id
    for client, motd in ((npm, "§aGrün = good: #1"), (npm2, "Come in")):
        assert (await client.get("setMOTD", id, motd))["data"] == {"motd": motd}
        assert await client.get("getMOTD", id) == motd
        assert (await client.get("get", id))["motd"] == motd


@pytest.mark.proves("exaroton POST /servers/{server}/extend-time", by=["npm 2"])
async def test_a_server_that_would_stop_is_kept_for_longer(npm2: ExarotonNode, online: Server) -> None:
    await npm2.get("extendStopTime", online.exaroton_id, 300)
    assert (await online.view())["keep_until"] is not None
