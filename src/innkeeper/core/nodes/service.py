"""Nodes: enrolling them, knowing which are there, choosing one for a server."""

import hmac
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.errors import NoSuchRegion
from innkeeper.core.nodes.errors import (
    CapacityIsInvalid,
    NodeHasServers,
    NodeIsOffline,
    NodeIsUnknown,
    NodeNameIsInvalid,
    NoNodeIsOnline,
    NoSuchNode,
    ToolIsMissing,
)
from innkeeper.core.nodes.model import LOCAL, Commitment, EnrolmentToken, Node, NodeFacts
from innkeeper.core.nodes.placement import Needs, committed, free_share
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.model import Limits, Server
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of, new_secret, uuid7

TOKEN_LIFE = timedelta(hours=24)
PRESENT_FOR = timedelta(seconds=45)
"""A node says hello each 15 s; one that was silent for three of them is taken for offline."""
MOST = 1 << 30
"""A capacity is no more than this."""
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what others asked for is recognised, nothing is bound
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class NodeService:
    """The hosts of this installation."""

    def __init__(self, *, works: Works, clock: Clock, servers: ServerDirectory, activity: ActivityService) -> None:
        self._works = works
        self._clock = clock
        self._servers = servers
        self._activity = activity
        self._nodes: dict[int, Node] = {}
        self._seen: dict[int, datetime] = {}
        self.version = 0
        """Grows when what is shown of a node changes, its facts and its presence left aside."""

    async def load(self) -> None:
        """Read every node from storage."""
        async with self._works() as work:
            self._nodes = {node.id: node for node in await work.nodes.all()}
        self.version += 1
        for node in self._nodes.values():
            if node.last_seen_at is not None:
                self._seen.setdefault(node.id, node.last_seen_at)

    async def apply(self, change: Changed) -> None:
        """Read again what changed."""
        if change.noun != "node":
            return
        async with self._works() as work:
            node = await work.nodes.get(change.id)
        known = self._nodes.get(change.id)
        if node is None:
            self._nodes.pop(change.id, None)
            self.version += 1
            return
        self._nodes[node.id] = node
        if known is None or known != msgspec.structs.replace(node, facts=known.facts, last_seen_at=known.last_seen_at):
            self.version += 1
        if node.last_seen_at is not None:
            self._seen[node.id] = max(node.last_seen_at, self._seen.get(node.id, node.last_seen_at))

    # -- reading ----------------------------------------------------------------------------------------------------

    def all(self, actor: Actor) -> list[Node]:
        """Return every node, by id; needs `nodes.read`."""
        require(actor, ProductPermission.NODES_READ)
        return sorted(self._nodes.values(), key=lambda node: node.id)

    def known(self) -> list[Node]:
        """Return all nodes, for the house itself."""
        return list(self._nodes.values())

    def find(self, actor: Actor, uuid: UUID) -> Node:
        """Return a node; needs `nodes.read`; raise NoSuchNode."""
        require(actor, ProductPermission.NODES_READ)
        return self.by_uuid(uuid)

    def get(self, node_id: int) -> Node:
        """Return a node; raise NoSuchNode."""
        try:
            return self._nodes[node_id]
        except KeyError:
            raise NoSuchNode from None

    def host_of(self, server: Server) -> str:
        """Return what players type to reach a server: its node's public host, else the address it listens on.

        A server that listens on every address of its host is named by the host's own name.
        """
        node = self.get(server.node_id)
        if node.public_host:
            return node.public_host
        return server.address if server.address not in _EVERYWHERE else node.facts.hostname or server.address

    def by_uuid(self, uuid: UUID) -> Node:
        """Return a node by UUID; raise NoSuchNode."""
        for node in self._nodes.values():
            if node.uuid == uuid:
                return node
        raise NoSuchNode

    def is_online(self, node_id: int) -> bool:
        """Say whether a node was heard lately."""
        seen = self._seen.get(node_id)
        return seen is not None and self._clock.now() - seen < PRESENT_FOR

    def choose(
        self,
        wanted: UUID | None = None,
        *,
        region: str | None = None,
        closed: Collection[str] = (),
        needs: Needs | None = None,
        what: str = "It",
    ) -> list[Node]:
        """Return the nodes that could keep a new server, best first: the one asked for alone, where one is.

        Else those of `region`, or with None of any that is not `closed`, which are there and have what `needs` says of
        `what`. The one with the greatest share of its memory free is the best, of equals that with the fewest servers.
        Whether there is room is not looked at. Raises NoSuchNode, NodeIsOffline, NoNodeIsOnline, ToolIsMissing.
        """
        nodes = [self._wanted(wanted, region)] if wanted is not None else self._there(region, closed)
        lacking = {node.id: needs.missing(node.facts) if needs is not None else [] for node in nodes}
        able = [node for node in nodes if not lacking[node.id]]
        if not able:
            raise _tool_is_missing(what, region, list(lacking.values()))
        promised = self._promises([node.id for node in able])
        return sorted(able, key=lambda node: (-free_share(node, promised[node.id]), promised[node.id].servers, node.id))

    def promised(self, node_id: int) -> Commitment:
        """Return what a node's servers have been promised, those that are deleted but kept included."""
        return self._promises([node_id])[node_id]

    def _promises(self, node_ids: Collection[int]) -> dict[int, Commitment]:
        limits: dict[int, list[Limits]] = {node_id: [] for node_id in node_ids}
        for record in self._servers.holding():
            if record.server.node_id in limits:
                limits[record.server.node_id].append(record.server.limits)
        return {node_id: committed(given) for node_id, given in limits.items()}

    def _wanted(self, uuid: UUID, region: str | None) -> Node:
        node = self.by_uuid(uuid)
        if region is not None and node.region != region:
            raise NoSuchNode(f"The node {node.name} is not in {region}.", region=region)
        if not self.is_online(node.id):
            raise NodeIsOffline(f"Node {node.name} cannot be reached now.")
        return node

    def _there(self, region: str | None, closed: Collection[str]) -> list[Node]:
        found = [
            node
            for node in self._nodes.values()
            if self.is_online(node.id) and (node.region not in closed if region is None else node.region == region)
        ]
        if not found:
            raise NoNodeIsOnline(region=region)
        return found

    # -- enrolling --------------------------------------------------------------------------------------------------

    async def create_token(self, actor: Actor | None) -> tuple[str, datetime]:
        """Return a token that adds one node once, and when it ends; needs `nodes.write`."""
        if actor is not None:
            require(actor, ProductPermission.NODES_WRITE)
        token, ends = new_secret("inj"), self._clock.now() + TOKEN_LIFE
        async with self._works() as work:
            await work.nodes.add_token(
                EnrolmentToken(digest=digest_of(token), created_by=actor.account.id if actor else None, expires_at=ends)
            )
            await self._activity.note(work, actor, "node.invited")
        return token, ends

    async def enrol(
        self, token: str, name: str, facts: NodeFacts, *, address: str, public_host: str
    ) -> tuple[Node, str]:
        """Take in a node by its token; return it with its secret. Raise NodeIsUnknown, NodeNameIsTaken."""
        if not _NAME.fullmatch(name):
            raise NodeNameIsInvalid
        secret, now = new_secret("inn"), self._clock.now()
        async with self._works() as work:
            if await work.nodes.take_token(digest_of(token), now) is None:
                raise NodeIsUnknown("The enrolment token is not valid, was used, or has expired.")
            node = await work.nodes.add(
                Node(
                    id=0,
                    uuid=uuid7(),
                    name=name,
                    secret_digest=digest_of(secret),
                    facts=facts,
                    address=address,
                    public_host=public_host,
                    created_at=now,
                )
            )
            work.changed("node", node.id)
            await self._activity.note(work, None, "node.enrolled", data={"name": name})
        return node, secret

    async def ensure_own(self, name: str, uuid: UUID, secret: str, *, address: str, public_host: str) -> Node:
        """Return the node that lives in this very process, made or given its present secret and address."""
        known = next((node for node in self._nodes.values() if node.uuid == uuid), None)
        async with self._works() as work:
            if known is None:
                node = await work.nodes.add(
                    Node(
                        id=0,
                        uuid=uuid,
                        name=name,
                        secret_digest=digest_of(secret),
                        address=address,
                        public_host=public_host,
                        created_at=self._clock.now(),
                    )
                )
            else:
                node = msgspec.structs.replace(
                    known, secret_digest=digest_of(secret), address=address, public_host=public_host
                )
                await work.nodes.update(node)
            work.changed("node", node.id)
        return node

    async def greet(self, uuid: UUID, secret: str, facts: NodeFacts) -> Node:
        """Note that a node is there; raise NodeIsUnknown unless it proves itself."""
        try:
            node = self.by_uuid(uuid)
        except NoSuchNode:
            raise NodeIsUnknown("This node does not belong here (any more).") from None
        if not hmac.compare_digest(node.secret_digest, digest_of(secret)):
            raise NodeIsUnknown("The node's secret is wrong.")
        async with self._works() as work:
            node = await _present(work, node.id)
            node = msgspec.structs.replace(node, facts=facts, last_seen_at=self._clock.now())
            await work.nodes.update(node)
            work.changed("node", node.id)
        return node

    def heard(self, node_id: int) -> None:
        """Note that a node said something just now."""
        self._seen[node_id] = self._clock.now()

    def heard_at(self, node_id: int) -> datetime | None:
        """Return when a node was heard last; None where it was never, or is known not to answer."""
        return self._seen.get(node_id)

    def lost(self, node_id: int) -> None:
        """Note that a node does not answer."""
        self._seen.pop(node_id, None)

    async def change(
        self,
        actor: Actor,
        uuid: UUID,
        *,
        name: str | None = None,
        address: str | None = None,
        public_host: str | None = None,
        first_port: int | None = None,
        last_port: int | None = None,
        region: str | None = None,
        memory_mib: int | UnsetType | None = UNSET,
        disk_mib: int | UnsetType | None = UNSET,
        most_servers: int | UnsetType | None = UNSET,
    ) -> Node:
        """Change a node's name, addresses, region and capacities; needs `nodes.write`.

        Servers that are there stay, whatever the capacities are. Raises NodeNameIsInvalid, NodeNameIsTaken,
        NoSuchRegion, CapacityIsInvalid.
        """
        require(actor, ProductPermission.NODES_WRITE)
        known = self.by_uuid(uuid)
        changes = {
            "name": name,
            "address": address,
            "public_host": public_host,
            "first_port": first_port,
            "last_port": last_port,
            "region": region,
        }
        capacities = {"memory_mib": memory_mib, "disk_mib": disk_mib, "most_servers": most_servers}
        given: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
        given |= {key: value for key, value in capacities.items() if value is not UNSET}
        if any(isinstance(value, int) and not 0 <= value <= MOST for value in capacities.values()):
            raise CapacityIsInvalid
        async with self._works() as work:
            if region not in (None, LOCAL) and await work.selling.hold_region(str(region)) is None:
                raise NoSuchRegion(f"There is no region {region!r}.", region=region)
            node = await _present(work, known.id)
            node = msgspec.structs.replace(node, **given)
            if not _NAME.fullmatch(node.name) or not 1 <= node.first_port <= node.last_port <= 65535:
                raise NodeNameIsInvalid("A node has a name of letters, digits and dashes, and a range of ports.")
            await work.nodes.update(node)
            work.changed("node", node.id)
            await self._activity.note(work, actor, "node.changed", data={"name": node.name})
        return node

    async def delete(self, actor: Actor, uuid: UUID) -> None:
        """Forget a node that keeps no server; needs `nodes.write`; raise NodeHasServers."""
        require(actor, ProductPermission.NODES_WRITE)
        node = self.by_uuid(uuid)
        if any(record.server.node_id == node.id for record in self._servers.holding()):
            raise NodeHasServers
        async with self._works() as work:
            await work.nodes.delete(node.id)
            work.changed("node", node.id)
            await self._activity.note(work, actor, "node.deleted", data={"name": node.name})


def _tool_is_missing(what: str, region: str | None, lacking: list[list[str]]) -> ToolIsMissing:
    """Return the refusal where every node lacks something: `lacking` by node, in words."""
    needs = list(dict.fromkeys(word for words in lacking for word in words))
    nowhere = [word for word in needs if all(word in words for words in lacking)]
    have = "has all of that" if not nowhere else "has it" if len(nowhere) == 1 else "has them"
    place = f"no node of {region}" if region is not None else "no node"
    text = f"{what} needs {' and '.join(nowhere or needs)}; {place} {have}."
    return ToolIsMissing(text, needs=nowhere or needs, region=region)


async def _present(work: Work, node_id: int) -> Node:
    """Return a node as it is kept now, locked: what is in memory may be behind, and a row is written whole."""
    node = await work.nodes.lock(node_id)
    if node is None:
        raise NoSuchNode
    return node
