"""From the URL an administrator writes to an engine that is set up as we need it.

    sqlite:///relative/path.db    sqlite:////absolute/path.db
    postgresql://user:password@host:5432/database?sslmode=require

Knows drivers and their settings, no table. No password ever leaves here in a message.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from innkeeper.storage.errors import UrlIsInvalid
from innkeeper.storage.sqlite_driver import connect

BUSY_SECONDS = 5.0
"""How long SQLite waits for another process (a backup, a command line) that writes."""
MIGRATING_SECONDS = 300.0
"""How long an upgrade waits for its turn: another panel may be upgrading."""
WAIT_SECONDS = 15.0
"""How long a transaction waits for its connection before it is refused as unavailable."""
POSTGRESQL_CONNECTIONS = 10
"""Connections of one panel at most."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # With WAL, NORMAL may lose the last commits when the power fails. A command that was answered must not be lost.
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
)


def parse_url(url: str) -> URL:
    """Return `url` with its asynchronous driver; raise UrlIsInvalid."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause holds the text, and with it the password.
        raise UrlIsInvalid("the database URL is not understood") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UrlIsInvalid("an SQLite database needs a file: sqlite:///path/to/innkeeper.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in ("postgresql", "postgres"):
        return _with_asyncpg(parsed)
    raise UrlIsInvalid(f"the database is SQLite or PostgreSQL, not {backend}")


def _with_asyncpg(url: URL) -> URL:
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    unknown = sorted(set(query) - {"ssl", "host", "port"})
    if unknown:
        raise UrlIsInvalid(f"the database URL has options that are not known: {', '.join(unknown)}")
    if not url.database:
        raise UrlIsInvalid("the database URL names no database")
    return url.set(drivername="postgresql+asyncpg", query=query)


def open_engine(url: str) -> AsyncEngine:
    """Return an engine for `url`, not connected yet; raise UrlIsInvalid."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, wait_seconds=BUSY_SECONDS, foreign_keys=True)
    return _postgresql(parsed, wait_seconds=WAIT_SECONDS)


def open_migrating_engine(url: str) -> AsyncEngine:
    """Return an engine for an upgrade: more patient, and in SQLite free to copy a table that others refer to."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, wait_seconds=MIGRATING_SECONDS, foreign_keys=False)
    return _postgresql(parsed, wait_seconds=MIGRATING_SECONDS)


def _postgresql(url: URL, *, wait_seconds: float) -> AsyncEngine:
    return create_async_engine(
        url,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        # After a restart of the database every kept connection is dead: a look costs far less than a lost command.
        pool_pre_ping=True,
        # Every transaction is ended by whoever began it.
        pool_reset_on_return=None,
        connect_args={
            "timeout": WAIT_SECONDS,
            "server_settings": {
                "application_name": "innkeeper",
                "jit": "off",
                "lock_timeout": f"{wait_seconds:.0f}s",
                "idle_in_transaction_session_timeout": "60s",
            },
        },
    )


def _sqlite(url: URL, *, wait_seconds: float, foreign_keys: bool) -> AsyncEngine:
    # Only an upgrade makes the file: a wrong path must not leave an empty database somewhere.
    file = f"{Path(url.database or '').absolute().as_uri()}?mode=rw"
    # One connection: SQLite has one writer anyhow, and so nobody waits in the driver but in the pool, in order.
    engine = create_async_engine(
        url,
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_reset_on_return=None,
        async_creator=partial(connect, file, wait_seconds=wait_seconds),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for pragma in (*_PRAGMAS, f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}"):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that first reads and then wants to write would be refused if another process wrote meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def make_sqlite_file(url: str) -> None:
    """Make an SQLite database's file, empty and readable by its owner alone, where it does not exist yet."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database is not None:
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The journals beside it take over its mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
