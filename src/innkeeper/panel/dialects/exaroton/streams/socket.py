"""exaroton's WebSocket of a server: its status always, its streams on request. ref: Websocket API.

    open ─→ ready ─→ status, and connected while the game server lives
                       │ start ⇄ stop of a stream, as often as the client likes (a start is acknowledged each time)
                       ▼
            disconnected when the game server ends: its streams end with it; the socket stays

A right that goes closes the socket within a second. What is sent to it is bounded in size and rate.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.kit.broadcast import Overflowed
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.streams.console import ConsoleFeed
from innkeeper.panel.dialects.exaroton.streams.feed import Feed
from innkeeper.panel.dialects.exaroton.streams.figures import FIRST_FIGURE_S, HeapFeed, StatsFeed, TickFeed
from innkeeper.panel.dialects.exaroton.streams.management import ManagementFeed
from innkeeper.panel.dialects.exaroton.views import Views
from innkeeper.panel.http.bodies import BodyIsTooLarge, parse_json
from innkeeper.panel.http.bounds import Allowance
from innkeeper.panel.http.frames import send_frames
from innkeeper.panel.product import Product

log = get_logger(__name__)

KEEP_ALIVE_S = 20.0
MAX_MESSAGE = 256 * 1024
MAX_SOCKETS = 100
"""That one account may have open."""
BURST = 50
MESSAGES_PER_S = 20.0
"""Who sends faster is read no faster."""
_POLICY_VIOLATION = 1008


class ClientMessage(msgspec.Struct):
    """What a client sends."""

    stream: str
    type: str
    data: Any = None


class ServerSocket:
    """One client's socket on one server."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        actor: Actor,
        record: Record,
        product: Product,
        views: Views,
        ids: Ids,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        first_figure_s: float = FIRST_FIGURE_S,
    ) -> None:
        self._socket = socket
        self._keep_alive_s = keep_alive_s
        self._views = views
        self._ids = ids
        self._shared = record.server.owner_id != actor.account.id
        self._sent = 0
        self._over = asyncio.Event()
        self._reason = ""
        self.product = product
        self.tasks = TaskSet(f"exaroton stream of {record.server.uuid}")
        self.actor = actor
        self.record = record
        feeds: list[Feed] = [
            ConsoleFeed(self),
            TickFeed(self, first_figure_s),
            StatsFeed(self, first_figure_s, memory_bytes=lambda: views.memory_bytes(self.record.server)),
            HeapFeed(self, first_figure_s),
            ManagementFeed(self),
        ]
        self._feeds = {feed.name: feed for feed in feeds}

    async def run(self) -> None:
        """Serve the socket until the client goes or may no longer be here."""
        await self._socket.accept()
        changes = self.product.directory.changes
        with changes.listen() as news, self.product.authority.changes.listen() as rights:
            async with self.tasks as tasks:
                await self.send({"type": "ready", "data": self._ids.of_server(self.record.server)})
                if self.record.live.state in ALIVE:
                    await self.send({"type": "connected"})
                for name, pump in (
                    ("status", self._tell_status(news)),
                    ("rights", self._watch_rights(rights)),
                    ("keep-alive", self._keep_alive()),
                    ("client", self._listen()),
                ):
                    tasks.start(self._until_over(pump), name=f"exaroton {name}")
                await self._over.wait()
                await tasks.stop()
        if self._reason:
            await self._socket.close(code=_POLICY_VIOLATION, reason=self._reason)

    def end(self, error: CoreError | None = None) -> None:
        """Have the socket closed; for a condition where one is given."""
        if error is not None:
            self._reason = error.message
        self._over.set()

    async def _until_over(self, pump: Awaitable[None]) -> None:
        """Run one of the pumps; whichever ends, ends the socket."""
        try:
            await pump
        except WebSocketDisconnect:
            pass
        except CoreError as error:
            self._reason = error.message
        finally:
            self._over.set()

    # -- to the client ----------------------------------------------------------------------------------------------

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        await self._send(msgspec.json.encode(message).decode())

    async def send_frames(self, parts: Iterable[bytes]) -> None:
        """Send messages that are frames already."""
        self._sent += 1
        await send_frames(self._socket, parts)

    async def _send(self, text: str) -> None:
        self._sent += 1
        await self._socket.send_data(text)

    async def _tell_status(self, news: Any) -> None:
        shown = self._views.encoded(self.record, shared=self._shared)
        server_id = self.record.server.id
        while True:
            try:
                record = await news.get()
            except Overflowed:
                record = self.product.directory.get(server_id)
            if record.server.id != server_id:
                continue
            self.product.directory.reach(self.actor, record, ServerPermission.VIEW)
            before, self.record = self.record, record
            encoded = self._views.encoded(record, shared=self._shared)
            if encoded != shown:
                shown = encoded
                await self._send('{"stream":"status","type":"status","data":' + encoded.decode() + "}")
            await self._follow_state(before)

    async def _follow_state(self, before: Record) -> None:
        """Tell that the game lives or has ended, and end the streams that its state has no room for."""
        state = self.record.live.state
        was_alive, is_alive = before.live.state in ALIVE, state in ALIVE
        if is_alive and not was_alive:
            await self.send({"type": "connected"})
        elif was_alive and not is_alive:
            for feed in self._feeds.values():
                await feed.finish()
            await self.send({"type": "disconnected", "data": "invalid-status"})
        else:
            for feed in self._feeds.values():
                if feed.is_open and state not in feed.states:
                    had_begun = feed.has_begun
                    await feed.stop()
                    if had_begun:
                        await feed.say("stopped")

    async def _watch_rights(self, rights: Any) -> None:
        directory = self.product.directory
        while True:
            try:
                async with asyncio.timeout(self.product.authority.key_lasts_s(self.actor)):
                    await rights.get()
            except (TimeoutError, Overflowed):
                pass
            self.actor = self.product.authority.renew(self.actor)
            record = directory.get(self.record.server.id)
            directory.reach(self.actor, record, ServerPermission.VIEW)
            for feed in self._feeds.values():
                if feed.is_open:
                    directory.reach(self.actor, record, feed.permission)

    async def _keep_alive(self) -> None:
        while True:
            sent = self._sent
            await asyncio.sleep(self._keep_alive_s)
            if self._sent == sent:
                await self.send({"type": "keep-alive"})

    # -- from the client --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        allowance = Allowance(self.product.clock, burst=BURST, per_s=MESSAGES_PER_S)
        while True:
            text = await self._socket.receive_data(mode="text")
            if wait_s := allowance.take():
                await asyncio.sleep(wait_s)
            try:
                if len(text) > MAX_MESSAGE:
                    raise BodyIsTooLarge(limit_bytes=MAX_MESSAGE)
                await self._obey(parse_json(text, ClientMessage))
            except CoreError as error:
                log.info("exaroton.stream.refused", server=str(self.record.server.uuid), reason=error.code)

    async def _obey(self, message: ClientMessage) -> None:
        """Do what the client says. What cannot be done now goes unanswered, as on the original: clients ask again."""
        feed = self._feeds.get(message.stream)
        if feed is None:
            return
        match message.type:
            case "start":
                await feed.start(message.data)
            case "stop":
                await feed.stop()
                await feed.say("stopped")
            case _:
                await feed.obey(message.type, message.data)
