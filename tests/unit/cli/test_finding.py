"""Names, ids and beginnings of ids."""

import pytest

from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import pick
from innkeeper.cli.servers import short_ids

CAMP = {"id": "01a1ffbc-4b42-76f3-9834-5725121c47f6", "name": "camp"}
FORT = {"id": "01a1ffbc-4b42-7000-8000-000000000000", "name": "fort"}
TWIN = {"id": "77777777-4b42-7000-8000-000000000000", "name": "fort"}


def test_a_name_or_the_beginning_of_an_id_names_a_server() -> None:
    assert pick([CAMP, FORT], "camp", "server") is CAMP
    assert pick([CAMP, FORT], "01a1ffbc-4b42-76", "server") is CAMP
    assert pick([CAMP, FORT], "01A1FFBC4B427000", "server") is FORT


def test_two_of_one_name_are_told_apart_by_id_only() -> None:
    with pytest.raises(CommandFailed, match="any of 2") as caught:
        pick([CAMP, FORT, TWIN], "fort", "server")
    assert caught.value.data["candidates"] == [FORT["id"], TWIN["id"]]
    assert pick([CAMP, FORT, TWIN], "7777", "server") is TWIN


def test_a_beginning_that_two_share_is_not_guessed() -> None:
    with pytest.raises(CommandFailed, match="any of 2"):
        pick([CAMP, FORT], "01a1ffbc", "server")


def test_a_name_goes_before_the_beginning_of_an_id() -> None:
    named = {"id": "99999999-4b42-7000-8000-000000000000", "name": "01a1"}
    assert pick([CAMP, named], "01a1", "server") is named


@pytest.mark.parametrize("wanted", ["Camp", "cam", "01a", "", "%", "../x"])
def test_what_names_nothing_is_an_error(wanted: str) -> None:
    with pytest.raises(CommandFailed, match="no server"):
        pick([CAMP, FORT], wanted, "server")


def test_shown_ids_differ() -> None:
    shown = short_ids([CAMP["id"], FORT["id"], TWIN["id"]])
    assert len(set(shown)) == 3
    assert shown[2] == "77777777"
