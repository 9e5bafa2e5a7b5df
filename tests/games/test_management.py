"""The game with a management server speaks Minecraft's Management Server Protocol."""

import asyncio
import json
import re
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

FOLDER = Path(__file__).parent / "management"
SECRET = "Secret" * 6 + "1234"
ALICE = {"id": "10920508-d5d8-3eed-93d2-92f193afe7d7", "name": "Alice"}
SERVED = {
    "management-server-enabled": "true",
    "management-server-host": "127.0.0.1",
    "management-server-port": "0",
    "management-server-secret": SECRET,
    "management-server-tls-enabled": "false",
}


class Game:
    """The game that runs, its console, and where its management server is."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""

    async def until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := (await self.process.stdout.readline()).decode().rstrip("\n"):
                if found := re.search(pattern, line):
                    return found
        raise AssertionError("the game has ended")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def game(folder: Path, properties: dict[str, str]) -> AsyncIterator[Game]:
    (folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", str(FOLDER / "game.py")),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Game(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()


@asynccontextmanager
async def managed(folder: Path) -> AsyncIterator[tuple[Game, ClientConnection]]:
    async with game(folder, SERVED) as running:
        found = await running.until(r"^Json-RPC Management connection listening on (127\.0\.0\.1:\d+)$")
        await running.until(tomllib.loads((FOLDER / "package.toml").read_text())["console"]["ready"])
        running.url = f"ws://{found[1]}"
        async with connect(running.url, additional_headers={"Authorization": f"Bearer {SECRET}"}) as client:
            yield running, client


async def told(client: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await client.recv())


async def ask(client: ClientConnection, method: str, *params: Any) -> Any:
    await client.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    answer = await told(client)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    return answer.get("error") or answer["result"]


def note(what: str, *params: Any) -> Any:
    plain = {"jsonrpc": "2.0", "method": f"minecraft:notification/{what}"}
    return plain | {"params": list(params)} if params else plain


async def test_it_tells_who_comes_and_goes(tmp_path: Path) -> None:
    async with managed(tmp_path) as (running, client):
        running.type("join Alice")
        await running.until("^Alice joined the game$")
        assert await told(client) == note("players/joined", ALICE)
        status = await ask(client, "minecraft:server/status")
        assert status == {"started": True, "players": [ALICE], "version": {"name": "1.21.9", "protocol": 773}}
        running.type("leave Alice")
        await running.until("^Alice left the game$")
        assert await told(client) == note("players/left", ALICE)
        assert await ask(client, "minecraft:players") == []
        running.type("stop")
        assert await told(client) == note("server/stopping")
        await running.process.communicate()
        assert running.process.returncode == 0


async def test_it_does_what_it_is_asked(tmp_path: Path) -> None:
    async with managed(tmp_path) as (running, client):
        methods = [method["name"] for method in (await ask(client, "rpc.discover"))["methods"]]
        assert {"minecraft:players", "minecraft:server/status", "minecraft:allowlist/add"} <= set(methods)
        await client.send(
            '{"jsonrpc":"2.0","id":1,"method":"minecraft:allowlist/add","params":{"add":[{"name":"Alice"}]}}'
        )
        assert await told(client) == note("allowlist/added", ALICE)
        assert await told(client) == {"jsonrpc": "2.0", "id": 1, "result": [ALICE]}
        await client.send('[{"jsonrpc":"2.0","id":2,"method":"minecraft:allowlist"},{"jsonrpc":"2.0","method":"x"}]')
        assert await told(client) == [{"jsonrpc": "2.0", "id": 2, "result": [ALICE]}]
        running.type("join Alice")
        assert await told(client) == note("players/joined", ALICE)
        await client.send(
            '{"jsonrpc":"2.0","id":3,"method":"minecraft:players/kick","params":[[{"player":{"name":"Alice"}}]]}'
        )
        assert await told(client) == note("players/left", ALICE)
        assert await told(client) == {"jsonrpc": "2.0", "id": 3, "result": [ALICE]}
        message = {"message": {"literal": "Good evening"}, "overlay": False}
        assert await ask(client, "minecraft:server/system_message", message) is True
        await running.until("^Good evening$")
        assert await ask(client, "minecraft:server/stop") is True
        await running.process.communicate()
        assert running.process.returncode == 0


async def test_what_it_does_not_understand_is_an_error(tmp_path: Path) -> None:
    async with managed(tmp_path) as (_, client):
        assert (await ask(client, "minecraft:nonsense"))["code"] == -32601
        assert (await ask(client, "minecraft:players", 1))["code"] == -32602
        assert (await ask(client, "minecraft:allowlist/add", [{"name": 1}]))["code"] == -32602
        for text, code in (("{", -32700), ("[]", -32600), ("{}", -32600)):
            await client.send(text)
            answer = await told(client)
            assert (answer["id"], answer["error"]["code"]) == (None, code)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}])
async def test_it_lets_nobody_in_without_its_secret(tmp_path: Path, headers: dict[str, str]) -> None:
    async with managed(tmp_path) as (running, _):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(running.url, additional_headers=headers):
                pass
        assert refused.value.response.status_code == 401


@pytest.mark.parametrize("wrong", [{"management-server-secret": "short"}, {"management-server-tls-enabled": "true"}])
async def test_it_does_not_start_where_it_is_told_to_serve_wrongly(tmp_path: Path, wrong: dict[str, str]) -> None:
    async with game(tmp_path, SERVED | wrong) as running:
        await running.until(f"^{next(iter(wrong))} ")
        await running.process.communicate()
        assert running.process.returncode == 1


async def test_it_serves_nothing_unless_told_to(tmp_path: Path) -> None:
    async with game(tmp_path, {"management-server-enabled": "false"}) as running:
        assert running.process.stdout is not None
        assert (await running.process.stdout.readline()).startswith(b"Done (")
        running.type("stop")
        await running.process.communicate()
        assert running.process.returncode == 0
