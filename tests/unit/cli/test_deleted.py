"""Deleted servers on the command line."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.http.serving import HttpServer
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House
from tests.unit.cli.conftest import Inn


@pytest.fixture
async def inn(tmp_path: Path) -> AsyncIterator[Inn]:
    """A serving house that keeps deleted servers for a day."""
    async with House.open(tmp_path, settings=Settings(deletion_grace=timedelta(hours=24))) as house:
        tasks = TaskSet("http").start_set()
        found = Inn(house, HttpServer(lambda *_: None, tasks), tmp_path)  # type: ignore[arg-type, return-value]
        try:
            await found.serve(house, tasks)
            found.key = await house.key(house.root)
            yield found
        finally:
            await found.http.close()
            await tasks.aclose()


async def test_a_server_is_deleted_listed_and_brought_back(inn: Inn) -> None:
    await inn.house.server(name="fort", port=4000)
    assert "No deleted server is kept." in (await inn.run("servers", "deleted")).err
    assert (await inn.run("servers", "delete", "fort", "--yes")).out == "fort is deleted.\n"
    (kept,) = json.loads((await inn.run("servers", "deleted", "--json")).out)
    assert (kept["name"], kept["port"]) == ("fort", 4000)
    assert (await inn.run("servers", "restore", "fort")).out == "fort is back, and stopped.\n"
    assert [item["name"] for item in json.loads((await inn.run("servers", "ls", "--json")).out)] == ["fort"]
    assert (await inn.run("servers", "restore", "fort")).code == 1


async def test_what_is_purged_is_gone_at_once_or_out_of_what_is_kept(inn: Inn) -> None:
    for name in ("one", "two"):
        await inn.house.server(name=name)
    assert (await inn.run("servers", "delete", "one", "--purge", "--yes")).code == 0
    assert len(inn.house.gateway.removed) == 1
    assert (await inn.run("servers", "delete", "two", "--yes")).code == 0
    assert (await inn.run("servers", "purge", "two")).code == 2
    assert (await inn.run("servers", "purge", "two", "--yes")).out == "two is gone.\n"
    assert len(inn.house.gateway.removed) == 2


async def test_an_account_is_made_and_changed_with_its_particulars(inn: Inn) -> None:
    token = inn.house.root.referral_token
    words = ("--given-name", "Anna", "--country", "de", "--currency", "eur", "--referral", token, "--json")
    made = json.loads((await inn.run("accounts", "create", "anna", *words)).out)
    assert (made["given_name"], made["country"], made["currency"]) == ("Anna", "DE", "EUR")
    changed = json.loads((await inn.run("accounts", "set", "anna", "--family-name", "Berg", "--json")).out)
    assert changed["family_name"] == "Berg"
    assert (await inn.run("accounts", "set", "anna", "--country", "ZZ")).code == 1


async def test_how_many_servers_an_account_may_own_is_set_and_taken_back(inn: Inn) -> None:
    made = json.loads((await inn.run("accounts", "create", "anna", "--most-servers", "3", "--json")).out)
    assert made["most_servers"] == 3
    assert json.loads((await inn.run("accounts", "create", "bert", "--json")).out)["most_servers"] is None
    changed = json.loads((await inn.run("accounts", "set", "anna", "--most-servers", "0", "--json")).out)
    assert changed["most_servers"] == 0
    changed = json.loads((await inn.run("accounts", "set", "anna", "--most-servers", "none", "--json")).out)
    assert changed["most_servers"] is None
    assert (await inn.run("accounts", "set", "anna", "--given-name", "none")).code == 0
    assert (await inn.run("accounts", "set", "anna", "--most-servers", "many")).code == 2
