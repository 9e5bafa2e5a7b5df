"""Keeps servers. An update is refused when somebody else's came first, which their generation shows."""

from collections.abc import Collection
from typing import Any, Literal

from msgspec.structs import replace
from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.nodes.model import Commitment
from innkeeper.core.nodes.placement import committed
from innkeeper.core.servers.errors import NoSuchServer, PortIsTaken, ServerChangedMeanwhile
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server
from innkeeper.storage.errors import Reference, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, values_of
from innkeeper.storage.schema import accounts, nodes, servers

COLUMNS = [column for column in servers.c if not column.name.startswith("live_")]
# Names of parameters must not be those of columns that an update sets.
_OF_ID = servers.c.id == bindparam("server_id")
_GET = select(*COLUMNS).where(_OF_ID)
_STATES = select(servers.c.id, servers.c.state).where(servers.c.id.in_(bindparam("server_ids", expanding=True)))
_UPDATE = update(servers).where(_OF_ID, servers.c.generation == bindparam("generation_before"))
_NOTE = update(servers).where(_OF_ID)
_PROMISED = select(servers.c.id, servers.c.limits).where(servers.c.live_node_id == bindparam("node_id"))


class SqlServers:
    """Keeps `core.servers.store.ServerStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, server: Server) -> Server:
        """Keep a new server and return it with its id; raise PortIsTaken, NoSuchAccount, NoSuchNode."""
        async with refusing(self._connection, _refusals(server), _references(server)):
            server_id = await insert_row(self._connection, servers, _values(server))
        return replace(server, id=server_id)

    async def get(self, server_id: int) -> Server | None:
        return await fetch_one(self._connection, _GET, Server, server_id=server_id)

    async def states(self, server_ids: Collection[int]) -> dict[int, State]:
        found = await self._connection.execute(_STATES, {"server_ids": sorted(server_ids)})
        return {row.id: row.state for row in found}

    async def all(self) -> list[Server]:
        return await fetch_all(self._connection, select(*COLUMNS).order_by(servers.c.id), Server)

    async def update(self, server: Server) -> None:
        """Replace the row of the same id if it has the generation before; raise ServerChangedMeanwhile, PortIsTaken.

        A server that there never was counts as changed, too. A new owner or node must exist: NoSuchAccount, NoSuchNode.
        """
        before = {"server_id": server.id, "generation_before": server.generation - 1}
        async with refusing(self._connection, _refusals(server), _references(server)):
            result = await self._connection.execute(_UPDATE, {**_values(server), **before})
        if not result.rowcount:
            raise ServerChangedMeanwhile(id=server.id)

    async def note_state(self, server_id: int, state: State, power: Literal["on", "off"] | None) -> None:
        """Set what was seen of a server, and the power intent unless None; raise NoSuchServer."""
        seen: dict[str, Any] = {"state": state} if power is None else {"state": state, "power": power}
        result = await self._connection.execute(_NOTE, {**seen, "server_id": server_id})
        if not result.rowcount:
            raise NoSuchServer(id=server_id)

    async def taken_ports(self, node_id: int, protocol: Literal["tcp", "udp"]) -> set[int]:
        query = select(servers.c.port).where(
            servers.c.node_id == node_id,
            servers.c.protocol == protocol,
            servers.c.port.is_not(None),
            or_(servers.c.deleted_at.is_(None), servers.c.purge_at.is_not(None)),
        )
        return set((await self._connection.execute(query)).scalars())

    async def commitments(self, node_id: int, *, besides: int | None = None) -> Commitment:
        found = await self._connection.execute(_PROMISED, {"node_id": node_id})
        return committed([row.limits for row in found if row.id != besides])

    async def count_of_owner(self, owner_id: int) -> int:
        query = select(func.count()).select_from(servers).where(servers.c.live_owner_id == owner_id)
        return int((await self._connection.execute(query)).scalar_one())

    async def any_of_plan(self, plan: str) -> bool:
        query = select(servers.c.id).where(servers.c.plan == plan, servers.c.live_node_id.is_not(None)).limit(1)
        return (await self._connection.execute(query)).first() is not None


def _values(server: Server) -> dict[str, Any]:
    purged = server.deleted_at is not None and server.purge_at is None
    return {
        **values_of(server),
        "live_owner_id": None if purged else server.owner_id,
        "live_node_id": None if purged else server.node_id,
    }


def _refusals(server: Server) -> dict[str, CoreError]:
    return {"uq_servers_node_id_protocol_port": PortIsTaken(port=server.port, protocol=server.protocol)}


def _references(server: Server) -> list[Reference]:
    return [
        (accounts.c.id, server.owner_id, NoSuchAccount(id=server.owner_id)),
        (nodes.c.id, server.node_id, NoSuchNode(id=server.node_id)),
    ]
