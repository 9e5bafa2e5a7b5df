"""A connection of aiosqlite whose statements cross to its thread and back once.

aiosqlite makes a cursor, executes, fetches and closes in four crossings; each waits for both threads to be scheduled,
which on a busy host costs more than the statement. Results are fetched whole, as SQLAlchemy does in any case.
Knows neither URL nor pragma.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

Row = tuple[Any, ...]


async def connect(uri: str, *, wait_seconds: float) -> aiosqlite.Connection:
    """Open the database of a `file:` URI; wait that long at most for another process's lock.

    No transaction begins by itself. Raises sqlite3.OperationalError.
    """
    # Statements of one connection are prepared once: there are about a hundred different ones.
    options: dict[str, Any] = {"uri": True, "isolation_level": None, "timeout": wait_seconds, "cached_statements": 512}
    return await _Connection(partial(sqlite3.connect, uri, **options), iter_chunk_size=64)


class _Connection(aiosqlite.Connection):
    def cursor(self) -> Any:
        return _Cursor(self)


class _Cursor:
    """The part of a cursor that SQLAlchemy's adapter asks for."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Row] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        return await self._run(lambda cursor: cursor.execute(statement, parameters))

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Self:
        return await self._run(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchall(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Do nothing: the database's own cursor was closed when its rows had been fetched."""

    async def _run(self, execute: Callable[[sqlite3.Cursor], object]) -> Self:
        def in_its_thread() -> None:
            cursor = self._connection._conn.cursor()
            try:
                execute(cursor)
                self._rows = cursor.fetchall()
                self.description, self.lastrowid = cursor.description, cursor.lastrowid
                # Known only once the rows that a statement returns have been fetched.
                self.rowcount = cursor.rowcount
            finally:
                cursor.close()

        await self._connection._execute(in_its_thread)  # type: ignore[no-untyped-call]
        return self
