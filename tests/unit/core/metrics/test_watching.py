"""Close looks at a server's figures: the node is asked for attention, and the right is asked again."""

import asyncio
from datetime import timedelta

import pytest

from innkeeper.core.access.errors import KeyHasExpired, PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.servers.attention import LookParts, Rhythm
from innkeeper.core.servers.errors import NoSuchServer, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import State
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import a_usage
from tests.unit.core.conftest import FakeClock, server_in

VIEW, METRICS = ServerPermission.VIEW, ServerPermission.METRICS_READ


def hurried(house: House, rhythm: Rhythm) -> MetricService:
    """Return metrics whose attention is renewed sooner than anybody would wait for in a test."""
    product = house.product
    parts = LookParts(
        gateway=house.gateway, servers=product.directory, rights=product.authority, clock=house.clock, rhythm=rhythm
    )
    return MetricService(works=house.database.works, looks=parts, house=house.settings)


async def soon(look):
    async with asyncio.timeout(5):
        return await look.next()


async def test_each_fresh_sample_is_given_once_and_the_newest_at_once(house: House, clock: FakeClock) -> None:
    server, other = await house.server(start=True), await house.server(name="other", start=True)
    metrics, first = house.product.metrics, a_usage(clock.now())
    heard = len(house.product.directory.changes.listeners)
    metrics.take(house.node.id, [(server.server.uuid, first)])
    async with metrics.watch(house.actor(house.root), server, ["samples"]) as look:
        assert await soon(look) == first
        clock.advance(seconds=1)
        second = a_usage(clock.now(), tick_ms=12.5)
        metrics.take(house.node.id, [(other.server.uuid, a_usage(clock.now())), (server.server.uuid, second)])
        await house.gateway.see(server.server.uuid, house.gateway.live(State.RUNNING))
        assert await soon(look) == second
        waiting = asyncio.ensure_future(look.next())
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        waiting.cancel()
    assert house.gateway.attended == [(server.server.uuid, ("samples",), Rhythm().lasts_s)]
    assert len(house.product.directory.changes.listeners) == heard
    assert not house.product.authority.changes.listeners


async def test_attention_is_renewed_while_somebody_looks(house: House) -> None:
    server, metrics = await house.server(start=True), hurried(house, Rhythm(renewed_s=0.02))
    async with metrics.watch(house.actor(house.root), server, {"samples", "tick"}) as look:
        waiting = asyncio.ensure_future(look.next())
        async with asyncio.timeout(5):
            while len(house.gateway.attended) < 4:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.001)
        waiting.cancel()
    assert {what for _, what, _ in house.gateway.attended} == {("samples", "tick")}


async def test_a_node_that_is_lost_ends_the_look_once_its_attention_has_lapsed(house: House) -> None:
    server, metrics = await house.server(start=True), hurried(house, Rhythm(0.1, 0.01, 0.01))
    async with metrics.watch(house.actor(house.root), server, ["samples"]) as look:
        house.gateway.offline = True
        begun = asyncio.get_running_loop().time()
        with pytest.raises(NodeIsOffline):
            await soon(look)
        assert asyncio.get_running_loop().time() - begun >= 0.05


async def test_a_server_that_does_not_run_cannot_be_looked_at(house: House) -> None:
    server = await server_in(house, State.STOPPED, power="off")
    with pytest.raises(ServerIsNotRunning):
        async with house.product.metrics.watch(house.actor(house.root), server, ["samples"]):
            pytest.fail("it was looked at")
    assert not house.product.authority.changes.listeners


async def test_who_may_not_does_not(house: House) -> None:
    server, guest = await house.server(start=True), await house.account("guest")
    await house.share(server, guest, VIEW)
    with pytest.raises(PermissionIsMissing):
        async with house.product.metrics.watch(house.actor(guest), server, ["samples"]):
            pytest.fail("it was looked at")
    assert house.gateway.attended == []


@pytest.mark.parametrize("left", [[VIEW], []])
async def test_a_look_ends_with_the_right_to_it(house: House, left: list[ServerPermission]) -> None:
    server, guest = await house.server(start=True), await house.account("guest")
    await house.share(server, guest, VIEW, METRICS)
    async with house.product.metrics.watch(house.actor(guest), server, ["samples"]) as look:
        waiting = asyncio.ensure_future(soon(look))
        await asyncio.sleep(0)
        await house.share(server, guest, *left)
        with pytest.raises(PermissionIsMissing if left else NoSuchServer):
            await waiting


async def test_a_look_ends_with_its_key(house: House, clock: FakeClock) -> None:
    server = await house.server(start=True)
    _, secret = await house.product.access.create_key(
        house.actor(house.root), name="short", permissions=None, expires_at=clock.now() + timedelta(seconds=1)
    )
    actor = house.product.authority.authenticate(secret, "api")
    async with house.product.metrics.watch(actor, server, ["samples"]) as look:
        clock.advance(seconds=2)
        with pytest.raises(KeyHasExpired):
            await soon(look)


async def test_a_look_that_is_not_taken_keeps_the_newest(house: House, clock: FakeClock) -> None:
    server = await house.server(start=True)
    metrics, taken = house.product.metrics, []
    async with metrics.watch(house.actor(house.root), server, ["samples"]) as look:
        for _ in range(13):
            clock.advance(seconds=1)
            taken.append(a_usage(clock.now()))
            metrics.take(house.node.id, [(server.server.uuid, taken[-1])])
        assert [await soon(look) for _ in range(10)] == taken[3:]
        assert look.dropped == 3
