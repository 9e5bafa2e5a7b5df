"""Streams that only tell, over a real socket: figures and what a management server says."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from innkeeper.core.servers.directory import Record
from innkeeper.testing.products import House

DEADLINE_S = 10


def socket(url: str, server: Record, key: str, which: str) -> connect:
    address = f"{url.replace('http', 'ws', 1)}/servers/{server.server.uuid}/{which}/stream"
    return connect(address, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None)


async def frame(stream: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        found: dict[str, Any] = json.loads(await stream.recv())
        return found


async def test_figures_of_a_server_that_does_not_run_are_refused_before_the_socket_opens(
    house: House, url: str
) -> None:
    server = await house.server()
    with pytest.raises(InvalidStatus) as refused:
        async with socket(url, server, await house.key(house.root), "figures"):
            pass
    assert refused.value.response.status_code == 409


async def test_what_a_management_server_says_is_passed_on(house: House, url: str) -> None:
    server = await house.server(start=True)
    management = house.gateway.management(server.server.uuid)
    async with socket(url, server, await house.key(house.root), "management") as stream:
        assert (await frame(stream))["type"] == "ready"
        management.notify("minecraft:notification/players/joined", [{"name": "Alice"}])
        assert await frame(stream) == {
            "type": "notification",
            "name": "minecraft:notification/players/joined",
            "data": [{"name": "Alice"}],
        }


async def test_the_stream_ends_with_the_right_to_it(house: House, url: str) -> None:
    server = await house.server(start=True)
    bob = await house.account("bob")
    await house.share(server, bob, "server.view", "metrics.read")
    async with socket(url, server, await house.key(bob), "figures") as stream:
        assert (await frame(stream))["type"] == "ready"
        await house.product.access.unshare(house.actor(house.root), server, bob.id)
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    await stream.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code in (4403, 4404)
