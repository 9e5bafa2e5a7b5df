"""The seed's walks, "How to create a … server", done with curl as they are printed there, slips of the pen included.

Only the address, the key and the UUID of an answer are put in. What the vendors offer comes from the tests' mirror; the
one server that is played on is the stand-in for Minecraft's own jar.
"""

# ruff: noqa: E501 - commands stand as they are printed
import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import PATIENCE_S, eventually
from tests.clients.bots import Bot
from tests.games.vanilla_jar import vanilla_jar
from tests.vendors.mirror import Mirror

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here"),
]

PLAYED = "1.20.4"
"""Runs on the Java of the tests, and is played by flying-squid."""

GET_PACKAGE = 'curl "https://api.serverflex.io/1.0/package/{}" -H "Authorization: Bearer {KEY}"'
GET_PROPERTIES = 'curl "https://api.serverflex.io/1.0/package/{}/properties" -H "Authorization: Bearer {KEY}"'
CREATE = """curl -XPOST 'https://api.serverflex.io/server/new' -H 'Authentication: Bearer: {key}' -H "Content-type: application/json" -d '{}'"""
MINECRAFT = '{"name": "My Hourly Minecraft Server", "region": "uk-1", "package": "minecraft", "plan": "mc.grass", "properties": {"EULA": true}, "runtnimes": ["vanilla:latest"]}'
FACTORIO = '{"name": "My Hourly Factorio Server", "region": "uk-1", "package": "factorio", "plan": "fc.grass", "properties": {}, "runtnimes": ["factorio:stable"]}'
CSGO = '{"name": "My Hourly CSGO Server", "region": "uk-1", "package": "csgo", "plan": "csgo.milspec", "properties": {"gslt": "YOUR GSLT"}, "runtnimes": ["sourcemod:stable"]}'
SERVER = "https://api.serverflex.io/1.0/server/269be408-3332-443f-83b1-ed27a9644a9a"
HEADER = '-H "Authorization: Bearer: {KEY}"'


class Shell:
    """A customer's shell: commands are run as they are printed, with the address and the key of this installation."""

    def __init__(self, inn: Embedded) -> None:
        self._inn = inn
        self.uuid = ""
        """In place of the one that the seed's commands name."""

    async def __call__(self, command: str, *, status: int = 200) -> Any:
        """Return what a command printed, as JSON; its HTTP status must be as given."""
        for old, new in (
            ("https://api.serverflex.io", self._inn.url),
            ("{KEY}", self._inn.api_key),
            ("{key}", self._inn.api_key),
            ("269be408-3332-443f-83b1-ed27a9644a9a", self.uuid),
        ):
            command = command.replace(old, new)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command + " -sS --noproxy '*' -w '\\n%{http_code}'"), stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        body, _, code = printed.decode().rpartition("\n")
        assert int(code) == status, f"{command}: {code} {body}"
        return json.loads(body) if body else None


@pytest.fixture
def vendors() -> Iterator[Mirror]:
    """The vendors' mirror."""
    with Mirror() as mirror:
        yield mirror.everything()


@pytest.fixture
async def rented(tmp_path: Path, shared_games: Path, vendors: Mirror) -> AsyncIterator[Embedded]:
    """An installation that sells servers in uk-1."""
    arguments = ("--no-sample", "--mirror", vendors.url)
    async with Embedded(tmp_path, shared=shared_games, arguments=arguments) as inn:
        await inn.api.ask("PUT", "/regions/uk-1", json={"country": "U.K.", "city": "London"})
        node = (await inn.api.ask("GET", "/nodes"))["items"][0]
        await inn.api.ask("PATCH", f"/nodes/{node['id']}", json={"region": "uk-1"})
        yield inn


