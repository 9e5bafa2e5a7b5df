"""Every refusal has one shape, and every condition a status."""

from typing import Any

import httpx
import pytest

import innkeeper.panel.api.app  # every condition is imported by it
from innkeeper.core.accounts.errors import TooManyAttempts
from innkeeper.core.errors import CoreError, NotFound, all_conditions
from innkeeper.core.files.errors import FileIsTooLarge, NoSpaceLeft
from innkeeper.panel.api.errors import STATUSES, status_of
from innkeeper.panel.http.bodies import BodyIsTooLarge
from innkeeper.testing.products import PASSWORD, House
from tests.unit.panel.api.conftest import Asking, Client

assert innkeeper.panel.api.app


def shape(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "kind", "message", "data"}
    return dict(body["error"])


@pytest.mark.parametrize("condition", all_conditions(), ids=lambda condition: condition.__name__)
def test_every_condition_has_a_status_of_its_kind(condition: type[CoreError]) -> None:
    status = status_of(condition)
    assert 400 <= status < 600
    kinds = {
        "unauthenticated": {401},
        "forbidden": {403},
        "not_found": {404},
        "gone": {410},
        "invalid": {400, 422},
        "conflict": {409},
        "exhausted": {409, 413, 429, 507},
        "unavailable": {503},
        "failed": {500},
    }
    assert status in kinds[condition.kind]


def test_exceptions_to_the_rule() -> None:
    assert [status_of(item) for item in (TooManyAttempts, BodyIsTooLarge, FileIsTooLarge, NoSpaceLeft)] == [
        429,
        413,
        413,
        507,
    ]
    assert STATUSES[NotFound] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", b"", 404, "no_such_path"),
        ("GET", "/servers/not-a-uuid", b"", 404, "no_such_path"),
        ("PATCH", "/status", b"", 405, "method_not_allowed"),
        ("POST", "/sessions", b"[", 400, "request_is_invalid"),
        ("POST", "/sessions", b"", 400, "request_is_invalid"),
        ("POST", "/sessions", b"[]", 400, "request_is_invalid"),
        ("POST", "/sessions", b"\xff\xfe", 400, None),
        ("POST", "/keys", b"[" * 200_000, 400, "body_is_invalid"),
        ("POST", "/keys", b'{"x":' * 200_000, 400, None),
        ("POST", "/sessions", b'{"username": "\\ud800", "password": "x"}', 400, None),
        ("POST", "/sessions", b" " * (2 << 20), 413, "body_is_too_large"),
        ("GET", "/servers?limit=1001", b"", 400, "request_is_invalid"),
        ("GET", "/servers?limit=ten", b"", 400, "request_is_invalid"),
        ("GET", "/servers?cursor=%ff", b"", 400, "bad_cursor"),
        ("GET", "/servers?cursor=" + "A" * 501, b"", 400, "request_is_invalid"),
        ("GET", "/accounts?cursor=WyJhIl0", b"", 400, "bad_cursor"),
        ("GET", "/activity?cursor=WzFlMzBd", b"", 400, "bad_cursor"),
        ("POST", "/keys", b'{"name":"a","expires_at":"9999-12-31T23:59:59-23:00"}', 400, "body_is_invalid"),
        ("POST", "/keys", b'{"name":"a","expires_at":"2030-01-01T00:00:00"}', 400, "request_is_invalid"),
        ("POST", "/keys", b'{"name":""}', 422, "name_is_invalid"),
        ("POST", "/keys", b'{"name":"a","permissions":["all"]}', 422, "permission_is_unknown"),
        ("POST", "/servers", b'{"name":"a\\u0000","package":"custom"}', 400, "request_is_invalid"),
        ("POST", "/servers", b'{"name":"a","package":"custom","description":"\\u0000"}', 400, "request_is_invalid"),
        ("POST", "/servers", b'{"name":"a","package":"custom","properties":{"command":1e999}}', 400, None),
        ("POST", "/servers", b'{"name":"a","package":"nope"}', 404, "no_such_package"),
        ("GET", "/packages/%00", b"", 404, "no_such_package"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_the_same_shape(
    root: Client, method: str, path: str, body: bytes, status: int, code: str | None
) -> None:
    answer = await root(method, path, content=body)
    assert answer.status_code == status, answer.text
    error = shape(answer)
    assert code is None or error["code"] == code


async def test_too_many_sign_ins_say_when_to_come_again(ask: Asking) -> None:
    for _ in range(10):
        assert (await ask.nobody("POST", "/sessions", json={"username": "root", "password": "no"})).status_code == 401
    answer = await ask.nobody("POST", "/sessions", json={"username": "root", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert shape(answer)["code"] == "too_many_attempts"


async def test_a_node_that_is_away_is_503(house: House, root: Client) -> None:
    server = await house.server()
    house.gateway.offline = True
    answer = await root("GET", f"/servers/{server.server.uuid}/console?tail=1")
    assert (answer.status_code, shape(answer)["kind"]) == (503, "unavailable")


async def test_a_fault_inside_tells_its_id_and_nothing_else(
    house: House, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> None:
        raise RuntimeError("the database password is hunter2")

    server = await house.server()
    monkeypatch.setattr(house.gateway, "tail_console", break_down)
    answer = await root("GET", f"/servers/{server.server.uuid}/console?tail=1")
    error = shape(answer)
    assert (answer.status_code, error["code"]) == (500, "fault")
    assert "hunter2" not in answer.text
    assert len(error["data"]["fault"]) == 32
