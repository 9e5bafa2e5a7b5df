"""Panels that rent out servers are killed at random moments: every period is charged once, and no cent is lost."""

import asyncio
import multiprocessing
import random
import time
from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.core.billing.books import faults_of
from innkeeper.core.billing.model import issued
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.testing.products import House
from tests.acceptance import rent

KILLS = 15
MOST_SECONDS = 1.5
"""That a panel lives for, once it has done something."""
ANSWER_SECONDS = 60.0


@pytest.mark.slow
def test_panels_that_are_killed_at_random_moments_charge_every_period_once(tmp_path: Path) -> None:
    clock = rent.FastClock(time.time())
    url, node = asyncio.run(_furnished(tmp_path, clock))
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([rent.__name__])
    chance = random.Random(20261122)
    given = lost = 0
    for number in range(KILLS):
        here, there = forking.Pipe(duplex=False)
        panel = forking.Process(target=rent.serve, args=(url, node, clock, number, there))
        panel.start()
        there.close()
        assert here.poll(ANSWER_SECONDS), "the panel does nothing"
        time.sleep(chance.random() * MOST_SECONDS)  # it is killed after just that long, whatever it does
        panel.kill()
        asked = 0
        while True:
            try:
                what, amount = here.recv()
            except (EOFError, ConnectionResetError):
                break
            asked = amount if what == "asked" else 0
            given += amount if what == "given" else 0
        lost += asked
        panel.join()
        panel.close()
        here.close()
    steps = asyncio.run(_settle_and_verify(url, node, clock, given, lost))
    print(f"{KILLS} kills, {steps} periods")
    assert steps > 10 * KILLS


async def _furnished(folder: Path, clock: rent.FastClock) -> tuple[str, UUID]:
    async with House.open(folder, clock=clock) as house:
        root = house.actor(house.root)
        await house.product.selling.put_plan(root, rent.PLAN)
        await house.product.rentals.set_charging(root, True)
        for number in range(3):
            await house.account(f"guest{number}")
        return f"sqlite:///{folder / 'innkeeper.db'}", house.node.uuid


async def _settle_and_verify(url: str, node: UUID, clock: rent.FastClock, given: int, lost: int) -> int:
    """Do what is done on the timer once more, and see that everything is right; return how much was charged."""
    database = await Database.open(url)
    async with TaskSet("panel") as tasks:
        house = House(database, clock, tasks, Settings())
        await rent.load(house, node)
        await house.product.rent_collector.tick()
        assert await faults_of(database.works) == []
        async with database.works() as work:
            histories = await work.rentals.histories(0, 100_000)
            out = -(await work.billing.balances([issued("USD")]))[issued("USD")]
        assert given <= out <= given + lost
        exist = {r.server.id for r in house.product.directory.present() if r.server.state not in ENDED}
        assert {h.rental.server_id for h in histories if h.rental.closed_at is None} == exist
    await database.aclose()
    return sum(len(history.steps) for history in histories)
