"""Schedules over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Client

DAILY = {"kind": "every", "count": 1, "unit": "days", "at": "04:30"}


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "nightly", "trigger": DAILY, "act": {"kind": "restart"}, "zone": "Europe/Berlin"} | fields


async def test_a_schedule_lives(house: House, root: Client) -> None:
    record = await house.server(start=True)
    path = f"/servers/{record.server.uuid}/schedules"
    made = await root("POST", path, json=body(labels={"action": "restart_server"}, missed="run"))
    assert made.status_code == 201
    item = made.json()
    assert (item["trigger"], item["act"]) == (DAILY, {"kind": "restart", "command": ""})
    assert (item["account"]["username"], item["labels"]) == ("root", {"action": "restart_server"})
    mine = f"{path}/{item['id']}"
    assert (await root("GET", mine)).json() == item
    assert (await root("GET", path)).json() == {"items": [item], "next": None}
    upcoming = (await root("GET", f"{mine}/upcoming?count=3")).json()["items"]
    assert upcoming[0] == item["next_at"]
    assert len(upcoming) == 3

    waiting = body(name="then", trigger={"kind": "after", "schedule": item["id"], "delay_s": 5})
    child = (await root("POST", path, json=waiting)).json()
    assert (child["trigger"], child["next_at"]) == (waiting["trigger"], None)
    changed = await root("PATCH", mine, json={"name": "later", "trigger": {"kind": "cron", "expression": "5 * * * *"}})
    assert (changed.json()["name"], changed.json()["zone"]) == ("later", "Europe/Berlin")

    run = await root("POST", f"{mine}/run")
    assert (run.status_code, run.json()["cause"]) == (202, "asked")
    await house.settle()
    [known] = (await root("GET", f"{mine}/runs")).json()["items"]
    assert (known["id"], known["state"]) == (run.json()["id"], "done")
    operation = (await root("GET", f"/operations/{known['id']}")).json()
    assert (operation["verb"], operation["via"]) == ("restart", "system")

    assert (await root("DELETE", mine)).status_code == 204
    assert (await root("GET", mine)).json()["error"]["code"] == "no_such_schedule"
    orphan = (await root("GET", f"{path}/{child['id']}")).json()
    assert (orphan["trigger"]["schedule"], orphan["enabled"]) == (None, False)


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"trigger": {"kind": "cron", "expression": "99 * * * *"}}, 422, "expression"),
        ({"trigger": {"kind": "once", "at": "2001-01-01T00:00:00Z"}}, 422, "trigger"),
        ({"trigger": {"kind": "after", "schedule": "01993c5e-0000-7000-8000-000000000000"}}, 422, "schedule_id"),
        ({"zone": "Nowhere"}, 422, "zone"),
        ({"act": {"kind": "command"}}, 422, "command"),
    ],
)
async def test_what_makes_no_sense_is_told_by_field(
    house: House, root: Client, fields: dict[str, Any], status: int, field: str
) -> None:
    record = await house.server()
    answer = await root("POST", f"/servers/{record.server.uuid}/schedules", json=body(**fields))
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error["data"]["field"]) == ("schedule_is_invalid", field)


@pytest.mark.parametrize("trigger", [{"kind": "never"}, {}, {"kind": "every", "count": 1}, "daily"])
async def test_what_is_no_trigger_is_no_request(house: House, root: Client, trigger: Any) -> None:
    record = await house.server()
    answer = await root("POST", f"/servers/{record.server.uuid}/schedules", json=body(trigger=trigger))
    assert answer.status_code == 400


async def test_a_schedule_of_another_server_is_not_there(house: House, root: Client) -> None:
    one, other = await house.server(name="one"), await house.server(name="other")
    made = (await root("POST", f"/servers/{one.server.uuid}/schedules", json=body())).json()
    path = f"/servers/{other.server.uuid}/schedules/{made['id']}"
    for method, below in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs")):
        answer = await root(method, path + below, **({"json": {"name": "mine"}} if method == "PATCH" else {}))
        assert answer.json()["error"]["code"] == "no_such_schedule"


async def test_a_moment_may_be_given_in_any_zone(house: House, root: Client) -> None:
    record = await house.server()
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    text = at.astimezone().isoformat()
    made = await root(
        "POST", f"/servers/{record.server.uuid}/schedules", json=body(trigger={"kind": "once", "at": text})
    )
    assert datetime.fromisoformat(made.json()["next_at"]) == at
