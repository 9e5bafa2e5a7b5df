"""What a database refuses, told as conditions.

Knows the error classes of both drivers, so that no store has to; which condition a broken constraint means is the
store's to say.
"""

import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionIsFree
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.errors import CoreError, Unavailable
from innkeeper.storage.schema import metadata

FOREIGN_KEY = "foreign key"
"""Stands for the name of any broken foreign key: SQLite does not say which one it was."""

Reference = tuple[Column[Any], int, CoreError]
"""A row that a statement refers to: its id column, its id, and the condition where there is no such row."""

# Connection lost, deadlock or serialization failure, out of resources, lock timeout, server going down.
_PASSING_STATES = ("08", "40", "53", "55", "57")
_PASSING_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_FOREIGN_KEY_STATE = "23503"


class DatabaseIsUnavailable(Unavailable):
    """The database does not answer now."""


class StorageError(RuntimeError):
    """The database cannot be used as it is: a matter for whoever runs the installation."""


class UrlIsInvalid(StorageError):
    """The database URL is not understood."""


class SchemaIsOld(StorageError):
    """The database has to be upgraded first: run `innkeeper db upgrade`."""


class SchemaIsNewer(StorageError):
    """The database was upgraded by a newer release; this one would harm it."""


class UpgradeFailed(StorageError):
    """The database could not be upgraded, and is as it was."""


class TransactionsDoNotNest(StorageError):
    """A task began a transaction inside its own: it would wait for itself."""


@asynccontextmanager
async def refusing(
    connection: AsyncConnection,
    conditions: Mapping[str, CoreError],
    references: Sequence[Reference] = (),
) -> AsyncIterator[None]:
    """Run one statement; raise the condition that stands for the constraint it breaks, by the constraint's name.

    `references` are looked at where a foreign key is broken that `conditions` say nothing of.
    The transaction can go on after that: SQLite undoes the statement alone, PostgreSQL is given a savepoint to do so.
    """
    try:
        async with AsyncExitStack() as stack:
            if connection.dialect.name == "postgresql":
                await stack.enter_async_context(connection.begin_nested())
            yield
    except IntegrityError as error:
        broken = constraint_of(error)
        condition = conditions.get(broken)
        if condition is None and broken == FOREIGN_KEY:
            condition = await _missing(connection, references)
        if condition is None:
            raise
        raise condition from error


async def _missing(connection: AsyncConnection, references: Sequence[Reference]) -> CoreError | None:
    for column, row_id, condition in references:
        if (await connection.execute(select(column).where(column == row_id))).first() is None:
            return condition
    return None


def constraint_of(error: IntegrityError) -> str:
    """Return the name of the constraint that was broken, FOREIGN_KEY for any of those, "" where it is not known."""
    if isinstance(error.orig, sqlite3.IntegrityError):
        if error.orig.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return FOREIGN_KEY
        return _UNIQUE.get(str(error.orig).removeprefix("UNIQUE constraint failed: "), "")
    cause = getattr(error.orig, "__cause__", None)
    if getattr(cause, "sqlstate", None) == _FOREIGN_KEY_STATE:
        return FOREIGN_KEY
    return str(getattr(cause, "constraint_name", None) or "")


def cannot_connect(error: BaseException) -> bool:
    """Say whether asking for a connection raises this when the database is not there."""
    if isinstance(error, DBAPIError | NoConnectionIsFree | OSError):
        return True
    driver = sys.modules.get("asyncpg")  # not imported for SQLite
    return driver is not None and isinstance(error, driver.PostgresError | driver.InterfaceError)


def is_passing(error: BaseException) -> bool:
    """Say whether the database may answer the same request well some time later."""
    if isinstance(error, NoConnectionIsFree):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _PASSING_CODES
    return str(getattr(error.orig, "sqlstate", None) or "").startswith(_PASSING_STATES)


def _unique_columns() -> dict[str, str]:
    """Return the names of unique constraints by the columns SQLite reports in their place."""
    names: dict[str, str] = {}
    for table in metadata.tables.values():
        unique: list[UniqueConstraint | Index] = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        unique += [index for index in table.indexes if index.unique]
        for constraint in unique:
            names[", ".join(f"{table.name}.{column.name}" for column in constraint.columns)] = str(constraint.name)
    return names


_UNIQUE = _unique_columns()
