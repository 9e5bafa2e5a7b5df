"""Renting over the API: the switch, money by currency, and what a server with a plan costs."""

from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.renting import HOURLY, MONTHLY, PLAN, priced, rents
from tests.unit.panel.api.conftest import Asking, Client


async def test_the_switch_and_the_currency_are_shown_to_all_and_set_by_few(
    house: House, ask: Asking, root: Client
) -> None:
    mine = await ask.by(await house.account("alice"))
    assert (await mine("GET", "/billing")).json() == {"charging": False, "charging_since": None, "currency": "USD"}
    assert (await mine("PUT", "/billing", json={"charging": True})).status_code == 403
    changed = (await root("PUT", "/billing", json={"charging": True, "currency": "EUR"})).json()
    assert (changed["charging"], changed["currency"]) == (True, "EUR")
    assert (await mine("GET", "/billing")).json() == changed
    assert (await root("PUT", "/billing", json={"currency": "usd"})).status_code == 400
    assert (await root("PUT", "/billing", json={"charging": False})).json()["charging_since"] is None


async def test_money_is_given_by_currency_and_its_history_kept_apart(house: House, ask: Asking, root: Client) -> None:
    alice = await house.account("alice")
    mine, path = await ask.by(alice), f"/billing/wallets/{alice.uuid}"
    body = {"amount_micro": 5 * MICRO, "currency": "EUR", "key": "invoice 1"}
    for _ in range(2):
        assert (await root("POST", f"{path}/credits", json=body)).status_code == 201
    assert (await root("POST", f"{path}/credits", json=body | {"currency": "USD"})).status_code == 409
    wallet = (await mine("GET", "/billing/wallet")).json()
    assert (wallet["balance_micro"], wallet["balances"]) == (0, [{"currency": "EUR", "amount_micro": 5 * MICRO}])
    for client, where in ((mine, "/billing/wallet/entries"), (root, f"{path}/entries")):
        (entry,) = (await client("GET", f"{where}?currency=EUR")).json()["items"]
        assert (entry["amount_micro"], entry["currency"]) == (5 * MICRO, "EUR")
        assert (await client("GET", where)).json()["items"] == []


async def test_a_rental_shows_what_it_costs_and_until_when_it_is_paid(house: House, ask: Asking, root: Client) -> None:
    alice = await house.account("alice")
    await priced(house)
    camp = await rents(house, house.actor(alice))
    mine, path = await ask.by(alice), f"/servers/{camp.server.uuid}/rental"
    shown = (await mine("GET", path)).json()
    assert shown == {
        "plan": PLAN,
        "billing_type": "hourly",
        "currency": "USD",
        "account": {"id": str(alice.uuid), "username": "alice"},
        "hourly_micro": HOURLY,
        "monthly_micro": MONTHLY,
        "charging": False,
        "paid_until": None,
        "next_at": None,
        "next_micro": 0,
        "spent_this_month_micro": 0,
        "unpaid_since": None,
    }
    await root("POST", f"/billing/wallets/{alice.uuid}/credits", json={"amount_micro": MICRO, "currency": "USD"})
    await root("PUT", "/billing", json={"charging": True})
    await house.product.rent_collector.tick()
    shown = (await mine("GET", path)).json()
    assert (shown["charging"], shown["spent_this_month_micro"], shown["next_micro"]) == (True, HOURLY, HOURLY)
    assert shown["paid_until"] == shown["next_at"] is not None
    stranger = await ask.by(await house.account("bob"))
    assert (await stranger("GET", path)).status_code == 404
    plain = await house.server(name="plain")
    assert (await root("GET", f"/servers/{plain.server.uuid}/rental")).json()["error"]["code"] == "server_is_not_rented"
