"""Deleting servers: at once, or so that an administrator can bring them back for a while.

    present ──delete──▶ deleted, kept ──purge_at has passed, or a purge──▶ deleting ──the node has removed it──▶ deleted
       ▲  │                    │                                             ▲
       │  └────────────────────┼──────────────── delete, at once ────────────┘
       └─────── restore ───────┘

What is kept has its port, its room on the node and its files, and is told to its node as a server that must not run;
to everybody who could see it, it is gone. Every step is one transaction, and what it asks of the node is asked again
until the node has done it: whoever is killed in between, panel or node, nothing is left half deleted.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerChangedMeanwhile, ServerIsNotKept
from innkeeper.core.servers.holding import Holds, keep_decision, require_idle
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

Settle = Callable[[Work, Server], Awaitable[None]]
"""Charges what a server owes up to now, in the transaction that deletes it; or begins anew in the one that restores."""
_OPERATIONS_READ_AT_ONCE = 200


class Deleting:
    """Deletes servers, keeps them for `grace`, brings them back, and ends them."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        holds: Holds,
        nodes: NodeService,
        operations: OperationService,
        activity: ActivityService,
        reconciler: Reconciler,
        closing: tuple[Settle, ...],
        reopening: tuple[Settle, ...] = (),
        grace: timedelta = timedelta(0),
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._holds = holds
        self._nodes = nodes
        self._operations = operations
        self._activity = activity
        self._reconciler = reconciler
        self._closing = closing
        self._reopening = reopening
        self._grace = grace

    async def delete(self, actor: Actor, record: Record, *, at_once: bool = False, strictly: bool = False) -> Operation:
        """Kill a server and delete it; needs `server.delete`. Never refused for its state.

        For the time of grace it can be brought back, and the operation is done when the game has ended. Without one,
        or `at_once`, its files go with it. `strictly`: raises ServerIsBusy while another operation has not ended,
        unless its node is away, so that nobody is at it.
        """
        record = self._directory.reach(actor, record, ServerPermission.DELETE)
        strictly = strictly and self._nodes.is_online(record.server.node_id)
        async with self._holds.hold(record.server.id) as now:
            server, moment = now.server, self._clock.now()
            operation = self._operations.make(server.id, "delete", actor)
            purge_at = moment + self._grace if self._grace and not at_once else None
            changed = msgspec.structs.replace(
                server,
                generation=server.generation + 1,
                state=State.DELETED if purge_at else State.DELETING,
                power="off",
                order_id=operation.uuid,
                deleted_at=moment if purge_at else None,
                purge_at=purge_at,
            )
            data = {"name": server.name} | ({"purge_at": purge_at.isoformat()} if purge_at else {})
            async with self._works() as work:
                if strictly:
                    await require_idle(work, server.id)
                for close in self._closing:
                    await close(work, server)
                await keep_decision(work, changed, strictly=strictly)
                operation = await work.operations.add(operation)
                work.changed("server", server.id, changed)
                await self._activity.note(work, actor, "server.delete", server_id=server.id, data=data)
        if purge_at:
            await self._reconciler.tell(server.id, operation)
        else:
            self._reconciler.finish_deletion_soon(server.id)
        return operation

    # -- what is kept -----------------------------------------------------------------------------------------------

    def kept(self, actor: Actor) -> list[Record]:
        """Return the servers that were deleted and can be brought back, by id; needs `servers.restore`."""
        require(actor, ProductPermission.SERVERS_RESTORE)
        return list(self._directory.kept())

    async def restore(self, actor: Actor, uuid: UUID) -> Server:
        """Bring a deleted server back as it was, but stopped; needs `servers.restore`.

        Where its game has not ended yet, it is ended all the same. Raises NoSuchServer, and ServerIsNotKept for one
        that was not deleted, or whose time has passed.
        """
        require(actor, ProductPermission.SERVERS_RESTORE)
        async with self._holds.hold_any(self._directory.find(uuid).server.id) as now:
            server = now.server
            if not server.kept or self._is_due(server):
                raise ServerIsNotKept
            async with self._works() as work:
                installed = await self._was_installed(work, server)
                pool = await work.billing.lock_pool(server.pool_id) if server.pool_id is not None else None
                # Its order stays: a node that has not heard of the deletion still ends the game when it comes back.
                changed = msgspec.structs.replace(
                    server,
                    generation=server.generation + 1,
                    state=State.STOPPED if installed else State.CREATED,
                    deleted_at=None,
                    purge_at=None,
                    paid_by=None,
                    keep_until=None,
                    pool_id=pool.id if pool is not None else None,
                )
                for reopen in self._reopening:
                    await reopen(work, changed)
                await work.servers.update(changed)
                work.changed("server", server.id, changed)
                data = {"name": server.name}
                await self._activity.note(work, actor, "server.restored", server_id=server.id, data=data)
        await self._reconciler.tell(server.id)
        return changed

    async def purge(self, actor: Actor, uuid: UUID) -> Operation:
        """End a kept server's time now: its files are deleted; needs `servers.restore`. Raises as `restore`."""
        require(actor, ProductPermission.SERVERS_RESTORE)
        server_id = self._directory.find(uuid).server.id
        operation = await self._end(server_id, actor)
        if operation is None:
            raise ServerIsNotKept
        return operation

    async def tick(self) -> None:
        """End the time of every kept server whose time has passed; what is not done today is done at the next tick."""
        for record in [record for record in self._directory.kept() if self._is_due(record.server)]:
            try:
                await self._end(record.server.id, None)
            except ServerChangedMeanwhile:
                log.info("server.purge.by_another_panel", server=str(record.server.uuid))

    async def _end(self, server_id: int, actor: Actor | None) -> Operation | None:
        """Have a kept server's files deleted, asked by somebody or by the clock; None where it is not kept."""
        async with self._holds.hold_any(server_id) as now:
            server = now.server
            if not server.kept:
                return None
            operation = self._operations.make(server_id, "delete", actor)
            changed = msgspec.structs.replace(server, generation=server.generation + 1, state=State.DELETING)
            async with self._works() as work:
                await work.servers.update(changed)
                operation = await work.operations.add(operation)
                work.changed("server", server_id, changed)
                await self._activity.note(work, actor, "server.purge", server_id=server_id, data={"name": server.name})
        self._reconciler.finish_deletion_soon(server_id)
        return operation

    def _is_due(self, server: Server) -> bool:
        return server.purge_at is not None and server.purge_at <= self._clock.now()

    @staticmethod
    async def _was_installed(work: Work, server: Server) -> bool:
        """Say whether an installation of the server was ever done."""
        before: int | None = None
        while found := await work.operations.of_server(server.id, before, _OPERATIONS_READ_AT_ONCE):
            if any(one.verb == "install" and one.state is OperationState.DONE for one in found):
                return True
            before = found[-1].id
        return False
