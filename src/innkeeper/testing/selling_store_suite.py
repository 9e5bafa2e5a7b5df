"""What every keeper of what is sold must hold to, and of what nodes have promised; see `store_suite`."""

import asyncio

from msgspec.structs import replace

from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.catalog.store import Retirement
from innkeeper.core.nodes.model import Commitment, Region
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Limits
from innkeeper.testing.store_samples import NOON, TICK, Stores, a_node, keep_account, keep_server

PLAN = Plan(
    name="mc.grass",
    package="minecraft",
    title="Gras „grün“",
    resources=PlanResources(memory_mib=1024, cpu_percent=150, disk_mib=5000, backups_mib=10_000),
    prices=(
        PlanPrice(currency="EUR", hourly=8_000, monthly=4_000_000),
        PlanPrice(currency="JPY", hourly=0, monthly=10**15),
    ),
)
BARE = Plan(
    name="mc.air",
    package="minecraft",
    title="Air",
    resources=PlanResources(memory_mib=1, cpu_percent=1, disk_mib=1),
)


class SellingPromises:
    """`core.catalog.store`."""

    async def test_plans_come_back_as_they_were_kept_by_name(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.selling.put_plan(PLAN)
            await work.selling.put_plan(BARE)
        async with stores.works() as work:
            assert await work.selling.plans() == [BARE, PLAN]
            assert await work.selling.hold_plan(PLAN.name) == PLAN
            assert await work.selling.hold_plan("mc.iron") is None

    async def test_a_plan_takes_the_place_of_the_one_of_its_name(self, stores: Stores) -> None:
        changed = replace(BARE, name=PLAN.name, title="new", prices=())
        async with stores.works() as work:
            await work.selling.put_plan(PLAN)
            await work.selling.put_plan(changed)
            assert await work.selling.plans() == [changed]

    async def test_deleting_says_whether_there_was_a_plan_or_region(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.selling.put_plan(PLAN)
            await work.selling.put_region(Region(name="uk-1"))
            assert [await work.selling.delete_plan(PLAN.name) for _ in range(2)] == [True, False]
            assert [await work.selling.delete_region("uk-1") for _ in range(2)] == [True, False]
            assert (await work.selling.plans(), await work.selling.regions()) == ([], [])

    async def test_regions_are_kept_described_anew_and_held(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.selling.put_region(Region(name="uk-1", country="GB", city="London"))
            await work.selling.put_region(Region(name="ch-1"))
            await work.selling.put_region(Region(name="uk-1", country="GB", city="Leeds"))
        async with stores.works() as work:
            leeds = Region(name="uk-1", country="GB", city="Leeds")
            assert await work.selling.regions() == [Region(name="ch-1"), leeds]
            assert await work.selling.hold_region("uk-1") == leeds
            assert await work.selling.hold_region("mars") is None

    async def test_what_is_held_is_not_deleted_meanwhile(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.selling.put_region(Region(name="uk-1"))
        held, done = asyncio.Event(), []

        async def hold() -> None:
            async with stores.works() as work:
                await work.selling.hold_region("uk-1")
                held.set()
                await work.nodes.add(a_node(region="uk-1"))
                done.append("joined")

        async def delete() -> None:
            await held.wait()
            async with stores.works() as work:
                await work.selling.delete_region("uk-1")
                done.append("deleted")
                assert [node.region for node in await work.nodes.all()] == ["uk-1"]

        await asyncio.gather(hold(), delete())
        assert done == ["joined", "deleted"]

    async def test_a_retirement_stays_as_it_first_was_until_it_is_taken_back(self, stores: Stores) -> None:
        first = Retirement(noun="plan", name="mc.grass", at=NOON)
        other = Retirement(noun="region", name="mc.grass", at=NOON)
        async with stores.works() as work:
            for retirement in (other, first, replace(first, at=NOON + TICK)):
                await work.selling.retire(retirement)
        async with stores.works() as work:
            assert await work.selling.retirements() == [first, other]
            await work.selling.unretire("plan", "mc.grass")
            await work.selling.unretire("package", "unknown")
            assert await work.selling.retirements() == [other]


class RoomPromises:
    """What nodes have promised."""

    async def test_what_is_promised_is_added_up_for_each_node(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner, node = await keep_account(work), await work.nodes.add(a_node())
            limits = Limits(memory_mib=512, disk_mib=1000)
            mine = [await keep_server(work, owner_id=owner.id, node_id=node.id, limits=limits) for _ in range(3)]
            await keep_server(work, owner_id=owner.id, node_id=node.id, limits=Limits())
            await keep_server(work, limits=limits)  # on another node
            everything = await work.servers.commitments(node.id)
            without = await work.servers.commitments(node.id, besides=mine[0].id)
            none = await work.servers.commitments(node.id + 100)
        assert everything == Commitment(servers=4, memory_mib=1536, disk_mib=3000)
        assert without == Commitment(servers=3, memory_mib=1024, disk_mib=2000)
        assert none == Commitment(servers=0, memory_mib=0, disk_mib=0)

    async def test_deleted_servers_have_their_room_while_they_are_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work, limits=Limits(memory_mib=512), generation=1)
            kept = replace(server, generation=2, state=State.DELETED, deleted_at=NOON, purge_at=NOON + TICK)
            await work.servers.update(kept)
            assert (await work.servers.commitments(server.node_id)).memory_mib == 512
            assert await work.servers.any_of_plan("mc.grass")
            await work.servers.update(replace(kept, generation=3, purge_at=None))
            assert (await work.servers.commitments(server.node_id)).servers == 0
            assert not await work.servers.any_of_plan("mc.grass")

    async def test_servers_are_counted_for_their_owner_while_they_are_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner = await keep_account(work)
            mine = [await keep_server(work, owner_id=owner.id, generation=1) for _ in range(2)]
            await keep_server(work)  # another's
            kept = replace(mine[0], generation=2, state=State.DELETED, deleted_at=NOON, purge_at=NOON + TICK)
            await work.servers.update(kept)
            assert await work.servers.count_of_owner(owner.id) == 2
            await work.servers.update(replace(kept, generation=3, purge_at=None))
            assert await work.servers.count_of_owner(owner.id) == 1
            assert await work.servers.count_of_owner(owner.id + 100) == 0

    async def test_whoever_locks_an_account_sees_what_the_one_before_made_for_it(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner, node = await keep_account(work), await work.nodes.add(a_node())
            assert await work.accounts.lock(owner.id + 1) is None

        async def add() -> bool:
            async with stores.works() as work:
                assert await work.accounts.lock(owner.id) == owner
                if await work.servers.count_of_owner(owner.id):
                    return False
                await keep_server(work, owner_id=owner.id, node_id=node.id)
                return True

        assert sum(await asyncio.gather(*(add() for _ in range(8)))) == 1

    async def test_whoever_locks_a_node_sees_what_the_one_before_promised(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner, node = await keep_account(work), await work.nodes.add(a_node(most_servers=1))
            assert await work.nodes.lock(node.id + 1) is None

        async def add() -> bool:
            async with stores.works() as work:
                assert await work.nodes.lock(node.id) == node
                if (await work.servers.commitments(node.id)).servers:
                    return False
                await keep_server(work, owner_id=owner.id, node_id=node.id)
                return True

        assert sum(await asyncio.gather(*(add() for _ in range(8)))) == 1
