"""What users do with servers: make, change, start, stop, restart, kill, reinstall, suspend, delete.

A command checks who asks and the state, keeps the decision and its operation in one transaction, then tells the node.
Should the node not hear it, it is told again with every reconciliation: what is kept is done, late or honestly failed.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.meters import Meters
from innkeeper.core.catalog.model import runtimes_of
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.placement import asks_more, require_room
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation, Verb
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers import checks
from innkeeper.core.servers.deleting import Deleting
from innkeeper.core.servers.deploying import Deploying
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import (
    ResourcesAreThePlans,
    ServerIsBusy,
    ServerIsInstalling,
    ServerIsNotInstalled,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsStopping,
    ServerIsSuspended,
)
from innkeeper.core.servers.holding import Holds, keep_decision, require_idle
from innkeeper.core.servers.lifecycle import ALIVE, RESTARTABLE, STARTABLE, STOPPABLE, State
from innkeeper.core.servers.model import Server, ServerChanges, ServerDraft
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Works
from innkeeper.kit.log import get_logger

log = get_logger(__name__)


class ServerService:
    """Commands on servers."""

    def __init__(
        self,
        *,
        works: Works,
        directory: ServerDirectory,
        catalog: Catalog,
        nodes: NodeService,
        gateway: NodeGateway,
        operations: OperationService,
        activity: ActivityService,
        reconciler: Reconciler,
        meters: Meters,
        holds: Holds,
        deploying: Deploying,
        deleting: Deleting,
    ) -> None:
        self._works = works
        self._directory = directory
        self._catalog = catalog
        self._nodes = nodes
        self._gateway = gateway
        self._operations = operations
        self._activity = activity
        self._reconciler = reconciler
        self._meters = meters
        self._holds = holds
        self._deploying = deploying
        self._deleting = deleting

    # -- reading ----------------------------------------------------------------------------------------------------

    def kept(self, actor: Actor) -> list[Record]:
        """Return the servers that were deleted and can be brought back, by id; needs `servers.restore`."""
        return self._deleting.kept(actor)

    def list(self, actor: Actor) -> list[Record]:
        """Return the servers the actor may see, by id. The list is shared: do not change it."""
        return self._directory.visible(actor)

    def get(self, actor: Actor, server_id: int, permission: ServerPermission = ServerPermission.VIEW) -> Record:
        """Return a server's record; raise NoSuchServer, ServerIsDeleted, PermissionIsMissing."""
        return self._directory.reach(actor, self._directory.get(server_id), permission)

    def find(self, actor: Actor, uuid: UUID, permission: ServerPermission = ServerPermission.VIEW) -> Record:
        """Return a server's record by UUID; raises as `get`."""
        return self._directory.reach(actor, self._directory.find(uuid), permission)

    # -- making and changing ----------------------------------------------------------------------------------------

    async def create(self, actor: Actor, draft: ServerDraft) -> tuple[Server, Operation]:
        """Make a server and have it installed; as `Deploying.create` says."""
        return await self._deploying.create(actor, draft)

    async def change(self, actor: Actor, record: Record, changes: ServerChanges) -> Server:
        """Change a server's settings; needs `settings.write`. What the game reads at its start counts from then on.

        Properties that are kept in the game's files are written there at once: the files are the truth.
        """
        self._directory.reach(actor, record, ServerPermission.SETTINGS_WRITE)
        given = {
            key: value for key in changes.__struct_fields__ if (value := getattr(changes, key)) is not msgspec.UNSET
        }
        if "name" in given:
            checks.check_name(given["name"])
        if "limits" in given:
            checks.check_limits(given["limits"])
        if "crash" in given:
            checks.check_crash(given["crash"])
        if "handling" in given:
            checks.check_handling(given["handling"])
        if "description" in given:
            checks.check_description(given["description"])
        if "port" in given:
            checks.check_port(given["port"])
        async with self.hold(record) as now:
            server = now.server
            package = self._catalog.get(server.package)
            if "limits" in given:
                if server.plan is not None:
                    raise ResourcesAreThePlans(plan=server.plan)
                given["limits"] = checks.with_memory(package.resources_of(server.runtime), given["limits"])
            if "properties" in given:
                given["properties"] = self._catalog.check_properties(
                    package, given["properties"], current=server.properties, runtimes=runtimes_of(server)
                )
            changed = msgspec.structs.replace(server, generation=server.generation + 1, **given)
            checks.check_idle_stop(changed, self._catalog.blueprint(changed))
            for file in self._catalog.config_changes(changed, server.properties):
                await self._gateway.write_config(server, file)
            async with self._works() as work:
                if asks_more(server.limits, changed.limits):
                    await require_room(work, changed)
                await work.servers.update(changed)
                work.changed("server", server.id, changed)
                await self._activity.note(
                    work, actor, "server.changed", server_id=server.id, data={"changed": sorted(given)}
                )
        await self._reconciler.tell(server.id)
        return changed

    # -- power ------------------------------------------------------------------------------------------------------

    async def start(
        self,
        actor: Actor,
        record: Record,
        *,
        own_credits: bool = False,
        strictly: bool = False,
        operation_id: UUID | None = None,
    ) -> Operation:
        """Start a stopped server; needs `power.start`.

        With `own_credits` the actor's wallet pays for as long as the server is on, else its pool's or owner's. Raises
        ServerIsNotStopped and its kin, ServerIsSuspended, CreditsAreExhausted; `strictly` also ServerIsBusy, naming
        the operation, while any operation of the server has not ended.
        """
        record = self._directory.reach(actor, record, ServerPermission.START)

        def check(state: State, _power: str) -> None:
            if state in (State.PREPARING, State.STARTING):
                raise ServerIsStarting
            if state is State.RESTARTING:
                raise ServerIsStarting("The server is restarting.")
            if state not in STARTABLE:
                raise ServerIsNotStopped(state=str(state))

        paid_by = actor.account.id if own_credits else None
        return await self._order(
            actor,
            record,
            "start",
            check,
            State.PREPARING,
            power="on",
            paid_by=paid_by,
            strictly=strictly,
            operation_id=operation_id,
        )

    async def stop(
        self, actor: Actor, record: Record, *, strictly: bool = False, operation_id: UUID | None = None
    ) -> Operation:
        """Stop a server in order; needs `power.stop`. Raises ServerIsNotRunning, ServerIsStopping.

        `strictly`: it must be running and nothing else; raises ServerIsBusy while any of its operations has not ended.
        """
        record = self._directory.reach(actor, record, ServerPermission.STOP)
        check = _check_running if strictly else _check_stoppable
        return await self._order(
            actor, record, "stop", check, State.STOPPING, power="off", strictly=strictly, operation_id=operation_id
        )

    async def stop_unasked(self, record: Record, reason: str) -> Operation:
        """Stop a server in order, for a reason of the house; raises as `stop`."""
        check, state = _check_stoppable, State.STOPPING
        return await self._order(None, record, "stop", check, state, power="off", reason=reason)

    async def restart(
        self, actor: Actor, record: Record, *, strictly: bool = False, operation_id: UUID | None = None
    ) -> Operation:
        """Stop a running server and start it again; needs `power.restart`. Raises ServerIsNotRunning.

        `strictly` as of `stop`.
        """
        record = self._directory.reach(actor, record, ServerPermission.RESTART)

        def check(state: State, _power: str) -> None:
            if state in (State.STOPPING, State.SAVING):
                raise ServerIsStopping
            if state not in RESTARTABLE:
                raise ServerIsNotRunning(state=str(state))

        check = _check_running if strictly else check
        return await self._order(
            actor, record, "restart", check, State.RESTARTING, power="on", strictly=strictly, operation_id=operation_id
        )

    async def kill(self, actor: Actor, record: Record, *, operation_id: UUID | None = None) -> Operation:
        """End a server at once, whatever it is doing; needs `power.kill`. Raises ServerIsNotRunning."""
        record = self._directory.reach(actor, record, ServerPermission.KILL)

        def check(state: State, _power: str) -> None:
            if state not in ALIVE and state not in (State.PREPARING, State.CRASHED):
                raise ServerIsNotRunning(state=str(state))

        return await self._order(actor, record, "kill", check, State.STOPPING, power="off", operation_id=operation_id)

    async def reinstall(self, actor: Actor, record: Record, *, operation_id: UUID | None = None) -> Operation:
        """Install a stopped server anew, its files kept; needs `server.reinstall`. Raises ServerIsNotStopped."""
        record = self._directory.reach(actor, record, ServerPermission.REINSTALL)

        def check(state: State, _power: str) -> None:
            if state not in STARTABLE and state is not State.CREATED:
                raise ServerIsNotStopped(state=str(state))

        return await self._order(
            actor, record, "install", check, State.INSTALLING, power="off", operation_id=operation_id
        )

    async def suspend(self, actor: Actor, record: Record, reason: str) -> Server:
        """Stop a server and forbid it to run until it is unsuspended; needs `server.suspend`.

        Of one that is suspended already the reason changes: what the house locked, it does not unlock any more.
        """
        return await self._set_suspended(actor, record, True, reason)

    async def unsuspend(self, actor: Actor, record: Record) -> Server:
        """Let a suspended server run again; it is not started by this. Needs `server.suspend`."""
        return await self._set_suspended(actor, record, False, None)

    async def lock(self, record: Record, reason: str) -> Server:
        """Stop a server and forbid it to run, in the house's name; of one that is suspended nothing changes."""
        return await self._set_suspended(None, record, True, reason)

    async def unlock(self, record: Record, reason: str) -> Server:
        """Let a server run again that is suspended for that reason, in the house's name; it is not started by this."""
        return await self._set_suspended(None, record, False, reason)

    async def delete(self, actor: Actor, record: Record, *, at_once: bool = False, strictly: bool = False) -> Operation:
        """Delete a server; as `Deleting.delete` says."""
        return await self._deleting.delete(actor, record, at_once=at_once, strictly=strictly)

    async def restore(self, actor: Actor, uuid: UUID) -> Server:
        """Bring a deleted server back, stopped; as `Deleting.restore` says."""
        return await self._deleting.restore(actor, uuid)

    async def purge(self, actor: Actor, uuid: UUID) -> Operation:
        """Delete what is kept of a deleted server; as `Deleting.purge` says."""
        return await self._deleting.purge(actor, uuid)

    # -- within -----------------------------------------------------------------------------------------------------

    async def _order(
        self,
        actor: Actor | None,
        record: Record,
        verb: Verb,
        check: Callable[[State, str], None],
        state: State,
        *,
        power: Literal["on", "off"],
        reason: str | None = None,
        paid_by: int | None = None,
        strictly: bool = False,
        operation_id: UUID | None = None,
    ) -> Operation:
        """Keep a decision about a server with its operation, and tell the node; `check` sees state and power intent.

        `operation_id` is the UUID of the operation where the asker has to know it beforehand.
        """
        async with self.hold(record) as now:
            server = now.server
            if verb in ("start", "restart") and server.suspended:
                raise ServerIsSuspended
            state_now = now.live.state if not strictly else await self._idle_state(server)
            _check_ready(state_now, verb)
            check(state_now, server.power)
            if not self._nodes.is_online(server.node_id):
                raise NodeIsOffline
            operation = msgspec.structs.replace(
                self._operations.make(server.id, verb, actor, uuid=operation_id), reason=reason
            )
            changed = msgspec.structs.replace(
                server, generation=server.generation + 1, power=power, state=state, order_id=operation.uuid
            )
            if verb == "start":
                changed = msgspec.structs.replace(changed, paid_by=paid_by)
            async with self._works() as work:
                if verb == "start":
                    await self._meters.require_reserve(work, changed)
                await keep_decision(work, changed, strictly=strictly)
                operation = await work.operations.add(operation)
                work.changed("server", server.id, changed)
                data = {"reason": reason} if reason else None
                await self._activity.note(work, actor, f"server.{verb}", server_id=server.id, data=data)
        await self._reconciler.tell(server.id, operation)
        return operation

    async def _idle_state(self, server: Server) -> State:
        """Return the state of a server as it is kept, which every panel agrees on; raise ServerIsBusy."""
        async with self._works() as work:
            await require_idle(work, server.id)
            kept = await work.servers.get(server.id)
        return kept.state if kept is not None else server.state

    async def _set_suspended(self, actor: Actor | None, record: Record, suspended: bool, reason: str | None) -> Server:
        if actor is not None:
            self._directory.reach(actor, record, ServerPermission.SUSPEND)
        async with self.hold(record) as now:
            server = now.server
            if suspended:
                stays = server.suspended and (actor is None or server.suspended_reason == reason)
            else:
                stays = not server.suspended or reason not in (None, server.suspended_reason)
            if stays:
                return server
            changed = msgspec.structs.replace(
                server,
                generation=server.generation + 1,
                suspended=suspended,
                suspended_reason=reason if suspended else None,
                power="off" if suspended else server.power,
            )
            async with self._works() as work:
                await work.servers.update(changed)
                work.changed("server", server.id, changed)
                action = "server.suspended" if suspended else "server.unsuspended"
                await self._activity.note(
                    work, actor, action, server_id=server.id, data={"reason": reason} if reason else None
                )
        await self._reconciler.tell(server.id)
        return changed

    @asynccontextmanager
    async def hold(self, record: Record) -> AsyncIterator[Record]:
        """Keep other commands from a server, and give its record as it is by then; raise ServerIsDeleted."""
        async with self._holds.hold(record.server.id) as now:
            yield now


def _check_ready(state: State, verb: Verb) -> None:
    if state is State.INSTALLING:
        raise ServerIsInstalling
    if state is State.CREATED and verb != "install":
        raise ServerIsNotInstalled
    if state is State.TRANSFERRING:
        raise ServerIsBusy


def _check_running(state: State, _power: str) -> None:
    if state is not State.RUNNING:
        raise ServerIsNotRunning(state=str(state))


def _check_stoppable(state: State, power: str) -> None:
    if state in (State.STOPPING, State.SAVING):
        raise ServerIsStopping
    if state not in STOPPABLE or (state is State.CRASHED and power == "off"):
        raise ServerIsNotRunning(state=str(state))
