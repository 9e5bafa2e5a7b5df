"""Crafty's socket: a client says on which page it is, and is told what that page shows. ref: the reference's /ws.

    /ws?page=/panel/server_detail&page_query_params=id%3D1        {"event": …, "data": …}, again and again

    open ──→ the page's feeds run, each while its permission is held ──┬── the client leaves
                                                                       └── the token or the server's view goes: closed

What a client sends is read and left at that, as by the original. A page that nothing is told of is silent. Unlike the
original, nobody is told of servers that they may not see, nor of a console that they may not read.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketException

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.kit.broadcast import Listener, Overflowed
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.feeds import DASHBOARD, SERVER_DETAIL, Feed, Rows
from innkeeper.panel.dialects.crafty.ids import server_id
from innkeeper.panel.dialects.crafty.server_views import ServerViews
from innkeeper.panel.dialects.crafty.stream_views import message
from innkeeper.panel.http.bounds import Allowance, Places
from innkeeper.panel.http.frames import send_frames
from innkeeper.panel.product import Product

log = get_logger(__name__)

EVERY_S = 5.0
"""How often figures are told."""
MAX_SOCKETS = 100
"""That one account may have open."""
BURST = 50
MESSAGES_PER_S = 20.0
"""Who sends faster is read no faster."""
CLOSE_PATIENCE_S = 0.5
_POLICY_VIOLATION = 1008
_MOST_REASON = 120
"""Bytes that the frame of a close has room for."""
_MOST_PARAMETERS = 100
_FEEDS = {"dashboard": DASHBOARD, "server_detail": SERVER_DETAIL}


class Page(msgspec.Struct, frozen=True):
    """Where a client says it is."""

    name: str
    """As `dashboard`, without the path before it."""
    parameters: dict[str, str]

    @property
    def is_of_a_server(self) -> bool:
        """Whether it shows one server."""
        return self.name == "server_detail"


def page_of(socket: WebSocket[Any, Any, Any]) -> Page | None:
    """Return the page that a client says it is on, None where it does not say."""
    name, parameters = (socket.query_params.get(key) for key in ("page", "page_query_params"))
    if not name or parameters is None:
        return None
    try:
        found = dict(parse_qsl(parameters.removeprefix("?"), max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        return None
    return Page(name.removeprefix("/panel/"), found)


def require_own_origin(socket: WebSocket[Any, Any, Any]) -> None:
    """Raise Refused for a page of another site: browsers send it our cookie all the same."""
    origin = socket.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != socket.headers.get("host", "").lower():
        raise Refused("A page of another site may not open this socket.", error="NOT_AUTHORIZED")


class Streams:
    """Opens sockets, so many an account."""

    def __init__(
        self, product: Product, views: ServerViews, *, every_s: float = EVERY_S, most: int = MAX_SOCKETS
    ) -> None:
        self._product = product
        self._rows = Rows(product, views)
        self._every_s = every_s
        self._places = Places(most)

    async def serve(self, socket: WebSocket[Any, Any, Any], actor: Actor) -> None:
        """Serve a socket to its end; raise what keeps the client from it while it is not accepted."""
        require_own_origin(socket)
        page = page_of(socket)
        with self._places.place(actor):
            if page is None:
                await socket.accept()
                await socket.close(code=_POLICY_VIOLATION, reason="page and page_query_params are needed")
                return
            record = None
            if page.is_of_a_server:
                wanted = server_id(self._product, page.parameters.get("id", ""))
                record = self._product.servers.get(actor, wanted)
            told = PageSocket(socket, actor, record, self._product, self._rows, self._every_s)
            await told.run([feed(told) for feed in _FEEDS.get(page.name, ())])


class PageSocket:
    """One client's socket on one page."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        actor: Actor,
        record: Record | None,
        product: Product,
        rows: Rows,
        every_s: float,
    ) -> None:
        self._socket = socket
        self._server_id = record.server.id if record is not None else None
        self._over = asyncio.Event()
        self._reason = ""
        self._feeds: list[Feed] = []
        self._running: dict[Feed, asyncio.Task[None]] = {}
        self._tasks = TaskSet("crafty stream")
        self.product = product
        self.rows = rows
        self.every_s = every_s
        self.actor = actor

    @property
    def record(self) -> Record:
        """The server that the page is of, as it is now; raise NoSuchServer where it is of none."""
        if self._server_id is None:
            raise NoSuchServer
        return self.product.directory.get(self._server_id)

    async def run(self, feeds: list[Feed]) -> None:
        """Serve the socket until the client goes or may no longer be here."""
        self._feeds = feeds
        with self.product.authority.changes.listen() as rights:
            await self._socket.accept()
            async with self._tasks as tasks:
                tasks.start(self._until_over(self._watch_rights(rights)), name="crafty rights")
                tasks.start(self._until_over(self._listen()), name="crafty client")
                await self._over.wait()
                await tasks.stop()
        if self._reason:
            await self._close()

    async def tell(self, event: str, data: Any) -> None:
        """Send a message."""
        await self._socket.send_data(message(event, data))

    async def tell_frames(self, parts: Iterable[bytes]) -> None:
        """Send messages that are frames already."""
        await send_frames(self._socket, parts)

    async def _until_over(self, part: Awaitable[None]) -> None:
        """Run a part of the socket; whichever ends, unless it is cancelled, ends the socket."""
        try:
            await part
        except CoreError as error:
            self._reason = error.message
        except (WebSocketException, OSError) as error:  # the client has gone while something was sent
            log.debug("crafty.stream.broken_off", error=str(error))
        self._over.set()

    async def _close(self) -> None:
        """Close the socket; a client that takes nothing any more is left to the server."""
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                reason = self._reason.encode()[:_MOST_REASON].decode(errors="ignore")
                await self._socket.close(code=_POLICY_VIOLATION, reason=reason)
        except (TimeoutError, WebSocketException, OSError) as error:
            log.info("crafty.stream.not_closed", reason=self._reason, error=repr(error))

    # -- rights -----------------------------------------------------------------------------------------------------

    async def _watch_rights(self, rights: Listener[int]) -> None:
        """Have those feeds run that may; ask again whenever rights change, and when the key ends."""
        authority = self.product.authority
        while True:
            self.actor = authority.renew(self.actor)
            await self._keep_feeds()
            try:
                async with asyncio.timeout(authority.key_lasts_s(self.actor)):
                    await rights.get()
            except (TimeoutError, Overflowed):
                log.debug("crafty.stream.rights_asked_again", account=self.actor.account.id)

    async def _keep_feeds(self) -> None:
        """Start the feeds that may run, and end those that may not; raise what keeps the client from the page."""
        held = self._held()
        for feed in self._feeds:
            task = self._running.get(feed)
            if held is not None and feed.permission and feed.permission not in held:
                if task is not None:
                    del self._running[feed]
                    task.cancel()
                    await asyncio.wait([task])
            elif task is None:
                self._running[feed] = self._tasks.start(self._until_over(feed.pump()), name=f"crafty {feed.name}")
            else:
                feed.renewed()

    def _held(self) -> frozenset[str] | None:
        """Return what is held on the page's server, None for a page of none; raise what keeps the client from it."""
        if self._server_id is None:
            return None
        record = self.product.directory.reach(self.actor, self.record, ServerPermission.VIEW)
        return self.actor.on(record.server.id, record.server.owner_id)

    # -- the client -------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Return when the client leaves."""
        allowance = Allowance(self.product.clock, burst=BURST, per_s=MESSAGES_PER_S)
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            if wait_s := allowance.take():
                await asyncio.sleep(wait_s)
