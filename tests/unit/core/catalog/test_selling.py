"""Plans: as packages ship them until somebody says otherwise; what is retired; who may say so."""

from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.catalog.errors import IsRetired, NoSuchPackage, NoSuchPlan, NoSuchRegion, PlanIsInUse, PlanIsInvalid
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.catalog.selling import Selling
from innkeeper.testing.products import House
from tests.unit.core.conftest import restarted

OWN = Plan(
    name="mc.own",
    package="minecraft",
    title="Own",
    resources=PlanResources(memory_mib=512, cpu_percent=50, disk_mib=1000),
    prices=(PlanPrice(currency="EUR", hourly=1, monthly=100),),
)
STONE = "mc.stone"


@pytest.fixture
def selling(house: House) -> Selling:
    return house.product.selling


def names(plans: list[Plan]) -> list[str]:
    return [plan.name for plan in plans]


async def test_a_game_has_the_plans_that_it_ships(selling: Selling, house: House) -> None:
    shipped = house.product.catalog.get("minecraft").plans
    assert names(selling.plans("minecraft")) == [plan.name for plan in shipped]
    stone = selling.plan(STONE)
    assert (stone.package, stone.resources, stone.prices) == ("minecraft", shipped[0].resources, shipped[0].prices)
    assert selling.plans("custom") == []
    with pytest.raises(NoSuchPlan):
        selling.plan("mc.bedrock")


async def test_plans_made_here_stand_beside_the_shipped_ones_or_in_their_place(selling: Selling, house: House) -> None:
    root, before = house.actor(house.root), names(selling.plans("minecraft"))
    dear = replace(OWN, name=STONE)
    await selling.put_plan(root, OWN)
    await selling.put_plan(root, dear)
    assert names(selling.plans("minecraft")) == [*before, OWN.name]
    assert (selling.plan(STONE), selling.plan(OWN.name)) == (dear, OWN)
    again = (await restarted(house)).product.selling
    assert again.all_plans() == selling.all_plans()
    await again.delete_plan(root, STONE)
    await again.delete_plan(root, OWN.name)
    assert names(again.plans("minecraft")) == before
    assert again.plan(STONE) != dear
    with pytest.raises(NoSuchPlan):
        await again.delete_plan(root, STONE)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "Grass"},
        {"name": "-a"},
        {"name": "a" * 64},
        {"name": "a\n"},
        {"title": ""},
        {"title": "a\nb"},
        {"package": "luanti", "name": STONE},
        {"resources": PlanResources(memory_mib=0, cpu_percent=1, disk_mib=1)},
        {"resources": PlanResources(memory_mib=1, cpu_percent=1 << 30, disk_mib=1)},
        {"resources": PlanResources(memory_mib=1, cpu_percent=1, disk_mib=-1)},
        {"resources": PlanResources(memory_mib=1, cpu_percent=1, disk_mib=1, backups_mib=-1)},
        {"prices": (PlanPrice(currency="eur", hourly=1, monthly=1),)},
        {"prices": (PlanPrice(currency="EURO", hourly=1, monthly=1),)},
        {"prices": (PlanPrice(currency="EUR", hourly=-1, monthly=1),)},
        {"prices": (PlanPrice(currency="EUR", hourly=1, monthly=10**16),)},
        {"prices": (PlanPrice(currency="EUR", hourly=1, monthly=1),) * 2},
    ],
)
async def test_a_plan_that_cannot_be_sold_is_refused(selling: Selling, house: House, fields: dict[str, Any]) -> None:
    before = selling.all_plans()
    with pytest.raises(PlanIsInvalid):
        await selling.put_plan(house.actor(house.root), replace(OWN, **fields))
    assert selling.all_plans() == before


async def test_a_plan_is_of_a_game_that_there_is(selling: Selling, house: House) -> None:
    with pytest.raises(NoSuchPackage):
        await selling.put_plan(house.actor(house.root), replace(OWN, package="doom"))


async def test_a_plan_that_a_server_has_is_not_deleted_from_under_it(selling: Selling, house: House) -> None:
    root = house.actor(house.root)
    await selling.put_plan(root, OWN)
    server = await house.server(package="minecraft", runtime="flying-squid", plan=OWN.name)
    with pytest.raises(PlanIsInUse):
        await selling.delete_plan(root, OWN.name)
    assert selling.plan(OWN.name) == OWN
    await house.product.servers.delete(root, server)
    await house.settle()
    await selling.retire(root, "plan", OWN.name)
    await selling.delete_plan(root, OWN.name)
    await selling.put_plan(root, OWN)
    assert not selling.is_retired("plan", OWN.name)


async def test_what_is_retired_is_not_among_what_is_sold_but_known(selling: Selling, house: House) -> None:
    root = house.actor(house.root)
    for _ in range(2):
        await selling.retire(root, "plan", STONE)
    assert STONE not in names(selling.plans("minecraft"))
    assert STONE in names(selling.all_plans())
    assert selling.get(STONE).name == STONE
    with pytest.raises(IsRetired):
        selling.plan(STONE)
    again = (await restarted(house)).product.selling
    assert again.is_retired("plan", STONE)
    for _ in range(2):
        await again.unretire(root, "plan", STONE)
    assert again.plan(STONE).name == STONE


async def test_only_what_there_is_can_be_retired(selling: Selling, house: House) -> None:
    root = house.actor(house.root)
    for noun, refusal in (("package", NoSuchPackage), ("plan", NoSuchPlan), ("region", NoSuchRegion)):
        with pytest.raises(refusal):
            await selling.retire(root, noun, "nothing")  # type: ignore[arg-type]
    await selling.retire(root, "region", "local")
    await selling.retire(root, "package", "minecraft")
    assert selling.retired("region") == {"local"}


async def test_selling_is_a_permission(selling: Selling, house: House) -> None:
    actor = house.actor(await house.account("guest"))
    for attempt in (
        selling.put_plan(actor, OWN),
        selling.delete_plan(actor, STONE),
        selling.retire(actor, "plan", STONE),
        selling.unretire(actor, "plan", STONE),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt


async def test_the_version_grows_with_what_is_sold(selling: Selling, house: House) -> None:
    before = selling.version
    await selling.put_plan(house.actor(house.root), OWN)
    assert selling.version > before
