"""For tests of renting: a plan that costs something, accounts with money in a currency, and time that goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.billing.rental_model import Rental, RentalStep
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.servers.directory import Record
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock

PLAN = "custom.small"
HOURLY, MONTHLY = 70_000, 7 * MICRO
"""What the plan costs; a month of hours costs no more than the hundred that make up 7."""


def moment(text: str) -> datetime:
    """Return a moment of UTC: "2028-02-29 10:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def goes_to(clock: FakeClock, text: str) -> None:
    """Have the clock show a moment of UTC."""
    clock.passed += moment(text) - clock.now()


async def priced(house: House, **prices: tuple[int, int]) -> Plan:
    """Have the plan cost so much (an hour, a month) by currency; nothing said: in dollars."""
    given = prices or {"USD": (HOURLY, MONTHLY)}
    plan = Plan(
        name=PLAN,
        package="custom",
        title="Small",
        resources=PlanResources(memory_mib=1024, cpu_percent=100, disk_mib=1024),
        prices=tuple(PlanPrice(currency=code, hourly=hour, monthly=month) for code, (hour, month) in given.items()),
    )
    return await house.product.selling.put_plan(house.actor(house.root), plan)


async def charging(house: House, on: bool = True) -> None:
    await house.product.rentals.set_charging(house.actor(house.root), on)


async def tenant(house: House, name: str = "guest", *, has: int = 0, currency: str = "USD") -> Actor:
    """Return a new account with so many micro-units of a currency."""
    account = await house.account(name)
    if has:
        await gives(house, house.actor(account), has, currency)
    return house.actor(account)


async def gives(house: House, who: Actor, amount: int, currency: str = "USD") -> None:
    """Give an account money, below zero: take it."""
    billing, root = house.product.billing, house.actor(house.root)
    if amount > 0:
        await billing.top_up(root, who.account.id, amount, currency=currency)
    else:
        await billing.adjust(root, who.account.id, amount, text="taken", currency=currency)


async def rents(house: House, who: Actor, billing_type: str = "hourly", *, name: str = "camp", **draft: Any) -> Record:
    """Make a server with the plan."""
    house.product.nodes.heard(house.node.id)
    return await house.server(owner=who.account, name=name, plan=PLAN, billing_type=billing_type, **draft)


async def ticks(house: House) -> None:
    """Do what is done on the timer; the books are right after it."""
    house.product.nodes.heard(house.node.id)
    await house.product.rent_collector.tick()
    await house.settle()
    assert await house.product.billing.check(None) == []


async def passes(house: House, clock: FakeClock, **time: float) -> None:
    """Let time pass, a tick an hour, and one at the end."""
    left = timedelta(**time)
    while left > timedelta(hours=1):
        clock.advance(hours=1)
        left -= timedelta(hours=1)
        await house.product.rent_collector.tick()
    clock.passed += left
    await ticks(house)


async def rental_of(house: House, record: Record) -> Rental:
    async with house.database.works() as work:
        found = await work.rentals.find(record.server.id)
    assert found is not None
    return found


async def charges(house: House, who: Actor) -> list[RentalStep]:
    """Return what was charged for an account's servers, those that cost nothing too, oldest first."""
    async with house.database.works() as work:
        found = await work.rentals.histories(0, 1000)
    mine = [step for history in found if history.rental.account_id == who.account.id for step in history.steps]
    return sorted(mine, key=lambda step: step.transaction_id)


def amounts(steps: list[RentalStep]) -> list[int]:
    return [step.amount for step in steps]
