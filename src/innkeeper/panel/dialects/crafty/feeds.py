"""What Crafty's socket tells by itself, a class an event. A feed runs for as long as its permission is held.

    dashboard        update_server_status, update_host_stats
    server_detail    update_server_details with what has just become of the server, vterm_new_line, backup_status

Each is a task of its own, and waits for the client alone: who reads slowly is told less often, and nobody waits for it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.backups.errors import NoSuchBackup
from innkeeper.core.backups.model import Backup
from innkeeper.core.errors import Unavailable
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.kit.broadcast import Listener, Overflowed, Topic
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.crafty import stream_views
from innkeeper.panel.dialects.crafty.routes.stats import disk_bytes_of
from innkeeper.panel.dialects.crafty.server_views import ServerViews
from innkeeper.panel.product import Product

log = get_logger(__name__)

PAUSE_S = 1.0
"""Between two messages about many servers, however much happens."""
AGAIN_S = 2.0
"""After a node was not reached."""
_MOST_BEHIND = 100
_MOST_ROWS = 5000

_encode = msgspec.json.Encoder().encode


class Rows:
    """Servers as dashboards show them, each made once for all who look."""

    def __init__(self, product: Product, views: ServerViews) -> None:
        self._product = product
        self.views = views
        self._rows: dict[int, tuple[Record, msgspec.Raw]] = {}
        self._sizes: dict[int, int | None] = {}

    async def of(self, record: Record) -> msgspec.Raw:
        """Return a server's row as JSON."""
        known = self._rows.get(record.server.id)
        if known is not None and known[0] is record:
            return known[1]
        row = stream_views.status(self.views, record, self._product.clock.now(), await self.disk_bytes(record))
        if len(self._rows) >= _MOST_ROWS:
            self._rows.clear()
        made = msgspec.Raw(_encode(row))
        self._rows[record.server.id] = record, made
        return made

    async def disk_bytes(self, record: Record) -> int | None:
        """Return what the server's files take; storage is asked once a server at most."""
        usage, server_id = record.live.usage, record.server.id
        if server_id not in self._sizes or (usage is not None and usage.disk_bytes is not None):
            size = await disk_bytes_of(self._product, record)
            if len(self._sizes) >= _MOST_ROWS:
                self._sizes.clear()
            self._sizes[server_id] = size
        return self._sizes.get(server_id)


class Told(Protocol):
    """The socket that a feed tells."""

    product: Product
    rows: Rows
    every_s: float
    """How often figures are told."""
    actor: Actor

    @property
    def record(self) -> Record:
        """The server that the page is of, as it is now; raise NoSuchServer where it is of none."""
        ...

    async def tell(self, event: str, data: Any) -> None:
        """Send a message."""
        ...

    async def tell_frames(self, parts: Iterable[bytes]) -> None:
        """Send messages that are frames already."""
        ...


class Feed(ABC):
    """Tells one event."""

    name: ClassVar[str]
    permission: ClassVar[ServerPermission | Literal[""]] = ""

    def __init__(self, socket: Told) -> None:
        self.socket = socket

    @abstractmethod
    async def pump(self) -> None:
        """Tell what there is, for ever."""

    def renewed(self) -> None:  # noqa: B027 - what most tell does not depend on further rights
        """Look again at what the client may see: rights have changed."""


# -- the dashboard ----------------------------------------------------------------------------------------------------


class _Changed(Listener[Record]):
    """Gathers which servers changed until they are told of: however slowly a client reads, that is each one once."""

    def __init__(self, topic: Topic[Record]) -> None:
        super().__init__(topic, 1)
        self._ids: set[int] = set()
        self._states: dict[int, State] = {}
        self._soon = asyncio.Event()
        self._all = True

    def put(self, value: Record) -> None:
        self._ids.add(value.server.id)
        if self._states.get(value.server.id) is not value.live.state:
            self._states[value.server.id] = value.live.state
            self._soon.set()

    def everything(self) -> None:
        """Have every server told of."""
        self._all = True
        self._soon.set()

    async def due(self, every_s: float) -> None:
        """Return after `every_s`, or as soon as something other than figures changed."""
        try:
            async with asyncio.timeout(every_s):
                await self._soon.wait()
        except TimeoutError:
            return

    def take(self, visible: Sequence[Record]) -> list[Record] | None:
        """Return which of the visible servers are to be told of, None for nothing to tell."""
        self._soon.clear()
        ids, self._ids = self._ids, set()
        everything, self._all = self._all, False
        found = [record for record in visible if everything or record.server.id in ids]
        self._states.update((record.server.id, record.live.state) for record in found)
        return found if found or everything else None


