"""The documentation's own bodies, sent by curl as they are printed there: servers made, played on, followed, deleted.

Only addresses, ports, ids and the token are put in. What the vendors offer comes from the tests' mirror; the one jar
that is played on is the stand-in for Minecraft's own.
"""

import asyncio
import json
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import PATIENCE_S, eventually, free_port
from tests.clients.bots import Bot
from tests.games.vanilla_jar import vanilla_jar
from tests.vendors.mirror import Mirror

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here"),
]
has_java = pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here")

PLAYED = "1.18.2"
"""Of the documentation's example; runs on the Java of the tests, and is played by flying-squid."""
SERVER = """{
    "name": "api doc server",
    "monitoring_type": "minecraft_java",
    "minecraft_java_monitoring_data": {
        "host": "127.0.0.1",
        "port": 25565
    },
    "create_type": "minecraft_java",
    "minecraft_java_create_data": {
        "create_type": "download_jar",
        "download_jar_create_data": {
            "type": "Paper",
            "version": "1.18.2",
            "mem_min": 1,
            "mem_max": 2,
            "server_properties_port": 25565,
            "agree_to_eula": true
        }
    }
}"""
BEDROCK = """{
    "name": "api doc bedrock server",
    "monitoring_type": "minecraft_bedrock",
    "minecraft_bedrock_monitoring_data": {
        "host": "127.0.0.1",
        "port": 19132
    },
    "create_type": "minecraft_bedrock",
    "minecraft_bedrock_create_data": {
        "create_type": "import_server",
        "import_server_create_data": {
            "existing_server_path": "/var/opt/server",
            "command": "env LD_LIBRARY_PATH=. ./bedrock_server"
        }
    }
}"""
RENAME = """{
    "server_name": "api test server"
}"""
GAME = """
import sys
print("[12:00:00] [Server thread/INFO]: Done (1.234s)! For help", flush=True)
for line in sys.stdin:
    if line.strip() == "stop":
        break
    print("[12:00:01] [Server thread/INFO]: Got " + line.strip(), flush=True)
"""


