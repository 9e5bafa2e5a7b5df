"""Migrations lead to the tables of `schema.py` and to nothing else, whoever runs them and however often."""

import asyncio
import re
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from innkeeper.storage import migrations, upgrades
from innkeeper.storage.database import Database
from innkeeper.storage.engines import open_engine, open_migrating_engine
from innkeeper.storage.errors import SchemaIsNewer, UpgradeFailed, UrlIsInvalid
from innkeeper.storage.schema import metadata
from innkeeper.storage.upgrades import configuration, upgrade
from innkeeper.testing.postgres import PostgresServer

pytest_plugins = ["innkeeper.testing.postgres"]

# What the databases themselves say of their tables: partial indexes, autoincrement and storage included.
DESCRIPTIONS = {
    "sqlite": ["SELECT type, name, tbl_name, sql FROM sqlite_master"],
    "postgresql": [
        "SELECT table_name, column_name, data_type, is_nullable, column_default, numeric_precision"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    ],
}


def test_the_head_that_the_package_names_is_that_of_its_scripts() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert scripts.get_heads() == [migrations.HEAD]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert all(re.fullmatch(r"\d{4}", revision) for revision in revisions)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def two_urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The URLs of two databases that are empty, or do not exist yet."""
    if request.param == "sqlite":
        home = tmp_path_factory.mktemp("upgrades")
        return [f"sqlite:///{home / name}" for name in ("migrated.db", "created.db")]
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return [server.create_database(), server.create_database()]


async def test_migrations_make_exactly_the_tables_of_the_schema(two_urls: list[str]) -> None:
    migrated, created = two_urls
    await upgrade(migrated)
    upgrades.make_sqlite_file(created)
    engine = open_migrating_engine(created)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()

    assert await _run(migrated, _differences) == []
    description = await _run(migrated, _describe)
    assert description == await _run(created, _describe)
    assert len(description) > 30


async def _run(url: str, look: Any) -> Any:
    engine = open_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return compare_metadata(context, metadata)


def _describe(connection: Connection) -> list[str]:
    rows = [row for query in DESCRIPTIONS[connection.dialect.name] for row in connection.execute(text(query))]
    # The order of constraints within a table says nothing.
    texts = [" | ".join(map(str, row)) for row in rows]
    lines = [" , ".join(sorted(" ".join(part.split()) for part in re.split("[,()]", one))) for one in texts]
    return sorted(line for line in lines if migrations.VERSION_TABLE not in line)


async def test_upgrading_again_changes_nothing_and_keeps_what_is_there(sqlite_url: str) -> None:
    await upgrade(sqlite_url)
    database = await Database.open(sqlite_url)
    async with database.works() as work:
        await work.settings.put_if_absent("name", "value")
    await database.aclose()
    await upgrade(sqlite_url)
    database = await Database.open(sqlite_url)
    await database.check_schema()
    async with database.works() as work:
        assert await work.settings.get("name") == "value"
    await database.aclose()


async def test_upgrades_at_once_in_one_process_all_come_back_to_a_ready_database(sqlite_url: str) -> None:
    await asyncio.gather(*(upgrade(sqlite_url) for _ in range(4)))
    database = await Database.open(sqlite_url)
    await database.check_schema()
    await database.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_upgrades_at_once_in_several_processes_all_succeed(
    backend: str, sqlite_url: str, postgres_server: PostgresServer
) -> None:
    url = sqlite_url if backend == "sqlite" else postgres_server.create_database()
    program = (
        "import asyncio, sys; from innkeeper.storage.upgrades import upgrade; import alembic.command;"
        "sys.stdin.readline(); asyncio.run(upgrade(sys.argv[1]))"
    )
    panels = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(3)
    ]
    for panel in panels:
        assert panel.stdin is not None
        panel.stdin.write(b"go\n")
        panel.stdin.flush()
    outputs = [panel.communicate(timeout=60)[0].decode() for panel in panels]
    assert [panel.returncode for panel in panels] == [0, 0, 0], outputs
    assert sum("storage.upgraded" in output for output in outputs) == 1
    if backend == "postgresql":
        postgres_server.drop_database(url)


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(sqlite_url: str) -> None:
    upgrades.make_sqlite_file(sqlite_url)
    engine = open_engine(sqlite_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE settings (mine TEXT)"))
    await engine.dispose()
    with pytest.raises(UpgradeFailed):
        await upgrade(sqlite_url)
    assert [line.count("table | ") for line in await _run(sqlite_url, _describe)] == [1]


async def test_a_database_of_a_newer_release_is_left_alone(sqlite_url: str) -> None:
    await upgrade(sqlite_url)
    engine = open_engine(sqlite_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(SchemaIsNewer):
        await upgrade(sqlite_url)


async def test_a_url_that_is_not_understood_is_refused_before_anything_is_made() -> None:
    with pytest.raises(UrlIsInvalid):
        await upgrade("mysql://example")
