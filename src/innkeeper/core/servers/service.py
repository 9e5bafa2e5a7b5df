"""What users do with servers: make, change, start, stop, restart, kill, reinstall, suspend, delete.

A command checks who asks and the state, keeps the decision and its operation in one transaction, then tells the node.
Should the node not hear it, it is told again with every reconciliation: what is kept is done, late or honestly failed.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.meters import Meters
from innkeeper.core.catalog.model import Blueprint, Package
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.model import Node
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation, Verb
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import (
    AddressIsInvalid,
    DescriptionIsTooLong,
    LimitIsInvalid,
    NoPortIsFree,
    PortIsInvalid,
    PortIsTaken,
    ServerIsBusy,
    ServerIsDeleted,
    ServerIsInstalling,
    ServerIsNotInstalled,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsStopping,
    ServerIsSuspended,
    ServerNameIsInvalid,
)
from innkeeper.core.servers.lifecycle import ALIVE, ENDED, RESTARTABLE, STARTABLE, STOPPABLE, State
from innkeeper.core.servers.model import CrashPolicy, Limits, Server, ServerChanges, ServerDraft
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

MAX_IDLE_MINUTES = 10_080
_PORTS_TRIED_AT_ONCE = 64
_PORT_RACES = 5
"""How often another panel may take the port that was just chosen."""


class ServerService:
    """Commands on servers."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        catalog: Catalog,
        nodes: NodeService,
        gateway: NodeGateway,
        operations: OperationService,
        activity: ActivityService,
        reconciler: Reconciler,
        meters: Meters,
        account_exists: Callable[[UUID], int | None],
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._catalog = catalog
        self._nodes = nodes
        self._gateway = gateway
        self._operations = operations
        self._activity = activity
        self._reconciler = reconciler
        self._meters = meters
        self._account_id = account_exists
        self._locks: dict[int, asyncio.Lock] = {}
        self._allocating: dict[int, asyncio.Lock] = {}
        """By node: two servers made at the same time must not choose the same port."""

    # -- reading ----------------------------------------------------------------------------------------------------

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
        """Make a server and have it installed; needs `servers.create`.

        Raises NoSuchPackage, NoSuchRuntime, NoSuchVersion, PropertyIsInvalid, PropertyIsUnknown, ServerNameIsInvalid,
        NoNodeIsOnline, NoSuchNode, NodeIsOffline, PortIsTaken, NoPortIsFree, LimitIsInvalid.
        """
        require(actor, ProductPermission.SERVERS_CREATE)
        _check_name(draft.name)
        _check_limits(draft.limits, draft.crash)
        _check_description(draft.description)
        if draft.address is not None:
            _check_address(draft.address)
        package = self._catalog.get(draft.package)
        runtime, version = self._catalog.choose(package, draft.runtime, draft.version)
        properties = self._catalog.check_properties(package, draft.properties, current=None)
        owner_id = self._owner(actor, draft.owner)
        node = self._nodes.choose(draft.node)
        if not self._nodes.is_online(node.id):
            raise NodeIsOffline(f"Node {node.name} cannot be reached now.")
        address = draft.address or node.address
        server = Server(
            id=0,
            uuid=uuid7(),
            owner_id=owner_id,
            node_id=node.id,
            name=draft.name,
            description=draft.description,
            package=package.name,
            runtime=runtime.name,
            version=version,
            properties=properties,
            address=address,
            limits=_limits(package, draft.limits),
            crash=draft.crash,
            autostart=draft.autostart,
            idle_stop_minutes=draft.idle_stop_minutes,
            power="on" if draft.start else "off",
            state=State.INSTALLING,
            created_at=self._clock.now(),
        )
        _check_idle_stop(server, self._catalog.blueprint(server))
        server, operation = await self._add(actor, server, node, package, draft.port)
        await self._reconciler.tell(server.id)
        return server, operation

    async def _add(
        self, actor: Actor, server: Server, node: Node, package: Package, wanted: int | None
    ) -> tuple[Server, Operation]:
        """Give a new server its port and keep it."""
        races = 0
        while True:
            try:
                return await self._add_once(actor, server, node, package, wanted)
            except PortIsTaken:
                races += 1
                if wanted is not None or races == _PORT_RACES:
                    raise

    async def _add_once(
        self, actor: Actor, server: Server, node: Node, package: Package, wanted: int | None
    ) -> tuple[Server, Operation]:
        async with self._allocating.setdefault(node.id, asyncio.Lock()):
            port, protocol = await self._port(node, server.address, package, wanted)
            operation = self._operations.make(0, "install", actor)
            server = msgspec.structs.replace(server, port=port, protocol=protocol, order_id=operation.uuid)
            async with self._works() as work:
                server = await work.servers.add(server)
                operation = await work.operations.add(msgspec.structs.replace(operation, server_id=server.id))
                work.changed("server", server.id, server)
                await self._activity.note(
                    work,
                    actor,
                    "server.created",
                    server_id=server.id,
                    data={"name": server.name, "package": package.name},
                )
        return server, operation

    async def change(self, actor: Actor, record: Record, changes: ServerChanges) -> Server:
        """Change a server's settings; needs `settings.write`. What the game reads at its start counts from then on.

        Properties that are kept in the game's files are written there at once: the files are the truth.
        """
        self._directory.reach(actor, record, ServerPermission.SETTINGS_WRITE)
        given = {
            key: value for key in changes.__struct_fields__ if (value := getattr(changes, key)) is not msgspec.UNSET
        }
        if "name" in given:
            _check_name(given["name"])
        if "limits" in given:
            _check_limits(given["limits"])
        if "crash" in given:
            _check_limits(Limits(), given["crash"])
        if "description" in given:
            _check_description(given["description"])
        if "port" in given:
            _check_port(given["port"])
        async with self.hold(record) as now:
            server = now.server
            package = self._catalog.get(server.package)
            if "limits" in given:
                given["limits"] = _limits(package, given["limits"])
            if "properties" in given:
                given["properties"] = self._catalog.check_properties(
                    package, given["properties"], current=server.properties
                )
            changed = msgspec.structs.replace(server, generation=server.generation + 1, **given)
            _check_idle_stop(changed, self._catalog.blueprint(changed))
            for file in self._catalog.config_changes(changed, server.properties):
                await self._gateway.write_config(server, file)
            async with self._works() as work:
                await work.servers.update(changed)
                work.changed("server", server.id, changed)
                await self._activity.note(
                    work, actor, "server.changed", server_id=server.id, data={"changed": sorted(given)}
                )
        await self._reconciler.tell(server.id)
        return changed

    # -- power ------------------------------------------------------------------------------------------------------

    async def start(self, actor: Actor, record: Record, *, own_credits: bool = False) -> Operation:
        """Start a stopped server; needs `power.start`.

        With `own_credits` the actor's wallet pays for as long as the server is on, else its pool's or owner's. Raises
        ServerIsNotStopped and its kin, ServerIsSuspended, CreditsAreExhausted.
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
        return await self._order(actor, record, "start", check, State.PREPARING, power="on", paid_by=paid_by)

    async def stop(self, actor: Actor, record: Record) -> Operation:
        """Stop a server in order; needs `power.stop`. Raises ServerIsNotRunning, ServerIsStopping."""
        record = self._directory.reach(actor, record, ServerPermission.STOP)
        return await self._order(actor, record, "stop", _check_stoppable, State.STOPPING, power="off")

    async def stop_unasked(self, record: Record, reason: str) -> Operation:
        """Stop a server in order, for a reason of the house; raises as `stop`."""
        check, state = _check_stoppable, State.STOPPING
        return await self._order(None, record, "stop", check, state, power="off", reason=reason)

    async def restart(self, actor: Actor, record: Record) -> Operation:
        """Stop a running server and start it again; needs `power.restart`. Raises ServerIsNotRunning."""
        record = self._directory.reach(actor, record, ServerPermission.RESTART)

        def check(state: State, _power: str) -> None:
            if state in (State.STOPPING, State.SAVING):
                raise ServerIsStopping
            if state not in RESTARTABLE:
                raise ServerIsNotRunning(state=str(state))

        return await self._order(actor, record, "restart", check, State.RESTARTING, power="on")

    async def kill(self, actor: Actor, record: Record) -> Operation:
        """End a server at once, whatever it is doing; needs `power.kill`. Raises ServerIsNotRunning."""
        record = self._directory.reach(actor, record, ServerPermission.KILL)

        def check(state: State, _power: str) -> None:
            if state not in ALIVE and state not in (State.PREPARING, State.CRASHED):
                raise ServerIsNotRunning(state=str(state))

        return await self._order(actor, record, "kill", check, State.STOPPING, power="off")

    async def reinstall(self, actor: Actor, record: Record) -> Operation:
        """Install a stopped server anew, its files kept; needs `server.reinstall`. Raises ServerIsNotStopped."""
        record = self._directory.reach(actor, record, ServerPermission.REINSTALL)

        def check(state: State, _power: str) -> None:
            if state not in STARTABLE and state is not State.CREATED:
                raise ServerIsNotStopped(state=str(state))

        return await self._order(actor, record, "install", check, State.INSTALLING, power="off")

    async def suspend(self, actor: Actor, record: Record, reason: str) -> Server:
        """Stop a server and forbid it to run until it is unsuspended; needs `server.suspend`."""
        return await self._set_suspended(actor, record, True, reason)

    async def unsuspend(self, actor: Actor, record: Record) -> Server:
        """Let a suspended server run again; it is not started by this. Needs `server.suspend`."""
        return await self._set_suspended(actor, record, False, None)

    async def delete(self, actor: Actor, record: Record) -> Operation:
        """Kill a server and delete it with its files; needs `server.delete`. Never refused for its state."""
        record = self._directory.reach(actor, record, ServerPermission.DELETE)
        async with self.hold(record) as now:
            server = now.server
            async with self._works() as work:
                await self._meters.close(work, server)
                operation = self._operations.make(server.id, "delete", actor)
                await work.servers.update(
                    msgspec.structs.replace(
                        server,
                        generation=server.generation + 1,
                        state=State.DELETING,
                        power="off",
                        order_id=operation.uuid,
                    )
                )
                operation = await work.operations.add(operation)
                work.changed("server", server.id)
                await self._activity.note(work, actor, "server.delete", server_id=server.id, data={"name": server.name})
        self._reconciler.finish_deletion_soon(server.id)
        return operation

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
    ) -> Operation:
        """Keep a decision about a server with its operation, and tell the node; `check` sees state and power intent."""
        async with self.hold(record) as now:
            server = now.server
            if verb in ("start", "restart") and server.suspended:
                raise ServerIsSuspended
            if now.live.state is State.INSTALLING:
                raise ServerIsInstalling
            if now.live.state is State.CREATED and verb != "install":
                raise ServerIsNotInstalled
            if now.live.state is State.TRANSFERRING:
                raise ServerIsBusy
            check(now.live.state, server.power)
            if not self._nodes.is_online(server.node_id):
                raise NodeIsOffline
            operation = msgspec.structs.replace(self._operations.make(server.id, verb, actor), reason=reason)
            changed = msgspec.structs.replace(
                server, generation=server.generation + 1, power=power, state=state, order_id=operation.uuid
            )
            if verb == "start":
                changed = msgspec.structs.replace(changed, paid_by=paid_by)
            async with self._works() as work:
                if verb == "start":
                    await self._meters.require_reserve(work, changed)
                await work.servers.update(changed)
                operation = await work.operations.add(operation)
                work.changed("server", server.id, changed)
                data = {"reason": reason} if reason else None
                await self._activity.note(work, actor, f"server.{verb}", server_id=server.id, data=data)
        await self._reconciler.tell(server.id, operation)
        return operation

    async def _set_suspended(self, actor: Actor, record: Record, suspended: bool, reason: str | None) -> Server:
        self._directory.reach(actor, record, ServerPermission.SUSPEND)
        async with self.hold(record) as now:
            server = now.server
            if server.suspended == suspended:
                return server
            power: Any = "off" if suspended else server.power
            changed = msgspec.structs.replace(
                server, generation=server.generation + 1, suspended=suspended, suspended_reason=reason, power=power
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

    def _owner(self, actor: Actor, wanted: UUID | None) -> int:
        if wanted is None or wanted == actor.account.uuid:
            return actor.account.id
        require(actor, ProductPermission.ACCOUNTS_WRITE)
        owner_id = self._account_id(wanted)
        if owner_id is None:
            raise NoSuchAccount
        return owner_id

    async def _port(
        self, node: Node, address: str, package: Package, wanted: int | None
    ) -> tuple[int | None, Literal["tcp", "udp"]]:
        """Return the port a new server gets: the one wanted, else the first free one from its game's default on."""
        if not package.ports:
            return None, "tcp"
        protocol = package.ports[0].protocol
        async with self._works() as work:
            taken = await work.servers.taken_ports(node.id, protocol)
        if wanted is not None:
            _check_port(wanted)
            if wanted in taken:
                raise PortIsTaken(port=wanted)
            return wanted, protocol
        candidates = [port for port in range(node.first_port, node.last_port + 1) if port not in taken]
        preferred = package.ports[0].default
        if preferred in candidates:
            candidates.remove(preferred)
            candidates.insert(0, preferred)
        for start in range(0, len(candidates), _PORTS_TRIED_AT_ONCE):
            some = candidates[start : start + _PORTS_TRIED_AT_ONCE]
            port = await self._gateway.find_port(node, address, protocol, some)
            if port is not None:
                return port, protocol
        raise NoPortIsFree

    @asynccontextmanager
    async def hold(self, record: Record) -> AsyncIterator[Record]:
        """Keep other commands from a server, and give its record as it is by then; raise ServerIsDeleted."""
        async with self._locks.setdefault(record.server.id, asyncio.Lock()):
            now = self._directory.get(record.server.id)
            if now.server.state in ENDED:
                raise ServerIsDeleted
            yield now


