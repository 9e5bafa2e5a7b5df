"""What the routes do, from the making of a server to its files, keys and roles."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer, Usage
from innkeeper.testing.products import PASSWORD, House
from tests.unit.panel.api.conftest import Asking, Client


@pytest.fixture
async def server(house: House) -> str:
    return str((await house.server(start=True)).server.uuid)


async def test_a_session_begins_and_ends(ask: Asking) -> None:
    answer = await ask.nobody("POST", "/sessions", json={"username": "ROOT", "password": PASSWORD})
    assert answer.status_code == 201
    session = ask.with_key(answer.json()["token"])
    assert (await session("GET", "/me")).json()["kind"] == "session"
    assert (await session("DELETE", "/sessions/current")).status_code == 204
    assert (await session("GET", "/me")).status_code == 401


async def test_a_server_is_made_followed_and_found(house: House, root: Client) -> None:
    house.gateway.obeys = False
    answer = await root(
        "POST", "/servers", json={"name": "camp", "package": "custom", "properties": {"command": "run"}}
    )
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"].endswith("/servers/" + made["server"]["id"])
    assert (made["server"]["state"], made["operation"]["verb"]) == ("installing", "install")
    operation = f"/operations/{made['operation']['id']}"
    assert (await root("GET", operation + "?wait=0.05")).json()["state"] == "created"
    record = house.product.directory.get(1)
    await house.gateway.carry_out(record.server.uuid)
    assert (await root("GET", operation + "?wait=10")).json()["state"] == "done"
    assert (await root("GET", f"/servers/{made['server']['id']}")).json()["state"] == "stopped"


async def test_waiting_ends_with_the_operation(house: House, root: Client, server: str) -> None:
    answer = await root("POST", f"/servers/{server}/stop?wait=10")
    assert (answer.status_code, answer.json()["state"]) == (202, "done")
    assert answer.headers["location"].endswith(answer.json()["id"])
    assert (await root("POST", f"/servers/{server}/stop")).json()["error"]["code"] == "server_is_not_running"
    assert [item["verb"] for item in (await root("GET", f"/servers/{server}/operations?limit=2")).json()["items"]] == [
        "stop",
        "start",
    ]


async def test_a_failed_operation_says_why(house: House, root: Client) -> None:
    record = await house.server()
    house.gateway.obeys = False
    operation = (await root("POST", f"/servers/{record.server.uuid}/start")).json()
    await house.gateway.carry_out(record.server.uuid, fail="the port is taken")
    found = (await root("GET", f"/operations/{operation['id']}")).json()
    assert (found["state"], found["reason"]) == ("failed", "the port is taken")


async def test_a_list_goes_on_where_it_ended(house: House, root: Client) -> None:
    for number in range(5):
        await house.server(name=f"server {number}")
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await root("GET", "/servers?limit=2" + (f"&cursor={cursor}" if cursor else ""))).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert names == [f"server {number}" for number in range(5)]


async def test_a_list_is_true_at_every_moment(house: House, root: Client, server: str) -> None:
    async def item() -> dict[str, Any]:
        return dict((await root("GET", "/servers")).json()["items"][0])

    assert (await item())["state"] == "running"
    record = house.product.directory.get(1)
    now = house.clock.now()
    house.product.metrics.take(
        house.node.id,
        [(record.server.uuid, Usage(at=now, cpu_percent=12.5, memory_bytes=5, disk_bytes=None, players=1))],
    )
    assert (await item())["usage"]["cpu_percent"] == 12.5
    await root("PATCH", f"/servers/{server}", json={"name": "new", "limits": {"memory_mib": 99}})
    assert ((await item())["name"], (await item())["limits"]["memory_mib"]) == ("new", 99)
    await root("PATCH", f"/nodes/{house.node.uuid}", json={"public_host": "other.example.com"})
    assert (await item())["host"] == "other.example.com"
    await root("POST", f"/servers/{server}/suspend", json={"reason": "unpaid"})
    assert (await item())["suspended_reason"] == "unpaid"
    await root("DELETE", f"/servers/{server}?wait=10")
    assert (await root("GET", "/servers")).json()["items"] == []


async def test_players_are_listed(house: House, root: Client, server: str) -> None:
    record = house.product.directory.get(1)
    players = tuple(OnlinePlayer(name=name, since=house.clock.now()) for name in ("alice", "bob"))
    live = house.gateway.live(State.RUNNING)
    await house.gateway.see(record.server.uuid, msgspec.structs.replace(live, players=players))
    assert [item["name"] for item in (await root("GET", f"/servers/{server}/players")).json()["items"]] == [
        "alice",
        "bob",
    ]
    assert (await root("GET", f"/servers/{server}")).json()["players"]["online"] == 2


async def test_the_console_is_read_back_and_searched(house: House, root: Client, server: str) -> None:
    record = house.product.directory.get(1)
    house.gateway.say(record.server.uuid, "one", "two", "three")
    house.gateway.say(record.server.uuid, "four Two")
    path = f"/servers/{server}/console"
    tail = (await root("GET", f"{path}?tail=2")).json()["items"]
    assert [(line["seq"], line["text"]) for line in tail] == [(3, "three"), (4, "four Two")]
    page = (await root("GET", f"{path}?after=0&limit=2")).json()
    assert ([line["text"] for line in page["items"]], page["next"]) == (["one", "two"], 2)
    rest = (await root("GET", f"{path}?after=2")).json()
    assert ([line["seq"] for line in rest["items"]], rest["next"]) == ([3, 4], None)
    found = (await root("GET", f"{path}/search?text=TWO")).json()
    assert [line["seq"] for line in found["items"]] == [2, 4]
    later = (house.clock.now() + timedelta(hours=1)).isoformat()
    nothing = await root("GET", f"{path}/search", params={"text": "two", "since": later})
    assert nothing.json()["items"] == []


async def test_a_command_is_typed(house: House, root: Client, server: str) -> None:
    record = house.product.directory.get(1)
    assert (await root("POST", f"/servers/{server}/command", json={"command": "say hi"})).status_code == 204
    assert house.gateway.console(record.server.uuid).typed == ["say hi"]
    house.gateway.deaf = True
    answer = await root("POST", f"/servers/{server}/command", json={"command": "say hi"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "console_is_not_read")


async def test_files_go_up_and_down(house: House, root: Client, server: str) -> None:
    files = f"/servers/{server}/files"
    content = bytes(range(256)) * 8000
    name = 'wörld "1".dat'
    assert (await root("POST", f"{files}/directory", json={"path": "a/b"})).status_code == 204
    put = await root("PUT", f"{files}/content", params={"path": f"a/b/{name}"}, content=content)
    assert put.status_code == 204
    got = await root("GET", f"{files}/content", params={"path": f"a/b/{name}"})
    assert got.content == content
    assert got.headers["content-length"] == str(len(content))
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''w%C3%B6rld%20%221%22.dat"
    assert (got.headers["x-content-type-options"], got.headers["content-type"]) == (
        "nosniff",
        "application/octet-stream",
    )
    assert "sandbox" in got.headers["content-security-policy"]
    assert (await root("POST", f"{files}/rename", json={"source": "a/b", "target": "c"})).status_code == 204
    assert [item["path"] for item in (await root("GET", f"{files}?path=c")).json()["items"]] == [f"c/{name}"]
    assert (await root("DELETE", f"{files}?path=c")).status_code == 204
    assert (await root("GET", f"{files}/content?path=c")).status_code == 404
    assert (await root("GET", f"{files}?path=../..")).json()["error"]["code"] == "file_name_is_invalid"
    assert (await root("PUT", f"/servers/{server}/archive?name=a.zip", content=b"zip")).status_code == 204
    assert list(house.gateway.archives.values()) == [b"zip"]


async def test_a_folder_is_listed_page_by_page(house: House, root: Client, server: str) -> None:
    for number in range(5):
        await root("PUT", f"/servers/{server}/files/content?path=f{number}", content=b"")
    first = (await root("GET", f"/servers/{server}/files?limit=3")).json()
    second = (await root("GET", f"/servers/{server}/files?limit=3&cursor={first['next']}")).json()
    assert [item["name"] for item in first["items"] + second["items"]] == [f"f{number}" for number in range(5)]
    assert second["next"] is None


async def test_accounts_keys_and_roles(house: House, ask: Asking, root: Client) -> None:
    made = await root("POST", "/accounts", json={"username": "anna", "password": PASSWORD, "email": "a@example.com"})
    assert made.status_code == 201
    assert "password" not in made.text
    anna = made.json()["id"]
    taken = await root("POST", "/accounts", json={"username": "ANNA", "password": PASSWORD})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "username_is_taken")
    token = (await ask.nobody("POST", "/sessions", json={"username": "anna", "password": PASSWORD})).json()["token"]
    client = ask.with_key(token)
    assert (await client("GET", "/nodes")).status_code == 403
    role = await root("POST", "/roles", json={"name": "hosts", "permissions": ["nodes.read"], "members": [anna]})
    assert (role.status_code, role.json()["members"]) == (201, [anna])
    assert (await client("GET", "/nodes")).status_code == 200
    path = f"/roles/{role.json()['id']}"
    assert (await root("PATCH", path, json={"permissions": []})).json()["permissions"] == []
    assert (await client("GET", "/nodes")).status_code == 403
    key = (await client("POST", "/keys", json={"name": "bot", "permissions": ["server.view"]})).json()
    assert key["secret"].startswith("ink_")
    assert "secret" not in (await client("GET", "/keys")).json()["items"][0]
    assert (await client("DELETE", f"/keys/{key['key']['id']}")).status_code == 204
    wrong = await client("PATCH", f"/accounts/{anna}", json={"password": "another password", "current_password": "no"})
    assert wrong.status_code == 401
    assert (await root("DELETE", f"/accounts/{anna}")).status_code == 204
    assert (await client("GET", "/me")).status_code == 401
    assert (await root("PATCH", path, json={"name": "former hosts"})).json()["members"] == []


async def test_a_server_is_shared_and_taken_back(house: House, ask: Asking, root: Client, server: str) -> None:
    guest = await house.account("guest")
    client = await ask.by(guest)
    grants = f"/servers/{server}/grants"
    put = await root("PUT", f"{grants}/{guest.uuid}", json={"permissions": ["server.view", "power.stop"]})
    assert put.json()["permissions"] == ["power.stop", "server.view"]
    assert (await root("GET", grants)).json()["items"] == [put.json()]
    assert (await client("POST", f"/servers/{server}/stop")).status_code == 202
    assert (await root("DELETE", f"{grants}/{guest.uuid}")).status_code == 204
    assert (await root("GET", f"{grants}/{guest.uuid}")).status_code == 404
    assert (await client("GET", f"/servers/{server}")).status_code == 404
    await house.settle()


async def test_activity_says_who_by_what_and_hides_from_where(house: House, ask: Asking, server: str) -> None:
    owner = await house.account("owner")
    record = await house.server(owner=owner)
    root = await ask.by(house.root)
    path = f"/servers/{record.server.uuid}"
    await root("PATCH", path, json={"name": "b"}, headers={"X-Innkeeper-Client": "cli"})
    mine = await ask.by(owner)
    newest = (await mine("GET", f"{path}/activity")).json()["items"][0]
    assert (newest["action"], newest["via"], newest["account"]["username"]) == ("server.changed", "cli", "root")
    assert newest["address"] is None
    assert (await root("GET", f"{path}/activity")).json()["items"][0]["address"] == "127.0.0.1"
    assert all(item["account"]["username"] == "owner" for item in (await mine("GET", "/activity")).json()["items"])


async def test_samples_are_kept_and_paged(house: House, root: Client, server: str) -> None:
    record = house.product.directory.get(1)
    for minute in range(5):
        at = house.clock.now() - timedelta(minutes=10 - minute)
        usage = Usage(at=at, cpu_percent=float(minute), memory_bytes=1, disk_bytes=None, players=0)
        house.product.metrics.take(house.node.id, [(record.server.uuid, usage)])
        await house.product.metrics.save()
    first = (await root("GET", f"/servers/{server}/samples?limit=3")).json()
    second = (await root("GET", f"/servers/{server}/samples?limit=3&cursor={first['next']}")).json()
    assert [item["cpu_percent"] for item in first["items"] + second["items"]] == [0, 1, 2, 3, 4]
    assert second["next"] is None


async def test_the_catalogue_shows_no_installation(root: Client) -> None:
    (custom,) = [item for item in (await root("GET", "/packages")).json()["items"] if item["name"] == "custom"]
    assert "install" not in custom
    assert (await root("GET", "/packages/custom")).json() == custom


async def test_a_token_for_a_node(root: Client) -> None:
    answer = await root("POST", "/nodes/tokens")
    assert answer.status_code == 201
    assert answer.json()["token"].startswith("inj_")


async def test_a_server_has_an_id_for_every_dialect(root: Client, server: str) -> None:
    ids = (await root("GET", f"/servers/{server}")).json()["dialect_ids"]
    assert set(ids) == {"exaroton", "serverflex", "pterodactyl", "crafty", "mccoal"}