class Shell:
    """A user's shell: documented commands, with the address, the token and the id of this installation."""

    def __init__(self, inn: Embedded, imports: Path, vendors: Mirror) -> None:
        self.inn = inn
        self.imports = imports
        """A folder that the operator has opened to imports."""
        self.vendors = vendors
        self.token = ""

    async def text(self, method: str, path: str, body: str | None = None, *, status: int = 200) -> str:
        """Return what the documentation's request printed."""
        command = ["curl", "-sS", "--noproxy", "*", "-X", method, f"{self.inn.url}/api/v2{path}"]
        command += ["-H", f"Authorization: Bearer {self.token}", "-w", "\n%{http_code}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "--data-binary", body]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        said, _, code = printed.decode().rpartition("\n")
        assert int(code) == status, f"{method} {path}: {code} {said}"
        return said

    async def __call__(self, method: str, path: str, body: str | None = None, *, status: int = 200) -> Any:
        """Return the data of an answer."""
        said = json.loads(await self.text(method, path, body, status=status))
        assert said["status"] == ("ok" if status < 400 else "error"), said
        return said.get("data") if status < 400 else said

    async def make(self, body: dict[str, Any]) -> tuple[str, str]:
        """Make a server; return the path of it and its UUID once it is installed."""
        made = await self("POST", "/servers", json.dumps(body), status=201)
        path, uuid = f"/servers/{made['new_server_id']}", made["new_server_uuid"]
        await self.until(path, "it to be installed", downloading=False, importing=False, updating=False)
        view = await self.inn.api.ask("GET", f"/servers/{uuid}")
        assert view["state"] == "stopped", view
        return path, uuid

    async def until(self, path: str, what: str, **wanted: Any) -> dict[str, Any]:
        """Return a server's statistics once they are so."""
        last: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal last
            last = await self("GET", f"{path}/stats")
            return all(last[name] == value for name, value in wanted.items())

        await eventually(look, what, within=180, otherwise=lambda: str(last))
        return last

    async def run(self, path: str) -> dict[str, Any]:
        """Start a server; return its statistics once it answers."""
        await self("POST", f"{path}/action/start_server")
        return await self.until(path, "it to run", running=True, int_ping_results="True")

    async def stop(self, path: str) -> None:
        """Stop a server, and return once it is."""
        await self("POST", f"{path}/action/stop_server")
        await self.until(path, "it to be stopped", running=False, crashed=False)

    async def logged(self, path: str, text: str) -> list[str]:
        """Return the lines of the console once one of them holds a text."""
        lines: list[str] = []

        async def look() -> bool:
            nonlocal lines
            lines = await self("GET", f"{path}/logs")
            return any(text in line for line in lines)

        await eventually(look, f"{text!r} to be logged", otherwise=lambda: "\n".join(lines))
        return lines


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(tmp_path_factory: pytest.TempPathFactory, shared_games: Path) -> AsyncIterator[Shell]:
    """An installation with a folder for imports, and its administrator's shell."""
    imports = tmp_path_factory.mktemp("imports")
    imports.chmod(0o755)
    with Mirror() as mirror:
        arguments = ("--no-sample", "--mirror", mirror.everything().url, "--imports", str(imports))
        async with Embedded(tmp_path_factory.mktemp("walk"), shared=shared_games, arguments=arguments) as inn:
            await inn.node_is_online()
            shell = Shell(inn, imports, mirror)
            signing_in = json.dumps({"username": "admin", "password": inn.password})
            shell.token = (await shell("POST", "/auth/login", signing_in))["token"]
            yield shell


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def jar(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The stand-in for the game's own jar."""
    installed = await shell.inn.api.minecraft(start=False)  # flying-squid, which plays the game
    script = next((shell.inn.node_data / "shared" / "npm").glob("*/server.js")).absolute()
    await shell.inn.api.ask("DELETE", f"/servers/{installed.id}")
    return vanilla_jar(tmp_path_factory.mktemp("compiled"), script, PLAYED)


@has_java
async def test_a_java_server_is_made_played_on_followed_and_deleted(shell: Shell, jar: bytes) -> None:
    shell.vendors.paper(PLAYED, jar, java=17)
    port = free_port()
    path, uuid = await shell.make(json.loads(SERVER.replace("25565", str(port))))
    shown = await shell("GET", path)
    assert (shown["type"], shown["server_port"], shown["auto_start_delay"]) == ("minecraft-java", port, 10)
    assert (shown["shutdown_timeout"], shown["ignored_exits"], shown["stop_command"]) == (60, "0", "stop")
    await shell("POST", f"{path}/action/eula")
    # The players of tests have no accounts with the game's makers.
    await shell.inn.api.ask("PATCH", f"/servers/{uuid}", json={"properties": {"online-mode": False}})
    stats = await shell.run(path)
    assert (stats["online"], stats["max"], stats["players"], stats["desc"]) == (0, 20, "[]", "A Minecraft Server")
    assert stats["version"] == f"Paper {PLAYED}"
    assert stats["server_id"]["server_uuid"] == uuid

    async with Bot("127.0.0.1", port, "Alice", version=PLAYED) as alice:
        await alice.join()
        joined = await shell.until(path, "the player to be counted", online=1)
        assert joined["players"] == "['Alice']"
        await shell("POST", f"{path}/stdin", "say the server will restart in 5 minutes")
        await alice.wait_for("chat", text="the server will restart in 5 minutes")
        await alice.leave()
    await shell.until(path, "the player to be gone", online=0)

    lines = await shell.logged(path, "the server will restart in 5 minutes")
    assert any("Alice joined the game" in line for line in lines)
    coloured = await shell("GET", f"{path}/logs?colors=true")
    assert any(line.startswith('<span class="mc-log-info">') for line in coloured)
    raw = await shell("GET", f"{path}/logs?raw=true&file=true")
    assert any("Starting minecraft server version" in line for line in raw), raw
    page = await shell.text("GET", f"{path}/logs?colors=true&html=true")
    assert page.count("<br />") == len(coloured) and not page.startswith("{")

    await shell("PATCH", path, RENAME)
    assert (await shell("GET", f"{path}/public"))["server_name"] == "api test server"
    await shell.stop(path)
    await shell("POST", f"{path}/action/start_server")
    await shell.until(path, "it to run again", running=True, int_ping_results="True")
    await shell.stop(path)
    await shell("DELETE", f"{path}?files=true")
    assert (await shell("GET", path, status=400))["error"] == "NOT_AUTHORIZED"


async def test_a_bedrock_server_is_had_from_its_vendor(shell: Shell) -> None:
    body = json.loads(BEDROCK.replace("19132", str(free_port())))
    body["minecraft_bedrock_create_data"] = {
        "create_type": "download_exe",
        "download_exe_create_data": {"agree_to_eula": True},
    }
    path, _ = await shell.make(body)
    shown = await shell("GET", path)
    assert (shown["type"], shown["executable"]) == ("minecraft-bedrock", "bedrock_server")
    listed = await shell("POST", f"{path}/files", json.dumps({"page": "files", "path": shown["path"]}))
    assert listed["bedrock_server"] == {"path": f"{shown['path']}/bedrock_server", "dir": False, "excluded": False}
    program = json.dumps({"page": "files", "path": f"{shown['path']}/bedrock_server"})
    assert await shell("POST", f"{path}/files", program) == "bedrock 1.21.50.7"
    await shell("DELETE", path)


async def test_a_bedrock_server_is_brought_along_as_it_is_printed(shell: Shell) -> None:
    place = shell.imports / "bedrock"
    place.mkdir()
    (place / "bedrock_server").write_text(f"#!/bin/sh\nexec {sys.executable} -u game.py\n")
    (place / "bedrock_server").chmod(0o755)
    (place / "game.py").write_text(GAME)
    path, _ = await shell.make(
        json.loads(BEDROCK.replace("/var/opt/server", str(place)).replace("19132", str(free_port())))
    )
    await plays(shell, path)


@pytest.mark.parametrize("kind", ["minecraft_bedrock", "custom"])
async def test_a_program_is_brought_along_in_a_zip(shell: Shell, kind: str) -> None:
    packed = shell.imports / f"{kind}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("notes.txt", "not of the server")
        archive.writestr("old/the server/game.py", GAME)
    root = await chosen(shell, packed, "old", "the server")
    brought = {"zip_path": str(packed), "zip_root": root, "command": f"{sys.executable} -u game.py"}
    body = {
        "name": "brought along",
        "monitoring_type": "none",
        "create_type": kind,
        f"{kind}_create_data": {"create_type": "import_zip", "import_zip_create_data": brought},
    }
    path, _ = await shell.make(body)
    shown = await shell("GET", path)
    listed = await shell("POST", f"{path}/files", json.dumps({"page": "files", "path": shown["path"]}))
    assert "game.py" in listed and "notes.txt" not in listed
    await plays(shell, path)


@has_java
async def test_a_java_server_is_brought_along_in_a_zip_and_starts_once_its_licence_is_agreed_to(
    shell: Shell, jar: bytes
) -> None:
    packed, port = shell.imports / "world.zip", free_port()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mine/server.jar", jar)
        archive.writestr("mine/server.properties", "online-mode=false\nmotd=From the old house\n")
        archive.writestr("mine/world/level.dat", "a world")
    body = json.loads(SERVER.replace("25565", str(port)))
    brought = {"zip_path": str(packed), "zip_root": await chosen(shell, packed, "mine"), "jarfile": "server.jar"}
    brought |= {"mem_min": 1, "mem_max": 1, "server_properties_port": port}
    body["minecraft_java_create_data"] = {"create_type": "import_zip", "import_zip_create_data": brought}
    path, _ = await shell.make(body)
    shown = await shell("GET", path)
    level = json.dumps({"page": "files", "path": f"{shown['path']}/world/level.dat"})
    assert (shown["executable"], await shell("POST", f"{path}/files", level)) == ("server.jar", "a world")
    await shell("POST", f"{path}/action/eula")
    await shell.run(path)
    await shell.stop(path)
    await shell("DELETE", path)


async def chosen(shell: Shell, packed: Path, *names: str) -> str:
    """Return the path of a folder in an archive, as a user comes to it who looks into the archive first."""
    asked = {"page": "import", "folder": str(packed), "upload": False, "unzip": True}
    listed = await shell("POST", "/import/file/unzip", json.dumps(asked))
    assert listed["root_path"] == {"path": str(packed), "top": True}
    for name in names[:-1]:
        asked |= {"folder": listed[name]["path"], "unzip": False}
        listed = await shell("POST", "/import/file/unzip", json.dumps(asked))
    assert listed[names[-1]]["dir"] is True
    return str(listed[names[-1]]["path"])


async def plays(shell: Shell, path: str) -> None:
    """Start a server, speak to it, stop it and delete it."""
    await shell("POST", f"{path}/action/start_server")
    await shell.logged(path, "Done (1.234s)!")
    await shell("POST", f"{path}/stdin", "say hello")
    await shell.logged(path, "Got say hello")
    await shell.stop(path)
    await shell("DELETE", path)
