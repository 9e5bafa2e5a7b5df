"""The reads that are answered before the framework: the routes would have said the same, and nothing stale is told."""

from typing import Any

import httpx
import pytest

from innkeeper.core.accounts.model import Account
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.nodes.model import Region
from innkeeper.core.servers.model import ServerChanges
from innkeeper.panel.dialects.serverflex.app import serverflex_application
from innkeeper.panel.dialects.serverflex.routes.servers import ServerRoutes
from innkeeper.panel.http.fast import Reads
from innkeeper.panel.http.needs import Needs
from tests.dialects.serverflex.served import Served

FAST = {f"{version}/server{rest}" for version in ("/1.0", "") for rest in ("", "/", "/{id}", "/{id}/")}
PATHS = [
    *sorted(FAST),
    "/1.0/server?limit=1",
    "/1.0/server?page=0",
    "/1.0/server/nothing",
    "/1.0/server/new",
    "/1.0/server/{id}/nothing",
    "/1.0/server//",
    "/1.0/server/{id}//",
    "/1.0/serverandmore",
    "/server/%2e%2e",
]
HEADERS = [
    {"Authorization": "Bearer {key}"},
    {"Authorization": "Bearer {key}", "Accept": "application/json"},
    {"Authorization": "Bearer {key}", "Accept": "text/html"},
    {"Authorization": "Bearer: {key}"},
    {"Authentication": "Bearer {key}"},
    {"Authorization": "Bearer wrong"},
    {},
]


class Watched:
    """Counts what is answered without the routes."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.answered = 0

    def answer(self, scope: Any) -> bytes | None:
        body = self._reads.answer(scope)
        self.answered += body is not None
        return body


async def test_the_fast_way_and_the_routes_say_the_same(served: Served) -> None:
    application = serverflex_application(served.house.product)
    assert application.reads is not None
    http = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://panel")
    async with http:
        for path in PATHS:
            watched = Watched(application.reads)
            for key in (served.keys["legend"], served.keys["rita"], served.keys["newcomer"]):
                for template in HEADERS:
                    headers = {name: value.format(key=key) for name, value in template.items()}
                    said = []
                    for reads in (watched, None, watched):
                        application.reads = reads
                        answer = await http.get(path.format(id=served.id), headers=headers)
                        said.append((answer.status_code, answer.headers.raw, answer.content))
                    assert said[0] == said[1] == said[2], path
            assert bool(watched.answered) == (path in FAST), path
            application.reads = watched._reads


async def test_what_is_shown_follows_what_changes(served: Served) -> None:
    house, product = served.house, served.house.product
    root, owner = house.actor(house.root), house.actor(served.owner)

    async def shown() -> dict[str, Any]:
        one = (await served.get(f"/1.0/server/{served.id}")).json()
        listed = (await served.get("/1.0/server")).json()["results"]
        assert listed == [one]
        return dict(one)

    before = await shown()
    await product.servers.change(owner, served.example, ServerChanges(name="another name"))
    assert (await shown())["name"] == "another name"
    await product.regions.put(root, Region(name="us-1", country="US", city="Boston"))
    assert (await shown())["region"]["city"] == "Boston"
    await product.nodes.change(root, house.node.uuid, public_host="192.0.2.7")
    assert (await shown())["network"]["ipAddress"] == "192.0.2.7"
    resources = PlanResources(memory_mib=1024, cpu_percent=200, disk_mib=10_000)
    prices = (PlanPrice(currency="USD", hourly=1_000_000, monthly=2_000_000), before_in_pounds())
    await product.selling.put_plan(
        root, Plan(name="mc.grass", package="minecraft", title="Gras", resources=resources, prices=prices)
    )
    plan = (await shown())["plan"]
    assert (plan["displayName"], plan["pricing"]["costHourly"]) == ("Gras", 1.0)
    await _pay_in(served, served.owner, "GBP")
    assert (await shown())["plan"]["pricing"]["currency"] == "GBP"
    await _pay_in(served, served.owner, "")
    await product.billing.set_currency(root, "GBP")
    assert (await shown())["plan"]["pricing"]["currency"] == "GBP"
    assert before["uuid"] == (await shown())["uuid"]


async def test_a_list_follows_rights(served: Served) -> None:
    async def permissions() -> list[str]:
        found = (await served.get("/1.0/server", key=served.keys["rita"])).json()
        return [server["permission"] for server in found["results"]]

    house = served.house
    assert await permissions() == ["read"]
    await house.share(served.example, served.account("rita"), "server.view")
    assert await permissions() == ["read"]
    await house.product.access.unshare(house.actor(served.owner), served.example, served.account("rita").id)
    assert await permissions() == []


def test_the_list_needs_nothing_but_a_key() -> None:
    needs: Needs = ServerRoutes.list_servers.opt["needs"]
    assert needs == Needs("account")


def before_in_pounds() -> PlanPrice:
    return PlanPrice(currency="GBP", hourly=500_000, monthly=1_000_000)


async def _pay_in(served: Served, account: Account, currency: str) -> None:
    house = served.house
    await house.product.accounts.change(house.actor(house.root), account.uuid, currency=currency)


@pytest.mark.parametrize("name", ["legend", "root"])
async def test_a_server_that_was_not_sold_shows_what_it_has_and_that_it_is_free(served: Served, name: str) -> None:
    record = await served.house.server(
        owner=served.owner, name="by hand", package="minecraft", properties={"eula": True}
    )
    shown = (await served.get(f"/1.0/server/{record.server.uuid}", key=served.keys[name])).json()
    assert shown["permission"] == ("owner" if name == "legend" else "admin")
    assert shown["billingType"] == "hourly"
    assert shown["plan"] == {
        "displayName": "Custom",
        "name": "custom",
        "pricing": {"costHourly": 0.0, "costMonthly": 0.0, "currency": "USD"},
        "resources": {"backupsInMB": 0, "cpuCount": 64.0, "memoryInMB": 512, "storageInMB": 1 << 24},
    }
