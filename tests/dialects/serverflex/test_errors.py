"""Every condition of the product has a status that ServerFlex's documentation knows, and every refusal one shape."""

import pytest

from innkeeper.core.errors import CoreError, all_conditions
from innkeeper.core.servers.errors import ServerIsBusy
from innkeeper.panel.dialects.serverflex.errors import STATUSES, FieldIsInvalid, about, field_of, headers_of, status_of
from innkeeper.panel.http.bodies import BodyIsInvalid
from innkeeper.panel.main import Panel
from tests.dialects.serverflex import fields
from tests.dialects.serverflex.served import Served

assert callable(Panel)  # every condition is imported with the panel

KINDS = {
    "unauthenticated": {401},
    "forbidden": {403},
    "not_found": {404},
    "gone": {410},
    "invalid": {400, 406},
    "conflict": {412},
    "exhausted": {400, 412, 429},
    "unavailable": {412, 503},
    "failed": {500},
}


@pytest.mark.parametrize("condition", all_conditions(), ids=lambda condition: condition.__name__)
def test_every_condition_has_a_status_of_its_kind(condition: type[CoreError]) -> None:
    assert status_of(condition) in KINDS[condition.kind]


def test_no_status_is_one_that_the_documentation_does_not_know() -> None:
    assert set(STATUSES.values()) <= {400, 401, 403, 404, 406, 410, 412, 429, 500, 503}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Expected `str`, got `int` - at `$.name`", "name"),
        ("Expected `str`, got `int` - at `$.runtimes[...]`", "runtimes"),
        ("Object missing required field `username`", "username"),
        ("JSON is malformed", None),
    ],
)
def test_a_fault_of_the_body_names_its_field(message: str, field: str | None) -> None:
    assert field_of(BodyIsInvalid(message)) == field


@pytest.mark.parametrize("condition", all_conditions(), ids=lambda condition: condition.__name__)
def test_what_a_field_of_a_body_names_and_is_not_there_is_a_fault_of_the_field(condition: type[CoreError]) -> None:
    if condition.kind not in ("not_found", "gone", "invalid"):
        with pytest.raises(condition), about("plan"):
            raise condition
        return
    with pytest.raises(FieldIsInvalid) as refused, about("plan"):
        raise condition
    assert (status_of(type(refused.value)), field_of(refused.value)) == (400, "plan")


def test_who_is_to_wait_is_told_for_how_long() -> None:
    assert headers_of(ServerIsBusy(retry_after_s=0.2)) == {"Retry-After": "1"}
    assert headers_of(ServerIsBusy(retry_after_s=2.1)) == {"Retry-After": "3"}
    assert headers_of(ServerIsBusy()) == {}


async def test_a_fault_of_ours_tells_nothing_but_its_id(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(served.house.product.catalog, "get", fail)
    answer = await served.get("/1.0/package/minecraft")
    assert answer.status_code == 500
    fields.refusal(answer.json())
    assert "secret" not in answer.text


async def test_a_route_tells_which_methods_it_knows(served: Served) -> None:
    answer = await served.ask("PATCH", f"/1.0/server/{served.id}")
    assert answer.status_code == 405
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["allow"].replace(" ", "").split(","))
