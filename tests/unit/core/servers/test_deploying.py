"""Deploying: what is sold is checked, a node with what is needed and with room is found, and nothing is given twice."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innkeeper.core.catalog.errors import IsRetired, NoSuchPlan, NoSuchRegion, NoSuchRuntime, NoSuchVersion
from innkeeper.core.catalog.model import JavaRule, Package, Port, Resources, Runtime, ShippedPlan, Start
from innkeeper.core.catalog.plans import PlanPrice, PlanResources
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.nodes.errors import NodeHasNoRoom, NodeIsOffline, NoNodeIsOnline, NoSuchNode, ToolIsMissing
from innkeeper.core.nodes.model import Region
from innkeeper.core.servers.errors import LimitIsInvalid, NoPortIsFree, PortIsTaken, ResourcesAreThePlans
from innkeeper.core.servers.model import Limits, Server, ServerChanges, ServerDraft
from innkeeper.testing.products import FACTS, House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock, second_node

START = Start(command=("sleep", "1000"), ready_when="output")
SMALL = ShippedPlan(
    name="blocks.small",
    title="Small",
    resources=PlanResources(memory_mib=1024, cpu_percent=150, disk_mib=4096),
    prices=(PlanPrice(currency="EUR", hourly=10_000, monthly=5_000_000),),
)
HEAVY = Resources(memory_mib=3000, minimum_memory_mib=1500)
BLOCKS = Package(
    name="blocks",
    title="Blocks",
    runtimes=(
        Runtime(name="plain", default=True, versions=("2", "1"), aliases={"latest": "2"}),
        Runtime(name="jvm", versions=("1.21.4", "1.12.2"), requires=("java",), resources=HEAVY),
        Runtime(name="built", requires=("git", "java")),
        Runtime(name="mods", addon=True, versions=("7", "6"), install=()),
    ),
    java=(JavaRule(since="1.21", major=21), JavaRule(since="0", major=8)),
    plans=(SMALL,),
    start=START,
    ports=(Port(name="game", default=25565),),
)
OTHER = Package(
    name="other",
    title="Other",
    runtimes=(Runtime(name="other"),),
    plans=(msgspec.structs.replace(SMALL, name="other.small"),),
    start=START,
)
DRAFT = ServerDraft(name="camp", package="blocks")


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with House.open(tmp_path, clock=clock, catalog=Catalog([BLOCKS, OTHER])) as opened:
        yield opened


async def deploy(house: House, **fields: Any) -> Server:
    server, _ = await house.product.servers.create(house.actor(house.root), msgspec.structs.replace(DRAFT, **fields))
    return server


async def limit(house: House, **capacities: int | None) -> None:
    await house.product.nodes.change(house.actor(house.root), house.node.uuid, **capacities)  # type: ignore[arg-type]


async def has(house: House, **facts: Any) -> None:
    await house.product.nodes.greet(house.node.uuid, "secret", msgspec.structs.replace(FACTS, **facts))


def nothing_is_kept(house: House) -> bool:
    return not list(house.product.directory.present()) and not house.gateway.desired


# -- what is sold -----------------------------------------------------------------------------------------------------


async def test_a_server_has_what_its_plan_says(house: House) -> None:
    server = await deploy(house, plan="blocks.small", billing_type="monthly")
    assert (server.plan, server.billing_type) == ("blocks.small", "monthly")
    assert server.limits == Limits(memory_mib=1024, cpu_percent=150, disk_mib=4096)
    [entry] = (await house.product.activity.of_server(server.id, None, 10)).items
    assert entry.data == {"name": "camp", "package": "blocks", "plan": "blocks.small"}


async def test_a_server_without_a_plan_is_not_rented(house: House) -> None:
    server = await deploy(house, limits=Limits(memory_mib=300))
    assert (server.plan, server.billing_type, server.limits) == (None, None, Limits(memory_mib=300))


async def test_a_server_has_the_memory_that_what_runs_it_needs(house: House) -> None:
    assert (await deploy(house)).limits == Limits(memory_mib=512)
    server = await deploy(house, runtime="jvm")
    assert server.limits == Limits(memory_mib=3000)
    await house.settle()
    record, root = house.product.directory.get(server.id), house.actor(house.root)
    with pytest.raises(LimitIsInvalid, match="at least 1500"):
        await house.product.servers.change(root, record, ServerChanges(limits=Limits(memory_mib=1499)))
    changed = await house.product.servers.change(root, record, ServerChanges(limits=Limits(cpu_percent=50)))
    assert changed.limits == Limits(memory_mib=3000, cpu_percent=50)


async def test_a_plan_may_give_less_memory_than_a_user_may(house: House) -> None:
    with pytest.raises(LimitIsInvalid, match="at least 1500"):
        await deploy(house, runtime="jvm", limits=Limits(memory_mib=1024))
    assert (await deploy(house, runtime="jvm", plan="blocks.small")).limits.memory_mib == 1024


async def test_runtimes_and_addons_are_kept_with_their_versions(house: House) -> None:
    server = await deploy(house, version="latest", addons={"mods": None})
    assert (server.runtime, server.version, server.addons, server.releases) == ("plain", "2", {"mods": "7"}, {})
    assert (await deploy(house, addons={"mods": "6"})).addons == {"mods": "6"}


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"plan": "gold"}, NoSuchPlan),
        ({"plan": "other.small"}, NoSuchPlan),
        ({"plan": "blocks.small", "limits": Limits(memory_mib=9999)}, ResourcesAreThePlans),
        ({"region": "mars"}, NoSuchRegion),
        ({"runtime": "mods"}, NoSuchRuntime),
        ({"addons": {"jvm": None}}, NoSuchRuntime),
        ({"addons": {"nothing": None}}, NoSuchRuntime),
        ({"addons": {"mods": "99"}}, NoSuchVersion),
    ],
)
async def test_what_is_not_sold_makes_nothing(house: House, fields: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await deploy(house, **fields)
    assert nothing_is_kept(house)


@pytest.mark.parametrize(("noun", "name"), [("package", "blocks"), ("plan", "blocks.small"), ("region", "local")])
async def test_what_is_retired_is_sold_no_more_and_kept_by_who_has_it(house: House, noun: Any, name: str) -> None:
    wanted = {"plan": "blocks.small", "region": "local"}
    before = await deploy(house, **wanted)
    await house.product.selling.retire(house.actor(house.root), noun, name)
    with pytest.raises(IsRetired, match=name):
        await deploy(house, **wanted)
    await house.settle()
    await house.product.servers.start(house.actor(house.root), house.product.directory.get(before.id))
    await house.product.selling.unretire(house.actor(house.root), noun, name)
    await deploy(house, **wanted)


async def test_the_limits_of_a_plan_are_not_changed_one_by_one(house: House) -> None:
    server = await deploy(house, plan="blocks.small")
    await house.settle()
    record, root = house.product.directory.get(server.id), house.actor(house.root)
    with pytest.raises(ResourcesAreThePlans):
        await house.product.servers.change(root, record, ServerChanges(limits=Limits(memory_mib=9999)))
    await house.product.servers.change(root, record, ServerChanges(name="renamed"))


# -- where ------------------------------------------------------------------------------------------------------------


async def test_a_server_goes_to_the_region_that_is_chosen(house: House) -> None:
    root, far = house.actor(house.root), await second_node(house)
    await house.product.regions.put(root, Region(name="uk-1"))
    with pytest.raises(NoNodeIsOnline):
        await deploy(house, region="uk-1")
    await house.product.nodes.change(root, house.product.nodes.get(far).uuid, region="uk-1")
    assert [(await deploy(house, region="uk-1")).node_id for _ in range(3)] == [far] * 3
    assert (await deploy(house, region="local")).node_id == house.node.id
    with pytest.raises(NoSuchNode):
        await deploy(house, region="uk-1", node=house.node.uuid)


async def test_without_a_choice_no_server_goes_to_a_retired_region(house: House) -> None:
    root, far = house.actor(house.root), await second_node(house)
    await house.product.regions.put(root, Region(name="uk-1"))
    await house.product.nodes.change(root, house.product.nodes.get(far).uuid, region="uk-1")
    await house.product.selling.retire(root, "region", "local")
    assert [(await deploy(house)).node_id for _ in range(3)] == [far] * 3
    await house.product.selling.retire(root, "region", "uk-1")
    with pytest.raises(NoNodeIsOnline):
        await deploy(house)


async def test_the_node_with_the_most_memory_left_in_proportion_comes_first(house: House) -> None:
    far = await second_node(house)
    await limit(house, memory_mib=10_000)
    await house.product.nodes.change(house.actor(house.root), house.product.nodes.get(far).uuid, memory_mib=100_000)
    nodes = [(await deploy(house, limits=Limits(memory_mib=1000))).node_id for _ in range(6)]
    assert nodes == [house.node.id, far, far, far, far, far]


async def test_a_missing_java_is_a_clear_refusal_before_anything_is_kept(house: House) -> None:
    await has(house, javas=[8, 17])
    with pytest.raises(ToolIsMissing, match=r"^Blocks 1\.21\.4 needs Java 21; no node of local has it\.$"):
        await deploy(house, runtime="jvm", region="local")
    assert nothing_is_kept(house)
    assert (await deploy(house, runtime="jvm", version="1.12.2")).version == "1.12.2"
    await has(house, javas=[8, 17, 21])
    await deploy(house, runtime="jvm")


async def test_all_that_software_requires_must_be_on_one_node(house: House) -> None:
    await has(house, javas=[17], tools={})
    with pytest.raises(ToolIsMissing, match=r"needs Java 21 and git; no node has them\.$"):
        await deploy(house, runtime="built")
    await second_node(house)  # it has Java 21, but no git
    with pytest.raises(ToolIsMissing, match=r"needs git; no node has it\.$"):
        await deploy(house, runtime="built")
    await has(house, javas=[17], tools={"git": "2.40"})
    with pytest.raises(ToolIsMissing, match=r"needs Java 21 and git; no node has all of that\.$"):
        await deploy(house, runtime="built")
    await has(house, javas=[21], tools={"git": "2.40"})
    assert (await deploy(house, runtime="built")).node_id == house.node.id


async def test_a_node_that_cannot_be_reached_is_passed_over(house: House) -> None:
    far = await second_node(house)
    house.product.nodes.lost(house.node.id)
    assert (await deploy(house)).node_id == far
    with pytest.raises(NodeIsOffline):
        await deploy(house, node=house.node.uuid)


# -- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacities", "fits"),
    [({"memory_mib": 3000}, 2), ({"disk_mib": 4096 * 3}, 3), ({"most_servers": 1}, 1), ({"most_servers": 0}, 0)],
)
async def test_a_node_promises_no_more_than_it_has(house: House, capacities: dict[str, int], fits: int) -> None:
    await limit(house, **capacities)
    for _ in range(fits):
        await deploy(house, plan="blocks.small")
    kept = len(house.gateway.desired)
    with pytest.raises(NodeHasNoRoom):
        await deploy(house, plan="blocks.small")
    await house.settle()
    assert (len(house.gateway.desired), len(list(house.product.directory.present()))) == (kept, fits)


async def test_a_plan_is_promised_no_more_than_the_host_has(house: House) -> None:
    await has(house, memory_mib=2500)
    for _ in range(2):
        await deploy(house, plan="blocks.small")
    with pytest.raises(NodeHasNoRoom):
        await deploy(house, plan="blocks.small")


async def test_without_capacities_servers_without_a_plan_are_as_many_as_one_likes(house: House) -> None:
    await has(house, memory_mib=2048, disk_mib=1000)
    for number in range(20):
        await deploy(house, name=f"{number}", limits=Limits(memory_mib=512, disk_mib=5000))
    assert len(list(house.product.directory.present())) == 20


async def test_a_full_node_leaves_it_to_the_next(house: House) -> None:
    far = await second_node(house)
    await limit(house, most_servers=1)
    assert {(await deploy(house)).node_id for _ in range(4)} == {house.node.id, far}
    assert house.product.nodes.promised(house.node.id).servers == 1


async def test_room_comes_back_when_a_server_is_deleted(house: House) -> None:
    await limit(house, most_servers=1)
    server = await deploy(house)
    await house.settle()
    await house.product.servers.delete(house.actor(house.root), house.product.directory.get(server.id))
    await house.settle()
    await deploy(house)


async def test_limits_are_raised_only_where_there_is_room(house: House) -> None:
    await limit(house, memory_mib=1000)
    server = await deploy(house, limits=Limits(memory_mib=600))
    await house.settle()
    record, root = house.product.directory.get(server.id), house.actor(house.root)
    with pytest.raises(NodeHasNoRoom):
        await house.product.servers.change(root, record, ServerChanges(limits=Limits(memory_mib=1001)))
    await house.product.servers.change(root, record, ServerChanges(limits=Limits(memory_mib=1000)))
    await limit(house, memory_mib=100)
    await house.product.servers.change(root, house.now(record), ServerChanges(limits=Limits(memory_mib=900)))


# -- ports ------------------------------------------------------------------------------------------------------------


async def test_a_wanted_port_is_looked_for_on_every_node(house: House) -> None:
    await second_node(house)
    ports = [await deploy(house, port=25600) for _ in range(2)]
    assert len({server.node_id for server in ports}) == 2
    with pytest.raises(PortIsTaken):
        await deploy(house, port=25600)


async def test_when_the_ports_of_a_node_are_used_up_the_next_is_taken(house: House) -> None:
    far = await second_node(house)
    await limit(house, first_port=30000, last_port=30000)
    await house.product.nodes.change(
        house.actor(house.root), house.product.nodes.get(far).uuid, first_port=30000, last_port=30001
    )
    assert {((server := await deploy(house)).node_id, server.port) for _ in range(3)} == {
        (house.node.id, 30000),
        (far, 30000),
        (far, 30001),
    }
    assert await refusals(deploy(house)) == [NoPortIsFree]
