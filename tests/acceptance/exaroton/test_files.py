"""Files, config files and player lists of exaroton's dialect: its real clients, and players let in or kept out."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.asking import Server
from tests.acceptance.exaroton.proving import ON_ONE_INNKEEPER
from tests.acceptance.looking import eventually
from tests.clients.bots import Bot, ExarotonNode
from tests.clients.exaroton_python import ExarotonPython

pytestmark = ON_ONE_INNKEEPER

BINARY = bytes(range(256)) * 4096
CHOICES = ["survival", "creative", "adventure", "spectator"]


@pytest.mark.proves("exaroton GET /servers/{server}/files/info/{path}", by=["npm 1", "npm 2"])
@pytest.mark.proves("exaroton GET /servers/{server}/files/info", by=["npm 2"])
async def test_a_server_shows_its_files(npm: ExarotonNode, npm2: ExarotonNode, online: Server) -> None:
    id = online.exaroton_id
    root = await npm2.get("getInfo", id, file="")
    assert root["isDirectory"] is True
    names = {child["name"] for child in root["children"]}
    assert {"server.properties", "world"} <= names
    for client in (npm, npm2):
        properties = await client.get("getInfo", id, file="server.properties")
        flags = {key: properties[key] for key in properties if key.startswith("is")}
        assert flags == {
            "isTextFile": True,
            "isConfigFile": True,
            "isDirectory": False,
            "isLog": False,
            "isReadable": True,
            "isWritable": True,
        }
        assert (properties["path"], properties["name"]) == ("server.properties", "server.properties")
        assert properties["size"] > 0
        assert properties["children"] is None
        world = await client.get("getInfo", id, file="world")
        assert world["isDirectory"] is True
        assert all(child["path"] == f"world/{child['name']}" for child in world["children"])
        await client.get("putContent", id, "[12:00:00] [main/INFO]: hello\n", file="logs/latest.log")
        [log] = (await client.get("getInfo", id, file="logs"))["children"]
        assert (log["isLog"], log["isTextFile"]) == (True, True)
        status, message = await client.refused("getInfo", id, file="no/such/file")
        assert (status, message) == (404, "File not found")


@pytest.mark.proves(
    "exaroton PUT /servers/{server}/files/data/{path}",
    "exaroton GET /servers/{server}/files/data/{path}",
    "exaroton DELETE /servers/{server}/files/data/{path}",
    by=["npm 1", "npm 2"],
)
@pytest.mark.proves(
    "exaroton GET /servers/{server}/files/data/{path}",
    "exaroton DELETE /servers/{server}/files/data/{path}",
    by=["PyPI"],
)
async def test_what_is_written_is_read_back_byte_for_byte(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, offline: Server, tmp_path: Path
) -> None:
    id, folder = offline.exaroton_id, "neu ☃/100% #1"
    source = tmp_path / "source"
    source.write_bytes(BINARY)
    await npm.get("createAsDirectory", id, file=folder)
    await npm.get("upload", id, str(source), file=f"{folder}/whole ü.bin")
    await npm.get("uploadChunked", id, str(source), file="chunked ü.bin")
    await npm2.get("putContent", id, "grün\r\n", file=f"{folder}/text")

    for number, client in enumerate((npm, npm2)):
        for name in (f"{folder}/whole ü.bin", "chunked ü.bin"):
            assert await _downloaded(client, id, name, tmp_path / f"{number}") == BINARY
        assert await client.get("getContent", id, file=f"{folder}/text") == "grün\r\n"
        children = (await client.get("getInfo", id, file=folder))["children"]
        assert {child["name"]: child["size"] for child in children} == {"whole ü.bin": len(BINARY), "text": 7}
    assert await pypi.call("get_file_data", id, "chunked ü.bin") == BINARY

    await npm.get("putContent", id, "", file=f"{folder}/text")
    assert await npm2.get("getContent", id, file=f"{folder}/text") == ""
    await npm2.get("delete", id, file=f"{folder}/text")
    assert (await npm.refused("getInfo", id, file=f"{folder}/text"))[0] == 404
    assert (await pypi.call("delete_file_data", id, "chunked ü.bin"))["success"] is True
    assert (await pypi.call("get_file_data", id, "chunked ü.bin"))["error"] == "File not found"
    await npm.get("delete", id, file="neu ☃")
    assert (await npm2.refused("getInfo", id, file="neu ☃"))[0] == 404


async def _downloaded(client: ExarotonNode, id: str, file: str, to: Path) -> bytes:
    """Return a file as the client downloads it; one of them says so before it has written all of it."""
    size = (await client.get("getInfo", id, file=file))["size"]
    await client.get("download", id, str(to), file=file)
    await eventually(lambda: to.stat().st_size == size, "the whole file")
    return to.read_bytes()


async def test_no_path_leads_out_of_the_server(npm: ExarotonNode, npm2: ExarotonNode, offline: Server) -> None:
    id = offline.exaroton_id
    for path in ("..%2f..%2fetc%2fpasswd", "world/..%2f..%2f..%2fkeeper"):
        status, _ = await npm.refused("request", None, "GET", f"servers/{id}/files/data/{path}")
        assert status in (400, 403, 404)
    assert (await npm2.refused("getContent", id, file="a\0b"))[0] == 400


@pytest.mark.proves(
    "exaroton GET /servers/{server}/files/config/{path}",
    "exaroton POST /servers/{server}/files/config/{path}",
    by=["npm 1", "npm 2"],
)
async def test_options_of_a_config_file_are_read_and_set(each_npm: ExarotonNode, offline: Server) -> None:
    client, id, file = each_npm, offline.exaroton_id, "server.properties"
    options = await _options(client, id)
    assert options["gamemode"] == {
        "key": "gamemode",
        "label": "Gamemode",
        "type": "select",
        "value": "survival",
        "options": CHOICES,
    }
    assert (options["max-players"]["type"], options["max-players"]["value"]) == ("integer", 20)
    assert (options["white-list"]["type"], options["white-list"]["value"]) == ("boolean", False)
    saved = await client.get("saveOptions", id, {"gamemode": "creative", "max-players": 30}, file=file)
    assert {each["key"]: each["value"] for each in saved["data"]}["gamemode"] == "creative"
    lines = (await client.get("getContent", id, file=file)).splitlines()
    assert {"gamemode=creative", "max-players=30"} <= set(lines)
    assert (await client.get("get", id))["players"]["max"] == 30
    assert (await client.refused("saveOptions", id, {"gamemode": "godmode"}, file=file))[0] == 400
    assert (await _options(client, id))["gamemode"]["value"] == "creative"
    await client.get("saveOptions", id, {"gamemode": "survival", "max-players": 20}, file=file)


async def _options(client: ExarotonNode, id: str) -> dict[str, Any]:
    return {option["key"]: option for option in await client.get("getOptions", id, file="server.properties")}


@pytest.mark.proves(
    "exaroton GET /servers/{server}/playerlists",
    "exaroton GET /servers/{server}/playerlists/{list}",
    "exaroton PUT /servers/{server}/playerlists/{list}",
    "exaroton DELETE /servers/{server}/playerlists/{list}",
    by=["npm 1", "npm 2", "PyPI"],
)
@pytest.mark.parametrize("state", ["stopped", "running"])
async def test_a_player_list_and_its_file_are_one(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, game: Server, state: str
) -> None:
    id = game.exaroton_id
    await game.bring_to(state)
    lists = ["whitelist", "ops", "banned-players", "banned-ips"]
    assert await pypi.call("get_player_lists", id) == lists
    for client in (npm, npm2):
        assert [each["name"] for each in await client.get("getPlayerLists", id)] == lists

    assert (await npm.get("addEntries", id, ["Alice", "Bob"], list="whitelist"))["data"] == ["Alice", "Bob"]
    assert (await npm2.get("addEntry", id, "Carol", list="whitelist"))["data"] == ["Alice", "Bob", "Carol"]
    assert await pypi.call("add_player_to_list", id, "whitelist", ["Dave"]) == ["Alice", "Bob", "Carol", "Dave"]
    written = json.loads(await npm.get("getContent", id, file="whitelist.json"))
    assert [entry["name"] for entry in written] == ["Alice", "Bob", "Carol", "Dave"]
    whitelist = await npm2.get("getInfo", id, file="whitelist.json")
    assert (whitelist["isTextFile"], whitelist["isConfigFile"]) == (True, False)

    await npm.get("putContent", id, json.dumps([written[2]]), file="whitelist.json")
    for client in (npm, npm2):
        assert await client.get("getEntries", id, list="whitelist") == ["Carol"]
    assert await pypi.call("get_player_list", id, "whitelist") == ["Carol"]

    assert await pypi.call("add_player_to_list", id, "ops", ["Eve", "Frank", "Grace"]) == ["Eve", "Frank", "Grace"]
    assert (await npm.get("deleteEntry", id, "Eve", list="ops"))["data"] == ["Frank", "Grace"]
    assert (await npm2.get("deleteEntries", id, ["Grace"], list="ops"))["data"] == ["Frank"]
    assert await pypi.call("remove_player_from_list", id, "ops", ["Frank"]) == []
    assert await npm.get("getEntries", id, list="ops") == []
    assert (await npm.get("addEntry", id, "192.0.2.1", list="banned-ips"))["data"] == ["192.0.2.1"]
    assert (await npm.get("deleteEntry", id, "192.0.2.1", list="banned-ips"))["data"] == []
    assert (await npm.refused("getEntries", id, list="friends"))[0] == 404
    assert (await npm.refused("addEntry", id, "stop\nstop", list="whitelist"))[0] == 400
    assert (await npm.get("deleteEntry", id, "Carol", list="whitelist"))["data"] == []


async def test_the_whitelist_lets_in_and_a_ban_keeps_out(npm: ExarotonNode, offline: Server) -> None:
    id, port = offline.exaroton_id, offline.port
    await npm.get("saveOptions", id, {"white-list": True}, file="server.properties")
    await npm.get("addEntry", id, "Alice", list="whitelist")
    await offline.bring_to("running")
    async with Bot("127.0.0.1", port, "Mallory") as mallory, Bot("127.0.0.1", port, "Alice") as alice:
        await mallory.order("join")
        await mallory.wait_for("kicked", reason="not white-listed")
        await alice.join()
        await npm.get("addEntry", id, "Alice", list="banned-players")
        await alice.wait_for("kicked", reason="banned")
        await alice.wait_for("end")
        await alice.order("join")
        await alice.wait_for("kicked", reason="banned")
        await alice.wait_for("end")
        await npm.get("deleteEntry", id, "Alice", list="banned-players")
        await alice.join()
        await alice.leave()
    await offline.bring_to("stopped")
    await npm.get("saveOptions", id, {"white-list": False}, file="server.properties")
    await npm.get("deleteEntry", id, "Alice", list="whitelist")
