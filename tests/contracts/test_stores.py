"""The stores on both databases keep core's promises: the suites of `innkeeper.testing`, run on each."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from innkeeper.core.work import Changed
from innkeeper.storage.database import Database
from innkeeper.storage.engines import open_engine
from innkeeper.storage.schema import metadata
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing import (
    backup_store_suite,
    billing_store_suite,
    index_store_suite,
    metric_store_suite,
    rental_store_suite,
    schedule_store_suite,
    selling_store_suite,
    server_store_suite,
    sign_in_store_suite,
    store_suite,
    webhook_store_suite,
)
from innkeeper.testing.databases import compiling_once
from innkeeper.testing.store_samples import Stores

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
    engine = compiling_once(open_engine(migrated))
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

    database = Database(compiling_once(open_engine(url)), announce)
    yield Stores(database.works, announced)
    await database.aclose()


class TestTransactions(store_suite.TransactionPromises):
    pass


class TestAccounts(store_suite.AccountPromises):
    pass


class TestFailedSignIns(sign_in_store_suite.FailedSignInPromises):
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


class TestMetrics(metric_store_suite.MetricPromises):
    pass


class TestActivity(server_store_suite.ActivityPromises):
    pass


class TestSettings(server_store_suite.SettingPromises):
    pass


class TestBilling(billing_store_suite.BillingPromises):
    pass


class TestRentals(rental_store_suite.RentalPromises):
    pass


class TestBackups(backup_store_suite.BackupPromises):
    pass


class TestSchedules(schedule_store_suite.SchedulePromises):
    pass


class TestWebhooks(webhook_store_suite.WebhookPromises):
    pass
