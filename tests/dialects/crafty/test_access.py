"""Every route of the dialect × who asks × whose server, made from what routes declare, checked against the masks."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from innkeeper.core.access.permissions import ALL, ALL_SERVER, OWNER
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.dialects.crafty.app import crafty_application
from innkeeper.panel.dialects.crafty.auth import SUPERUSER
from innkeeper.panel.dialects.crafty.masks import PRODUCT_BITS, SERVER_BITS, ProductBit, ServerBit
from innkeeper.panel.http.needs import Needs
from innkeeper.testing.products import House
from tests.dialects.crafty.served import NOTHING, NOTHING_BESIDE, Served

DENIED = (403, "ACCESS_DENIED")
REFUSED = (400, "NOT_AUTHORIZED")
NOT_HIS_KEYS = (400, "NOT AUTHORIZED")
EVERYTHING, EVERYTHING_BESIDE = "1" * 8, "1" * 3
SINGLE = [(bit, "".join("1" if each is bit else "0" for each in ServerBit)) for bit in ServerBit]
SINGLE_BESIDE = [(bit, "".join("1" if each is bit else "0" for each in ProductBit)) for bit in ProductBit]

Route = tuple[str, str, Needs, tuple[Any, ...]]


def declared(house: House) -> Iterator[Route]:
    """Yield method, path, needs and bits of every route over HTTP; fail for a route that declares nothing."""
    for route in crafty_application(house.product).routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if method not in ("OPTIONS", "HEAD"):
                assert isinstance(handler.opt.get("needs"), Needs), f"{method} {route.path} declares nothing"
                yield method, route.path.removeprefix("/api/v2"), handler.opt["needs"], handler.opt.get("bits", ())


def guarded(house: House) -> list[Route]:
    """Return every route that is not open to everybody."""
    return [route for route in declared(house) if route[2].of != "nobody"]


def of_servers(house: House) -> list[Route]:
    """Return every route about one server."""
    return [route for route in declared(house) if route[2].of == "server"]


def at(path: str, server: object = 1) -> str:
    """Return a route's path, filled with the ids of what is not there, but for the server."""
    filled = path.replace("{server:str}", str(server))
    for name in ("user", "role", "key", "task", "webhook"):
        filled = filled.replace(f"{{{name}:str}}", "987654321")
    return filled.replace("{action:str}", "nothing_of_the_kind").replace("{name:str}", "login")


def verdict(reply: httpx.Response) -> tuple[int, str]:
    """Return status and error of a reply."""
    try:
        body = reply.json()
    except ValueError:
        return reply.status_code, ""
    return reply.status_code, str(body.get("error", "")) if isinstance(body, dict) else ""


async def answers(served: Served, routes: list[Route], token: str | None, server: object) -> dict[str, tuple[int, str]]:
    """Return what each route answers, asked with a body that none takes; a server is deleted last, if it may be."""
    found = {}
    for method, path, _, _ in sorted(routes, key=lambda route: route[:2] == ("DELETE", "/servers/{server:str}")):
        body = {"content": b"["} if method not in ("GET", "DELETE") else {}
        reply = await served.ask(method, at(path, server), token=token, **body)
        found[f"{method} {path}"] = verdict(reply)
    return found


async def test_every_route_but_the_open_ones_wants_a_token(served: Served) -> None:
    routes = guarded(served.house)
    assert len(routes) >= 40
    for token in (None, "ink_wrong", "a.b.c"):
        told = await answers(served, routes, token, served.example.server.id)
        assert set(told.values()) == {DENIED}, token


def test_what_is_open_to_everybody_is_little(house_of_routes: House) -> None:
    assert sorted(
        f"{method} {path}" for method, path, needs, _ in declared(house_of_routes) if needs.of == "nobody"
    ) == [
        "GET ",
        "GET /crafty/resetPass",
        "GET /servers/status",
        "POST /auth/login",
    ]


async def test_a_stranger_reaches_no_server_on_any_route(served: Served) -> None:
    token = await served.with_role("stranger", NOTHING, EVERYTHING_BESIDE)
    told = await answers(served, of_servers(served.house), token, served.example.server.id)
    assert set(told.values()) == {REFUSED}


async def test_what_is_no_server_is_refused_like_a_foreign_one(served: Served) -> None:
    routes = of_servers(served.house)
    for wrong in (987654321, "0", "x", "00000000-0000-7000-8000-000000000000", "9" * 40):
        told = await answers(served, routes, await served.token("root"), wrong)
        assert set(told.values()) == {REFUSED}, wrong


async def test_a_role_on_one_server_is_none_on_another(served: Served) -> None:
    token = await served.with_role("helper", EVERYTHING)
    told = await answers(served, of_servers(served.house), token, served.foreign.server.id)
    assert set(told.values()) == {REFUSED}


@pytest.mark.parametrize(("bit", "mask"), SINGLE, ids=[str(bit) for bit, _ in SINGLE])
async def test_a_role_of_one_bit_reaches_the_routes_of_that_bit_alone(
    served: Served, bit: ServerBit, mask: str
) -> None:
    token = await served.with_role("helper", mask)
    await agrees(served, token, {bit})


