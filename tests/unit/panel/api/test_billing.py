"""Credits over the API: given, priced, pooled, moved once, and hidden from those whose they are not."""

from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client


async def test_credits_are_given_once_for_a_key_and_seen_by_their_owner(
    house: House, ask: Asking, root: Client
) -> None:
    alice = await house.account("alice")
    mine = await ask.by(alice)
    body = {"amount_micro": 5 * MICRO, "text": "welcome", "key": "invoice 1"}
    first = await root("POST", f"/billing/wallets/{alice.uuid}/credits", json=body)
    again = await root("POST", f"/billing/wallets/{alice.uuid}/credits", json=body)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (await mine("GET", "/billing/wallet")).json()["balance_micro"] == 5 * MICRO
    entries = (await mine("GET", "/billing/wallet/entries")).json()["items"]
    assert [(entry["kind"], entry["amount_micro"], entry["text"]) for entry in entries] == [
        ("top_up", 5 * MICRO, "welcome")
    ]


async def test_what_was_given_is_taken_back_below_zero(house: House, root: Client) -> None:
    alice = await house.account("alice")
    await root("POST", f"/billing/wallets/{alice.uuid}/credits", json={"amount_micro": -3, "text": "slip"})
    assert (await root("GET", f"/billing/wallets/{alice.uuid}")).json()["balance_micro"] == -3
    assert (await root("GET", "/billing/check")).json() == {"faults": []}


async def test_nobody_gives_credits_or_sees_anothers_without_the_right(house: House, ask: Asking) -> None:
    alice, bob = await house.account("alice"), await house.account("bob")
    mine = await ask.by(alice)
    for method, path, body in (
        ("POST", f"/billing/wallets/{alice.uuid}/credits", {"amount_micro": 1}),
        ("PUT", "/billing/price", {"amount_micro": 1}),
        ("GET", f"/billing/wallets/{bob.uuid}", None),
        ("GET", "/billing/check", None),
    ):
        assert (await mine(method, path, json=body)).status_code == 403, path


async def test_the_price_is_set_and_its_history_shown(root: Client) -> None:
    assert (await root("GET", "/billing/price")).json() == {"amount_micro": 0, "since": None}
    assert (await root("PUT", "/billing/price", json={"amount_micro": MICRO})).json()["amount_micro"] == MICRO
    assert [item["amount_micro"] for item in (await root("GET", "/billing/prices")).json()["items"]] == [MICRO]


async def test_a_pool_is_filled_shared_and_emptied(house: House, ask: Asking, root: Client) -> None:
    alice, bob = await house.account("alice"), await house.account("bob")
    a, b = await ask.by(alice), await ask.by(bob)
    for account in (alice, bob):
        await root("POST", f"/billing/wallets/{account.uuid}/credits", json={"amount_micro": 10 * MICRO})
    pool = (await a("POST", "/billing/pools", json={"name": "friends"})).json()
    path = f"/billing/pools/{pool['id']}"
    assert (await b("GET", path)).status_code == 404
    assert (await a("PUT", f"{path}/members/{bob.uuid}")).status_code == 204
    assert (await a("POST", f"{path}/deposits", json={"amount_micro": 3 * MICRO})).status_code == 201
    assert (await b("POST", f"{path}/deposits", json={"amount_micro": MICRO, "key": "x"})).status_code == 201
    assert (await b("POST", f"{path}/deposits", json={"amount_micro": MICRO, "key": "x"})).status_code == 201
    shown = (await b("GET", path)).json()
    assert (shown["balance_micro"], shown["own_share"], shown["members"]) == (4 * MICRO, 0.25, 2)
    members = (await a("GET", f"{path}/members")).json()["items"]
    assert [(one["account"]["username"], one["share"], one["owner"]) for one in members] == [
        ("alice", 0.75, True),
        ("bob", 0.25, False),
    ]
    assert (await b("POST", f"{path}/withdrawals", json={"amount_micro": 2 * MICRO})).status_code == 409
    assert (await b("DELETE", f"{path}/members/{bob.uuid}")).status_code == 204
    assert (await b("GET", "/billing/wallet")).json()["balance_micro"] == 10 * MICRO
    assert (await a("PATCH", path, json={"name": "alone"})).json()["name"] == "alone"
    assert len((await a("GET", f"{path}/entries")).json()["items"]) >= 1
    assert (await a("DELETE", path)).status_code == 204
    assert (await a("GET", "/billing/wallet")).json()["balance_micro"] == 10 * MICRO
    assert (await root("GET", "/billing/check")).json() == {"faults": []}


async def test_a_pool_pays_for_a_server_of_a_member(house: House, ask: Asking, root: Client) -> None:
    alice = await house.account("alice")
    a = await ask.by(alice)
    record = await house.server(owner=alice)
    pool = (await a("POST", "/billing/pools", json={"name": "friends"})).json()
    path = f"/servers/{record.server.uuid}/payer"
    assert (await a("GET", path)).json() == {"pool": None, "account": {"id": str(alice.uuid), "username": "alice"}}
    assert (await a("PUT", path, json={"pool": pool["id"]})).json() == {"pool": pool["id"], "account": None}
    assert (await a("GET", f"/billing/pools/{pool['id']}")).json()["servers"] == 1
    assert (await a("PUT", path, json={"pool": None})).json()["pool"] is None


async def test_a_start_is_refused_when_nobody_can_pay_and_allowed_with_own_credits(
    house: House, ask: Asking, root: Client
) -> None:
    alice, bob = await house.account("alice"), await house.account("bob")
    record = await house.server(owner=alice)
    await root("PUT", "/billing/price", json={"amount_micro": MICRO})
    refused = await (await ask.by(alice))("POST", f"/servers/{record.server.uuid}/start")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "credits_are_exhausted"
    await root("POST", f"/billing/wallets/{bob.uuid}/credits", json={"amount_micro": MICRO})
    await root(
        "PUT",
        f"/servers/{record.server.uuid}/grants/{bob.uuid}",
        json={"permissions": ["server.view", "power.start"]},
    )
    started = await (await ask.by(bob))("POST", f"/servers/{record.server.uuid}/start", json={"own_credits": True})
    assert started.status_code == 202
    shown = (await root("GET", f"/servers/{record.server.uuid}")).json()
    assert shown["paid_by"]["username"] == "bob"
