"""Regions: `local` from the start, made and described by who sells, deleted only when no node stands there."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.catalog.errors import IsRetired, NoSuchRegion, RegionIsInvalid
from innkeeper.core.nodes.errors import CapacityIsInvalid, RegionHasNodes
from innkeeper.core.nodes.model import Region
from innkeeper.core.nodes.regions import Regions
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import restarted, second_node

LONDON = Region(name="uk-1", country="GB", city="London")


@pytest.fixture
def regions(house: House) -> Regions:
    return house.product.regions


async def test_there_is_a_region_from_the_start(regions: Regions) -> None:
    assert regions.all() == regions.with_nodes() == [Region(name="local")]
    assert regions.get("local") == Region(name="local")
    with pytest.raises(NoSuchRegion):
        regions.get("uk-1")


async def test_regions_are_made_described_and_kept(house: House, regions: Regions) -> None:
    root, home = house.actor(house.root), Region(name="local", country="CH", city="Zürich")
    for region in (LONDON, home):
        await regions.put(root, region)
    assert regions.all() == [home, LONDON]
    assert regions.with_nodes() == [home]
    assert (await restarted(house)).product.regions.all() == [home, LONDON]


@pytest.mark.parametrize(
    "region",
    [
        Region(name=""),
        Region(name="UK"),
        Region(name="uk_1"),
        Region(name="-uk"),
        Region(name="u" * 64),
        Region(name="uk", country="a" * 101),
        Region(name="uk", country="G\nB"),
        Region(name="uk", city="a\nb"),
        Region(name="uk", city="a" * 101),
    ],
)
async def test_a_region_that_is_none_is_refused(house: House, regions: Regions, region: Region) -> None:
    with pytest.raises(RegionIsInvalid):
        await regions.put(house.actor(house.root), region)


async def test_a_region_with_nodes_stays(house: House, regions: Regions) -> None:
    root, nodes = house.actor(house.root), house.product.nodes
    await regions.put(root, LONDON)
    await nodes.change(root, house.node.uuid, region="uk-1")
    assert regions.with_nodes() == [LONDON]
    with pytest.raises(RegionHasNodes):
        await regions.delete(root, "uk-1")
    assert regions.get("uk-1") == LONDON
    await nodes.change(root, house.node.uuid, region="local")
    await house.product.selling.retire(root, "region", "uk-1")
    await regions.delete(root, "uk-1")
    with pytest.raises(NoSuchRegion):
        regions.find("uk-1")
    assert not house.product.selling.is_retired("region", "uk-1")
    with pytest.raises(NoSuchRegion):
        await regions.delete(root, "uk-1")


async def test_the_first_region_can_be_retired_and_not_deleted(house: House, regions: Regions) -> None:
    root = house.actor(house.root)
    with pytest.raises(RegionIsInvalid):
        await regions.delete(root, "local")
    await house.product.selling.retire(root, "region", "local")
    assert regions.with_nodes() == []
    assert regions.find("local") == Region(name="local")
    with pytest.raises(IsRetired):
        regions.get("local")


async def test_no_node_joins_a_region_that_is_deleted_at_the_same_time(house: House, regions: Regions) -> None:
    root, nodes = house.actor(house.root), house.product.nodes
    far = nodes.get(await second_node(house))
    for _ in range(5):
        await regions.put(root, LONDON)
        refused = await refusals(nodes.change(root, far.uuid, region="uk-1"), regions.delete(root, "uk-1"))
        assert refused in ([NoSuchRegion], [RegionHasNodes])
        assert nodes.get(far.id).region in {region.name for region in regions.all()}
        await nodes.change(root, far.uuid, region="local")


async def test_a_node_has_a_region_that_there_is_and_capacities_that_are_numbers(house: House) -> None:
    root, nodes = house.actor(house.root), house.product.nodes
    with pytest.raises(NoSuchRegion):
        await nodes.change(root, house.node.uuid, region="mars")
    for wrong in (-1, 1 << 40):
        with pytest.raises(CapacityIsInvalid):
            await nodes.change(root, house.node.uuid, memory_mib=wrong)
    changed = await nodes.change(root, house.node.uuid, memory_mib=1000, disk_mib=2000, most_servers=0)
    assert (changed.memory_mib, changed.disk_mib, changed.most_servers) == (1000, 2000, 0)
    changed = await nodes.change(root, house.node.uuid, memory_mib=None)
    assert (changed.memory_mib, changed.disk_mib) == (None, 2000)


async def test_regions_are_the_sellers_to_say(house: House, regions: Regions) -> None:
    actor = house.actor(await house.account("guest"))
    for attempt in (regions.put(actor, LONDON), regions.delete(actor, "local")):
        with pytest.raises(PermissionIsMissing):
            await attempt
