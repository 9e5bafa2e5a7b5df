"""What the operations service needs of storage."""

from typing import Protocol
from uuid import UUID

from innkeeper.core.operations.model import Operation


class OperationStore(Protocol):
    """Operations at rest."""

    async def add(self, operation: Operation) -> Operation:
        """Keep a new operation (its id is ignored) and return it with its id."""
        ...

    async def get(self, operation_id: int) -> Operation | None: ...

    async def find(self, uuid: UUID) -> Operation | None: ...

    async def update(self, operation: Operation) -> None: ...

    async def unfinished(self, server_id: int | None = None) -> list[Operation]:
        """Return what is created or running, of one server or of all, oldest first."""
        ...

    async def of_server(self, server_id: int, before_id: int | None, limit: int) -> list[Operation]:
        """Return operations of a server, newest first, older than `before_id`."""
        ...
