"""A house with the API over it, asked without a network; and over a real socket where streams are meant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from schemathesis.pytest.plugin import SchemathesisFunction

from innkeeper.core.accounts.model import Account
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.app import api_application
from innkeeper.panel.http.serving import HttpServer
from innkeeper.testing.products import House


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test that schemathesis makes go by its own name: they share one id, and pytest-xdist runs an id once."""
    for item in items:
        if isinstance(item, SchemathesisFunction):
            assert item.parent is not None
            item._id = item.parent.id.child(item.name)


class Client:
    """Asks the API with one key."""

    def __init__(self, http: httpx.AsyncClient, key: str | None) -> None:
        self._http = http
        self.key = key

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
        headers |= options.pop("headers", {})
        return await self._http.request(method, PREFIX + path, headers=headers, **options)


class Asking:
    """Makes clients."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self._house = house
        self._http = http
        self.nobody = Client(http, None)

    async def by(self, account: Account, *permissions: str) -> Client:
        """Return a client of an account, with no more than some permissions."""
        return Client(self._http, await self._house.key(account, *permissions))

    def with_key(self, key: str) -> Client:
        return Client(self._http, key)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def application(house: House) -> Litestar:
    return api_application(house.product)


@pytest.fixture
async def ask(house: House, application: Litestar) -> AsyncIterator[Asking]:
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://panel") as http:
        yield Asking(house, http)


@pytest.fixture
async def root(house: House, ask: Asking) -> Client:
    return await ask.by(house.root)


@pytest.fixture
async def url(house: House, application: Litestar) -> AsyncIterator[str]:
    """Serve the API on a real socket; the address without a trailing slash, the prefix included."""
    async with serving(application) as address:
        yield address


@asynccontextmanager
async def serving(application: Litestar) -> AsyncIterator[str]:
    """Serve an application of the API on a real socket, as `url` does."""
    tasks = TaskSet("test server").start_set()
    server = HttpServer(application, tasks)
    await server.open("127.0.0.1", 0)
    yield server.url + PREFIX
    await server.close()
    await tasks.aclose()
