"""Crafty's dialect, served on loopback over a house with everybody who may or may not do something."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.crafty.app import crafty_application
from innkeeper.panel.http.serving import HttpServer
from innkeeper.panel.main import notifiers
from innkeeper.testing.products import House
from tests.dialects.crafty.served import Served, furnish
from tests.dialects.crafty.standing import Arriving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """The dialect over a house with two servers, stopped."""
    courier = Arriving(notifiers(), clock=SystemClock())
    async with House.open(tmp_path, courier=courier) as house:
        servers = await furnish(house)
        tasks = TaskSet("http for tests").start_set()
        server = HttpServer(crafty_application(house.product), tasks)
        try:
            await server.open("127.0.0.1", 0)
            async with httpx.AsyncClient(base_url=f"{server.url}/api/v2", trust_env=False) as client:
                yield Served(house, client, *servers)
        finally:
            await server.close()
            await tasks.aclose()


@pytest.fixture
async def house_of_routes(tmp_path: Path) -> AsyncIterator[House]:
    """A house to look at the routes of."""
    async with House.open(tmp_path) as house:
        yield house