@pytest.mark.parametrize(("bit", "mask"), SINGLE, ids=[str(bit) for bit, _ in SINGLE])
async def test_a_key_of_one_bit_reaches_the_routes_of_that_bit_alone_though_its_account_reaches_all(
    served: Served, bit: ServerBit, mask: str
) -> None:
    await served.with_role("helper", EVERYTHING)
    await agrees(served, await served.key("helper", mask), {bit})


async def test_a_key_gives_nothing_that_its_account_has_not(served: Served) -> None:
    await served.with_role("helper", SINGLE[0][1])
    await agrees(served, await served.key("helper", EVERYTHING, EVERYTHING_BESIDE), {ServerBit.COMMANDS})


async def agrees(served: Served, token: str, bits: set[ServerBit]) -> None:
    """Assert that on the example each route is reached with these bits, or refused, as it declares."""
    routes = of_servers(served.house)
    told = await answers(served, routes, token, served.example.server.id)
    for method, path, _, wanted in routes:
        reached = not wanted or not bits.isdisjoint(wanted)
        if reached and (method, path) in MORE_IS_NEEDED:
            continue
        assert (told[f"{method} {path}"] != REFUSED) is reached, (method, path, told[f"{method} {path}"])


MORE_IS_NEEDED = {("GET", "/servers/{server:str}/users")}
"""Routes that want something beside what they declare."""


@pytest.mark.parametrize(("bit", "mask"), SINGLE_BESIDE, ids=[str(bit) for bit, _ in SINGLE_BESIDE])
async def test_a_bit_beside_servers_reaches_its_routes_alone(served: Served, bit: ProductBit, mask: str) -> None:
    routes = [route for route in declared(served.house) if route[2].of == "product"]
    by_account = await served.with_role("helper", NOTHING, mask)
    await served.with_role("chief", NOTHING, EVERYTHING_BESIDE)
    by_key = await served.key("chief", NOTHING, mask)
    for token in (by_account, by_key):
        told = await answers(served, routes, token, 1)
        for method, path, needs, wanted in routes:
            reached = needs.permission != SUPERUSER and bit in wanted
            assert (told[f"{method} {path}"] != REFUSED) is reached, (method, path)


async def test_what_is_for_superusers_wants_one_with_a_key_that_carries_everything(served: Served) -> None:
    routes = [route for route in declared(served.house) if route[2].permission == SUPERUSER]
    assert len(routes) >= 12
    narrow = await served.key("root", EVERYTHING, EVERYTHING_BESIDE)
    assert set((await answers(served, routes, narrow, 1)).values()) == {REFUSED}
    told = await answers(served, routes, await served.token("root"), 1)
    assert REFUSED not in told.values()


async def test_nobody_but_a_superuser_reaches_the_keys_of_others(served: Served) -> None:
    token = await served.with_role("chief", EVERYTHING, EVERYTHING_BESIDE)
    for method, path in (
        ("GET", "/users/1/key"),
        ("PATCH", "/users/1/key"),
        ("GET", "/users/1/key/1"),
        ("DELETE", "/users/1/key/1"),
        ("GET", "/users/987654321/key"),
        ("GET", "/users/x/key"),
    ):
        assert verdict(await served.ask(method, path, token=token)) == NOT_HIS_KEYS, path


async def test_a_narrow_key_is_told_no_wider_one(served: Served) -> None:
    await served.with_role("helper", EVERYTHING)
    account = served.account("helper")
    narrow = await served.key("helper", SINGLE[0][1])
    wide = await served.data(
        "PATCH",
        f"/users/{account.id}/key",
        token=await served.token("helper"),
        json={"name": "wide", "server_permissions_mask": EVERYTHING, "crafty_permissions_mask": NOTHING_BESIDE},
    )
    assert verdict(await served.ask("GET", f"/users/@me/key/{wide['id']}", token=narrow)) in (
        REFUSED,
        (404, "KEY_NOT_FOUND"),
    )
    body = {"name": "wider", "server_permissions_mask": EVERYTHING}
    assert verdict(await served.ask("PATCH", "/users/@me/key", token=narrow, json=body)) == REFUSED


def test_the_bits_share_nothing_and_stand_for_permissions_that_there_are() -> None:
    sets = [masks.ACCESS, *SERVER_BITS.values(), *PRODUCT_BITS.values()]
    assert sum(map(len, sets)) == len(frozenset().union(*sets))
    assert masks.OF_SERVERS <= ALL_SERVER
    assert masks.OF_SERVERS | masks.OF_PRODUCT <= ALL


def test_whoever_owns_a_server_has_every_bit() -> None:
    assert masks.server_mask(OWNER) == EVERYTHING
    assert masks.server_mask(masks.ACCESS) == NOTHING


@pytest.mark.parametrize(("bit", "mask"), SINGLE, ids=[str(bit) for bit, _ in SINGLE])
def test_a_mask_goes_there_and_back_and_leaves_alone_what_it_does_not_stand_for(bit: ServerBit, mask: str) -> None:
    beside = {"console.manage"}
    held = masks.on_server(mask, SERVER_BITS[ServerBit.FILES] | beside)
    assert held == masks.ACCESS | SERVER_BITS[bit] | beside
    assert masks.server_mask(held) == mask
