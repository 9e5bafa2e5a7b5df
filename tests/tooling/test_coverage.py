"""What is said of the dialects holds: pages are up to date; all they demand is served, written down and used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar

from innkeeper.panel import main as panel_main
from innkeeper.panel.product import Product
from tests.acceptance.exaroton.proving import PASSED, Claims
from tests.clients.exaroton_python import ExarotonPython
from tools import coverage

each_dialect = pytest.mark.parametrize("dialect", coverage.dialects())


@pytest.mark.parametrize(
    "make",
    [
        panel_main.api_application,
        panel_main.crafty_application,
        panel_main.exaroton_application,
        panel_main.serverflex_application,
    ],
    ids=["api", "crafty", "exaroton", "serverflex"],
)
def test_every_route_says_what_it_needs(make: Callable[[Product], Litestar]) -> None:
    assert coverage.served_by(make(coverage.empty_product()))


def test_every_dialect_has_a_table() -> None:
    dialects = Path(panel_main.__file__).parent / "dialects"
    assert coverage.dialects() == sorted(path.parent.name for path in dialects.glob("*/app.py"))


@each_dialect
def test_the_page_of_a_dialect_is_up_to_date(dialect: str) -> None:
    page = coverage.PAGES / f"{dialect}.md"
    assert page.read_text() == coverage.page_of(dialect), f"{page.name} is out of date: run tools/coverage.py"


@each_dialect
def test_all_that_a_dialect_demands_is_served_written_down_and_used_by_a_real_client(dialect: str) -> None:
    assert coverage.coverage_of(dialect).gaps() == []


@each_dialect
def test_the_page_holds_a_table_of_routes_and_one_of_streams_where_there_are_any(dialect: str) -> None:
    words = (coverage.TABLES / f"{dialect}.md").read_text()
    streams = int(bool(coverage.streams_of(coverage.table_of(dialect))))
    assert [words.count(f"\n<!-- {table} -->\n") for table in ("routes", "streams")] == [1, streams]


def test_a_route_that_is_lost_or_unproven_is_a_gap() -> None:
    whole = coverage.coverage_of("exaroton")
    route = "GET /servers/{server}/logs"
    without = {
        "served": "not served",
        "transcripts": "no transcript of a success",
        "proofs": "no real client",
    }
    for part, gap in without.items():
        left = {key: value for key, value in getattr(whole, part).items() if key != route}
        assert f"{route}: {gap}" in msgspec.structs.replace(whole, **{part: left}).gaps()
    refused = [msgspec.structs.replace(each, succeeds=False) for each in whole.transcripts[route]]
    only_refused = msgspec.structs.replace(whole, transcripts=whole.transcripts | {route: refused})
    assert f"{route}: no transcript of a success" in only_refused.gaps()
    strange = msgspec.structs.replace(whole, proofs=whole.proofs | {"GET /nowhere": [], "stream nothing": []})
    assert {"GET /nowhere: proven, but not known", "stream nothing: proven, but not known"} <= set(strange.gaps())


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("GET /servers/", "GET /servers"),
        ("GET /servers/EwYiY9IAMtQBTb6U", "GET /servers/{server}"),
        ("GET /servers/{id}/logs/share/", "GET /servers/{server}/logs/share"),
        ("GET /servers/{id}/files/info/a%20b/c.txt?x=1", "GET /servers/{server}/files/info/{path}"),
        ("GET /servers/{id}/files/info/", "GET /servers/{server}/files/info"),
        ("PATCH /servers/{id}", None),
        ("GET /servers/{id}/nothing", None),
    ],
)
def test_a_request_is_for_the_route_with_the_fewest_open_parts(asked: str, route: str | None) -> None:
    method, _, path = asked.partition(" ")
    assert coverage.route_of(coverage.table_of("exaroton").routes, method, path) == route


def test_claims_are_read_from_tests_without_running_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_it.py").write_text(
        "@pytest.mark.slow\n"
        '@pytest.mark.proves("exaroton GET /account", "other GET /account", by=["npm 1", "PyPI"])\n'
        '@pytest.mark.proves("exaroton stream heap", by=["npm 1"])\n'
        "async def test_it(): ...\n"
    )
    monkeypatch.setattr(coverage, "TESTS", tmp_path)
    found = coverage.proofs_of("exaroton")
    assert {used: [(proof.client, proof.test) for proof in proofs] for used, proofs in found.items()} == {
        "GET /account": [("npm 1", "test_it"), ("PyPI", "test_it")],
        "stream heap": [("npm 1", "test_it")],
    }


class Item:
    """What pytest has of a test, as far as claims look at it."""

    def __init__(self, *markers: pytest.MarkDecorator, passed: bool = True) -> None:
        self._markers = [marker.mark for marker in markers]
        self.stash = pytest.Stash()
        self.stash[PASSED] = passed

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self._markers if mark.name == name]


CLAIM = pytest.mark.proves("exaroton GET /account", "exaroton stream heap", by=["PyPI"])


def test_a_claim_that_the_client_did_not_make_good_fails_its_test() -> None:
    client = ExarotonPython("http://127.0.0.1:1/v1", "key")
    claims = Claims(Item(CLAIM), {"pypi"})
    client.asked = [("GET", "/v1/account", 403), ("GET", "/v1/servers", 200)]
    with pytest.raises(AssertionError, match="did not use"):
        claims.hold_for("PyPI", client)
    client.asked.append(("GET", "/v1/account/", 200))
    with pytest.raises(AssertionError, match="stream heap"):
        claims.hold_for("PyPI", client)
    client.streams.add("heap")
    claims.hold_for("PyPI", client)


def test_a_claim_for_a_client_that_has_no_part_in_the_test_fails_it() -> None:
    with pytest.raises(AssertionError, match="PyPI has no part"):
        Claims(Item(CLAIM), {"npm"})


def test_a_test_that_failed_has_nothing_to_make_good() -> None:
    Claims(Item(CLAIM, passed=False), {"pypi"}).hold_for("PyPI", ExarotonPython("http://127.0.0.1:1/v1", "key"))
