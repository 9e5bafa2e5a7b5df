"""Every route, asked for by curl with the commands of ServerFlex's documentation, slips of the pen included.

Only address, key and ids are put in; where the documentation prints no command, one in its style.
"""

import asyncio
import json
import shutil
from typing import Any

import pytest

from innkeeper.core.servers.lifecycle import State
from tests.dialects.serverflex import fields
from tests.dialects.serverflex.served import Served

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")

API = "https://api.serverflex.io"
PRINTED = "269be408-3332-443f-83b1-ed27a9644a9a"
USER = "221fa47e-756c-49db-bf8f-0482451d3bec"
SERVER = f"{API}/1.0/server/{PRINTED}"
KEY = '-H "Authorization: Bearer: {KEY}"'
JSON = '-H "Content-type: application/json"'


class Curl:
    """A customer's shell."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def __call__(self, command: str, *, status: int = 200) -> Any:
        """Run a command as printed; return the JSON of its answer, which must have a status and its exact fields."""
        names = {API: self._served.url, "{KEY}": self._served.keys["legend"], "{key}": self._served.keys["legend"]}
        for old, new in {**names, PRINTED: self._served.id, USER: self._served.names["rita"]}.items():
            command = command.replace(old, new)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f"{command} -sS --noproxy '*' -w '\\n%{{http_code}} %{{method}} %{{url_effective}}'"),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 30)
        body, _, told = printed.decode().rpartition("\n")
        code, method, url = told.split(" ")
        assert int(code) == status, (command, code, body)
        if status == 204:
            assert body == ""
            return None
        said = json.loads(body)
        path = url.removeprefix(self._served.url)
        if path != "/server/new":
            fields.check(method, path, status, said)
        return said


@pytest.fixture
def curl(served: Served) -> Curl:
    return Curl(served)


@pytest.mark.proves(
    "serverflex GET /",
    "serverflex GET /account",
    "serverflex GET /account/balance",
    "serverflex GET /account/referral_overview",
    by=["curl"],
)
async def test_curl_sees_who_it_is_and_what_it_has(curl: Curl) -> None:
    assert (await curl(f'curl "{API}/1.0" {KEY}'))["version"] == "1.0"
    assert (await curl(f'curl "{API}/1.0/account" {KEY}'))["username"] == "legend"
    assert await curl(f'curl "{API}/1.0/account/balance" {KEY}') == [{"amount": 0.0, "currency": "USD"}]
    assert (await curl(f'curl "{API}/1.0/account/referral_overview" {KEY}'))["count"] == 0


@pytest.mark.proves(
    "serverflex GET /package",
    "serverflex GET /package/{name}",
    "serverflex GET /package/{name}/properties",
    "serverflex GET /region",
    "serverflex GET /region/{name}",
    by=["curl"],
)
async def test_curl_sees_what_is_sold(curl: Curl) -> None:
    key = '-H "Authorization: Bearer {KEY}"'
    assert (await curl(f'curl "{API}/1.0/package" {key}'))["totalResults"] == 3
    assert (await curl(f'curl "{API}/1.0/package/minecraft" {key}'))["displayName"] == "Minecraft"
    assert (await curl(f'curl "{API}/1.0/package/minecraft/properties" {key}'))[0]["name"] == "eula"
    assert (await curl(f'curl "{API}/1.0/region" {key}'))["totalResults"] == 1
    assert (await curl(f'curl "{API}/1.0/region/us-1" {key}'))["city"] == "Ashburn"


@pytest.mark.proves(
    "serverflex GET /server",
    "serverflex POST /server/new",
    "serverflex GET /server/{server}",
    "serverflex POST /server/{server}",
    "serverflex POST /server/{server}/edit",
    "serverflex GET /server/{server}/settings",
    "serverflex GET /server/{server}/stats",
    "serverflex DELETE /server/{server}",
    by=["curl"],
)
async def test_curl_deploys_edits_and_deletes(curl: Curl) -> None:
    body = (
        '{"name": "My API server", "region": "us-1", "package": "minecraft", "plan": "mc.grass", '
        '"properties": {"EULA": true}, "runtnimes": ["vanilla:latest"]}'
    )
    made = await curl(f"curl -XPOST '{API}/server/new' -H 'Authentication: Bearer: {{key}}' {JSON} -d '{body}'")
    fields.server(made)
    listed = await curl(f'curl "{API}/1.0/server" {KEY}')
    assert [server["name"] for server in listed["results"]] == ["My Minecraft Server", "My API server"]
    for path in (SERVER, f"{SERVER}/edit"):
        edited = await curl(f"""curl -XPOST '{path}' {KEY} {JSON} -d '{{"name": "Even more awesome server"}}'""")
        assert edited["name"] == "Even more awesome server"
    assert (await curl(f'curl "{SERVER}" {KEY}'))["name"] == "Even more awesome server"
    assert {item["name"]: item["value"] for item in await curl(f'curl "{SERVER}/settings" {KEY}')}["eula"] is True
    assert await curl(f'curl "{SERVER}/stats?cpu=true" {KEY}') == {
        "cpuUsage": {},
        "ramUsage": None,
        "storageUsage": None,
    }
    assert (await curl(f'curl -X DELETE "{SERVER}" {KEY}'))["type"] == "Delete"
    assert (await curl(f'curl "{SERVER}" {KEY}', status=410))["code"] == "server_is_deleted"


@pytest.mark.proves(
    "serverflex POST /server/{server}/start",
    "serverflex POST /server/{server}/stop",
    "serverflex POST /server/{server}/restart",
    "serverflex GET /server/{server}/players",
    "serverflex POST /server/{server}/console",
    by=["curl"],
)
async def test_curl_starts_talks_to_and_stops(served: Served, curl: Curl) -> None:
    say = f"""curl -X POST "{SERVER}/console" {KEY} {KEY} {JSON} -d '{{"input": "say hello world"}}'"""
    await curl(say, status=412)
    assert (await curl(f'curl -XPOST "{SERVER}/start?timeout=30" {KEY}'))["isCompletedSuccesfully"] is True
    assert served.house.now(served.example).live.state is State.RUNNING
    assert await curl(f'curl -X GET "{SERVER}/players" {KEY}') == {"online": 0, "totalSlots": 10}
    await curl(say, status=204)
    assert served.house.gateway.console(served.example.server.uuid).typed == ["say hello world"]
    assert (await curl(f'curl -X POST "{SERVER}/restart?timeout=30" {KEY}'))["type"] == "Restart"
    assert (await curl(f'curl -X POST "{SERVER}/stop?timeout=30" {KEY}'))["isCompleted"] is True
    assert served.house.now(served.example).live.state is State.STOPPED


@pytest.mark.proves(
    "serverflex GET /server/{server}/sharing",
    "serverflex POST /server/{server}/sharing/add",
    "serverflex POST /server/{server}/sharing/new",
    "serverflex POST /server/{server}/sharing/{user}",
    "serverflex DELETE /server/{server}/sharing/{user}",
    by=["curl"],
)
async def test_curl_shares(curl: Curl) -> None:
    for path, level in (("add", "admin"), ("new", "read")):
        body = f'{{"permission": "{level}", "username": "newcomer@example.com"}}'
        shared = await curl(f"curl -X POST \"{SERVER}/sharing/{path}\" {KEY} {JSON} -d '{body}'")
        assert (shared["permission"], shared["user"]["username"]) == (level, "newcomer")
    edit = f"""curl -X POST "{SERVER}/sharing/{USER}" {KEY} {JSON} -d '{{"permission": "write"}}'"""
    assert (await curl(edit))["permission"] == "write"
    await curl(f'curl -X DELETE "{SERVER}/sharing/{USER}" {KEY}', status=204)
    names = [share["user"]["username"] for share in await curl(f'curl -X GET "{SERVER}/sharing" {KEY}')]
    assert names == ["alice", "walter", "newcomer"]
