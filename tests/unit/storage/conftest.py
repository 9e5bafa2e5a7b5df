"""What tests of storage share: databases, open and not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from innkeeper.core.work import Changed
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.store_samples import Stores


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'data' / 'innkeeper.db'}"


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    """An SQLite database, upgraded and open."""
    await upgrade(sqlite_url)
    database = await Database.open(sqlite_url)
    yield database
    async with asyncio.timeout(10):
        await database.aclose()


@pytest.fixture
def stores(database: Database) -> Stores:
    """The same, with what it announces."""
    announced: list[list[Changed]] = []

    async def announce(changes: list[Changed]) -> None:
        announced.append(changes)

    database.set_announcer(announce)
    return Stores(database.works, announced)
