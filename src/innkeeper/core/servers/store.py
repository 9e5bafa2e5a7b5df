"""What the servers service needs of storage."""

from typing import Literal, Protocol

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server


class ServerStore(Protocol):
    """Servers at rest."""

    async def add(self, server: Server) -> Server:
        """Keep a new server (its id is ignored) and return it with its id; raise PortIsTaken."""
        ...

    async def get(self, server_id: int) -> Server | None: ...

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
        """Return the ports of a node that servers (not deleted) hold."""
        ...
