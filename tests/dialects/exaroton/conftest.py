"""exaroton's dialect, served on loopback over a product with scripted nodes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.http.serving import HttpServer
from innkeeper.testing.products import House
from tests.dialects.exaroton.served import Served, Uploads, sharing


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """The dialect over a house with a server called `example`, stopped."""
    async with House.open(tmp_path) as house:
        example: Record = await house.server(
            name="example",
            package="minecraft",
            port=48249,
            properties={"motd": "Welcome to the server of example!"},
        )
        uploads = Uploads()
        house.product = replace(house.product, sharing=sharing(house, uploads))
        tasks = TaskSet("http for tests").start_set()
        server = HttpServer(exaroton_application(house.product, keep_alive_s=0.1), tasks)
        try:
            await server.open("127.0.0.1", 0)
            yield Served(house, example, server.url, await house.key(house.root), uploads)
        finally:
            await server.close()
            await tasks.aclose()
