"""ServerFlex's dialect, served on loopback over a house that rents servers out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.core.catalog.loader import load_packages
from innkeeper.core.catalog.service import Catalog
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.serverflex.app import serverflex_application
from innkeeper.panel.http.serving import HttpServer
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House
from tests.dialects.serverflex.served import PACKAGES, Served, furnish
from tests.unit.core.conftest import FakeClock

SETTINGS = Settings(server_domain="crate.pw", deletion_grace=timedelta(hours=24), most_grants=4)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """The dialect over a house with a customer's server, stopped; time stands still."""
    clock = FakeClock()
    async with House.open(tmp_path, clock=clock, settings=SETTINGS, catalog=Catalog(load_packages(PACKAGES))) as house:
        example, owner, keys = await furnish(house)
        tasks = TaskSet("http for tests").start_set()
        server = HttpServer(serverflex_application(house.product), tasks)
        try:
            await server.open("127.0.0.1", 0)
            yield Served(house, clock, example, owner, server.url, keys)
        finally:
            await server.close()
            await tasks.aclose()
