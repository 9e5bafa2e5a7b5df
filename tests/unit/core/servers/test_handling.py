"""How a server is handled where that is not left to its package: what of it is accepted, and what the node is told."""

from typing import Any

import pytest

from innkeeper.core.errors import CoreError
from innkeeper.core.servers.errors import CommandIsInvalid, LimitIsInvalid
from innkeeper.core.servers.model import Handling, ServerChanges
from innkeeper.panel.gateway import desired_server
from innkeeper.testing.products import House


async def test_what_is_not_said_is_as_the_package_says(house: House) -> None:
    record = await house.server(package="minecraft", runtime="command", properties={"command": "java -jar a.jar"})
    told = desired_server(house.gateway.desired[record.server.uuid])
    assert (told.stop.command, told.stop.timeout_s, told.clean_exit) == ("stop", 120, (0, 130, 143))
    assert told.autostart_delay_s == 0


async def test_what_is_said_is_what_the_node_is_told(house: House) -> None:
    handling = Handling(stop_command="end", stop_timeout_s=7, clean_exits=(0, -9), autostart_delay_s=30)
    record = await house.server(handling=handling)
    told = desired_server(house.gateway.desired[record.server.uuid])
    assert (told.stop.command, told.stop.timeout_s, told.clean_exit) == ("end", 7, (0, -9))
    assert told.autostart_delay_s == 30


@pytest.mark.parametrize(
    ("wrong", "condition"),
    [
        ({"stop_timeout_s": -1}, LimitIsInvalid),
        ({"autostart_delay_s": 86_401}, LimitIsInvalid),
        ({"clean_exits": (256,)}, LimitIsInvalid),
        ({"clean_exits": tuple(range(65))}, LimitIsInvalid),
        ({"stop_command": "stop\nop me"}, CommandIsInvalid),
        ({"stop_command": "s" * 4097}, CommandIsInvalid),
    ],
)
async def test_what_cannot_be_is_refused_when_a_server_is_made_and_when_it_is_changed(
    house: House, wrong: dict[str, Any], condition: type[CoreError]
) -> None:
    with pytest.raises(condition):
        await house.server(handling=Handling(**wrong))
    record = await house.server()
    with pytest.raises(condition):
        changes = ServerChanges(handling=Handling(**wrong))
        await house.product.servers.change(house.actor(house.root), record, changes)
    assert house.now(record).server.handling == Handling()


@pytest.mark.parametrize(("chosen", "major"), [("", None), ("17", 17)])
async def test_a_server_that_was_brought_along_runs_with_the_java_that_is_chosen(
    house: House, chosen: str, major: int | None
) -> None:
    properties = {"import-folder": "/srv/import/old", "jar": "paper.jar", "java": chosen}
    record = await house.server(package="minecraft", runtime="imported", properties=properties)
    blueprint = house.gateway.desired[record.server.uuid].blueprint
    assert blueprint.java == major
    assert [step["uses"] for step in blueprint.install] == ["folder"]
