"""Nodes: taken in once, believed by their secret, and known to be there only while they are heard."""

import asyncio
from datetime import timedelta

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.nodes.errors import (
    NodeHasServers,
    NodeIsUnknown,
    NodeNameIsInvalid,
    NodeNameIsTaken,
    NoNodeIsOnline,
    NoSuchNode,
)
from innkeeper.core.nodes.model import Node, NodeFacts
from innkeeper.core.nodes.service import PRESENT_FOR, TOKEN_LIFE, NodeService
from innkeeper.kit.ids import uuid7
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, restarted

FACTS = NodeFacts(hostname="haus", cpus=2)


@pytest.fixture
def nodes(house: House) -> NodeService:
    return house.product.nodes


async def token(house: House) -> str:
    return (await house.product.nodes.create_token(house.actor(house.root)))[0]


async def enrol(house: House, name: str, with_token: str | None = None) -> tuple[Node, str]:
    return await house.product.nodes.enrol(
        with_token or await token(house), name, FACTS, address="10.0.0.5", public_host=""
    )


async def test_a_token_takes_in_one_node_once(house: House, nodes: NodeService) -> None:
    once = await token(house)
    node, secret = await enrol(house, "far", once)
    assert (node.name, node.address, node.facts) == ("far", "10.0.0.5", FACTS)
    assert secret not in str(node)
    assert nodes.by_uuid(node.uuid) == node
    with pytest.raises(NodeIsUnknown):
        await enrol(house, "second", once)


async def test_of_two_nodes_with_the_same_token_one_is_taken_in(house: House) -> None:
    once = await token(house)
    assert await refusals(*(enrol(house, f"far{number}", once) for number in range(3))) == [NodeIsUnknown] * 2


async def test_a_token_ends_by_itself(house: House, clock: FakeClock) -> None:
    early, late = await token(house), await token(house)
    clock.advance(seconds=TOKEN_LIFE.total_seconds() - 1)
    await enrol(house, "early", early)
    clock.advance(seconds=1)
    with pytest.raises(NodeIsUnknown):
        await enrol(house, "late", late)


@pytest.mark.parametrize("name", ["", "-far", "far-", "fär", "far node", "f" * 64, "far\n", "a.b"])
async def test_a_refused_name_does_not_use_the_token_up(house: House, name: str) -> None:
    once = await token(house)
    with pytest.raises(NodeNameIsInvalid):
        await enrol(house, name, once)
    with pytest.raises(NodeNameIsTaken):
        await enrol(house, house.node.name, once)
    await enrol(house, "far", once)


async def test_a_token_that_nobody_gave_is_unknown(house: House) -> None:
    for guess in ("inj_guess", "inj_", "secret"):
        with pytest.raises(NodeIsUnknown):
            await enrol(house, "far", guess)


async def test_a_node_proves_itself_with_its_own_secret(house: House, nodes: NodeService, clock: FakeClock) -> None:
    node, secret = await enrol(house, "far")
    _, other = await enrol(house, "other")
    for wrong in ("", other, secret[:-1]):
        with pytest.raises(NodeIsUnknown):
            await nodes.greet(node.uuid, wrong, FACTS)
    with pytest.raises(NodeIsUnknown):
        await nodes.greet(uuid7(), secret, FACTS)
    assert not nodes.is_online(node.id)
    clock.advance(minutes=1)
    await nodes.greet(node.uuid, secret, NodeFacts(hostname="moved"))
    assert (nodes.get(node.id).facts.hostname, nodes.get(node.id).last_seen_at) == ("moved", clock.now())
    assert nodes.is_online(node.id)


async def test_a_greeting_does_not_undo_what_an_administrator_changes_at_the_same_time(
    house: House, nodes: NodeService
) -> None:
    node, secret = await enrol(house, "far")
    for number in range(5):
        await asyncio.gather(
            nodes.greet(node.uuid, secret, NodeFacts(cpus=number)),
            nodes.change(house.actor(house.root), node.uuid, name=f"renamed{number}"),
            nodes.greet(node.uuid, secret, NodeFacts(cpus=number)),
        )
        assert (nodes.get(node.id).name, nodes.get(node.id).facts.cpus) == (f"renamed{number}", number)