class ServersFeed(Feed):
    """Tells how the servers stand that one may see: all at first, then those that changed."""

    name = "update_server_status"
    permission = ServerPermission.VIEW

    def __init__(self, socket: Told) -> None:
        super().__init__(socket)
        self._changed = _Changed(socket.product.directory.changes)
        self._visible: list[int] = []
        """Those that the client was told of, or will be."""

    async def pump(self) -> None:
        socket, directory, changed = self.socket, self.socket.product.directory, self._changed
        with changed:
            while True:
                self._visible = self._ids()
                records = changed.take(directory.visible(socket.actor))
                if records is not None:
                    rows = {record.server.id: await socket.rows.of(record) for record in records}
                    # Storage may have been asked for some of them; rights may have gone meanwhile.
                    await socket.tell(self.name, [rows[server_id] for server_id in self._ids() if server_id in rows])
                # Also where nothing was told: what changes may be others' servers alone, at any rate.
                await asyncio.sleep(min(PAUSE_S, socket.every_s))
                await changed.due(socket.every_s)

    def renewed(self) -> None:
        if self._ids() != self._visible:
            self._changed.everything()

    def _ids(self) -> list[int]:
        return [record.server.id for record in self.socket.product.directory.visible(self.socket.actor)]


class HostFeed(Feed):
    """Tells what the host uses: the first of the nodes that tell."""

    name = "update_host_stats"

    async def pump(self) -> None:
        product, told = self.socket.product, None
        while True:
            first = min(product.metrics.hosts().items(), default=None, key=lambda item: item[0])
            if first is not None and first != told:
                told = first
                await self.socket.tell(self.name, stream_views.host(*first, product.house.get().mounts))
            await asyncio.sleep(self.socket.every_s)


# -- a server's own page ----------------------------------------------------------------------------------------------


class _OfOneServer(Listener[Record]):
    """Hears of one server only."""

    def __init__(self, topic: Topic[Record], server_id: int) -> None:
        super().__init__(topic, _MOST_BEHIND)
        self._server_id = server_id

    def put(self, value: Record) -> None:
        if value.server.id == self._server_id:
            super().put(value)


class DetailsFeed(Feed):
    """Tells how the server stands whenever that changes, and what has just become of it."""

    name = "update_server_details"
    permission = ServerPermission.VIEW

    async def pump(self) -> None:
        socket, directory = self.socket, self.socket.product.directory
        before = socket.record
        with _OfOneServer(directory.changes, before.server.id) as changes:
            await self._tell(before)
            while True:
                try:
                    now = await changes.get()
                except Overflowed:
                    now = socket.record
                directory.reach(socket.actor, now, ServerPermission.VIEW)
                for event, became in stream_views.BECAME.items():
                    data = became(before, now, socket.product.catalog)
                    if data is not None:
                        await socket.tell(event, data)
                await self._tell(now)
                before = now

    async def _tell(self, record: Record) -> None:
        socket = self.socket
        disk_bytes = await socket.rows.disk_bytes(record)
        now = socket.product.clock.now()
        await socket.tell(self.name, stream_views.details(socket.rows.views, record, now, disk_bytes))


class LinesFeed(Feed):
    """Tells the lines of the console as they come; after a node was away, those that came meanwhile, too."""

    name = "vterm_new_line"
    permission = ServerPermission.CONSOLE_READ

    async def pump(self) -> None:
        socket, console, seq = self.socket, self.socket.product.console, None
        while True:
            try:
                async with console.follow(socket.actor, socket.record, resume_from=seq) as subscription:
                    seq = subscription.seq
                    while True:
                        blocks = await subscription.next()
                        frames = stream_views.line_frames(socket.product.house.get().keywords)
                        await socket.tell_frames(block.render(frames) for block in blocks)
                        seq = subscription.seq
            except (Unavailable, TimeoutError) as error:
                log.info("crafty.stream.interrupted", server=str(socket.record.server.uuid), reason=repr(error))
                await asyncio.sleep(AGAIN_S)


class BackupFeed(Feed):
    """Tells how far backups of the server are."""

    name = "backup_status"
    permission = ServerPermission.BACKUPS_READ

    async def pump(self) -> None:
        socket, backups = self.socket, self.socket.product.backups
        begun, told = socket.product.clock.now(), dict[int, dict[str, int]]()
        elsewhere: set[int] = set()  # of other servers: storage is asked once what each is, not whenever it moves on
        with backups.changes.listen() as changes:
            while True:
                try:
                    which = await changes.get()
                except Overflowed:
                    log.debug("crafty.stream.backups_passed_over")
                    continue
                if which in elsewhere:
                    continue
                try:
                    found = await backups.named(socket.record, which)
                except NoSuchBackup:
                    elsewhere.add(which)
                    continue
                data = stream_views.backup(found)
                if told.get(found.id) != data and _is_being_made(found, begun):
                    told[found.id] = data
                    await socket.tell(self.name, data)


def _is_being_made(backup: Backup, begun: datetime) -> bool:
    """Say whether a backup is made, or was since `begun`; what else is done about one later is no news here."""
    return backup.finished_at is None or backup.finished_at >= begun


DASHBOARD: tuple[type[Feed], ...] = (ServersFeed, HostFeed)
SERVER_DETAIL: tuple[type[Feed], ...] = (DetailsFeed, LinesFeed, BackupFeed)
