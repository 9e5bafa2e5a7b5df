"""Every route of the dialect × what a key may × whose server: nothing is reached without its permission."""

from collections.abc import Iterator

from litestar.routes import HTTPRoute, WebSocketRoute

from innkeeper.core.access.permissions import ALL, ServerPermission
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.http.needs import Needs
from innkeeper.testing.products import House
from tests.dialects.exaroton.served import Served

FORBIDDEN = {"success": False, "error": "Access denied", "data": None}
NOT_THERE = {"success": False, "error": "Server not found", "data": None}
NO_TOKEN = {"success": False, "error": "Invalid API token", "data": None}


def declared(house: House) -> Iterator[tuple[str, str, Needs]]:
    """Yield method, path and needs of every HTTP route; fail for a route that declares nothing."""
    for route in exaroton_application(house.product).routes:
        if isinstance(route, WebSocketRoute):
            assert isinstance(route.route_handler.opt["needs"], Needs)
            continue
        assert isinstance(route, HTTPRoute), route
        for method, (handler, _) in route.route_handler_map.items():
            if method != "OPTIONS":
                assert isinstance(handler.opt.get("needs"), Needs), f"{method} {route.path} declares nothing"
                yield method, route.path, handler.opt["needs"]


def at(path: str, server_id: str) -> str:
    return path.replace("{server:str}", server_id).replace("{path:path}", "server.properties")


async def asked(served: Served, method: str, path: str, key: str | None) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = await served.ask(method, path, headers=headers)
    if method == "HEAD":
        assert answer.content == b""
        answer = await served.ask("GET", path, headers=headers)
    return answer.status_code, answer.json()


async def test_every_route_wants_a_key(served: Served) -> None:
    found = list(declared(served.house))
    assert len(found) >= 35
    for method, path, needs in found:
        assert needs.of in ("account", "server"), path
        for key in (None, "ink_wrong"):
            assert await asked(served, method, at(path, served.id), key) == (403, NO_TOKEN), path


async def test_every_route_wants_its_permission(served: Served) -> None:
    house = served.house
    for method, path, needs in declared(house):
        if needs.of == "server" and needs.permission != ServerPermission.VIEW:
            key = await house.key(house.root, *(ALL - {str(needs.permission)}))
            assert await asked(served, method, at(path, served.id), key) == (403, FORBIDDEN), path


async def test_a_stranger_finds_no_server_on_any_route(served: Served) -> None:
    key = await served.house.key(await served.house.account("stranger"))
    for method, path, needs in declared(served.house):
        if needs.of == "server":
            assert await asked(served, method, at(path, served.id), key) == (404, NOT_THERE), path


async def test_what_is_no_servers_id_finds_no_server_on_any_route(served: Served) -> None:
    for method, path, needs in declared(served.house):
        for wrong in ("0" * 16, "short", "..%2Fservers", str(served.example.server.uuid)):
            if needs.of == "server":
                status, _ = await asked(served, method, at(path, wrong), served.key)
                assert status == 404, (path, wrong)
