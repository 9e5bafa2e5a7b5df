"""Two panels of one PostgreSQL charge the same rented servers at the same time, and change prices meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from innkeeper.core.billing.model import income
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.kit.money import MICRO
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.errors import DatabaseIsUnavailable
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.products import House

pytest_plugins = ["innkeeper.testing.postgres"]

ROUNDS, SERVERS = 40, 6
GIVEN = 3 * MICRO
PLAN = Plan(
    name="custom.small",
    package="custom",
    title="Small",
    resources=PlanResources(memory_mib=128, cpu_percent=10, disk_mib=128),
    prices=(PlanPrice(currency="USD", hourly=20_000, monthly=2 * MICRO),),
)


class SharedClock:
    """One time for all panels, moved by the test."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 11, 28, 12, tzinfo=UTC) + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@pytest.fixture
async def panels(postgres_url: str) -> AsyncIterator[tuple[SharedClock, list[House]]]:
    """Two panels of one database, neither of which is told of what the other changes."""
    await upgrade(postgres_url)
    clock = SharedClock()
    async with AsyncExitStack() as stack:
        houses = []
        for _ in range(2):
            database = await Database.open(postgres_url)
            stack.push_async_callback(database.aclose)
            tasks = await stack.enter_async_context(TaskSet("panel"))
            houses.append(House(database, clock, tasks, Settings()))
        yield clock, houses


async def read_again(house: House) -> None:
    await house.product.authority.load()
    await house.credits.load()
    await house.product.selling.load()
    await house.product.regions.load()
    await house.product.nodes.load()
    await house.product.directory.load()
    house.product.nodes.heard(house.node.id)


async def test_two_panels_that_collect_rent_at_once_charge_every_period_once(
    panels: tuple[SharedClock, list[House]],
) -> None:
    clock, (one, two) = panels
    chance = random.Random(7)
    await one._furnish()
    two.node, two.root = one.node, one.root
    root = one.actor(one.root)
    await one.product.selling.put_plan(root, PLAN)
    await one.product.rentals.set_charging(root, True)
    guests = [await one.account(f"guest{number}") for number in range(3)]
    for guest in guests:
        await one.product.billing.top_up(root, guest.id, GIVEN, currency="USD")
    for number in range(SERVERS):
        kind = "monthly" if number == 0 else "hourly"
        await one.server(owner=guests[number % 3], name=f"camp{number}", plan=PLAN.name, billing_type=kind)
    await read_again(two)
    problems: list[str] = []

    async def tried(attempt: Awaitable[object]) -> None:
        try:
            await attempt
        except DatabaseIsUnavailable as error:  # a deadlock, say: none is expected
            problems.append(repr(error.__cause__))
        except CoreError:
            pass

    async def reprice(house: House) -> None:
        prices = (PlanPrice(currency="USD", hourly=chance.choice([10_000, 20_000]), monthly=2 * MICRO),)
        await house.product.selling.put_plan(root, replace(PLAN, prices=prices))

    async def deploy(house: House) -> None:
        await house.server(owner=chance.choice(guests), name=f"late{clock.passed}", plan=PLAN.name)

    async def delete(house: House) -> None:
        found = [record for record in house.product.directory.present() if record.server.state not in ENDED]
        if len(found) > SERVERS:
            await house.product.servers.delete(root, chance.choice(found))

    for number in range(ROUNDS):
        clock.passed += timedelta(minutes=chance.choice([1, 30, 61, 300]))
        for house in (one, two):
            house.product.nodes.heard(house.node.id)
        deeds = [house.product.rent_collector.tick() for house in (one, two) for _ in range(2)]
        deeds += [chance.choice([reprice, deploy, delete])(house) for house in (one, two)]
        chance.shuffle(deeds)
        await asyncio.gather(*map(tried, deeds))
        await asyncio.gather(one.settle(), two.settle())
        if number % 5 == 0:
            await asyncio.gather(read_again(one), read_again(two))
        assert await two.product.billing.check(None) == []
    assert problems == []
    async with two.database.works() as work:
        histories = await work.rentals.histories(0, 1000)
        earned = (await work.billing.balances([income("USD")]))[income("USD")]
        held = sum(amount for ref, amount in (await work.billing.wallets()).items() if ref.currency == "USD")
    assert earned == sum(step.amount for history in histories for step in history.steps) == len(guests) * GIVEN - held
    assert sum(len(history.steps) for history in histories) > 3 * ROUNDS
