"""The read model: every server and its live state, in memory.

Lists, single reads and status streams are answered from here, without a query. Storage's announcements and the nodes'
reports keep it true; `version` grows with every change, so that whoever renders a list knows when it is stale.
"""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import msgspec

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.errors import NoSuchServer, ServerIsDeleted
from innkeeper.core.servers.lifecycle import ENDED, State
from innkeeper.core.servers.model import Live, Server
from innkeeper.core.work import Works
from innkeeper.kit.broadcast import Topic


class Record(msgspec.Struct, frozen=True):
    """A server, what is seen of it, and the directory's version when either last changed."""

    server: Server
    live: Live
    version: int


class ServerDirectory:
    """All servers, by id and by UUID."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._reading = asyncio.Lock()
        """Two reads of one row must not be taken in in the other order."""
        self._records: dict[int, Record] = {}
        self._ids: dict[UUID, int] = {}
        self._visible: dict[int, tuple[Actor, int, list[Record]]] = {}
        self.version = 0
        self.changes: Topic[Record] = Topic()
        """Told every new record, as it comes in."""

    async def load(self) -> None:
        """Read every server from storage; live states already known are kept."""
        async with self._works() as work:
            for server in await work.servers.all():
                self._put_server(server)

    async def reload(self, server_id: int, row: Server | None = None) -> None:
        """Read one server again; `row` is what there is to be read, where the caller has just committed it."""
        async with self._reading:
            known = self._records.get(server_id)
            if row is not None and known is not None and row.generation < known.server.generation:
                row = None  # another panel's later decision was read meanwhile
            if row is None:
                async with self._works() as work:
                    row = await work.servers.get(server_id)
            if row is not None:
                self._put_server(row)

    def put_live(self, server_id: int, live: Live) -> Record:
        """Replace what is seen of a server; nothing is told where nothing changed."""
        record = self._records[server_id]
        return record if record.live == live else self._put(record.server, live)

    def get(self, server_id: int) -> Record:
        """Return a server's record, deleted or not; raise NoSuchServer."""
        try:
            return self._records[server_id]
        except KeyError:
            raise NoSuchServer from None

    def find(self, uuid: UUID) -> Record:
        """Return a server's record by UUID, deleted or not; raise NoSuchServer."""
        server_id = self._ids.get(uuid)
        if server_id is None:
            raise NoSuchServer
        return self._records[server_id]

    def present(self) -> Iterable[Record]:
        """Return every server that is not deleted, by id; one that was kept is not here while its files are deleted."""
        return (
            record
            for record in self._records.values()
            if record.server.state is not State.DELETED and record.server.deleted_at is None
        )

    def kept(self) -> Iterable[Record]:
        """Return every server that was deleted and can be brought back still, by id."""
        return (record for record in self._records.values() if record.server.kept)

    def holding(self) -> Iterable[Record]:
        """Return every server that has its port and its room still: those present, and those deleted but kept, by id.

        A server is among them until its node has deleted its files.
        """
        return (
            record
            for record in self._records.values()
            if record.server.kept or record.server.state is not State.DELETED
        )

    def visible(self, actor: Actor) -> list[Record]:
        """Return the servers the actor may see, deleted ones left out, by id. The list is shared: do not change it."""
        known = self._visible.get(id(actor))
        if known is not None and known[0] is actor and known[1] == self.version:
            return known[2]
        if len(self._visible) > 1000:
            self._visible.clear()
        found = [record for record in self.present() if self._sees(actor, record)]
        # The actor is kept with it: an id alone may come to mean another actor, of other rights.
        self._visible[id(actor)] = (actor, self.version, found)
        return found

    def reach(self, actor: Actor, record: Record, permission: ServerPermission) -> Record:
        """Return `record` if the actor holds the permission on it.

        Raises NoSuchServer when the actor may not even see it, ServerIsDeleted when it was deleted, and
        PermissionIsMissing.
        """
        held = actor.on(record.server.id, record.server.owner_id)
        if ServerPermission.VIEW not in held:
            raise NoSuchServer
        if record.server.state in ENDED:
            raise ServerIsDeleted
        if permission not in held:
            raise PermissionIsMissing(
                f"The permission {permission} on this server is missing.", permission=str(permission)
            )
        return record

    @staticmethod
    def _sees(actor: Actor, record: Record) -> bool:
        return ServerPermission.VIEW in actor.on(record.server.id, record.server.owner_id)

    def _put_server(self, server: Server) -> None:
        known = self._records.get(server.id)
        if known is None:
            self._put(server, Live(state=server.state))
        elif known.server != server:
            if known.server.state in ENDED and server.state not in ENDED:  # brought back: nothing of it lives
                self._put(server, Live(state=server.state, last_exit=known.live.last_exit))
                return
            own = server.state in ENDED or server.order_id != known.server.order_id
            live = msgspec.structs.replace(known.live, state=server.state, reason=None) if own else known.live
            self._put(server, live)

    def _put(self, server: Server, live: Live) -> Record:
        self.version += 1
        record = Record(server, live, self.version)
        self._records[server.id] = record
        self._ids[server.uuid] = server.id
        self.changes.tell(record)
        return record
