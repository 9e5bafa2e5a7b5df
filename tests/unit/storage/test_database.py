"""Transactions under trouble: cancellation, failing announcers, locked files, lost connections."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

import pytest
import structlog
from sqlalchemy import text

from innkeeper.core.accounts.errors import UsernameIsTaken
from innkeeper.core.work import Changed
from innkeeper.storage.database import Database
from innkeeper.storage.engines import make_sqlite_file, open_engine, parse_url
from innkeeper.storage.errors import DatabaseIsUnavailable, SchemaIsNewer, SchemaIsOld, TransactionsDoNotNest
from innkeeper.storage.migrations import HEAD
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.store_samples import Stores, an_account, keep_account

pytest_plugins = ["innkeeper.testing.postgres"]


@pytest.fixture
async def on_postgres(postgres_url: str) -> AsyncIterator[Database]:
    await upgrade(postgres_url)
    database = await Database.open(postgres_url)
    yield database
    await database.aclose()


async def test_a_transaction_inside_another_is_refused_and_not_waited_for(database: Database) -> None:
    with pytest.raises(TransactionsDoNotNest):
        async with database.works(), database.works():
            pass
    async with database.works() as work:
        assert await work.accounts.all() == []


async def test_the_announcer_may_begin_a_transaction_and_sees_what_was_kept(database: Database) -> None:
    seen: list[str | None] = []

    async def announce(_: list[Changed]) -> None:
        async with database.works() as work:
            seen.append(await work.settings.get("name"))

    database.set_announcer(announce)
    async with database.works() as work:
        await work.settings.put_if_absent("name", "value")
        work.changed("node", 1)
    assert seen == ["value"]


async def test_an_announcer_that_fails_is_logged_and_the_command_stands(database: Database) -> None:
    async def announce(_: list[Changed]) -> None:
        raise LookupError("nobody listens")

    database.set_announcer(announce)
    with structlog.testing.capture_logs() as events:
        async with database.works() as work:
            await work.settings.put_if_absent("name", "value")
            work.changed("node", 1)
    assert [(event["event"], event["changes"]) for event in events] == [("storage.announce.failed", [("node", 1)])]
    async with database.works() as work:
        assert await work.settings.get("name") == "value"


async def test_whenever_it_is_cancelled_a_command_is_kept_and_announced_or_neither(
    database: Database, stores: Stores
) -> None:
    async def command(name: str) -> None:
        async with stores.works() as work:
            await work.settings.put_if_absent(name, "1")
            await work.settings.put_if_absent(f"{name} too", "1")
            work.changed("node", int(name))

    kept_turns: list[int] = []
    for turns in range(60):
        task = asyncio.get_running_loop().create_task(command(str(turns)))
        for _ in range(turns * 3):
            await asyncio.sleep(0)
        if turns == 59:
            await task
        task.cancel()
        await asyncio.wait({task})
        kept = set()
        # Waits behind a commit that outlived its caller.
        async with stores.works() as work:
            for name in (str(turns), f"{turns} too"):
                if await work.settings.get(name) is not None:
                    kept.add(name)
        assert len(kept) in (0, 2)
        # The announcement follows the commit: it is there when the database has nothing more to do.
        kept_turns += [turns] if kept else []
    await database.aclose()
    assert stores.announced == [[Changed("node", turns)] for turns in kept_turns]
    assert 0 not in kept_turns
    assert 59 in kept_turns


async def test_closing_waits_for_what_is_under_way_and_begins_nothing_more(sqlite_url: str) -> None:
    await upgrade(sqlite_url)
    database = await Database.open(sqlite_url)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def command() -> None:
        async with database.works() as work:
            inside.set()
            await go_on.wait()
            await work.settings.put_if_absent("name", "value")

    async with asyncio.TaskGroup() as group:
        group.create_task(command())
        await inside.wait()
        closing = group.create_task(database.aclose())
        await asyncio.sleep(0)
        with pytest.raises(DatabaseIsUnavailable):
            async with database.works():
                pass
        assert not closing.done()
        go_on.set()
    await database.aclose()
    with sqlite3.connect(parse_url(sqlite_url).database or "") as connection:
        assert connection.execute("SELECT value FROM settings").fetchall() == [("value",)]
    connection.close()


async def test_a_file_that_another_process_keeps_locked_is_unavailable(
    database: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innkeeper.storage.engines.BUSY_SECONDS", 0.05)
    impatient = await Database.open(sqlite_url)
    other = sqlite3.connect(parse_url(sqlite_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseIsUnavailable):
        async with impatient.works():
            pass
    other.execute("ROLLBACK")
    other.close()
    async with impatient.works() as work:
        await work.settings.put_if_absent("name", "value")
    await impatient.aclose()


async def test_sqlite_is_durable_holds_to_foreign_keys_and_lets_readers_read(sqlite_url: str) -> None:
    await upgrade(sqlite_url)
    engine = open_engine(sqlite_url)
    async with engine.connect() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_what_is_bound_to_statements_is_not_told_in_errors(database: Database) -> None:
    account = an_account(password_hash="$argon2id$s3cret")
    async with database.works() as work:
        await work.accounts.add(account)
        with pytest.raises(UsernameIsTaken) as refused:
            await work.accounts.add(account.__class__(**{**_fields(account), "uuid": an_account().uuid}))
    assert "s3cret" not in str(refused.value) + str(refused.value.__cause__)


def _fields(account: object) -> dict[str, object]:
    return {name: getattr(account, name) for name in account.__struct_fields__}


async def test_a_database_without_tables_is_too_old(sqlite_url: str) -> None:
    make_sqlite_file(sqlite_url)
    database = await Database.open(sqlite_url)
    with pytest.raises(SchemaIsOld):
        await database.check_schema()
    await database.aclose()


@pytest.mark.parametrize(("revision", "condition"), [("0000", SchemaIsOld), ("9999", SchemaIsNewer)])
async def test_a_schema_of_another_release_is_refused(
    database: Database, sqlite_url: str, revision: str, condition: type[Exception]
) -> None:
    await database.check_schema()
    engine = open_engine(sqlite_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    await engine.dispose()
    with pytest.raises(condition, match=HEAD):
        await database.check_schema()


async def test_on_postgresql_the_schema_is_checked_too(on_postgres: Database) -> None:
    await on_postgres.check_schema()


async def test_a_connection_lost_in_a_transaction_is_unavailable_and_the_next_one_works(
    on_postgres: Database, postgres_url: str
) -> None:
    async with on_postgres.works() as work:
        before = await work.accounts.all()
    engine = open_engine(postgres_url)
    with pytest.raises(DatabaseIsUnavailable):
        async with on_postgres.works() as work:
            await keep_account(work)
            async with engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            await work.accounts.all()
    await engine.dispose()
    async with on_postgres.works() as work:
        assert await work.accounts.all() == before


async def test_a_deadlock_is_unavailable_to_one_and_nothing_to_the_other(on_postgres: Database) -> None:
    async with on_postgres.works() as work:
        accounts = [await keep_account(work), await keep_account(work)]
    both = asyncio.Barrier(2)

    async def update(first: int, second: int) -> None:
        async with on_postgres.works() as work:
            await work.accounts.update(accounts[first])
            await both.wait()
            await work.accounts.update(accounts[second])

    results = await asyncio.gather(update(0, 1), update(1, 0), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["DatabaseIsUnavailable", "NoneType"]


@pytest.mark.slow
async def test_a_restart_of_postgresql_costs_no_command_after_it() -> None:
    with PostgresServer() as server:
        url = server.create_database()
        await upgrade(url)
        database = await Database.open(url)
        async with database.works() as work:
            await work.settings.put_if_absent("name", "value")
        server.stop()
        with pytest.raises(DatabaseIsUnavailable):
            async with database.works():
                pass
        server.start()
        async with database.works() as work:
            assert await work.settings.get("name") == "value"
        await database.aclose()
