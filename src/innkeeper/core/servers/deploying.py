"""Making servers: what is asked is checked, a node with room found, and server, port, operation and rent kept at once.

    draft ──checked──▶ nodes that can, best first ──room? a port? ──▶ kept in one transaction ──▶ the node is told
                              └───────── no: the next ◀───┘

Whoever is refused leaves nothing behind. Room, port and rent are given in the transaction that adds the server, so that
none of them is given twice, however many panels deploy at the same time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.errors import NoSuchPlan, NoSuchRuntime
from innkeeper.core.catalog.java import JAVA
from innkeeper.core.catalog.model import Package, Runtime
from innkeeper.core.catalog.offers import Offers
from innkeeper.core.catalog.plans import Plan
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.errors import NodeFailed, NodeHasNoRoom, NodeIsOffline
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.model import Node
from innkeeper.core.nodes.placement import Needs, require_room
from innkeeper.core.nodes.regions import Regions
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation
from innkeeper.core.operations.service import OperationService
from innkeeper.core.servers import checks
from innkeeper.core.servers.errors import NoPortIsFree, PortIsTaken, ResourcesAreThePlans, TooManyServers
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Limits, Release, Server, ServerDraft
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

_PORTS_TRIED_AT_ONCE = 64
_NEXT_NODE = (NodeHasNoRoom, NoPortIsFree, PortIsTaken, NodeIsOffline, NodeFailed)
"""What is wrong with one node and may not be with another."""

OpenRent = Callable[[Work, Server], Awaitable[None]]
"""Begins the rent of a server in the transaction that adds it; raises CreditsAreExhausted."""


class Deploying:
    """Makes servers."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        catalog: Catalog,
        offers: Offers,
        selling: Selling,
        regions: Regions,
        nodes: NodeService,
        gateway: NodeGateway,
        operations: OperationService,
        activity: ActivityService,
        reconciler: Reconciler,
        opening: tuple[OpenRent, ...],
        account_id: Callable[[UUID], int | None],
        most_servers: int | None = None,
    ) -> None:
        self._works = works
        self._clock = clock
        self._catalog = catalog
        self._offers = offers
        self._selling = selling
        self._regions = regions
        self._nodes = nodes
        self._gateway = gateway
        self._operations = operations
        self._activity = activity
        self._reconciler = reconciler
        self._opening = opening
        self._account_id = account_id
        self._most_servers = most_servers
        """Of an account that says nothing else and is no superuser's; None: any number."""
        self._allocating: dict[int, asyncio.Lock] = {}
        """By node: two servers made here at the same time need not fight for the same port."""

    async def create(self, actor: Actor, draft: ServerDraft) -> tuple[Server, Operation]:
        """Make a server and have it installed; needs `servers.create`.

        Raises NoSuchPackage, NoSuchRuntime, NoSuchVersion, VendorIsUnavailable, PropertyIsInvalid, PropertyIsUnknown,
        ServerNameIsInvalid, LimitIsInvalid; NoSuchPlan, ResourcesAreThePlans, NoSuchRegion, IsRetired; NoSuchNode,
        NodeIsOffline, NoNodeIsOnline, ToolIsMissing, NodeHasNoRoom; TooManyServers; PortIsTaken, NoPortIsFree;
        CreditsAreExhausted.
        """
        require(actor, ProductPermission.SERVERS_CREATE)
        _check(draft)
        package = self._catalog.get(draft.package)
        self._selling.require_sold("package", package.name)
        plan = self._plan(package, draft)
        if draft.region is not None:
            self._regions.get(draft.region)
        owner_id = self._owner(actor, draft.owner)
        runtimes, server = await self._drawn(package, plan, draft, owner_id)
        blueprint = self._catalog.blueprint(server)
        checks.check_idle_stop(server, blueprint)
        nodes = self._nodes.choose(
            draft.node,
            region=draft.region,
            closed=self._selling.retired("region"),
            needs=_needs(runtimes, blueprint.java),
            what=f"{package.title} {server.version}".strip(),
        )
        server, operation = await self._place(actor, server, draft, package, nodes)
        await self._reconciler.tell(server.id)
        return server, operation

    # -- what is asked ----------------------------------------------------------------------------------------------

    def _plan(self, package: Package, draft: ServerDraft) -> Plan | None:
        if draft.plan is None:
            return None
        plan = self._selling.plan(draft.plan)
        if plan.package != package.name:
            raise NoSuchPlan(f"{package.name} has no plan {draft.plan!r}.", plan=draft.plan)
        if draft.limits != Limits():
            raise ResourcesAreThePlans(plan=plan.name)
        return plan

    def _owner(self, actor: Actor, wanted: UUID | None) -> int:
        if wanted is None or wanted == actor.account.uuid:
            return actor.account.id
        require(actor, ProductPermission.ACCOUNTS_WRITE)
        owner_id = self._account_id(wanted)
        if owner_id is None:
            raise NoSuchAccount
        return owner_id

    async def _drawn(
        self, package: Package, plan: Plan | None, draft: ServerDraft, owner_id: int
    ) -> tuple[list[Runtime], Server]:
        """Return what is asked as a server that is nowhere yet, and the runtimes that it consists of."""
        base = await self._offers.choose(package, draft.runtime, draft.version)
        if base.runtime.addon:
            raise NoSuchRuntime(f"{base.runtime.name} extends a server, it runs none.", runtime=base.runtime.name)
        chosen, addons = [base], {}
        for name, version in draft.addons.items():
            addon = await self._offers.choose(package, name, version)
            if not addon.runtime.addon:
                raise NoSuchRuntime(f"{name} is no addon of {package.name}.", runtime=name)
            chosen.append(addon)
            addons[name] = addon.version
        releases: dict[str, Release] = {one.runtime.name: one.release for one in chosen if one.release is not None}
        properties = self._catalog.check_properties(
            package, draft.properties, current=None, runtimes=(base.runtime.name, *addons)
        )
        server = Server(
            id=0,
            uuid=uuid7(),
            owner_id=owner_id,
            node_id=0,
            name=draft.name,
            description=draft.description,
            package=package.name,
            runtime=base.runtime.name,
            version=base.version,
            addons=addons,
            releases=releases,
            plan=plan.name if plan is not None else None,
            billing_type=draft.billing_type if plan is not None else None,
            properties=properties,
            address=draft.address or "",
            limits=_limits(package, base.runtime, plan, draft),
            crash=draft.crash,
            autostart=draft.autostart,
            handling=draft.handling,
            idle_stop_minutes=draft.idle_stop_minutes,
            power="on" if draft.start else "off",
            state=State.INSTALLING,
            created_at=self._clock.now(),
        )
        return [one.runtime for one in chosen], server

    # -- where it goes ----------------------------------------------------------------------------------------------

    async def _place(
        self, actor: Actor, server: Server, draft: ServerDraft, package: Package, nodes: list[Node]
    ) -> tuple[Server, Operation]:
        """Keep a server on the first node that can take it; raise what the last one refused it for."""
        refusal: CoreError = NodeHasNoRoom()
        for node in nodes:
            there = msgspec.structs.replace(server, node_id=node.id, address=server.address or node.address)
            try:
                async with self._allocating.setdefault(node.id, asyncio.Lock()):
                    return await self._allocate(actor, there, node, package, draft.port)
            except _NEXT_NODE as error:
                log.info("server.placement.refused", node=node.name, server=str(server.uuid), reason=error.code)
                refusal = error
        raise refusal

    async def _allocate(
        self, actor: Actor, server: Server, node: Node, package: Package, wanted: int | None
    ) -> tuple[Server, Operation]:
        """Give a server its port on a node and keep it."""
        spread = 0
        # Whoever loses the race for a port lost it to a server that has it now: it ends when there are no more.
        while True:
            port, protocol = await self._port(server, node, package, wanted, spread)
            try:
                return await self._keep(actor, msgspec.structs.replace(server, port=port, protocol=protocol))
            except PortIsTaken:
                if wanted is not None:
                    raise
                spread = server.uuid.int

    async def _port(
        self, server: Server, node: Node, package: Package, wanted: int | None, spread: int
    ) -> tuple[int | None, Literal["tcp", "udp"]]:
        """Return the port a new server gets: the one wanted, else the first free one from its game's default on.

        A node without room is not even asked, and none for an account that owns all it may. With `spread`, those that
        other panels try last are tried first.
        """
        protocol = package.ports[0].protocol if package.ports else "tcp"
        async with self._works() as work:
            await require_room(work, server)
            await self._require_leave(work, server.owner_id)
            taken = await work.servers.taken_ports(node.id, protocol)
        if not package.ports:
            return None, protocol
        if wanted is not None:
            if wanted in taken:
                raise PortIsTaken(port=wanted)
            return wanted, protocol
        candidates = _candidates(node, package.ports[0].default, taken, spread)
        for start in range(0, len(candidates), _PORTS_TRIED_AT_ONCE):
            some = candidates[start : start + _PORTS_TRIED_AT_ONCE]
            port = await self._gateway.find_port(node, server.address, protocol, some)
            if port is not None:
                return port, protocol
        raise NoPortIsFree

    async def _keep(self, actor: Actor, server: Server) -> tuple[Server, Operation]:
        """Keep a server with all that belongs to it; raise as `create`."""
        operation = self._operations.make(0, "install", actor)
        server = msgspec.structs.replace(server, order_id=operation.uuid)
        async with self._works() as work:
            await require_room(work, server)
            await self._require_leave(work, server.owner_id)
            if server.plan is not None:
                await self._selling.hold(work, server.plan)
            server = await work.servers.add(server)
            operation = await work.operations.add(msgspec.structs.replace(operation, server_id=server.id))
            for open_rent in self._opening:
                await open_rent(work, server)
            work.changed("server", server.id, server)
            data = {"name": server.name, "package": server.package} | ({"plan": server.plan} if server.plan else {})
            await self._activity.note(work, actor, "server.created", server_id=server.id, data=data)
        return server, operation

    async def _require_leave(self, work: Work, owner_id: int) -> None:
        """Raise TooManyServers unless an account may own one more; until the transaction's end nobody else adds one."""
        owner = await work.accounts.lock(owner_id)
        if owner is None:
            raise NoSuchAccount
        most = owner.most_servers
        if most is None and not owner.superuser:
            most = self._most_servers
        if most is not None and await work.servers.count_of_owner(owner_id) >= most:
            raise TooManyServers(
                f"The account owns as many servers as it may: {most}, deleted ones that are still kept included.",
                limit=most,
            )


