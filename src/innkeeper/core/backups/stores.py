"""The stores in which nodes keep backups: looked at, checked, collected, rid of what nobody can read.

For whoever runs the house, since a store holds the backups of all servers of its node. Knows no single backup.
"""

from uuid import UUID

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.model import StoreDeed, StoreState
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.model import Node
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.work import Works


class BackupStores:
    """Commands on stores; all need `nodes.write`, and raise NoSuchNode, NodeIsOffline, BackupStoreFailed."""

    def __init__(self, *, works: Works, gateway: NodeGateway, nodes: NodeService, activity: ActivityService) -> None:
        self._works = works
        self._gateway = gateway
        self._nodes = nodes
        self._activity = activity

    async def read(self, actor: Actor, node: UUID) -> StoreState:
        """Return how a node's store is, as far as it was looked at."""
        return await self._gateway.read_store(self._node(actor, node))

    async def begin(self, actor: Actor, node: UUID, deed: StoreDeed) -> StoreState:
        """Have a store checked, or freed of what no backup needs. Raises BackupStoreIsBusy."""
        found = self._node(actor, node)
        state = await self._gateway.tend_store(found, deed)
        await self._note(actor, f"backup_store.{deed}", {"node": found.name})
        return state

    async def discard(self, actor: Actor, node: UUID, snapshot: str) -> None:
        """Remove a backup that cannot be read, which keeps the store from being collected.

        `snapshot` is what the store calls it. Raises NoSuchBackup, BackupIsReadable.
        """
        found = self._node(actor, node)
        await self._gateway.discard_backup(found, snapshot)
        await self._note(actor, "backup_store.discard", {"node": found.name, "snapshot": snapshot})

    def _node(self, actor: Actor, node: UUID) -> Node:
        require(actor, ProductPermission.NODES_WRITE)
        return self._nodes.by_uuid(node)

    async def _note(self, actor: Actor, action: str, data: dict[str, str]) -> None:
        async with self._works() as work:
            await self._activity.note(work, actor, action, data=data)
