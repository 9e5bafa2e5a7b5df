"""Keeps operations."""

from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import UNFINISHED, operations


class SqlOperations:
    """Keeps `core.operations.store.OperationStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, operation: Operation) -> Operation:
        """Keep a new operation and return it with its id; raise NoSuchServer."""
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchServer(id=operation.server_id)}):
            operation_id = await insert_row(self._connection, operations, values_of(operation))
        return replace(operation, id=operation_id)

    async def get(self, operation_id: int) -> Operation | None:
        return await fetch_one(self._connection, select(operations).where(operations.c.id == operation_id), Operation)

    async def find(self, uuid: UUID) -> Operation | None:
        return await fetch_one(self._connection, select(operations).where(operations.c.uuid == uuid), Operation)

    async def update(self, operation: Operation) -> None:
        """Replace the row of the same id; raise NoSuchOperation."""
        statement = update(operations).where(operations.c.id == operation.id)
        if not (await self._connection.execute(statement, values_of(operation))).rowcount:
            raise NoSuchOperation(id=operation.id)

    async def unfinished(self) -> list[Operation]:
        query = select(operations).where(UNFINISHED).order_by(operations.c.id)
        return await fetch_all(self._connection, query, Operation)

    async def of_server(self, server_id: int, before_id: int | None, limit: int) -> list[Operation]:
        query = select(operations).where(operations.c.server_id == server_id)
        if before_id is not None:
            query = query.where(operations.c.id < before_id)
        return await fetch_all(self._connection, query.order_by(operations.c.id.desc()).limit(limit), Operation)
