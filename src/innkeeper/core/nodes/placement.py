"""Whether a node can keep a server: what it must have, and whether there is room for what the server is promised.

    memory and disk   the node's own capacity bounds all its servers; without one, what its host has bounds those of
                      which a plan promises it, and the others as nothing does
    most servers      bounds them all

Room is counted where it is given away: in the transaction that adds a server, with the node locked.
"""

from collections.abc import Sequence

import msgspec

from innkeeper.core.nodes.errors import NodeHasNoRoom, NoSuchNode
from innkeeper.core.nodes.model import Commitment, Node, NodeFacts
from innkeeper.core.servers.model import Limits, Server
from innkeeper.core.work import Work


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What software needs of a host."""

    programs: frozenset[str] = frozenset()
    java: int | None = None
    """The Java major."""

    def missing(self, facts: NodeFacts) -> list[str]:
        """Return what a host does not have of it, in words."""
        java = [] if self.java is None or self.java in facts.javas else [f"Java {self.java}"]
        return java + sorted(program for program in self.programs if program not in facts.tools)


def committed(limits: Sequence[Limits]) -> Commitment:
    """Return what servers with these limits are promised together: what one has no limit of was promised nothing."""
    return Commitment(
        servers=len(limits),
        memory_mib=sum(limit.memory_mib or 0 for limit in limits),
        disk_mib=sum(limit.disk_mib or 0 for limit in limits),
    )


def has_room(node: Node, promised: Commitment, server: Server) -> bool:
    """Say whether a node that promised so much to its other servers can keep the promise to this one, too."""
    if node.most_servers is not None and promised.servers >= node.most_servers:
        return False
    host = node.facts if server.plan is not None else NodeFacts()
    return all(
        most is None or before + (wanted or 0) <= most
        for most, before, wanted in (
            (_bound(node.memory_mib, host.memory_mib), promised.memory_mib, server.limits.memory_mib),
            (_bound(node.disk_mib, host.disk_mib), promised.disk_mib, server.limits.disk_mib),
        )
    )


def _bound(capacity: int | None, of_host: int) -> int | None:
    """Return what bounds promises; a host that said nothing bounds none."""
    return capacity if capacity is not None else of_host or None


def free_share(node: Node, promised: Commitment) -> float:
    """Return which part of a node's memory is not promised: below 0 where more was promised than there is."""
    bound = _bound(node.memory_mib, node.facts.memory_mib)
    return 1 - promised.memory_mib / bound if bound else 1.0


def asks_more(before: Limits, after: Limits) -> bool:
    """Say whether limits were raised."""
    return (after.memory_mib or 0) > (before.memory_mib or 0) or (after.disk_mib or 0) > (before.disk_mib or 0)


async def require_room(work: Work, server: Server) -> None:
    """Raise NodeHasNoRoom unless a server's node has room for it; until the transaction's end nobody else takes it."""
    node = await work.nodes.lock(server.node_id)
    if node is None:
        raise NoSuchNode
    promised = await work.servers.commitments(node.id, besides=server.id)
    if not has_room(node, promised, server):
        raise NodeHasNoRoom(f"The node {node.name} has no room for such a server.", node=str(node.uuid))
