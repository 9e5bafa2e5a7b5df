"""A panel in a process of its own whose clock runs far too fast, and that rents out servers until it is killed.

It does by chance what tenants and administrators do, and tells what it was given before and after it is kept.
"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from uuid import UUID

from msgspec.structs import replace

from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.kit.tasks import TaskSet, every
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.testing.products import House

HOURS_A_SECOND = 40
TICK = timedelta(milliseconds=20)
PLAN = Plan(
    name="custom.small",
    package="custom",
    title="Small",
    resources=PlanResources(memory_mib=128, cpu_percent=10, disk_mib=128),
    prices=(PlanPrice(currency="USD", hourly=1000, monthly=40_000),),
)


class FastClock:
    """Time that passes so many times as fast since `begun` (seconds since 1970); the same in every process."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=HOURS_A_SECOND * (time.time() - self._begun))

    def monotonic(self) -> float:
        return time.monotonic()


def serve(url: str, node: UUID, clock: FastClock, seed: int, given: Connection) -> None:
    """Be a panel on that database for ever."""
    asyncio.run(_serve(url, node, clock, seed, given))


async def _serve(url: str, node: UUID, clock: FastClock, seed: int, given: Connection) -> None:
    database = await Database.open(url)
    async with TaskSet("panel") as tasks, TaskSet("timers") as timers:
        house = House(database, clock, tasks, Settings())
        await load(house, node)
        timers.start(every(TICK, house.product.rent_collector.tick, name="rent"), name="rent")
        chance, number = random.Random(seed), 0
        while True:
            number += 1
            try:
                await _act(house, chance, f"{seed} {number}", given)
            except CoreError:
                await asyncio.sleep(0)
    await database.aclose()


async def load(house: House, node: UUID) -> None:
    """Read what there is, and know the node to be there."""
    product = house.product
    await product.authority.load()
    await house.credits.load()
    await product.selling.load()
    await product.regions.load()
    await product.nodes.load()
    await product.directory.load()
    house.node = product.nodes.by_uuid(node)
    house.root = next(account for account in product.authority.accounts.values() if account.superuser)
    product.nodes.heard(house.node.id)


async def _act(house: House, chance: random.Random, key: str, given: Connection) -> None:
    product, root = house.product, house.actor(house.root)
    product.nodes.heard(house.node.id)
    guest = chance.choice([account for account in product.authority.accounts.values() if not account.superuser])
    present = [record for record in product.directory.present() if record.server.state not in ENDED]
    match chance.randrange(6):
        case 0 | 1:
            amount = chance.randint(1, 300_000)
            given.send(("asked", amount))
            await product.billing.top_up(root, guest.id, amount, key=key, currency="USD")
            given.send(("given", amount))
        case 2 if len(present) < 8:
            kind = chance.choice(["hourly", "monthly"])
            await house.server(owner=guest, name=f"camp {key}", plan=PLAN.name, billing_type=kind)
        case 3 if len(present) > 4:
            await product.servers.delete(root, chance.choice(present))
        case 4:
            prices = (PlanPrice(currency="USD", hourly=chance.choice([0, 900, 1000]), monthly=40_000),)
            await product.selling.put_plan(root, replace(PLAN, prices=prices))
        case _:
            await asyncio.sleep(0.02)
