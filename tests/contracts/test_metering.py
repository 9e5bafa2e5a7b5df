"""Two panels of one PostgreSQL meter the same servers at the same time, and move credits meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from innkeeper.core.billing.model import ISSUED, cost
from innkeeper.core.errors import CoreError
from innkeeper.core.operations.model import OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Limits, Live, Run
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.money import MICRO
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.errors import DatabaseIsUnavailable
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.products import House

pytest_plugins = ["innkeeper.testing.postgres"]

ROUNDS, SERVERS = 60, 4
PRICE = 600 * MICRO
MEMORY_MIB = 700


class SharedClock:
    """One time for all panels, moved by the test."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC) + self.passed

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


async def test_two_panels_that_meter_at_once_charge_every_second_once(
    panels: tuple[SharedClock, list[House]],
) -> None:
    clock, (one, two) = panels
    chance = random.Random(7)
    await one._furnish()
    guests = [await one.account(f"guest{number}") for number in range(3)]
    root = one.actor(one.root)
    servers = [
        (await one.server(owner=guests[n % 3], name=f"camp{n}", limits=Limits(memory_mib=MEMORY_MIB))).server
        for n in range(SERVERS)
    ]
    await one.product.billing.set_price(root, PRICE)
    pool = await one.product.billing.create_pool(one.actor(guests[0]), "ours")
    for guest in guests:
        await one.product.billing.top_up(root, guest.id, 1000 * MICRO)
    for guest in guests[1:]:
        await one.product.billing.add_member(one.actor(guests[0]), pool.id, guest.id)
    for house in (one, two):
        house.gateway.obeys = False
        await house.product.authority.load()
        await house.credits.load()
        await house.product.nodes.load()
        await house.product.directory.load()
        house.node = one.node

    alive: dict[int, tuple[str, datetime]] = {}
    ended: list[Run] = []

    def observations() -> list[Observation]:
        seen = []
        for server in servers:
            run_id, started_at = alive.get(server.id, (None, None))
            state = State.RUNNING if run_id else State.STOPPED
            told = tuple(run for run in ended if run.run_id.startswith(f"{server.id}-"))[-3:]
            live = Live(state=state, run_id=run_id, started_at=started_at, pid=run_id and 1, runs=told)
            progress = Progress(state=OperationState.DONE)
            seen.append(Observation(uuid=server.uuid, live=live, generation=99, order_id=None, progress=progress))
        return seen

    async def shift(house: House) -> None:
        guest = house.actor(chance.choice(guests))
        move = chance.choice([house.product.billing.deposit, house.product.billing.withdraw])
        await move(guest, pool.id, chance.randint(1, 20 * MICRO))

    async def assign(house: House) -> None:
        record = house.product.directory.get(chance.choice(servers).id)
        owner = house.product.authority.actor_of(record.server.owner_id, "system")
        in_pool = chance.random() < 0.5
        await (
            house.product.billing.assign(owner, record, pool.id)
            if in_pool
            else house.product.billing.unassign(owner, record)
        )

    problems: list[str] = []

    async def tried(attempt: object) -> None:
        try:
            await attempt  # type: ignore[misc]
        except DatabaseIsUnavailable as error:  # a deadlock, say: none is expected
            problems.append(repr(error.__cause__))
        except CoreError:
            pass

    for number in range(ROUNDS):
        clock.passed += timedelta(seconds=chance.choice([1, 31, 64.25]))
        for server in servers:
            if chance.random() < 0.2 and server.id in alive:
                run_id, started_at = alive.pop(server.id)
                ended.append(Run(run_id=run_id, started_at=started_at, ended_at=clock.now()))
            elif server.id not in alive and chance.random() < 0.6:
                alive[server.id] = (f"{server.id}-{number}", clock.now())
        seen = observations()
        work = [house.reconciler.observe(house.node.id, seen) for house in (one, two) for _ in range(2)]
        await asyncio.gather(*map(tried, work))
        deeds = [house.product.collector.tick() for house in (one, two) for _ in range(2)]
        deeds += [act(house) for house in (one, two) for act in (shift, shift, assign)]
        chance.shuffle(deeds)
        await asyncio.gather(*map(tried, deeds))
        assert await two.product.billing.check(None) == []

    ended += [Run(run_id=run_id, started_at=began, ended_at=clock.now()) for run_id, began in alive.values()]
    alive.clear()
    await asyncio.gather(*(house.reconciler.observe(house.node.id, observations()) for house in (one, two)))
    assert await two.product.billing.check(None) == []
    assert problems == []
    async with two.database.works() as work:
        assert (await work.billing.balances([ISSUED]))[ISSUED] == -3000 * MICRO
        metered = {meter.run_id: (meter, steps) for meter, steps in await work.billing.metered(0, 10_000)}
        assert await work.billing.open_meters() == []
    assert set(metered) == {run.run_id for run in ended}
    for run in ended:
        meter, steps = metered[run.run_id]
        assert (meter.started_at, meter.billed_until) == (run.started_at, run.ended_at)
        assert sum(step.amount for step in steps) == cost(PRICE, MEMORY_MIB, run.ended_at - run.started_at)
    assert len(ended) > ROUNDS // 2
