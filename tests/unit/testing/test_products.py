"""The house that other tests stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.lifecycle import State
from innkeeper.testing.products import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path) as opened:
        yield opened


async def test_a_server_is_installed_and_started_by_an_obedient_node(house: House) -> None:
    server = await house.server()
    assert server.live.state is State.STOPPED
    operation = await house.product.servers.start(house.actor(house.root), server)
    await house.settle()
    assert house.now(server).live.state is State.RUNNING
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE


async def test_an_order_that_is_held_back_is_carried_out_when_the_test_says(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.obeys = False
    await house.product.servers.stop(house.actor(house.root), server)
    assert house.now(server).live.state is State.STOPPING
    await house.gateway.carry_out(server.server.uuid)
    assert house.now(server).live.state is State.STOPPED


async def test_a_deleted_server_is_gone(house: House) -> None:
    server = await house.server()
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    assert house.now(server).server.state is State.DELETED


async def test_keys_carry_what_they_are_given(house: House) -> None:
    guest = await house.account("guest")
    key = await house.key(guest, "server.view")
    assert house.product.authority.authenticate(key, "api", None).scope == {"server.view"}
