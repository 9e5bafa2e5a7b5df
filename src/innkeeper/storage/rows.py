"""Rows and structs: what every store does in the same way.

Columns are named as the fields of the struct they keep, so a row is read by keyword. Values are given to statements as
parameters, never as expressions, which cost more than all the rest. Knows no table and no noun.
"""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import CursorResult, Result, Select, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

S = TypeVar("S", bound=msgspec.Struct)


async def insert_row(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> int:
    """Insert one row and return the id it was given."""
    result: Result[Any] = await connection.execute(insert(table).returning(table.c.id), values)
    return int(result.scalar_one())


async def fetch_all(connection: AsyncConnection, query: Select[Any], of: type[S]) -> list[S]:
    """Return what `query` finds, each row as a struct."""
    result: CursorResult[Any] = await connection.execute(query)
    return [of(**row) for row in result.mappings()]


async def fetch_one(connection: AsyncConnection, query: Select[Any], of: type[S]) -> S | None:
    """Return the one row that `query` finds as a struct, or None."""
    result: CursorResult[Any] = await connection.execute(query)
    row = result.mappings().one_or_none()
    return None if row is None else of(**row)


def values_of(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct's fields by column, without the id that the database gives."""
    values = msgspec.structs.asdict(struct)
    values.pop("id", None)
    return values
