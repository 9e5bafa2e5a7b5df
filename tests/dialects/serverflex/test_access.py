"""Every route of the dialect × who asks × whose server: nothing is reached without its permission."""

from collections.abc import Iterator

import pytest
from litestar.routes import HTTPRoute

from innkeeper.core.access.permissions import ALL, OWNER, ServerPermission
from innkeeper.panel.dialects.serverflex.app import serverflex_application
from innkeeper.panel.dialects.serverflex.levels import PERMISSIONS, level_of
from innkeeper.panel.http.needs import Needs
from innkeeper.testing.products import House
from tests.dialects.serverflex import fields
from tests.dialects.serverflex.served import SHARED, Served


def declared(house: House) -> Iterator[tuple[str, str, Needs]]:
    """Yield method, path and needs of every route; fail for a route that declares nothing."""
    for route in serverflex_application(house.product).routes:
        assert isinstance(route, HTTPRoute), route
        for method, (handler, _) in route.route_handler_map.items():
            if method != "OPTIONS":
                assert isinstance(handler.opt.get("needs"), Needs), f"{method} {route.path} declares nothing"
                yield method, route.path, handler.opt["needs"]


def of_servers(house: House) -> Iterator[tuple[str, str, ServerPermission]]:
    """Yield method, path and permission of every route about one server."""
    for method, path, needs in declared(house):
        if needs.of == "server":
            yield method, path, ServerPermission(str(needs.permission))


def at(path: str, server_id: str) -> str:
    filled = path.replace("{server:str}", server_id).replace("{user:str}", server_id)
    return filled.replace("{name:str}", "minecraft")


async def refused(served: Served, method: str, path: str, key: str | None) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    headers = [("Authorization", f"Bearer {key}")] if key else []
    answer = await served.ask(method, path, headers=headers)
    if method == "HEAD":
        assert answer.content == b""
        answer = await served.ask("GET", path, headers=headers)
    body = answer.json()
    fields.refusal(body)
    return answer.status_code, body["code"]


async def test_every_route_wants_a_key(served: Served) -> None:
    found = list(declared(served.house))
    assert len(found) >= 40
    for method, path, needs in found:
        assert needs.of in ("account", "product", "server"), path
        assert await refused(served, method, at(path, served.id), None) == (401, "key_is_missing"), path
        assert await refused(served, method, at(path, served.id), "ink_wrong") == (401, "key_is_unknown"), path


async def test_routes_of_servers_are_there_without_a_version_too(served: Served) -> None:
    found = {(method, path) for method, path, _ in declared(served.house)}
    with_version = {(method, path.removeprefix("/1.0")) for method, path in found if path.startswith("/1.0/server")}
    assert with_version == {(method, path) for method, path in found if path.startswith("/server")} != set()


async def test_every_route_wants_its_permission(served: Served) -> None:
    house = served.house
    for method, path, permission in of_servers(house):
        if permission != ServerPermission.VIEW:
            key = await house.key(served.owner, *(ALL - {str(permission)}))
            assert await refused(served, method, at(path, served.id), key) == (403, "permission_is_missing"), path


async def test_a_level_reaches_what_it_gives_and_nothing_else(served: Served) -> None:
    for name, level in SHARED.items():
        for method, path, permission in of_servers(served.house):
            if method not in ("GET", "HEAD") and permission in PERMISSIONS[level]:
                continue  # it would be done; the transcripts show it
            answer = await served.ask(
                method, at(path, served.id), headers=[("Authorization", f"Bearer {served.keys[name]}")]
            )
            if permission in PERMISSIONS[level]:
                assert answer.status_code in (200, 412), (name, path)
            else:
                assert answer.status_code == 403, (name, path)


async def test_a_stranger_finds_no_server_on_any_route(served: Served) -> None:
    for method, path, _ in of_servers(served.house):
        found = await refused(served, method, at(path, served.id), served.keys["newcomer"])
        assert found == (404, "no_such_server"), path


async def test_what_is_no_servers_id_finds_no_server_on_any_route(served: Served) -> None:
    for method, path, _ in of_servers(served.house):
        for wrong in ("0" * 32, "short", "..%2Fserver", str(served.example.server.id)):
            status, _ = await refused(served, method, at(path, wrong), served.keys["legend"])
            assert status in ((404, 405) if wrong == "..%2Fserver" else (404,)), (path, wrong)


async def test_a_deleted_server_is_gone_on_every_route(served: Served) -> None:
    await served.house.product.servers.delete(served.house.actor(served.owner), served.example)
    for method, path, _ in of_servers(served.house):
        assert await refused(served, method, at(path, served.id), served.keys["legend"]) == (410, "server_is_deleted")


async def test_nobody_gives_more_than_they_hold(served: Served) -> None:
    key = await served.house.key(served.owner, *(OWNER - {str(ServerPermission.DELETE)}))
    answer = await served.ask(
        "POST",
        f"/1.0/server/{served.id}/sharing/add",
        headers=[("Authorization", f"Bearer {key}")],
        body=b'{"permission": "admin", "username": "newcomer"}',
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "cannot_give_more_than_held")


@pytest.mark.parametrize(
    ("held", "level"),
    [
        (frozenset(), "read"),
        (PERMISSIONS["read"], "read"),
        (PERMISSIONS["write"], "write"),
        (PERMISSIONS["write"] | {"server.delete"}, "write"),
        (PERMISSIONS["write"] - {"console.write"}, "read"),
        (OWNER, "admin"),
    ],
)
def test_a_level_is_the_highest_that_is_held_whole(held: frozenset[str], level: str) -> None:
    assert level_of(held) == level


def test_each_level_holds_the_one_below() -> None:
    assert PERMISSIONS["read"] < PERMISSIONS["write"] < PERMISSIONS["admin"]
    assert not {"server.delete", "files.delete", "power.kill", "server.reinstall"} & PERMISSIONS["write"]
