"""Keeps operations."""

from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import UNFINISHED, operations

# Names of parameters must not be those of columns that an update sets.
_GET = select(operations).where(operations.c.id == bindparam("operation_id"))
_FIND = select(operations).where(operations.c.uuid == bindparam("operation_uuid"))
_UPDATE = update(operations).where(operations.c.id == bindparam("operation_id"))


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
        return await fetch_one(self._connection, _GET, Operation, operation_id=operation_id)

    async def find(self, uuid: UUID) -> Operation | None:
        return await fetch_one(self._connection, _FIND, Operation, operation_uuid=uuid)

    async def update(self, operation: Operation) -> None:
        """Replace the row of the same id; raise NoSuchOperation."""
        values = {**values_of(operation), "operation_id": operation.id}
        if not (await self._connection.execute(_UPDATE, values)).rowcount:
            raise NoSuchOperation(id=operation.id)

    async def unfinished(self, server_id: int | None = None) -> list[Operation]:
        query = select(operations).where(UNFINISHED).order_by(operations.c.id)
        if server_id is not None:
            query = query.where(operations.c.server_id == server_id)
        return await fetch_all(self._connection, query, Operation)

    async def of_server(self, server_id: int, before_id: int | None, limit: int) -> list[Operation]:
        query = select(operations).where(operations.c.server_id == server_id)
        if before_id is not None:
            query = query.where(operations.c.id < before_id)
        return await fetch_all(self._connection, query.order_by(operations.c.id.desc()).limit(limit), Operation)
