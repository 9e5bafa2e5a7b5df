"""Hundreds deploy at once, over one panel or several: no room, no port and no cent is given twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from innkeeper.core.accounts.model import Account
from innkeeper.core.billing.errors import CreditsAreExhausted
from innkeeper.core.catalog.errors import NoSuchPlan, PlanIsInUse
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.nodes.errors import NodeHasNoRoom
from innkeeper.core.servers.errors import NoPortIsFree, TooManyServers
from innkeeper.core.servers.model import Server, ServerDraft
from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.products import House
from tests.unit.core.conftest import second_node

pytest_plugins = ["innkeeper.testing.postgres"]

ASKED, ROOM = 200, 50
PRICE = 10_000
PLAN = Plan(
    name="crowd.small",
    package="minecraft",
    title="Small",
    resources=PlanResources(memory_mib=512, cpu_percent=100, disk_mib=1000),
    prices=(PlanPrice(currency="EUR", hourly=PRICE, monthly=5_000_000),),
)
DRAFT = ServerDraft(name="camp", package="minecraft", runtime="flying-squid", plan=PLAN.name, billing_type="hourly")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The database server, where there is one."""
    return request.getfixturevalue("postgres_server") if request.param == "postgresql" else None


@pytest.fixture
def place(server: PostgresServer | None, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The URL of a database that is empty or not there yet, and how many panels it gets."""
    if server is None:
        yield f"sqlite:///{tmp_path / 'innkeeper.db'}", 1
    else:
        url = server.create_database()
        yield url, 2
        server.drop_database(url)


@pytest.fixture
async def panels(place: tuple[str, int]) -> AsyncIterator[list[House]]:
    """One panel on SQLite; two on PostgreSQL, neither of which is told of what the other changes."""
    url, count = place
    await upgrade(url)
    async with AsyncExitStack() as stack:
        houses = []
        for _ in range(count):
            database = await Database.open(url)
            stack.push_async_callback(database.aclose)
            tasks = await stack.enter_async_context(TaskSet("panel"))
            houses.append(House(database, SystemClock(), tasks, Settings()))
        first = houses[0]
        await first._furnish()
        root = first.actor(first.root)
        await first.product.selling.put_plan(root, PLAN)
        await first.product.rentals.set_charging(root, True)
        await know(houses)
        yield houses


async def know(houses: list[House]) -> None:
    """Have every panel read what there is."""
    for house in houses:
        product = house.product
        await product.authority.load()
        await house.credits.load()
        await product.selling.load()
        await product.nodes.load()
        await product.directory.load()
        house.node, house.root = houses[0].node, houses[0].root
        product.nodes.heard(house.node.id)


async def crowd(
    panels: list[House], count: int = ASKED, owner: Account | None = None, nodes: tuple[UUID | None, ...] = (None,)
) -> tuple[list[Server], Counter[type[BaseException]]]:
    """Deploy so many at once, spread over the panels and nodes; return what was made and what was refused."""

    async def one(number: int) -> Server:
        house = panels[number % len(panels)]
        node = nodes[number // len(panels) % len(nodes)]
        draft = replace(DRAFT, name=f"camp {number}", owner=owner.uuid if owner else None, node=node)
        return (await house.product.servers.create(house.actor(house.root), draft))[0]

    results = await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)
    for house in panels:
        await house.settle()
    made = [result for result in results if isinstance(result, Server)]
    return made, Counter(type(result) for result in results if isinstance(result, BaseException))


async def kept(house: House) -> list[Server]:
    async with house.database.works() as work:
        return await work.servers.all()


async def paid(house: House) -> int:
    """Return what is left in the wallet, after making sure that the books are right."""
    await house.credits.load()
    assert await house.product.billing.check(None) == []
    return house.product.billing.balances(house.root.id).get("EUR", 0)


async def fund(house: House, amount: int) -> None:
    await house.product.billing.top_up(house.actor(house.root), house.root.id, amount, currency="EUR")


async def test_of_two_hundred_on_a_node_with_room_for_fifty_exactly_fifty_succeed(panels: list[House]) -> None:
    first = panels[0]
    await fund(first, ASKED * PRICE)
    capacity = ROOM * PLAN.resources.memory_mib
    await first.product.nodes.change(first.actor(first.root), first.node.uuid, memory_mib=capacity)
    made, refused = await crowd(panels)
    assert (len(made), refused) == (ROOM, Counter({NodeHasNoRoom: ASKED - ROOM}))
    servers = await kept(first)
    assert {server.id for server in servers} == {server.id for server in made}
    assert len({server.port for server in servers}) == ROOM
    assert sum(server.limits.memory_mib or 0 for server in servers) == capacity
    assert await paid(first) == (ASKED - ROOM) * PRICE


async def test_no_more_are_made_than_can_be_paid(panels: list[House]) -> None:
    first = panels[0]
    await fund(first, 20 * PRICE + PRICE // 2)
    made, refused = await crowd(panels, 60)
    assert (len(made), refused) == (20, Counter({CreditsAreExhausted: 40}))
    assert len(await kept(first)) == 20
    assert await paid(first) == PRICE // 2


async def test_no_more_are_made_than_their_owner_may_own(panels: list[House]) -> None:
    first = panels[0]
    guest = await first.account("guest")
    root = first.actor(first.root)
    await first.product.accounts.change(root, guest.uuid, most_servers=10)
    await first.product.billing.top_up(root, guest.id, 40 * PRICE, currency="EUR")
    far = await second_node(first)
    await know(panels)
    for house in panels:
        house.product.nodes.heard(far)
    made, refused = await crowd(panels, 40, guest, (first.node.uuid, first.product.nodes.get(far).uuid))
    assert (len(made), refused) == (10, Counter({TooManyServers: 30}))
    assert [server.owner_id for server in await kept(first)] == [guest.id] * 10
    assert {server.node_id for server in made} == {first.node.id, far}
    await first.credits.load()
    assert await first.product.billing.check(None) == []
    assert first.product.billing.balances(guest.id) == {"EUR": 30 * PRICE}


async def test_no_more_are_made_than_there_are_ports(panels: list[House]) -> None:
    first = panels[0]
    await fund(first, ASKED * PRICE)
    await first.product.nodes.change(first.actor(first.root), first.node.uuid, first_port=30000, last_port=30019)
    await know(panels)
    made, refused = await crowd(panels, 60)
    assert {server.port for server in made} == set(range(30000, 30020))
    assert (len(made), refused) == (20, Counter({NoPortIsFree: 40}))


async def test_a_plan_is_not_deleted_from_under_a_server_that_is_being_made(panels: list[House]) -> None:
    first, last = panels[0], panels[-1]
    root = first.actor(first.root)
    await fund(first, ASKED * PRICE)
    for _ in range(8):
        results = await asyncio.gather(
            first.product.servers.create(root, DRAFT),
            last.product.selling.delete_plan(root, PLAN.name),
            return_exceptions=True,
        )
        await first.settle()
        assert [type(result) for result in results if isinstance(result, BaseException)] in (
            [NoSuchPlan],
            [PlanIsInUse],
        )
        await know(panels)
        if await kept(first):
            break
        await first.product.selling.put_plan(root, PLAN)
        await know(panels)
    assert {server.plan for server in await kept(first)} <= {plan.name for plan in first.product.selling.all_plans()}
