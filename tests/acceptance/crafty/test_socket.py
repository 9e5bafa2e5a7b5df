"""Crafty's socket, from a real Innkeeper with real games to the client of the library `websockets`."""

import asyncio
import base64
import json
import re
import shlex
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
GAME = Path(__file__).parents[2] / "dialects" / "crafty" / "game.py"
TOLD_S = 60.0
READY = re.compile(r"\[Server thread/INFO\]</span>: Done \(\d+\.\d{3}s\)!")
"""What a known client looks for in lines."""

Told = Callable[..., Any]


class House:
    """A running Innkeeper, and a token of its administrator."""

    def __init__(self, inn: Embedded, http: httpx.AsyncClient, token: str) -> None:
        self.inn = inn
        self.http = http
        self.token = token

    async def server(self, name: str, command: list[str]) -> int:
        """Make a server that runs a command in place of Minecraft's, and return it once it is installed."""
        body = {
            "name": name,
            "monitoring_type": "minecraft_java",
            "minecraft_java_monitoring_data": {"host": "127.0.0.1", "port": free_port()},
            "create_type": "custom",
            "custom_create_data": {
                "create_type": "raw_exec",
                "raw_exec_create_data": {"command": shlex.join(command)},
            },
            "stop_command": "stop",
        }
        made = await self.http.post("/servers", json=body)
        assert made.status_code == 201, made.text
        server_id = int(made.json()["data"]["new_server_id"])
        await self.stands(server_id, "stopped")
        return server_id

    async def stands(self, server_id: int, state: str) -> None:
        """Return once a server is in a state."""

        async def look() -> bool:
            found = (await self.inn.api.ask("GET", "/servers"))["items"]
            return any((one["dialect_ids"]["pterodactyl"], one["state"]) == (str(server_id), state) for one in found)

        await eventually(look, f"the server to be {state}", within=TOLD_S)

    async def act(self, server_id: int, action: str) -> None:
        """Have something done with a server."""
        reply = await self.http.post(f"/servers/{server_id}/action/{action}")
        assert reply.json() == {"status": "ok"}, reply.text

    @asynccontextmanager
    async def socket(self, page: str, parameters: str = "") -> AsyncIterator[Told]:
        """Open the socket of a page, as a browser does, and give what returns the next message of an event."""
        where = f"ws{self.inn.url.removeprefix('http')}/ws?page=%2Fpanel%2F{page}&page_query_params={parameters}"
        cookie = {"Cookie": f"token={self.token}", "Origin": self.inn.url}
        async with connect(where, additional_headers=cookie, proxy=None) as connection:

            async def told(event: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
                async with asyncio.timeout(TOLD_S):
                    async for message in connection:
                        found = json.loads(message)
                        if found["event"] == event and fits(found["data"]):
                            return found["data"]
                raise AssertionError(f"closed before {event}")

            yield told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """An Innkeeper without a server."""
    async with (
        Embedded(tmp_path_factory.mktemp("crafty-socket") / "inn") as inn,
        httpx.AsyncClient(base_url=f"{inn.url}/api/v2", trust_env=False, timeout=60) as http,
    ):
        signed_in = await http.post("/auth/login", json={"username": "admin", "password": inn.password})
        token = signed_in.json()["data"]["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        await inn.node_is_online()
        yield House(inn, http, token)


@pytest.mark.proves(
    "crafty stream update_server_status",
    "crafty stream update_host_stats",
    "crafty stream update_server_details",
    "crafty stream vterm_new_line",
    "crafty stream backup_status",
    "crafty stream send_start_reload",
    "crafty stream update_button_status",
    by=["websockets"],
)
async def test_a_game_is_followed_on_both_pages(house: House) -> None:
    packed = base64.b64encode(zlib.compress(GAME.read_bytes())).decode()
    program = f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'
    server_id = await house.server("S one", [sys.executable, "-u", "-c", program])
    async with house.socket("dashboard") as dashboard, house.socket("server_detail", f"id%3D{server_id}") as detail:
        rows = {row["id"]: row for row in await dashboard("update_server_status")}
        assert rows[server_id]["running"] is False
        assert (await dashboard("update_host_stats"))["cpu_cores"] > 0
        assert (await detail("update_server_details"))["world_name"] == "S one"
        await house.act(server_id, "start_server")
        assert await detail("send_start_reload") == {}
        line = await detail("vterm_new_line", lambda data: READY.search(data["line"]) is not None)
        assert line["line"].endswith("<br />")
        await dashboard("update_server_status", lambda rows: any(row["running"] is True for row in rows))
        await detail("update_server_details", lambda data: data["int_ping_results"] is True)
        assert (await house.http.post(f"/servers/{server_id}/stdin", content=b"say <hi>")).is_success
        await detail("vterm_new_line", lambda data: "Got say &lt;hi&gt;" in data["line"])
        await house.act(server_id, "stop_server")
        await detail("update_server_details", lambda data: data["running"] is False)
        await house.stands(server_id, "stopped")
        await house.act(server_id, "backup_server")
        await detail("backup_status", lambda data: data["percent"] == 100)
        await house.act(server_id, "update_executable")
        assert (await detail("update_button_status"))["isUpdating"] is True
        assert (await detail("update_button_status"))["isUpdating"] is False


@pytest.mark.proves("crafty stream send_start_error", "crafty stream send_eula_bootbox", by=["websockets"])
async def test_why_a_start_failed_is_told(house: House) -> None:
    missing = await house.server("no program", ["/nowhere/at/all"])
    async with house.socket("server_detail", f"id%3D{missing}") as detail:
        await detail("update_server_details")
        await house.act(missing, "start_server")
        assert (await detail("send_start_error"))["error"]
    unagreed = await house.server("no licence", [sys.executable, "-c", "print('You need to agree to the EULA')"])
    async with house.socket("server_detail", f"id%3D{unagreed}") as detail:
        await detail("update_server_details")
        await house.act(unagreed, "start_server")
        assert await detail("send_eula_bootbox") == {"id": unagreed}
        await house.act(unagreed, "stop_server")
