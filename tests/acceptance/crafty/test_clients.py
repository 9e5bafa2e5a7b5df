"""The three PyPI clients of Crafty's API, each through all its calls against a real Innkeeper with a real game."""

import base64
import shlex
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually, free_port
from tests.clients.crafty import CraftyAsyncClient, CraftyClient, CraftyControllerApi, Witness

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
GAME = Path(__file__).parents[2] / "dialects" / "crafty" / "game.py"


class Played:
    """A running Innkeeper with one server, as a user of Crafty's API has made it."""

    def __init__(self, inn: Embedded, http: httpx.AsyncClient, server_id: int) -> None:
        self.inn = inn
        self.http = http
        self.id = server_id

    async def data(self, method: str, path: str, **more: Any) -> Any:
        """Return the data of a reply."""
        reply = await self.http.request(method, path, **more)
        assert reply.is_success, reply.text
        return reply.json().get("data")

    async def state_is(self, *states: str) -> None:
        """Return once the server is in one of these states, and nothing is being done with it."""

        async def look() -> bool:
            found = await self.inn.api.ask("GET", "/servers")
            return (
                next(one["state"] for one in found["items"] if one["dialect_ids"]["pterodactyl"] == str(self.id))
                in states
            )

        await eventually(look, f"the server to be {states}")

    async def backups(self) -> int:
        """Return how many finished backups the server has."""
        return len((await self.http.get(f"/servers/{self.id}/backups")).json()["backup_list"])

    async def backups_are(self, count: int) -> None:
        """Return once the server has so many finished backups."""

        async def look() -> bool:
            return await self.backups() == count

        await eventually(look, f"{count} backups")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """An Innkeeper with a server that talks as Minecraft does, stopped."""
    packed = base64.b64encode(zlib.compress(GAME.read_bytes())).decode()
    program = f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'
    async with (
        Embedded(tmp_path_factory.mktemp("crafty") / "inn") as inn,
        httpx.AsyncClient(base_url=f"{inn.url}/api/v2", trust_env=False, timeout=60) as http,
    ):
        signed_in = await http.post("/auth/login", json={"username": "admin", "password": inn.password})
        assert signed_in.status_code == 200, signed_in.text
        http.headers["Authorization"] = f"Bearer {signed_in.json()['data']['token']}"
        await inn.node_is_online()
        made = await http.post(
            "/servers",
            json={
                "name": "S one",
                "monitoring_type": "minecraft_java",
                "minecraft_java_monitoring_data": {"host": "127.0.0.1", "port": free_port()},
                "create_type": "custom",
                "custom_create_data": {
                    "create_type": "raw_exec",
                    "raw_exec_create_data": {"command": shlex.join([sys.executable, "-u", "-c", program])},
                },
                "stop_command": "stop",
            },
        )
        assert made.status_code == 201, made.text
        found = Played(inn, http, int(made.json()["data"]["new_server_id"]))
        await found.state_is("stopped")
        yield found


@pytest.fixture
def token(played: Played) -> str:
    """The administrator's token."""
    return str(played.http.headers["Authorization"]).removeprefix("Bearer ")


@pytest.mark.proves(
    "crafty GET /servers",
    "crafty POST /servers/{server}/action/{name}",
    "crafty POST /servers/{server}/stdin",
    "crafty GET /servers/{server}/logs",
    "crafty GET /servers/{server}/stats",
    "crafty GET /crafty/stats",
    by=["crafty-client"],
)
async def test_crafty_client_through_all_its_calls(played: Played, token: str) -> None:
    server_id = played.id
    async with Witness(played.inn.url) as witness:
        client = CraftyClient(witness.url, token)
        assert [one["server_id"] for one in await client.call("list_mc_servers")] == [server_id]
        assert await client.call("list_mc_servers", True) == {0: server_id, 1: "S one"}
        assert await client.call("list_mc_servers", False, True) == {0: server_id, 1: "S one", 2: 0, 3: False}
        assert await client.call("start_server", server_id) is True
        await played.state_is("running")
        assert await client.call("run_command", server_id, "say hi") == {}

        async def said() -> bool:
            return any("Got say hi" in line for line in await client.call("get_server_logs", server_id))

        await eventually(said, "the game to have heard it")
        stats = await client.call("get_server_stats", server_id)
        assert (stats["running"], stats["world_name"], stats["int_ping_results"]) == (True, "S one", "True")
        assert await client.call("restart_server", server_id) is True
        await played.state_is("running")
        assert await client.call("stop_server", server_id) is True
        await played.state_is("stopped")
        before = await played.backups()
        assert await client.call("backup_server", server_id) is True
        await played.backups_are(before + 1)
        assert (await client.call("get_host_stats"))["cpu_cores"] > 0
        refused = CraftyClient(witness.url, "wrong.to.ken")
        with pytest.raises(Exception) as denied:
            await refused.call("list_mc_servers")
        assert type(denied.value).__name__ == "AccessDenied"
    assert {status for _, _, status in witness.asked} == {200, 403}
    assert {path for _, path, _ in witness.asked} == {
        "/api/v2/servers/",
        "/api/v2/crafty/stats/",
        f"/api/v2/servers/{server_id}/stdin",
        f"/api/v2/servers/{server_id}/stats",
        f"/api/v2/servers/{server_id}/logs/",
        *(f"/api/v2/servers/{server_id}/action/{verb}_server" for verb in ("start", "stop", "restart", "backup")),
    }


