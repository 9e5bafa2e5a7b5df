"""The ways in which a customer may ask: how the key is shown, what is accepted, how long is waited, how fast."""

from typing import Any

import pytest
from litestar.connection import ASGIConnection

from innkeeper.core.access.errors import KeyIsMissing
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.serverflex.app import serverflex_application
from innkeeper.panel.dialects.serverflex.auth import accepts_json, secret_of
from innkeeper.panel.http.serving import HttpServer
from tests.dialects.serverflex.served import Served


def shown(*headers: tuple[str, str]) -> ASGIConnection[Any, Any, Any, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope: Any = {"type": "http", "headers": raw}
    return ASGIConnection(scope)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "Authentication"])
@pytest.mark.parametrize("value", ["Bearer K", "Bearer: K", "bearer K", "Bearer:K", "  Bearer  :  K  ", "BEARER   K"])
def test_a_key_is_found_as_the_documentation_sends_it(name: str, value: str) -> None:
    assert secret_of(shown((name, value))) == "K"


@pytest.mark.parametrize("value", ["", "K", "Bearer", "Bearer:", "BearerK", "Basic K", "Bearer K L", "Bearer: : K"])
def test_anything_else_is_no_key(value: str) -> None:
    with pytest.raises(KeyIsMissing):
        secret_of(shown(("Authorization", value)))


def test_of_several_keys_the_first_counts() -> None:
    assert secret_of(shown(("Authorization", "Bearer: A"), ("Authorization", "Bearer B"))) == "A"
    assert secret_of(shown(("Authentication", "Bearer B"), ("Authorization", "Bearer A"))) == "A"
    assert secret_of(shown(("Authorization", "Basic x"), ("Authentication", "Bearer B"))) == "B"


@pytest.mark.parametrize(
    ("accepted", "fits"),
    [
        ([], True),
        ([""], True),
        (["*/*"], True),
        (["application/json"], True),
        (["application/json; charset=utf-8"], True),
        (["text/html", "*/*;q=0.1"], True),
        (["application/*"], True),
        (["text/json"], True),
        (["application/problem+json"], True),
        (["APPLICATION/JSON"], True),
        (["text/html"], False),
        (["application/xml, text/plain"], False),
        (["application/json;q=0"], False),
        (["application/json;q=0, */*"], False),
        (["*/*;q=0"], False),
        (["*/*;q=nonsense"], True),
    ],
)
def test_json_is_what_there_is(accepted: list[str], fits: bool) -> None:
    assert accepts_json(accepted) is fits


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("", 30), ("1", 1), ("2.5", 2.5), ("2,5", 2.5), ("120", 30), ("9" * 400, 30), ("0", 1), ("-5", 1)],
)
async def test_a_customer_waits_within_bounds(
    served: Served, asked: str, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations, spans = served.house.product.operations, []
    wait = operations.wait

    async def noted(uuid, timeout):  # type: ignore[no-untyped-def]
        spans.append(timeout.total_seconds())
        return await wait(uuid, timeout)

    monkeypatch.setattr(operations, "wait", noted)
    query = f"?timeout={asked}" if asked else ""
    answer = await served.ask(
        "POST", f"/1.0/server/{served.id}/start{query}", headers=[("Authorization", f"Bearer {served.keys['legend']}")]
    )
    assert (answer.status_code, spans) == (200, [waited])


async def test_an_operation_that_fails_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = served.house.gateway
    monkeypatch.setattr(gateway, "_obey", lambda server: gateway.carry_out(server, fail="no luck"))
    headers = [("Authorization", f"Bearer {served.keys['legend']}")]
    answer = await served.ask("POST", f"/1.0/server/{served.id}/start", headers=headers)
    told = answer.json()
    assert (answer.status_code, told["isCompleted"], told["isCompletedSuccesfully"]) == (200, True, False)


async def test_a_key_that_asks_too_fast_slows_down_no_other(served: Served) -> None:
    tasks = TaskSet("http for tests").start_set()
    server = HttpServer(serverflex_application(served.house.product, requests_per_s=1, burst=2), tasks)
    try:
        await server.open("127.0.0.1", 0)
        served.url = server.url
        assert [(await served.get("/1.0/account")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await served.get("/1.0/account", key=served.keys["rita"])).status_code == 200
        served.clock.advance(seconds=1)
        served.house.product.nodes.heard(served.house.node.id)
        assert (await served.get("/1.0/account")).status_code == 200
    finally:
        await server.close()
        await tasks.aclose()
