"""Every condition of the product has a status and a name in this dialect, and every refusal one shape."""

import pytest

from innkeeper.core.errors import CoreError, all_conditions
from innkeeper.core.servers.errors import ServerIsBusy
from innkeeper.panel.dialects.crafty.errors import ROWS, Refused, row_of, said
from innkeeper.panel.main import Panel
from tests.dialects.crafty.served import Served

assert callable(Panel)  # every condition is imported with the panel

KINDS = {
    "unauthenticated": {401, 403},
    "forbidden": {400},
    "not_found": {400, 404},
    "gone": {400, 410},
    "invalid": {400, 405},
    "conflict": {400, 409},
    "exhausted": {400, 409, 413, 429, 507},
    "unavailable": {503},
    "failed": {500},
}


@pytest.mark.parametrize("condition", all_conditions(), ids=lambda condition: condition.__name__)
def test_every_condition_has_a_status_of_its_kind(condition: type[CoreError]) -> None:
    assert row_of(condition).status in KINDS[condition.kind]


@pytest.mark.parametrize("condition", all_conditions(), ids=lambda condition: condition.__name__)
def test_every_condition_has_a_name(condition: type[CoreError]) -> None:
    _, name, more, _ = said(condition())
    assert name and name == name.upper()
    assert set(more) <= {"info", "error_data", "cooldown_time"}


def test_no_status_is_one_that_clients_do_not_know() -> None:
    assert {row.status for row in ROWS.values()} <= {400, 401, 403, 404, 405, 409, 410, 413, 429, 500, 503, 507}


def test_a_refusal_with_a_name_of_its_own_is_said_by_that_name() -> None:
    assert said(Refused(error="DATA CONSTRAINT FAILED", status=405)) == (405, "DATA CONSTRAINT FAILED", {}, {})
    assert said(Refused(error="UNKNOWN", info="so"))[2] == {"info": "so"}


def test_who_is_to_wait_is_told_for_how_long() -> None:
    _, _, more, headers = said(ServerIsBusy(retry_after_s=2.1))
    assert (more["cooldown_time"], headers) == (3, {"Retry-After": "3"})


async def test_a_fault_of_ours_tells_nothing_but_its_id(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(served.house.product.access, "roles", fail)
    answer = await served.ask("GET", "/roles", token=await served.token("root"))
    assert (answer.status_code, answer.json()["error"]) == (500, "FAULT")
    assert "secret" not in answer.text


async def test_a_route_tells_which_methods_it_knows(served: Served) -> None:
    answer = await served.ask("PUT", "/roles")
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_too_many_sign_ins_are_told_to_wait(served: Served) -> None:
    for _ in range(30):
        answer = await served.ask("POST", "/auth/login", json={"username": "root", "password": "wrong"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert answer.json()["error"] == "TOO_MANY_ATTEMPTS"
    assert answer.json()["cooldown_time"] == int(answer.headers["retry-after"])
