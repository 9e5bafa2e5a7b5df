"""What the nodes service needs of storage."""

from datetime import datetime
from typing import Protocol

from innkeeper.core.nodes.model import EnrolmentToken, Node


class NodeStore(Protocol):
    """Nodes at rest."""

    async def add(self, node: Node) -> Node:
        """Keep a new node (its id is ignored) and return it with its id; raise NodeNameIsTaken."""
        ...

    async def get(self, node_id: int) -> Node | None: ...

    async def lock(self, node_id: int) -> Node | None:
        """Return a node as it is kept; until the transaction's end whoever else locks it waits.

        What its servers are promised is added up and added to under this lock.
        """
        ...

    async def all(self) -> list[Node]: ...

    async def update(self, node: Node) -> None:
        """Replace the row of the same id; raise NodeNameIsTaken."""
        ...

    async def delete(self, node_id: int) -> None: ...

    async def add_token(self, token: EnrolmentToken) -> None: ...

    async def take_token(self, digest: str, now: datetime) -> EnrolmentToken | None:
        """Return the unexpired token of that digest and delete it in the same step: of two takers one gets it."""
        ...
