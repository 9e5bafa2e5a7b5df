"""Whoever rents servers by ServerFlex's dialect asks for what is not theirs, or cannot be.

Nothing that is refused is made, and nobody becomes more than they were made.
"""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.hostile.house import Game, House

PASSWORD = "a tenant's password"
PLAN = "hostile.small"
PROPERTIES = {"command": "sleep 1000", "ready-when": "output"}
ODD: tuple[Any, ...] = (
    True,
    0,
    -1,
    1e308,
    10**400,
    [[]],
    {"a": 1},
    "x" * 5000,
    "\u202e\x00",
    "\ud800",
    "../../etc",
    "cus\ntom",
)
"""For a field that is a text: neither is one that is known."""
ODD_COMMANDS: tuple[Any, ...] = (None, True, 1, {}, [], [[]], [1], "", " ", "'", "a\x00b", "a\nb", "x" * 9000)
ODD_CHOICES: tuple[Any, ...] = (None, 1, [], {}, "never")
ODD_PROPERTIES: tuple[Any, ...] = (
    {},
    {"": 1},
    {"\x00": "x"},
    {"x" * 100_000: 1},
    {" command": "true"},
    {"ｃｏｍｍａｎｄ": "true"},
    *({"command": odd} for odd in ODD_COMMANDS),
    *({"command": "true", "ready-when": odd} for odd in ODD_CHOICES),
    {"command": "true", "COMMAND": 1},
    {str(number): number for number in range(20_000)},
)
TIMEOUTS = ("", "abc", "NaN", "inf", "1e3", "--1", "%00", "%ff", "９", "0x10", "9" * 5000, "-" + "9" * 5000, "1.", ".5")


class Tenant:
    """An account that may deploy, or one with whom a server is shared."""

    def __init__(self, house: House, name: str) -> None:
        self.house, self.name = house, name
        self.id: str = house.ask("POST", "/accounts", json={"username": name, "password": PASSWORD})["id"]
        with house.as_key(None) as nobody:
            session = nobody.post("/api/innkeeper/v1/sessions", json={"username": name, "password": PASSWORD})
        self.session: str = session.json()["token"]
        self.client = house.as_key(self.key())

    def key(self, *permissions: str) -> str:
        """Return a new key, of all that the account has or of so much."""
        with self.house.as_key(self.session) as client:
            body = {"name": "a key", "permissions": list(permissions) or None}
            made = client.post("/api/innkeeper/v1/keys", json=body).json()
        return str(made["secret"])


@pytest.fixture(scope="module")
def tenant(house: House) -> Iterator[Tenant]:
    """Somebody who may deploy servers of a plan."""
    house.ask(
        "PUT",
        f"/plans/{PLAN}",
        json={
            "package": "custom",
            "title": "Small",
            "resources": {"memory_mib": 64, "cpu_percent": 10, "disk_mib": 64},
            "prices": [{"currency": "USD", "hourly_micro": 70_000, "monthly_micro": 7_000_000}],
        },
    )
    tenant = Tenant(house, "tenant")
    house.ask("POST", "/roles", json={"name": "tenants", "permissions": ["servers.create"], "members": [tenant.id]})
    with tenant.client:
        yield tenant


def deploy(tenant: Tenant, **fields: Any) -> httpx.Response:
    body = {
        "name": "rented",
        "billingType": "hourly",
        "package": "custom",
        "plan": PLAN,
        "region": "local",
        "properties": PROPERTIES,
        "runtimes": [],
        **fields,
    }
    return tenant.client.post("/1.0/server/new", content=json.dumps(body))  # lone surrogates too, escaped


def refused(reply: httpx.Response, *statuses: int) -> None:
    assert reply.status_code in statuses, f"{reply.status_code} {reply.text[:500]}"
    said = reply.json()
    assert set(said) == {"errors", "code", "error", "message", "field"}, said


