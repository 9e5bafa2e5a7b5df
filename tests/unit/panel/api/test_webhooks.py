"""Webhooks by our API: made with a secret that is shown once, tried out, and their messages seen."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.main import notifiers
from innkeeper.testing.products import House
from innkeeper.testing.receivers import Receiver
from tests.unit.panel.api.conftest import Asking, Client


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    courier = HttpCourier(notifiers(), networks=("127.0.0.0/8",))
    async with House.open(tmp_path, courier=courier) as opened:
        yield opened
    await courier.aclose()


def wanted(url: str, **fields: Any) -> dict[str, Any]:
    return {"name": "hook", "kind": "json", "url": url, "triggers": ["command_sent"], **fields}


async def test_a_webhook_from_its_making_to_its_end(house: House, root: Client) -> None:
    server = await house.server(start=True)
    await house.settle()
    path = f"/servers/{server.server.uuid}/webhooks"
    async with Receiver.open() as receiver:
        reply = await root("POST", path, json=wanted(receiver.url))
        assert reply.status_code == 201
        made = reply.json()
        secret = made.pop("secret")
        one = f"{path}/{made['id']}"
        assert (await root("GET", one)).json() == made == (await root("GET", path)).json()["items"][0]
        sent = (await root("POST", f"{one}/test")).json()
        assert (sent["state"], sent["status"], sent["happening"]) == ("done", 204, "test")
        assert receiver.taken[0].json()["title"] == "Test Webhook: hook"
        command = await root("POST", f"/servers/{server.server.uuid}/command", json={"command": "say hello"})
        assert command.is_success
        assert await house.product.webhooks.queue.tick() == 1
        assert receiver.taken[1].json()["data"] == {"command": "say hello"}
    items = (await root("GET", f"{one}/deliveries", params={"limit": 1})).json()
    assert (items["items"][0]["happening"], items["items"][0]["event"]) == (
        "command_sent",
        receiver.taken[1].headers["innkeeper-event"],
    )
    rest = (await root("GET", f"{one}/deliveries", params={"cursor": items["next"]})).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == ([sent["id"]], None)
    changed = (await root("PATCH", one, json={"enabled": False, "triggers": ["ready"]})).json()
    assert (changed["enabled"], changed["triggers"], changed["name"]) == (False, ["ready"], "hook")
    renewed = (await root("POST", f"{one}/secret")).json()
    assert renewed["secret"] not in (secret, "")
    assert (await root("DELETE", one)).status_code == 204
    assert (await root("GET", one)).json()["error"]["code"] == "no_such_webhook"


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "pigeon"), ("url", "http://169.254.169.254/"), ("body", "{{ x"), ("colour", "red"), ("triggers", ["x"])],
)
async def test_a_mistake_is_named(house: House, root: Client, field: str, value: Any) -> None:
    server = await house.server()
    body = wanted("https://example.org") | {field: value}
    reply = await root("POST", f"/servers/{server.server.uuid}/webhooks", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["data"]["field"]) == (422, "webhook_is_invalid", field)


async def test_an_url_is_shown_to_those_who_may_read_webhooks_alone(house: House, ask: Asking, root: Client) -> None:
    server, guest = await house.server(), await house.account("guest")
    path = f"/servers/{server.server.uuid}"
    await root("POST", f"{path}/webhooks", json=wanted("https://example.org/very-secret"))
    await house.share(server, guest, "server.view", "activity.read")
    client = await ask.by(guest)
    assert (await client("GET", f"{path}/webhooks")).status_code == 403
    assert "very-secret" not in (await client("GET", f"{path}/activity")).text
