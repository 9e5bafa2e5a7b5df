"""Plans, regions, retirements and capacities over HTTP, and servers that are deployed with them."""

from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client

PLAN = {
    "package": "custom",
    "title": "Small",
    "resources": {"memory_mib": 512, "cpu_percent": 100, "disk_mib": 1000, "backups_mib": 0},
    "prices": [{"currency": "EUR", "hourly_micro": 10_000, "monthly_micro": 5_000_000}],
}
DRAFT = {"name": "camp", "package": "custom", "properties": {"command": "run"}}


async def test_a_plan_is_made_sold_retired_and_deleted(root: Client) -> None:
    made = await root("PUT", "/plans/custom.small", json=PLAN)
    assert (made.status_code, made.json()) == (200, {"name": "custom.small", "retired": False, **PLAN})
    assert made.json() in (await root("GET", "/plans")).json()["items"]
    assert (await root("GET", "/packages/custom")).json()["plans"] == ["custom.small"]
    retired = await root("PUT", "/plans/custom.small/retired", json={"retired": True})
    assert retired.json() == (await root("GET", "/plans/custom.small")).json() == {**made.json(), "retired": True}
    assert (await root("GET", "/packages/custom")).json()["plans"] == []
    refused = await root("POST", "/servers", json=DRAFT | {"plan": "custom.small"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (410, "is_retired")
    await root("PUT", "/plans/custom.small/retired", json={"retired": False})
    server = (await root("POST", "/servers", json=DRAFT | {"plan": "custom.small"})).json()["server"]
    refused = await root("DELETE", "/plans/custom.small")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "plan_is_in_use")
    await root("DELETE", f"/servers/{server['id']}?wait=10")
    assert (await root("DELETE", "/plans/custom.small")).status_code == 204
    assert (await root("GET", "/plans/custom.small")).status_code == 404


async def test_a_plan_that_makes_no_sense_is_refused(root: Client) -> None:
    for wrong, status in (
        ({"package": "nope"}, 404),
        ({"title": ""}, 422),
        ({"prices": [{"currency": "euro", "hourly_micro": 1, "monthly_micro": 1}]}, 422),
        ({"prices": [{"currency": "EUR", "hourly_micro": -1, "monthly_micro": 1}]}, 400),
        ({"resources": {"memory_mib": 1}}, 400),
    ):
        assert (await root("PUT", "/plans/custom.small", json=PLAN | wrong)).status_code == status
    assert (await root("PUT", "/plans/Custom", json=PLAN)).status_code == 422


async def test_a_server_shows_what_it_was_sold_as(root: Client, house: House) -> None:
    await root("PUT", "/plans/custom.small", json=PLAN)
    wanted = DRAFT | {"plan": "custom.small", "region": "local", "billing_type": "monthly", "addons": {}}
    server = (await root("POST", "/servers", json=wanted)).json()["server"]
    shown = {key: server[key] for key in ("plan", "billing_type", "region", "addons")}
    assert shown == {"plan": "custom.small", "billing_type": "monthly", "region": "local", "addons": {}}
    assert server["limits"] == {"memory_mib": 512, "cpu_percent": 100, "disk_mib": 1000}
    await house.settle()
    refused = await root("PATCH", f"/servers/{server['id']}", json={"limits": {"memory_mib": 9999}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "resources_are_the_plans")
    refused = await root("POST", "/servers", json=DRAFT | {"addons": {"nothing": None}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_such_runtime")


async def test_regions_are_made_and_nodes_stand_in_them(root: Client, house: House) -> None:
    node = f"/nodes/{house.node.uuid}"
    made = (await root("PUT", "/regions/uk-1", json={"country": "GB", "city": "London"})).json()
    assert made == {"name": "uk-1", "country": "GB", "city": "London", "nodes": 0, "retired": False}
    assert [item["name"] for item in (await root("GET", "/regions")).json()["items"]] == ["local", "uk-1"]
    changed = await root("PATCH", node, json={"region": "uk-1", "memory_mib": 600, "most_servers": 5})
    capacities = ("region", "memory_mib", "disk_mib", "most_servers")
    assert [changed.json()[key] for key in capacities] == ["uk-1", 600, None, 5]
    assert (await root("GET", "/regions/uk-1")).json()["nodes"] == 1
    assert (await root("GET", "/packages/custom")).json()["regions"] == ["uk-1"]
    assert (await root("DELETE", "/regions/uk-1")).json()["error"]["code"] == "region_has_nodes"
    server = await root("POST", "/servers", json=DRAFT | {"limits": {"memory_mib": 512}})
    assert server.json()["server"]["region"] == "uk-1"
    assert (await root("GET", node)).json()["promised"] == {"servers": 1, "memory_mib": 512, "disk_mib": 0}
    full = await root("POST", "/servers", json=DRAFT | {"limits": {"memory_mib": 512}})
    assert (full.status_code, full.json()["error"]["code"]) == (409, "node_has_no_room")
    changed = await root("PATCH", node, json={"memory_mib": None})
    assert [changed.json()[key] for key in capacities] == ["uk-1", None, None, 5]
    for wrong, code in (({"region": "mars"}, "no_such_region"), ({"memory_mib": -1}, "request_is_invalid")):
        assert (await root("PATCH", node, json=wrong)).json()["error"]["code"] == code
    assert (await root("PATCH", node, json={"region": "local"})).status_code == 200
    assert (await root("DELETE", "/regions/uk-1")).status_code == 204
    assert (await root("GET", "/regions/uk-1")).status_code == 404


async def test_games_and_regions_are_retired_and_offered_again(root: Client) -> None:
    for path, wanted in (("/packages/custom", DRAFT), ("/regions/local", DRAFT | {"region": "local"})):
        assert (await root("PUT", f"{path}/retired", json={"retired": True})).json()["retired"] is True
        assert (await root("GET", path)).json()["retired"] is True
        assert (await root("POST", "/servers", json=wanted)).status_code == 410
        assert (await root("PUT", f"{path}/retired", json={"retired": False})).json()["retired"] is False
        assert (await root("POST", "/servers", json=wanted)).status_code == 201
    for path in ("/packages/nope", "/plans/nope", "/regions/nope"):
        assert (await root("PUT", f"{path}/retired", json={"retired": True})).status_code == 404


async def test_everybody_sees_what_is_sold_and_only_sellers_say_it(ask: Asking, house: House, root: Client) -> None:
    guest = ask.with_key(await house.key(await house.account("guest")))
    for path in ("/plans", "/plans/mc.stone", "/regions", "/regions/local"):
        assert (await guest("GET", path)).status_code == 200
    assert (await guest("PUT", "/plans/custom.small", json=PLAN)).status_code == 403
    seller = (await root("GET", "/me")).json()
    assert "selling.write" in seller["permissions"]
