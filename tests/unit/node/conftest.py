"""A real bus and a panel on it."""

from collections.abc import AsyncIterator

import pytest

from innkeeper.bus.inprocess import InProcessBus
from tests.unit.node.fakes import FakePanel


@pytest.fixture
async def bus() -> AsyncIterator[InProcessBus]:
    async with InProcessBus() as bus:
        yield bus


@pytest.fixture
async def panel(bus: InProcessBus) -> FakePanel:
    panel = FakePanel(bus)
    await panel.open()
    return panel