async def deployed(shell: Shell, inn: Embedded, body: str) -> dict[str, Any]:
    """Return the server that the printed command makes; `shell` speaks of it from now on."""
    made: dict[str, Any] = await shell(CREATE.replace("{}", body, 1))
    assert made["state"] == "created" and made["region"]["name"] == "uk-1", made
    shell.uuid = made["uuid"]
    return made


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here")
async def test_a_minecraft_server_is_created_as_the_seed_prints_it_and_played_on(
    rented: Embedded, vendors: Mirror, tmp_path: Path
) -> None:
    installed = await rented.api.minecraft(start=False)  # flying-squid, which plays the game
    script = next((rented.node_data / "shared" / "npm").glob("*/server.js")).absolute()
    vendors.vanilla(PLAYED, vanilla_jar(tmp_path / "compiled", script, PLAYED), java=17)
    await rented.api.ask("DELETE", f"/servers/{installed.id}")
    shell = Shell(rented)

    package = await shell(GET_PACKAGE.replace("{}", "minecraft", 1))
    assert "mc.grass" in {plan["name"] for plan in package["plans"]}
    assert "uk-1" in {region["name"] for region in package["regions"]}
    runtime = next(found for found in package["runtimes"] if found["name"] == "vanilla")
    assert runtime["aliases"]["latest"] == PLAYED, runtime
    properties = await shell(GET_PROPERTIES.replace("{}", "minecraft", 1))
    eula = next(found for found in properties if found["name"].lower() == "eula")
    assert eula["required"] and eula["valueType"] == "boolean", eula

    refused = MINECRAFT.replace("true", "false", 1)
    assert "eula" in (await shell(CREATE.replace("{}", refused, 1), status=400))["message"].lower()

    made = await deployed(shell, rented, MINECRAFT)
    assert (made["name"], made["billingType"]) == ("My Hourly Minecraft Server", "hourly")

    async def is_running() -> bool:
        return bool((await shell(f'curl "{SERVER}" {HEADER}'))["state"] == "running")

    await eventually(is_running, "the server to run", within=180)
    # The players of tests have no accounts with the game's makers.
    await rented.api.ask("PATCH", f"/servers/{shell.uuid}", json={"properties": {"online-mode": False}})
    operation = await shell(f'curl -X POST "{SERVER}/restart?timeout=30" {HEADER}')
    assert operation["isCompletedSuccesfully"] is True, operation
    address = (await shell(f'curl "{SERVER}" {HEADER}'))["network"]
    assert await shell(f'curl -X GET "{SERVER}/players" {HEADER}') == {"online": 0, "totalSlots": 20}
    async with Bot(address["ipAddress"], address["ports"][0]["port"], "Alice", version=PLAYED) as alice:
        await alice.join()

        async def is_counted() -> bool:
            return bool((await shell(f'curl -X GET "{SERVER}/players" {HEADER}'))["online"] == 1)

        await eventually(is_counted, "the player to be counted")
        say = f"""curl -X POST "{SERVER}/console" {HEADER} {HEADER} -H "Content-type: application/json" """
        await shell(say + """-d '{"input": "say hello world"}'""", status=204)
        await alice.wait_for("chat", text="hello world")
        await alice.leave()

    renamed = await shell(
        f"""curl -XPOST '{SERVER}' {HEADER} -H "Content-type: application/json" -d '{{"name": "Even more awesome server"}}'"""
    )
    assert renamed["name"] == "Even more awesome server"
    for verb, state in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
        operation = await shell(f'curl -X POST "{SERVER}/{verb}?timeout=30" {HEADER}')
        assert operation["type"] == verb.capitalize() and operation["isCompletedSuccesfully"] is True, operation
        assert (await shell(f'curl "{SERVER}" {HEADER}'))["state"] == state
    gone = await shell(f'curl -X DELETE "{SERVER}" {HEADER}')
    assert gone["type"] == "Delete"
    await shell(f'curl "{SERVER}" {HEADER}', status=410)


async def test_a_factorio_server_is_created_as_the_seed_prints_it(rented: Embedded) -> None:
    shell = Shell(rented)
    package = await shell(GET_PACKAGE.replace("{}", "factorio", 1))
    assert {"stable", "experimental"} <= package["runtimes"][0]["aliases"].keys()
    await shell(GET_PROPERTIES.replace("{}", "factorio", 1))
    made = await deployed(shell, rented, FACTORIO)
    assert made["package"] == {"displayName": "Factorio", "name": "factorio"}
    await ended(rented, made["uuid"])


async def test_a_csgo_server_is_created_as_the_seed_prints_it(rented: Embedded) -> None:
    shell = Shell(rented)
    await shell(GET_PACKAGE.replace("{}", "csgo", 1))
    properties = await shell(GET_PROPERTIES.replace("{}", "csgo", 1))
    assert next(found for found in properties if found["name"] == "gslt")["required"]
    refused = CSGO.replace('{"gslt": "YOUR GSLT"}', "{}")
    assert "gslt" in (await shell(CREATE.replace("{}", refused, 1), status=400))["message"]
    made = await deployed(shell, rented, CSGO)
    assert made["plan"]["name"] == "csgo.milspec"
    await ended(rented, made["uuid"])


async def ended(inn: Embedded, uuid: str) -> None:
    """Return once the deploy has ended, well or with a reason: these games cannot be had here."""

    async def look() -> bool:
        operations = (await inn.api.ask("GET", f"/servers/{uuid}/operations"))["items"]
        first = operations[-1]
        assert first["state"] != "failed" or first["reason"], first
        return first["state"] in ("done", "failed")

    await eventually(look, "the deploy to end")
