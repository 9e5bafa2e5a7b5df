"""Commands around a server's game and its credits, against the real API."""

from pathlib import Path

import pytest

from innkeeper.cli.credits import micro, shown
from tests.unit.cli.conftest import Inn
from tests.unit.core.billing.renting import HOURLY, MONTHLY, priced, rents


async def test_player_lists_are_changed_by_name(inn: Inn) -> None:
    await inn.house.server(name="camp", package="minecraft")
    assert "whitelist" in (await inn.run("players", "lists", "camp")).out
    added = await inn.run("players", "add", "camp", "whitelist", "Alice", "Bob")
    assert [line.split()[0] for line in added.out.splitlines()[1:]] == ["Alice", "Bob"]
    await inn.run("players", "remove", "camp", "whitelist", "Alice")
    assert (await inn.run("players", "ls", "camp", "whitelist", "--json")).document[0]["name"] == "Bob"


async def test_config_options_are_set_by_assignment(inn: Inn, tmp_path: Path) -> None:
    await inn.house.server(name="camp", package="minecraft")
    file = tmp_path / "server.properties"
    file.write_text("max-players=20\n")
    assert (await inn.run("files", "put", "camp", str(file))).code == 0
    changed = await inn.run("config", "set", "camp", "server.properties", "max-players=30", "--json")
    assert changed.code == 0, changed.err
    assert {option["key"]: option["value"] for option in changed.document}["max-players"] == 30
    refused = await inn.run("config", "set", "camp", "server.properties", "max-players=many")
    assert (refused.code, "max-players" in refused.err) == (1, True)


async def test_credits_are_given_and_the_books_proved(inn: Inn) -> None:
    given = await inn.run("credits", "give", inn.house.root.username, "12.5", "--text", "first")
    assert given.code == 0, given.err
    assert (await inn.run("credits", "show")).out.splitlines()[0].split() == ["credits", "12.5"]
    assert "top_up" in (await inn.run("credits", "entries")).out
    assert (await inn.run("credits", "price", "1")).out == "1 credits per GiB and hour.\n"
    assert (await inn.run("credits", "check")).out == "The books are right.\n"


async def test_renting_is_switched_and_paid_in_a_currency(inn: Inn) -> None:
    name = inn.house.root.username
    assert (await inn.run("billing", "status")).out.split() == ["charging", "no", "currency", "USD"]
    assert (await inn.run("billing", "currency", "eur")).out.split()[-1] == "EUR"
    given = await inn.run("credits", "give", name, "12.5", "--currency", "eur")
    assert given.out == f"{name} is given 12.5 EUR.\n"
    assert (await inn.run("credits", "show")).out.splitlines()[1].split() == ["EUR", "12.5"]
    assert "12.5 EUR" in (await inn.run("credits", "entries", "--currency", "EUR")).out
    await priced(inn.house, EUR=(HOURLY, MONTHLY))
    assert (await inn.run("billing", "on")).out.split()[:2] == ["charging", "since"]
    await rents(inn.house, inn.house.actor(inn.house.root))
    rental = (await inn.run("billing", "rental", "camp")).out
    assert "0.07 EUR" in rental
    assert "7 EUR" in rental
    assert (await inn.run("billing", "off")).out.split()[:2] == ["charging", "no"]


async def test_a_pool_is_made_filled_and_pays(inn: Inn) -> None:
    await inn.house.server(name="camp")
    await inn.run("credits", "give", inn.house.root.username, "2")
    await inn.run("pools", "create", "friends")
    assert (await inn.run("pools", "deposit", "friends", "1.5")).out == "friends has 1.5 credits.\n"
    assert (await inn.run("pools", "pay", "camp", "friends")).out == "camp is paid for by friends.\n"
    row = (await inn.run("pools", "ls")).out.splitlines()[1].split()
    assert row[:5] == ["friends", "1.5", "1.5", "1", "1"]
    assert (await inn.run("pools", "withdraw", "friends", "1.5")).code == 0
    assert (await inn.run("pools", "delete", "friends", "--yes")).code == 0


async def test_figures_of_a_server_that_does_not_run_are_refused_in_the_apis_words(inn: Inn) -> None:
    await inn.house.server(name="camp")
    ran = await inn.run("servers", "figures", "camp", "-n", "1")
    assert (ran.code, ran.err) == (1, "innkeeper: The server is not running.\n")


@pytest.mark.parametrize(("text", "amount"), [("1", 1_000_000), ("0.000001", 1), ("-2.5", -2_500_000)])
def test_credits_are_written_and_read_exactly(text: str, amount: int) -> None:
    assert micro(text) == amount
    assert shown(amount) == text


@pytest.mark.parametrize("text", ["", "a", "0.0000001", "inf", "nan", "1e400"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="credits"):
        micro(text)
