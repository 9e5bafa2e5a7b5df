"""What is shown of what is sold, and of servers, beyond what a transcript of one house can hold."""

from typing import get_args

import msgspec
import pytest

from innkeeper.core.catalog.loader import SHIPPED, load_package, load_packages
from innkeeper.core.catalog.model import Property
from innkeeper.core.operations.model import Verb
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Live
from innkeeper.panel.dialects.serverflex.catalogue import Catalogue
from innkeeper.panel.dialects.serverflex.views import STATES, TYPES, state_of
from tests.dialects.serverflex import fields
from tests.dialects.serverflex.served import PACKAGES, Served

SHOWN = ("deploying", "starting", "running", "stopping", "stopped", "deleting")
"""ref: Server States."""


def test_every_state_and_every_verb_has_a_word() -> None:
    assert set(STATES) == set(State)
    assert set(STATES.values()) == set(SHOWN)
    assert set(TYPES) == set(get_args(Verb))


@pytest.mark.parametrize(
    ("live", "shown"),
    [
        (Live(state=State.CREATED), "deploying"),
        (Live(state=State.CREATED, reason="the installation failed: no such file"), "stopped"),
        (Live(state=State.CRASHED, reason="out of memory"), "stopped"),
    ],
)
async def test_a_server_that_nothing_more_happens_to_is_stopped(served: Served, live: Live, shown: str) -> None:
    assert state_of(msgspec.structs.replace(served.example, live=live)) == shown


def test_of_properties_of_one_name_the_first_is_shown() -> None:
    package = load_package(PACKAGES / "minecraft")
    twice = Property(name="EULA", type="string", runtimes=("forge",))
    shown = Catalogue.properties(msgspec.structs.replace(package, properties=(*package.properties, twice)))
    assert [item.name for item in shown] == [item.name for item in package.properties]


@pytest.mark.parametrize("package", load_packages(SHIPPED), ids=lambda package: package.name)
def test_the_properties_of_every_shipped_package_are_as_clients_read_them(package: object) -> None:
    shown = msgspec.to_builtins(Catalogue.properties(package))  # type: ignore[arg-type]
    assert len({item["name"].lower() for item in shown}) == len(shown)
    for item in shown:
        fields.setting(item)
        choices = [choice["value"] for choice in item["acceptedValues"]]
        assert item["default"] is None or not choices or item["default"] in choices
        assert item["name"] != "eula" or item["default"] is None, "nobody agrees in another's place"


@pytest.mark.parametrize(
    ("public_host", "address"),
    [("", "127.0.0.1"), ("play.example.com", "127.0.0.1"), ("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7")],
)
async def test_the_address_of_a_server_is_a_number(served: Served, public_host: str, address: str) -> None:
    house = served.house
    await house.product.nodes.change(house.actor(house.root), house.node.uuid, public_host=public_host)
    shown = (await served.get(f"/1.0/server/{served.id}")).json()
    assert shown["network"]["ipAddress"] == address