def _check_stoppable(state: State, power: str) -> None:
    if state in (State.STOPPING, State.SAVING):
        raise ServerIsStopping
    if state not in STOPPABLE or (state is State.CRASHED and power == "off"):
        raise ServerIsNotRunning(state=str(state))


def _check_idle_stop(server: Server, blueprint: Blueprint) -> None:
    """Raise LimitIsInvalid where a server cannot be stopped for want of players as it is asked."""
    if server.idle_stop_minutes is None:
        return
    if not 1 <= server.idle_stop_minutes <= MAX_IDLE_MINUTES:
        raise LimitIsInvalid(f"idle_stop_minutes is from 1 to {MAX_IDLE_MINUTES}.", limit="idle_stop_minutes")
    if blueprint.console.join is None:
        raise LimitIsInvalid("This game does not tell who plays on it.", limit="idle_stop_minutes")


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip():
        raise ServerNameIsInvalid


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise PortIsInvalid(port=port)


def _limits(package: Package, given: Limits) -> Limits:
    """Return limits with the memory that the package's start may be filled with."""
    return given if given.memory_mib else msgspec.structs.replace(given, memory_mib=package.resources.memory_mib)


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise AddressIsInvalid(address=address) from error


def _check_description(description: str) -> None:
    if len(description) > 2000:
        raise DescriptionIsTooLong


def _check_limits(limits: Limits, crash: CrashPolicy = CrashPolicy()) -> None:  # noqa: B008 - frozen
    bounds = {"memory_mib": 1 << 24, "cpu_percent": 100_000, "disk_mib": 1 << 30}
    if not 0 <= crash.limit <= 1000:
        raise LimitIsInvalid("crash.limit is from 0 to 1000.", limit="crash.limit")
    for name, most in bounds.items():
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= most:
            raise LimitIsInvalid(f"{name} is from 1 to {most}.", limit=name)
