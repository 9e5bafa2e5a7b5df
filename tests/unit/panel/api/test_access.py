"""Every route × what a key may × whose object: nothing is reached without its permission, and none forgot to ask."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute

from innkeeper.core.access.permissions import ALL, ServerPermission
from innkeeper.panel.api import PREFIX, params
from innkeeper.panel.api.app import HANDLERS
from innkeeper.panel.api.door import GIVEN
from innkeeper.panel.http.needs import Needs
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking


class Declared(NamedTuple):
    method: str
    path: str
    needs: Needs

    def at(self, **ids: object) -> str:
        """Return the path below the prefix, with ids in place of its parameters (others: something that is not)."""
        parts = []
        for part in self.path.removeprefix(PREFIX).split("/"):
            name = part.strip("{}").partition(":")[0] if part.startswith("{") else None
            parts.append(part if name is None else str(ids.get(name, uuid4())))
        return "/".join(parts)


def declared(application: Litestar) -> Iterator[Declared]:
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":
                    assert isinstance(handler.opt.get("needs"), Needs), f"{method} {route.path} declares nothing"
                    yield Declared(method, route.path, handler.opt["needs"])
        elif isinstance(route, WebSocketRoute):
            assert isinstance(route.route_handler.opt.get("needs"), Needs), f"{route.path} declares nothing"
        else:
            pytest.fail(f"{route.path} is a route that the door does not see")


def query_of(item: Declared) -> str:
    """Return the parameters without which a route would not look at anything else."""
    if item.path.endswith("/archive"):
        return "?name=a.zip"
    return "?text=a" if item.path.endswith("/search") else ("?path=a" if "/files" in item.path else "")


def test_every_route_declares_what_it_needs(application: Litestar) -> None:
    found = list(declared(application))
    assert len(found) > 50
    assert any(isinstance(route, WebSocketRoute) for route in application.routes)


def test_no_field_of_a_body_is_called_as_something_given() -> None:
    bodies = [item for item in vars(params).values() if isinstance(item, type) and issubclass(item, msgspec.Struct)]
    assert len(bodies) > 10
    assert not {field for body in bodies for field in body.__struct_fields__} & set(GIVEN)


def test_nothing_of_ours_answers_options() -> None:
    for handler in HANDLERS:
        assert not (isinstance(handler, HTTPRouteHandler) and "OPTIONS" in handler.http_methods)


def test_only_these_are_open_to_all(application: Litestar) -> None:
    open_to_all = {
        (item.method, item.path.removeprefix(PREFIX)) for item in declared(application) if item.needs.of == "nobody"
    }
    assert open_to_all == {
        ("POST", "/sessions"),
        ("GET", "/status"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/docs/{asset:str}"),
    }


async def test_without_a_key_every_other_route_says_401(house: House, ask: Asking, application: Litestar) -> None:
    server = await house.server()
    for item in declared(application):
        if item.needs.of == "nobody":
            continue
        path = item.at(server=server.server.uuid, package="custom") + query_of(item)
        for client in (ask.nobody, ask.with_key("ink_wrong")):
            answer = await client(item.method, path)
            assert answer.status_code == 401, (item, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["kind"] == "unauthenticated"


async def test_a_key_without_the_permission_is_refused_on_a_server_it_sees(
    house: House, ask: Asking, application: Litestar
) -> None:
    owner = await house.account("owner")
    server = await house.server(owner=owner)
    operation = (await house.product.operations.of_server(server.server.id, None, 1)).items[0]
    for item in declared(application):
        if item.needs.of != "server" or item.needs.permission == ServerPermission.VIEW:
            continue
        client = await ask.by(owner, *(ALL - {str(item.needs.permission)}))
        path = item.at(server=server.server.uuid, operation=operation.uuid) + query_of(item)
        answer = await client(item.method, path)
        assert answer.status_code == 403, (item, answer.text)
        assert answer.json()["error"]["data"] == {"permission": item.needs.permission}
        await client("DELETE", "/keys/" + (await client("GET", "/keys")).json()["items"][0]["id"])


async def test_somebody_elses_server_is_not_there(house: House, ask: Asking, application: Litestar) -> None:
    owner, other = await house.account("owner"), await house.account("other")
    server = await house.server(owner=owner)
    operation = (await house.product.operations.of_server(server.server.id, None, 1)).items[0]
    client = await ask.by(other)
    for item in declared(application):
        if item.needs.of == "server":
            path = item.at(server=server.server.uuid, operation=operation.uuid, account=owner.uuid) + query_of(item)
            answer = await client(item.method, path)
            assert answer.status_code == 404, (item, answer.text)
    assert house.now(server).server == server.server


async def test_a_server_that_never_was_is_not_there_for_anybody(
    house: House, ask: Asking, application: Litestar
) -> None:
    root = await ask.by(house.root)
    for item in declared(application):
        if item.needs.of == "server":
            answer = await root(item.method, item.at() + query_of(item))
            assert answer.status_code == 404, (item, answer.text)


async def test_a_deleted_server_is_gone_but_its_deletion_can_be_followed(house: House, ask: Asking) -> None:
    server = await house.server()
    root = await ask.by(house.root)
    operation = (await root("DELETE", f"/servers/{server.server.uuid}?wait=5")).json()
    assert operation["state"] == "done"
    assert (await root("GET", f"/servers/{server.server.uuid}")).status_code == 410
    assert (await root("GET", f"/operations/{operation['id']}")).json()["verb"] == "delete"


async def test_product_routes_need_their_permission(house: House, ask: Asking, application: Litestar) -> None:
    nobody = await house.account("nobody")
    for item in declared(application):
        if item.needs.of != "product":
            continue
        narrow = await ask.by(house.root, *(ALL - {str(item.needs.permission)}))
        for client in (await ask.by(nobody), narrow):
            answer = await client(item.method, item.at(account=house.root.uuid, node=house.node.uuid))
            assert answer.status_code == 403, (item, answer.text)
        for key in (await narrow("GET", "/keys")).json()["items"]:
            await narrow("DELETE", f"/keys/{key['id']}")


async def test_what_is_ones_own_is_nobody_elses(house: House, ask: Asking) -> None:
    owner, other = await house.account("owner"), await house.account("other")
    mine, theirs = await ask.by(owner), await ask.by(other)
    key = (await mine("GET", "/keys")).json()["items"][0]["id"]
    assert (await theirs("DELETE", f"/keys/{key}")).status_code == 404
    assert (await theirs("GET", f"/accounts/{owner.uuid}")).status_code == 404
    assert (await theirs("PATCH", f"/accounts/{owner.uuid}", json={"email": "a@b.c"})).status_code == 404
    assert (await mine("GET", f"/accounts/{owner.uuid}")).json()["username"] == "owner"
    assert (await theirs("GET", "/servers")).json() == {"items": [], "next": None}


async def test_a_list_shows_what_is_shared_and_no_more_once_that_ends(house: House, ask: Asking) -> None:
    owner, guest = await house.account("owner"), await house.account("guest")
    shared, _hidden = await house.server(owner=owner, name="shared"), await house.server(owner=owner, name="hidden")
    await house.share(shared, guest, ServerPermission.VIEW)
    client = await ask.by(guest)
    (item,) = (await client("GET", "/servers")).json()["items"]
    assert (item["name"], item["permissions"]) == ("shared", ["server.view"])
    assert (item["properties"], item["usage"], item["players"]["list"]) == (None, None, None)
    await (await ask.by(owner))("DELETE", f"/servers/{shared.server.uuid}/grants/{guest.uuid}")
    assert (await client("GET", "/servers")).json()["items"] == []
    assert (await client("GET", f"/servers/{shared.server.uuid}")).status_code == 404


async def test_the_fast_way_and_the_routes_say_the_same(house: House, ask: Asking, application: Litestar) -> None:
    owner = await house.account("owner")
    servers = [await house.server(owner=owner, name=f"server {number}") for number in range(3)]
    client, narrow = await ask.by(owner), await ask.by(owner, "power.start")
    paths = [
        "/servers",
        "/servers?limit=2",
        "/servers?limit=0",
        "/servers?limit=x",
        f"/servers/{servers[0].server.uuid}",
    ]
    fast = application.reads  # type: ignore[attr-defined]
    for asking in (client, narrow, ask.nobody, ask.with_key("ink_wrong")):
        for path in paths:
            application.reads = fast  # type: ignore[attr-defined]
            first = await asking("GET", path)
            application.reads = None  # type: ignore[attr-defined]
            second = await asking("GET", path)
            assert (first.status_code, first.content) == (second.status_code, second.content), path
            assert first.headers["content-type"] == second.headers["content-type"]
