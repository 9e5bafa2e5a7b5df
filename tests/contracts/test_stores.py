"""The stores on both databases keep core's promises: the suites of `innkeeper.testing`, run on each."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

pytest.register_assert_rewrite(
    "innkeeper.testing.billing_store_suite",
    "innkeeper.testing.index_store_suite",
    "innkeeper.testing.rental_store_suite",
    "innkeeper.testing.selling_store_suite",
    "innkeeper.testing.server_store_suite",
    "innkeeper.testing.store_suite",
)

from innkeeper.core.work import Changed  # noqa: E402
from innkeeper.storage.database import Database  # noqa: E402
from innkeeper.storage.engines import open_engine  # noqa: E402
from innkeeper.storage.schema import metadata  # noqa: E402
from innkeeper.storage.upgrades import upgrade  # noqa: E402
from innkeeper.testing import (  # noqa: E402
    billing_store_suite,
    index_store_suite,
    rental_store_suite,
    selling_store_suite,
    server_store_suite,
    store_suite,
)
from innkeeper.testing.store_samples import Stores  # noqa: E402

pytest_plugins = ["innkeeper.testing.postgres"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with our tables, made for this module."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('stores') / 'innkeeper.db'}"
    asyncio.run(upgrade(url))
    return url


@pytest.fixture
async def url(migrated: str) -> str:
    """The URL of an empty database."""
    engine = open_engine(migrated)
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
        else:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
    await engine.dispose()
    return migrated


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Stores]:
    announced: list[list[Changed]] = []

    async def announce(changes: list[Changed]) -> None:
        announced.append(changes)

    database = await Database.open(url, announce)
    yield Stores(database.works, announced)
    await database.aclose()


class TestTransactions(store_suite.TransactionPromises):
    pass


class TestAccounts(store_suite.AccountPromises):
    pass


class TestAccess(store_suite.AccessPromises):
    pass


class TestNodes(store_suite.NodePromises):
    pass


class TestServers(server_store_suite.ServerPromises):
    pass


class TestOperations(server_store_suite.OperationPromises):
    pass


class TestSelling(selling_store_suite.SellingPromises):
    pass


class TestRoom(selling_store_suite.RoomPromises):
    pass


class TestIndexes(index_store_suite.IndexPromises):
    pass


class TestMetrics(server_store_suite.MetricPromises):
    pass


class TestActivity(server_store_suite.ActivityPromises):
    pass


class TestSettings(server_store_suite.SettingPromises):
    pass


class TestBilling(billing_store_suite.BillingPromises):
    pass


class TestRentals(rental_store_suite.RentalPromises):
    pass
