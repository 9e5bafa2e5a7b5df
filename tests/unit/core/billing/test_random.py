"""Whatever is done in whatever order, and wherever the panel is broken off, the books are right and say what ran."""

from pathlib import Path

import pytest

from innkeeper.testing.products import House
from tests.unit.core.billing.simulation import Simulation
from tests.unit.core.conftest import FakeClock

OPERATIONS = 1500


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(4))
async def test_random_operations_and_crashes_leave_the_books_right(tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    async with House.open(tmp_path, clock=clock) as house:
        database = house.database
        simulation = Simulation(house, clock, seed)
        await simulation.furnish()
        for _ in range(3):
            await simulation.run(simulation.done.total() + OPERATIONS // 3)
            assert await simulation.house.product.billing.check(None) == []
        await simulation.settle()
        await simulation.verify()
        house.database = database
        assert simulation.breaking.broken > OPERATIONS // 50
        assert len(simulation.node.ended) > 20