async def test_a_node_is_there_while_it_is_heard_and_away_after_silence(
    house: House, nodes: NodeService, clock: FakeClock
) -> None:
    nodes.heard(house.node.id)
    clock.passed += PRESENT_FOR - timedelta(microseconds=1)
    assert nodes.is_online(house.node.id)
    clock.passed += timedelta(microseconds=1)
    assert not nodes.is_online(house.node.id)
    with pytest.raises(NoNodeIsOnline):
        nodes.choose()
    nodes.heard(house.node.id)
    assert [node.id for node in nodes.choose()] == [house.node.id]
    nodes.lost(house.node.id)
    assert not nodes.is_online(house.node.id)


async def test_presence_outlives_a_restart_of_the_panel(house: House, clock: FakeClock) -> None:
    node, secret = await enrol(house, "far")
    await house.product.nodes.greet(node.uuid, secret, FACTS)
    clock.advance(seconds=30)
    again = await restarted(house)
    assert again.product.nodes.is_online(node.id)
    clock.advance(seconds=15)
    assert not again.product.nodes.is_online(node.id)


async def test_the_node_with_the_fewest_servers_is_chosen_deleted_ones_not_counted(
    house: House, nodes: NodeService
) -> None:
    far, _ = await enrol(house, "far")
    nodes.heard(far.id)
    servers = [await house.server(name=f"{number}", node=house.node.uuid) for number in range(2)]
    await house.server(name="far", node=far.uuid)
    assert [node.id for node in nodes.choose()] == [far.id, house.node.id]
    for server in servers:
        await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    assert [node.id for node in nodes.choose()] == [house.node.id, far.id]
    with pytest.raises(NoSuchNode):
        nodes.choose(uuid7())


async def test_a_node_that_keeps_servers_cannot_be_deleted(house: House, nodes: NodeService) -> None:
    far, secret = await enrol(house, "far")
    nodes.heard(far.id)
    server, root = await house.server(node=far.uuid), house.actor(house.root)
    with pytest.raises(NodeHasServers):
        await nodes.delete(root, far.uuid)
    await house.product.servers.delete(root, server)
    await house.settle()
    await nodes.delete(root, far.uuid)
    with pytest.raises(NodeIsUnknown):
        await nodes.greet(far.uuid, secret, FACTS)
    with pytest.raises(NoSuchNode):
        nodes.get(far.id)


@pytest.mark.parametrize("ports", [(0, 5), (10, 9), (1, 65536)])
async def test_a_range_of_ports_that_is_none_is_refused(
    house: House, nodes: NodeService, ports: tuple[int, int]
) -> None:
    with pytest.raises(NodeNameIsInvalid):
        await nodes.change(house.actor(house.root), house.node.uuid, first_port=ports[0], last_port=ports[1])
    assert nodes.get(house.node.id).first_port == house.node.first_port


async def test_the_version_grows_with_what_is_shown_and_not_with_greetings(house: House, nodes: NodeService) -> None:
    node, secret = await enrol(house, "far")
    before = nodes.version
    await nodes.greet(node.uuid, secret, NodeFacts(cpus=64))
    assert nodes.version == before
    await nodes.change(house.actor(house.root), node.uuid, public_host="play.example.org")
    assert nodes.version == before + 1
    await nodes.delete(house.actor(house.root), node.uuid)
    assert nodes.version == before + 2


async def test_the_panels_own_node_is_made_once_and_given_its_present_secret(house: House, nodes: NodeService) -> None:
    again = await nodes.ensure_own("ignored", house.node.uuid, "fresh", address="127.0.0.9", public_host="")
    assert (again.id, again.name, again.address) == (house.node.id, "near", "127.0.0.9")
    await nodes.greet(house.node.uuid, "fresh", FACTS)
    with pytest.raises(NodeIsUnknown):
        await nodes.greet(house.node.uuid, "secret", FACTS)


async def test_nodes_need_permissions(house: House, nodes: NodeService) -> None:
    actor = house.actor(await house.account("guest"))
    with pytest.raises(PermissionIsMissing):
        nodes.all(actor)
    with pytest.raises(PermissionIsMissing):
        nodes.find(actor, house.node.uuid)
    for attempt in (
        nodes.create_token(actor),
        nodes.change(actor, house.node.uuid, name="mine"),
        nodes.delete(actor, house.node.uuid),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    assert nodes.all(house.actor(house.root)) == [nodes.get(house.node.id)]