@pytest.mark.proves(
    "crafty GET /servers",
    "crafty POST /servers/{server}/action/{name}",
    "crafty POST /servers/{server}/stdin",
    by=["crafty-async-client"],
)
async def test_crafty_async_client_through_all_its_calls(played: Played, token: str) -> None:
    server_id, path = str(played.id), f"/api/v2/servers/{played.id}"
    async with Witness(played.inn.url) as witness, CraftyAsyncClient(witness.url, token) as client:
        assert {"id": server_id, "name": "S one", "running": False} in await client.call("list_all")
        before = await played.backups()
        await client.call("start", server_id)
        await played.state_is("running")
        await client.call("cmd", server_id, "say hello")
        await client.call("restart", server_id)
        await played.state_is("running")
        await client.call("kill", server_id)
        await played.state_is("stopped")
        await client.call("start", server_id)
        await played.state_is("running")
        await client.call("stop", server_id)
        await played.state_is("stopped")
        await client.call("backup", server_id)
        await played.backups_are(before + 1)
        await client.call("update_exe", server_id)
        await played.state_is("stopped")
        await client.call("clone", server_id)
        names = [one["name"] for one in await client.call("list_all")]
        assert "S one (Copy)" in names
        with pytest.raises(RuntimeError, match=r"HTTP 400.*NOT_AUTHORIZED"):
            await client.call("start", "99")
    asked = {(method, asked) for method, asked, status in witness.asked if status == 200}
    assert asked == {("GET", "/api/v2/servers"), ("POST", f"{path}/stdin")} | {
        ("POST", f"{path}/action/{action}")
        for action in (
            *("start_server", "stop_server", "restart_server", "kill_server"),
            *("clone_server", "backup_server", "update_executable"),
        )
    }


@pytest.mark.proves(
    "crafty POST /auth/login",
    "crafty GET /roles",
    "crafty GET /roles/{role}",
    "crafty GET /roles/{role}/servers",
    "crafty GET /roles/{role}/users",
    "crafty GET /servers",
    "crafty POST /servers/{server}/action/{name}",
    "crafty GET /servers/{server}/logs",
    "crafty GET /servers/{server}/public",
    "crafty GET /servers/{server}/stats",
    "crafty GET /servers/{server}/users",
    "crafty GET /servers/{server}/webhook",
    "crafty GET /servers/{server}/webhook/{webhook}",
    "crafty GET /users",
    "crafty GET /users/{user}",
    "crafty GET /users/{user}/pfp",
    "crafty GET /users/{user}/public",
    by=["crafty-controller-api"],
)
async def test_crafty_controller_api_through_all_its_calls(played: Played) -> None:
    server_id = str(played.id)
    role = await played.data(
        "POST", "/roles", json={"name": "mods", "servers": [{"server_id": played.id, "permissions": "11100000"}]}
    )
    hook = {
        "webhook_type": "Discord",
        "name": "hook",
        "url": "https://webhook.example.com/a",
        "bot_name": "b",
        "trigger": ["kill"],
    }
    made = await played.data("POST", f"/servers/{server_id}/webhook", json=hook | {"body": "b", "enabled": False})
    async with Witness(played.inn.url) as witness:
        client = CraftyControllerApi(witness.port, "admin", str(played.inn.password))
        await client.sign_in()
        assert (await client.call("test")).count(".") == 2
        assert [one["role_name"] for one in await client.call("roles")] == ["mods"]
        assert (await client.call("role", role["role_id"]))["role_name"] == "mods"
        held = [{"server_id": played.id, "permissions": "11100000"}]
        assert await client.call("role_servers", role["role_id"]) == held
        assert await client.call("role_users", role["role_id"]) == []
        assert played.id in [one["server_id"] for one in await client.call("servers")]
        assert (await client.call("server", played.id))["server_name"] == "S one"
        before = await played.backups()
        for action, state in (
            ("start_server", "running"),
            ("restart_server", "running"),
            ("kill_server", "stopped"),
            ("stop_server", "stopped"),
            ("backup_server", "stopped"),
        ):
            assert await client.act(server_id, action) is True
            await played.state_is(state)
        await played.backups_are(before + 1)
        assert int((await client.act(server_id, "clone_server"))["new_server_id"]) > played.id
        assert any("Done (1.234s)!" in line for line in await client.call("server_logs", server_id))
        assert (await client.call("server_public_data", server_id))["type"] == "minecraft-java"
        assert (await client.call("server_stats", server_id))["running"] is False
        [me, *_] = await client.call("users")
        assert me["user_id"] in await client.call("server_accesses", server_id)
        webhook_id = str(made["webhook_id"])
        assert list(await client.call("server_webhooks", server_id)) == [webhook_id]
        assert (await client.call("server_webhook", server_id, webhook_id))[webhook_id]["name"] == "hook"
        assert (await client.call("user", me["user_id"]))["username"] == "admin"
        assert (await client.call("user_picture", me["user_id"])).startswith(f"http://127.0.0.1:{witness.port}/")
        assert (await client.call("user_public_data", me["user_id"]))["superuser"] is True
    assert {status for _, _, status in witness.asked} == {200}
