"""What the servers service needs of storage."""

from collections.abc import Collection
from typing import Literal, Protocol

from innkeeper.core.nodes.model import Commitment
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server


class ServerStore(Protocol):
    """Servers at rest."""

    async def add(self, server: Server) -> Server:
        """Keep a new server (its id is ignored) and return it with its id; raise PortIsTaken."""
        ...

    async def get(self, server_id: int) -> Server | None: ...

    async def states(self, server_ids: Collection[int]) -> dict[int, State]:
        """Return the states of those servers that there are, by id."""
        ...

    async def all(self) -> list[Server]:
        """Return every server, deleted ones too, by id."""
        ...

    async def update(self, server: Server) -> None:
        """Replace the row of the same id if it still has generation `server.generation - 1`; raise
        ServerChangedMeanwhile otherwise, PortIsTaken where another server of the node has the port."""
        ...

    async def note_state(self, server_id: int, state: State, power: Literal["on", "off"] | None) -> None:
        """Set what was seen of a server (and the power intent, unless None) without touching its generation."""
        ...

    async def taken_ports(self, node_id: int, protocol: Literal["tcp", "udp"]) -> set[int]:
        """Return the ports of a node that servers hold, the deleted ones that are kept too."""
        ...

    async def commitments(self, node_id: int, *, besides: int | None = None) -> Commitment:
        """Return what the servers of a node were promised, the deleted ones that are kept included.

        `besides` is a server that is left out. What a server has no limit of was promised nothing.
        """
        ...

    async def count_of_owner(self, owner_id: int) -> int:
        """Return how many servers an account owns, the deleted ones that are kept included."""
        ...

    async def any_of_plan(self, plan: str) -> bool:
        """Say whether a server has the plan, one that is deleted and kept included."""
        ...
