"""Rows and structs: what every store does in the same way.

Columns are named as the fields of the struct they keep, so a row is read by keyword. Values are given to statements as
parameters, never as expressions, which cost more than all the rest; what is asked often is built once. Knows no table
and no noun.
"""

from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import msgspec
from sqlalchemy import CursorResult, Result, Select, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

S = TypeVar("S", bound=msgspec.Struct)


@cache
def _insertion(table: Table) -> ReturningInsert[tuple[int]]:
    return insert(table).returning(table.c.id)


async def insert_row(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> int:
    """Insert one row and return the id it was given."""
    result: Result[Any] = await connection.execute(_insertion(table), values)
    return int(result.scalar_one())


def inserting(connection: AsyncConnection, table: Table) -> Any:
    """Return an insertion into `table` that can say what to do on a conflict, in the words of the database."""
    # Only the dialect in use is imported: PostgreSQL's takes longer than the rest of a start that does without.
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    return dialect.insert(table)


async def fetch_all(connection: AsyncConnection, query: Select[Any], of: type[S]) -> list[S]:
    """Return what `query` finds, each row as a struct."""
    result: CursorResult[Any] = await connection.execute(query)
    return [of(**row) for row in result.mappings()]


async def fetch_one(connection: AsyncConnection, query: Select[Any], of: type[S], **values: Any) -> S | None:
    """Return the one row that `query`, with `values` for its parameters, finds as a struct, or None."""
    result: CursorResult[Any] = await connection.execute(query, values)
    row = result.mappings().one_or_none()
    return None if row is None else of(**row)


def values_of(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct's fields by column, without the id that the database gives."""
    values = msgspec.structs.asdict(struct)
    values.pop("id", None)
    return values
