"""Deleted servers over the API: seen, brought back and ended by those who may."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.panel.product import Settings
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path, settings=Settings(deletion_grace=timedelta(hours=24))) as opened:
        yield opened


async def test_a_deleted_server_is_listed_and_comes_back(house: House, ask: Asking, root: Client) -> None:
    owner = await house.account("owner")
    server = (await house.server(owner=owner, port=4000)).server
    theirs = await ask.by(owner)
    answer = await theirs("DELETE", f"/servers/{server.uuid}?wait=5")
    assert (answer.status_code, answer.json()["state"]) == (202, "done")
    assert (await theirs("GET", f"/servers/{server.uuid}")).status_code == 410
    assert (await theirs("GET", "/servers")).json()["items"] == []
    assert (await theirs("GET", "/servers/deleted")).status_code == 403
    (kept,) = (await root("GET", "/servers/deleted")).json()["items"]
    assert (kept["id"], kept["name"], kept["port"], kept["owner"]["username"]) == (
        str(server.uuid),
        "camp",
        4000,
        "owner",
    )
    assert kept["purge_at"] > kept["deleted_at"]
    assert (await theirs("POST", f"/servers/{server.uuid}/restore")).status_code == 403
    back = await root("POST", f"/servers/{server.uuid}/restore")
    assert (back.status_code, back.json()["state"]) == (200, "stopped")
    assert (await theirs("GET", f"/servers/{server.uuid}")).json()["port"] == 4000
    again = await root("POST", f"/servers/{server.uuid}/restore")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "server_is_not_kept")
    assert (await root("GET", "/servers/deleted")).json() == {"items": [], "next": None}


async def test_with_purge_its_files_go_at_once(house: House, root: Client) -> None:
    server = (await house.server()).server
    assert (await root("DELETE", f"/servers/{server.uuid}?purge=true&wait=5")).json()["state"] == "done"
    assert house.gateway.removed == [server.uuid]
    assert (await root("GET", "/servers/deleted")).json()["items"] == []


async def test_what_is_kept_can_be_ended_before_its_time(house: House, root: Client) -> None:
    first, second = [(await house.server(name=name)).server for name in ("one", "two")]
    for server in (first, second):
        await root("DELETE", f"/servers/{server.uuid}?wait=5")
    page = (await root("GET", "/servers/deleted?limit=1")).json()
    rest = (await root("GET", f"/servers/deleted?limit=1&cursor={page['next']}")).json()
    assert [item["name"] for item in page["items"] + rest["items"]] == ["one", "two"]
    assert rest["next"] is None
    ended = await root("DELETE", f"/servers/deleted/{first.uuid}?wait=5")
    assert (ended.status_code, ended.json()["verb"], ended.json()["state"]) == (202, "delete", "done")
    assert house.gateway.removed == [first.uuid]
    assert (await root("DELETE", f"/servers/deleted/{first.uuid}")).status_code == 409
    assert [item["name"] for item in (await root("GET", "/servers/deleted")).json()["items"]] == ["two"]


async def test_an_accounts_particulars_over_the_api(house: House, ask: Asking, root: Client) -> None:
    anna = await house.account("anna")
    theirs = await ask.by(anna)
    changed = await theirs("PATCH", f"/accounts/{anna.uuid}", json={"given_name": "Anna", "country": "de"})
    assert (changed.json()["given_name"], changed.json()["country"]) == ("Anna", "DE")
    wrong = await theirs("PATCH", f"/accounts/{anna.uuid}", json={"currency": "ZZZ"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "currency_is_unknown")
    token = changed.json()["referral_token"]
    body = {"username": "bert", "password": "correct horse battery", "currency": "eur", "referral": token}
    made = await root("POST", "/accounts", json=body)
    assert (made.status_code, made.json()["currency"]) == (201, "EUR")
    assert house.product.accounts.referrals(anna.id) == 1


async def test_how_many_servers_an_account_may_own_is_said_by_others_over_the_api(
    house: House, ask: Asking, root: Client
) -> None:
    body = {"username": "anna", "password": "correct horse battery", "most_servers": 1}
    made = (await root("POST", "/accounts", json=body)).json()
    assert made["most_servers"] == 1
    path, theirs = f"/accounts/{made['id']}", await ask.by(house.product.authority.accounts[2])
    assert (await theirs("GET", path)).json()["most_servers"] == 1
    assert (await theirs("PATCH", path, json={"most_servers": None})).status_code == 403
    draft = {"name": "camp", "package": "minecraft", "runtime": "flying-squid", "owner": made["id"]}
    assert (await root("POST", "/servers", json=draft)).status_code == 201
    await house.settle()
    refused = await root("POST", "/servers", json=draft)
    assert refused.status_code == 409
    assert (refused.json()["error"]["code"], refused.json()["error"]["data"]) == ("too_many_servers", {"limit": 1})
    assert (await root("PATCH", path, json={"most_servers": -1})).status_code in (400, 422)
    assert (await root("PATCH", path, json={"email": "anna@example.org"})).json()["most_servers"] == 1
    assert (await root("PATCH", path, json={"most_servers": None})).json()["most_servers"] is None
