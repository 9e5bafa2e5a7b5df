"""Keeps nodes and the tokens that enrol them."""

from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.errors import NodeHasServers, NodeNameIsTaken, NoSuchNode
from innkeeper.core.nodes.model import EnrolmentToken, Node
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import enrolment_tokens, nodes


class SqlNodes:
    """Keeps `core.nodes.store.NodeStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, node: Node) -> Node:
        async with refusing(self._connection, _refusals(node)):
            node_id = await insert_row(self._connection, nodes, values_of(node))
        return replace(node, id=node_id)

    async def get(self, node_id: int) -> Node | None:
        return await fetch_one(self._connection, select(nodes).where(nodes.c.id == node_id), Node)

    async def lock(self, node_id: int) -> Node | None:
        # Its key stays: what refers to it is written meanwhile. SQLite has one writer anyhow.
        held = select(nodes).where(nodes.c.id == node_id).with_for_update(key_share=True)
        return await fetch_one(self._connection, held, Node)

    async def all(self) -> list[Node]:
        return await fetch_all(self._connection, select(nodes).order_by(nodes.c.id), Node)

    async def update(self, node: Node) -> None:
        """Replace the row of the same id; raise NodeNameIsTaken, NoSuchNode."""
        async with refusing(self._connection, _refusals(node)):
            result = await self._connection.execute(update(nodes).where(nodes.c.id == node.id), values_of(node))
        if not result.rowcount:
            raise NoSuchNode(id=node.id)

    async def delete(self, node_id: int) -> None:
        """Delete a node; raise NodeHasServers where one is left that is not deleted."""
        async with refusing(self._connection, {FOREIGN_KEY: NodeHasServers(id=node_id)}):
            await self._connection.execute(delete(nodes).where(nodes.c.id == node_id))

    async def add_token(self, token: EnrolmentToken) -> None:
        await self._connection.execute(insert(enrolment_tokens), values_of(token))

    async def take_token(self, digest: str, now: datetime) -> EnrolmentToken | None:
        """Return the unexpired token of that digest and delete it; expired ones are swept out with it."""
        mine = (enrolment_tokens.c.digest == digest) & (enrolment_tokens.c.expires_at > now)
        taken = await self._connection.execute(delete(enrolment_tokens).where(mine).returning(enrolment_tokens))
        row = taken.mappings().one_or_none()
        await self._connection.execute(delete(enrolment_tokens).where(enrolment_tokens.c.expires_at <= now))
        return None if row is None else EnrolmentToken(**row)


def _refusals(node: Node) -> dict[str, CoreError]:
    return {"uq_nodes_name": NodeNameIsTaken(name=node.name)}