def test_no_odd_deploy_makes_a_server(tenant: Tenant) -> None:
    for field in ("name", "billingType", "package", "plan", "region"):
        for value in ODD:
            refused(deploy(tenant, **{field: value}), 400)
    for value in (*ODD, *([value] for value in ODD), ["custom:"] * 10_000, ["custom:\x00"], [":"], ["custom", None]):
        refused(deploy(tenant, runtimes=value), 400)
    for properties in (*ODD_PROPERTIES, *ODD):
        refused(deploy(tenant, properties=properties), 400)
    assert tenant.client.get("/1.0/server").json()["totalResults"] == 0


def test_a_flood_of_deploys_without_credit_takes_no_room(house: House, tenant: Tenant) -> None:
    promised = house.ask("GET", "/nodes")["items"][0]["promised"]
    house.ask("PUT", "/billing", json={"charging": True})
    try:
        with ThreadPoolExecutor(20) as many:
            replies = list(many.map(lambda _: deploy(tenant), range(100)))
    finally:
        house.ask("PUT", "/billing", json={"charging": False})
    for reply in replies:
        refused(reply, 412)
    assert house.ask("GET", "/nodes")["items"][0]["promised"] == promised
    assert tenant.client.get("/1.0/server").json()["totalResults"] == 0


def test_no_timeout_makes_a_request_fail_or_hang(game: Game, house: House) -> None:
    for verb in ("start", "stop", "restart"):
        for text in TIMEOUTS:
            path = f"/1.0/server/{uuid.uuid4()}/{verb}?timeout={text}"
            refused(house.client.post(path), 404)
    for text in TIMEOUTS:  # of a server that runs: it cannot be started
        refused(house.client.post(f"/1.0/server/{game.id}/start?timeout={text}"), 400, 412)


def test_nobody_makes_themselves_more_by_sharing(house: House, tenant: Tenant, game: Game) -> None:
    friend, sharing = Tenant(house, "friend"), f"/1.0/server/{game.id}/sharing"
    with friend.client as client, house.as_key(tenant.session) as stranger:
        for reply in (
            stranger.get(sharing),
            stranger.post(f"{sharing}/add", json={"permission": "admin", "username": "tenant"}),
            stranger.post(f"{sharing}/{tenant.id}", json={"permission": "admin"}),
            stranger.delete(f"{sharing}/{friend.id}"),
        ):
            refused(reply, 404)
        for level in ("read", "write"):
            made = house.client.post(f"{sharing}/add", json={"permission": level, "username": "friend"})
            assert made.json()["permission"] == level
            refused(client.post(f"{sharing}/add", json={"permission": "admin", "username": "friend"}), 403)
            refused(client.post(f"{sharing}/{friend.id}", json={"permission": "admin"}), 403)
            refused(client.delete(f"{sharing}/{friend.id}"), 403)
        assert house.client.post(f"{sharing}/{friend.id}", json={"permission": "admin"}).status_code == 200
        owner = house.client.get("/1.0/account").json()
        for level in ("owner", "Owner ", "superuser", ""):
            refused(client.post(f"{sharing}/{friend.id}", json={"permission": level}), 400)
            refused(client.post(f"{sharing}/add", json={"permission": level, "username": "tenant"}), 400)
        refused(client.post(f"{sharing}/add", json={"permission": "read", "username": owner["username"]}), 412)
        refused(client.post(f"{sharing}/{owner['uuid']}", json={"permission": "read"}), 404)
        refused(client.delete(f"{sharing}/{owner['uuid']}"), 404)
        with house.as_key(friend.key("server.view", "grants.read", "grants.write")) as narrow:
            for level in ("read", "write", "admin"):
                refused(narrow.post(f"{sharing}/add", json={"permission": level, "username": "tenant"}), 403)
            refused(narrow.post(f"{sharing}/{friend.id}", json={"permission": "read"}), 403)
        assert [share["user"]["username"] for share in house.client.get(sharing).json()] == ["friend"]
        assert house.client.delete(f"{sharing}/{friend.id}").status_code == 204
        refused(client.get(f"/1.0/server/{game.id}"), 404)