def _check(draft: ServerDraft) -> None:
    checks.check_name(draft.name)
    checks.check_limits(draft.limits)
    checks.check_crash(draft.crash)
    checks.check_handling(draft.handling)
    checks.check_description(draft.description)
    if draft.address is not None:
        checks.check_address(draft.address)
    if draft.port is not None:
        checks.check_port(draft.port)


def _limits(package: Package, runtime: Runtime, plan: Plan | None, draft: ServerDraft) -> Limits:
    if plan is not None:
        return plan.resources.limits()
    return checks.with_memory(package.resources_of(runtime.name), draft.limits)


def _needs(runtimes: list[Runtime], java: int | None) -> Needs:
    programs = frozenset(program for runtime in runtimes for program in runtime.requires)
    return Needs(programs=programs - {JAVA} if java is not None else programs, java=java)


def _candidates(node: Node, preferred: int, taken: set[int], spread: int) -> list[int]:
    """Return the ports of a node that no server has: the game's own first, or from anywhere on with `spread`."""
    candidates = [port for port in range(node.first_port, node.last_port + 1) if port not in taken]
    if spread and candidates:
        first = spread % len(candidates)
        return candidates[first:] + candidates[:first]
    if preferred in candidates:
        candidates.remove(preferred)
        candidates.insert(0, preferred)
    return candidates
