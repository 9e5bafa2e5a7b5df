"""What samples are gathered into is what they come to by hand, and no statement reads a whole table."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.engine import Engine

from innkeeper.core.metrics.model import SPANS, Step
from innkeeper.core.servers.model import Usage
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.metric_store_suite import by_hand
from innkeeper.testing.store_samples import NOON, a_usage

BEGIN = datetime(2026, 3, 29, 0, 58, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        asyncio.run(upgrade(f"sqlite:///{file}"))
        sqlite3.connect(file).close()
        return file.read_bytes()


usages = st.builds(
    lambda offset, cpu, memory, disk, players: Usage(
        at=BEGIN + timedelta(milliseconds=offset),
        cpu_percent=cpu / 100,
        memory_bytes=memory,
        disk_bytes=disk,
        players=players,
    ),
    st.integers(0, 8_000_000),
    st.integers(0, 1_000_000),
    st.integers(0, 1 << 46),
    st.none() | st.integers(0, 1 << 46),
    st.integers(0, 10_000),
)
batches = st.lists(st.lists(st.tuples(st.integers(1, 3), usages), max_size=12), max_size=10)


@given(batches, st.data())
@settings(max_examples=40, deadline=None)
def test_sums_means_and_maxima_are_those_of_the_samples_whatever_came_when_and_how_often(
    empty: bytes, batches: list[list[tuple[int, Usage]]], data: st.DataObject
) -> None:
    repeated = batches + data.draw(st.lists(st.sampled_from(batches), max_size=4) if batches else st.just([]))
    first: dict[tuple[int, datetime], Usage] = {}
    for server_id, usage in (one for batch in repeated for one in batch):
        first.setdefault((server_id, usage.at), usage)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "innkeeper.db"
            file.write_bytes(empty)
            database = await Database.open(f"sqlite:///{file}")
            try:
                for batch in repeated:
                    async with database.works() as work:
                        await work.metrics.add(batch)
                async with database.works() as work:
                    for server_id in (1, 2, 3):
                        mine = [usage for (owner, _), usage in first.items() if owner == server_id]
                        for span, length in SPANS.items():
                            end = BEGIN + timedelta(days=1)
                            found = await work.metrics.gathered(span, server_id, BEGIN - length, end, 10_000)
                            assert found == by_hand(mine, length)
            finally:
                await database.aclose()

    asyncio.run(run())


@pytest.fixture
async def watched(tmp_path: Path, empty: bytes) -> AsyncIterator[tuple[Database, list[tuple[str, Any]]]]:
    """A database, and what it was asked."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    file = tmp_path / "innkeeper.db"
    file.write_bytes(empty)
    database = await Database.open(f"sqlite:///{file}")
    event.listen(Engine, "before_cursor_execute", note)
    yield database, asked
    event.remove(Engine, "before_cursor_execute", note)
    await database.aclose()


async def test_no_statement_reads_a_whole_table(
    watched: tuple[Database, list[tuple[str, Any]]], tmp_path: Path
) -> None:
    database, asked = watched
    kinds: tuple[Step, ...] = ("raw", "minute", "hour")
    async with database.works() as work:
        await work.metrics.add([(1, a_usage(NOON)), (2, a_usage(NOON))])
        await work.metrics.of_server(1, NOON, NOON + timedelta(hours=1), 10)
        for span in SPANS:
            await work.metrics.gathered(span, 1, NOON, NOON + timedelta(hours=1), 10)
        for kind in kinds:
            await work.metrics.of_host(kind, 1, NOON, NOON + timedelta(hours=1), 10)
            await work.metrics.delete_before(NOON, of=kind, most=10)
    plans = sqlite3.connect(tmp_path / "innkeeper.db")
    statements = [one for one in asked if one[0].startswith(("SELECT", "DELETE"))]
    assert len(statements) == 12
    for statement, parameters in statements:
        for row in plans.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
            assert not row[3].startswith(("SCAN samples", "SCAN usage", "SCAN host")), (statement, row)
            assert "TEMP B-TREE" not in row[3], (statement, row)
    plans.close()


async def test_the_samples_of_all_servers_are_kept_in_as_many_statements_as_those_of_one(
    watched: tuple[Database, list[tuple[str, Any]]],
) -> None:
    database, asked = watched
    async with database.works() as work:
        await work.metrics.add([(number, a_usage(NOON)) for number in range(500)])
    assert len([statement for statement, _ in asked if statement.startswith("INSERT")]) == 3
