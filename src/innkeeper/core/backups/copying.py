"""New servers out of backups: made like the original, then given its files in the place of what was installed.

The new server is deployed as any other is, so that room, limits, plans and rent hold. Its restore is an operation that
waits: until the server is installed, and until the backup is finished where it is being made for this.
"""

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.backups.model import Backup, Restoring
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.deploying import Deploying
from innkeeper.core.servers.model import Limits, Server, ServerDraft
from innkeeper.core.work import Works


class Copying:
    """Makes servers like others."""

    def __init__(self, *, works: Works, deploying: Deploying, operations: OperationService, nodes: NodeService) -> None:
        self._works = works
        self._deploying = deploying
        self._operations = operations
        self._nodes = nodes

    async def copy(
        self, actor: Actor, original: Server, backup: Backup, name: str, *, passing: bool
    ) -> tuple[Server, Operation]:
        """Make a server like `original` and have `backup` restored in it; needs `servers.create`.

        It belongs to the actor, stands on the node that keeps the backup, and stays stopped. Raises as
        `Deploying.create`.
        """
        server, _ = await self._deploying.create(actor, self._draft(original, name))
        restoring = Restoring(backup_id=backup.id, backup=backup.uuid, passing=passing, queued=True)
        operation = msgspec.structs.replace(self._operations.make(server.id, "restore", actor), restore=restoring)
        async with self._works() as work:
            operation = await work.operations.add(operation)
            work.changed("operation", operation.id)
        return server, operation

    def _draft(self, original: Server, name: str) -> ServerDraft:
        return ServerDraft(
            name=name,
            package=original.package,
            runtime=original.runtime,
            version=original.version or None,
            description=original.description,
            properties=dict(original.properties),
            limits=original.limits if original.plan is None else Limits(),
            crash=original.crash,
            autostart=original.autostart,
            handling=original.handling,
            idle_stop_minutes=original.idle_stop_minutes,
            node=self._nodes.get(original.node_id).uuid,
            plan=original.plan,
            billing_type=original.billing_type or "hourly",
            addons=dict(original.addons),
        )
