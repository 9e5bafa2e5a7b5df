"""Webhooks on the command line."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from innkeeper.core.webhooks.queue import TESTS_ALLOWED
from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.main import notifiers
from innkeeper.testing.products import House
from innkeeper.testing.receivers import Receiver
from tests.unit.cli.conftest import Inn

URL = "https://example.org/hooks/very-secret"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose messages may go to this host."""
    courier = HttpCourier(notifiers(), networks=("127.0.0.0/8",))
    async with House.open(tmp_path, courier=courier) as house:
        yield house
    await courier.aclose()


async def test_webhooks_are_made_listed_shown_changed_and_deleted(inn: Inn) -> None:
    await inn.house.server(name="fort")
    assert "Nobody is told" in (await inn.run("webhooks", "ls", "fort")).err
    words = ("--on", "started", "--on", "crashed", "--body", "{{ event_name }}!", "--colour", "#ff0000")
    made = await inn.run("webhooks", "create", "fort", "club", "discord", URL, *words)
    assert made.out == "club is told of crashed, started.\n"
    listed = (await inn.run("webhooks", "ls", "fort")).out
    assert "crashed, started" in listed
    assert "well" in listed
    assert URL not in listed
    shown = (await inn.run("webhooks", "show", "fort", "club")).out
    assert URL in shown
    assert "{{ event_name }}!" in shown
    assert "#ff0000" in shown

    changed = await inn.run("webhooks", "set", "fort", "club", "--name", "pub", "--on", "ready", "--disabled")
    assert changed.out == "pub is changed.\n"
    [one] = (await inn.run("webhooks", "ls", "fort", "--json")).document  # type: ignore[misc]
    assert (one["name"], one["triggers"], one["enabled"]) == ("pub", ["ready"], False)
    assert "disabled" in (await inn.run("webhooks", "ls", "fort")).out
    assert (await inn.run("webhooks", "delete", "fort", "pub", "--yes")).out == "pub is deleted.\n"
    assert "Nobody is told" in (await inn.run("webhooks", "ls", "fort")).err


async def test_a_secret_is_told_when_it_is_made_and_when_it_is_renewed(inn: Inn) -> None:
    await inn.house.server(name="fort")
    made = (await inn.run("webhooks", "create", "fort", "club", "json", URL, "--on", "started")).out
    old = made.split()[-1]
    assert old.startswith("whsec_")
    assert old not in (await inn.run("webhooks", "show", "fort", "club", "--json")).out
    new = (await inn.run("webhooks", "new-secret", "fort", "club")).out.strip()
    assert new.startswith("whsec_")
    assert new != old


async def test_a_test_says_what_became_of_it_and_deliveries_are_listed(inn: Inn) -> None:
    await inn.house.server(name="fort")
    async with Receiver.open() as receiver:
        await inn.run("webhooks", "create", "fort", "club", "slack", receiver.url, "--on", "started")
        assert "No message was sent." in (await inn.run("webhooks", "deliveries", "fort", "club")).err
        ran = await inn.run("webhooks", "test", "fort", "club")
        assert (ran.code, ran.out.splitlines()[-1]) == (0, "club took it with status 204.")
        receiver.answers += ["500 Internal Server Error"]
        ran = await inn.run("webhooks", "test", "fort", "club", "--json")
        assert (ran.code, ran.error["code"]) == (1, "delivery_failed")
        for _ in range(TESTS_ALLOWED - 2):
            await inn.run("webhooks", "test", "fort", "club")
        ran = await inn.run("webhooks", "test", "fort", "club", "--json")
        assert (ran.code, ran.error["code"]) == (1, "too_many_tests")
        assert len(receiver.taken) == TESTS_ALLOWED
    listed = (await inn.run("webhooks", "deliveries", "fort", "club")).out
    assert "HTTP 500" in listed
    assert listed.count(" done ") == TESTS_ALLOWED - 1
    found = (await inn.run("webhooks", "deliveries", "fort", "club", "--limit", "1", "--json")).document
    assert [one["happening"] for one in found] == ["test"]  # type: ignore[attr-defined]


async def test_what_is_wrong_is_said(inn: Inn) -> None:
    await inn.house.server(name="fort")
    create = ("webhooks", "create", "fort", "club", "json")
    ran = await inn.run(*create, "http://10.0.0.1/", "--on", "started", "--json")
    assert (ran.code, ran.error["code"]) == (1, "webhook_is_invalid")
    ran = await inn.run(*create, URL, "--on", "sunset", "--json")
    assert (ran.code, ran.error["code"]) == (1, "webhook_is_invalid")
    assert (await inn.run(*create, URL)).code == 2
    await inn.run(*create, URL, "--on", "started")
    assert (await inn.run("webhooks", "set", "fort", "club")).code == 2
    assert (await inn.run("webhooks", "show", "fort", "pub")).code != 0
