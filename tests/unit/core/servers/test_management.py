"""A game's management protocol: passed through for those who may, and followed for as long as they may."""

import asyncio
from typing import Any

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.errors import ManagementIsUnavailable, ManagementRefused, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import State
from innkeeper.testing.managements import UNKNOWN_METHOD
from innkeeper.testing.products import House
from tests.unit.core.conftest import server_in

VIEW, MANAGEMENT = ServerPermission.VIEW, ServerPermission.MANAGEMENT


async def soon(followed) -> tuple[str, Any]:
    async with asyncio.timeout(5):
        return await followed.next()


async def test_a_request_is_passed_through_and_noted(house: House) -> None:
    server = await house.server(start=True)
    game = house.gateway.management(server.server.uuid)
    game.answers["minecraft:players"] = [{"name": "Alice"}]
    actor = house.actor(house.root)
    assert await house.product.management.call(actor, server, "minecraft:players", [1]) == [{"name": "Alice"}]
    assert game.calls == [("minecraft:players", [1])]
    noted = await house.product.activity.of_server(server.server.id, None, 10)
    assert ("management.call", {"method": "minecraft:players"}) in [(entry.action, entry.data) for entry in noted.items]


async def test_what_the_game_refuses_is_told(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.management(server.server.uuid)
    with pytest.raises(ManagementRefused) as refused:
        await house.product.management.call(house.actor(house.root), server, "no:such")
    assert refused.value.data == {"error": UNKNOWN_METHOD}


async def test_a_game_without_one_has_none(house: House) -> None:
    server = await house.server(start=True)
    with pytest.raises(ManagementIsUnavailable):
        await house.product.management.call(house.actor(house.root), server, "x:y")
    with pytest.raises(ManagementIsUnavailable):
        async with house.product.management.follow(house.actor(house.root), server):
            pytest.fail("it was followed")


async def test_a_game_that_does_not_run_is_not_asked(house: House) -> None:
    server = await server_in(house, State.STOPPED, power="off")
    game = house.gateway.management(server.server.uuid)
    with pytest.raises(ServerIsNotRunning):
        await house.product.management.call(house.actor(house.root), server, "x:y")
    assert game.calls == []


async def test_notifications_come_in_order_until_the_follower_leaves(house: House) -> None:
    server = await house.server(start=True)
    game = house.gateway.management(server.server.uuid)
    async with house.product.management.follow(house.actor(house.root), server) as followed:
        for number in range(3):
            game.notify("minecraft:notification/players/joined", [number])
        assert [await soon(followed) for _ in range(3)] == [
            ("minecraft:notification/players/joined", [number]) for number in range(3)
        ]
    assert game.watchers == []
    assert [what for _, what, _ in house.gateway.attended] == [("management",)]


async def test_following_ends_with_the_right_to_it(house: House) -> None:
    server, guest = await house.server(start=True), await house.account("guest")
    game = house.gateway.management(server.server.uuid)
    await house.share(server, guest, VIEW, MANAGEMENT)
    async with house.product.management.follow(house.actor(guest), server) as followed:
        waiting = asyncio.ensure_future(soon(followed))
        await asyncio.sleep(0)
        await house.share(server, guest, VIEW)
        with pytest.raises(PermissionIsMissing):
            await waiting
    assert game.watchers == []
    with pytest.raises(PermissionIsMissing):
        await house.product.management.call(house.actor(guest), server, "x:y")
    assert game.calls == []
