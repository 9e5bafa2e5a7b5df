"""exaroton's WebSocket: status always, console on request, commands typed. ref: Websocket API.

    open ─→ ready ─→ status, and connected while the game server lives
                       │ start ⇄ stop of a stream, as often as the client likes (a start is acknowledged each time)
                       ▼
            disconnected when the game server ends: its streams end with it; the socket stays

A right that goes closes the socket within a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.model import Block
from innkeeper.core.errors import CoreError, Unavailable
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.kit.broadcast import Overflowed
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.views import Views
from innkeeper.panel.http.bodies import parse_json
from innkeeper.panel.http.frames import send_frames, text_frames
from innkeeper.panel.product import Product

log = get_logger(__name__)

MAX_TAIL = 500
KEEP_ALIVE_S = 20.0
LAST_LINES_S = 2.0
_POLICY_VIOLATION = 1008
_LINE_HEAD = b'{"stream":"console","type":"line","data":'
_encode = msgspec.json.Encoder().encode


class ClientMessage(msgspec.Struct):
    """What a client sends."""

    stream: str
    type: str
    data: Any = None


def tail_of(data: Any) -> int:
    """Return how many lines of the past a console start asks for: none where it does not say so in whole numbers."""
    tail = data.get("tail") if isinstance(data, dict) else None
    return min(max(0, tail), MAX_TAIL) if type(tail) is int else 0


def line_frames(block: Block) -> bytes:
    """Return a block's lines as frames: one a line, as the dialect demands; made once for all subscribers."""
    return text_frames(_LINE_HEAD + _encode(line) + b"}" for line in block.lines())


class ServerStream:
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
    ) -> None:
        self._socket = socket
        self._keep_alive_s = keep_alive_s
        self._actor = actor
        self._record = record
        self._product = product
        self._views = views
        self._ids = ids
        self._shared = record.server.owner_id != actor.account.id
        self._console: asyncio.Task[None] | None = None
        self._told_seq = 0
        """The number of the last console line that was sent."""
        self._told = asyncio.Event()
        self._sent = 0
        self._over = asyncio.Event()
        self._reason = ""

    async def run(self) -> None:
        """Serve the socket until the client goes or may no longer be here."""
        await self._socket.accept()
        changes = self._product.directory.changes
        with changes.listen() as news, self._product.authority.changes.listen() as rights:
            async with TaskSet(f"exaroton stream of {self._record.server.uuid}") as tasks:
                await self._send_json({"type": "ready", "data": self._ids.of_server(self._record.server)})
                if self._record.live.state in ALIVE:
                    await self._send_json({"type": "connected"})
                for name, pump in (
                    ("status", self._tell_status(news)),
                    ("rights", self._watch_rights(rights)),
                    ("keep-alive", self._keep_alive()),
                    ("client", self._listen(tasks)),
                ):
                    tasks.start(self._until_over(pump), name=f"exaroton {name}")
                await self._over.wait()
                await tasks.stop()
        if self._reason:
            await self._socket.close(code=_POLICY_VIOLATION, reason=self._reason)

    async def _until_over(self, pump: Awaitable[None]) -> None:
        """Run one of the pumps; whichever ends, ends the stream."""
        try:
            await pump
        except WebSocketDisconnect:
            pass
        except CoreError as error:
            self._reason = error.message
        finally:
            self._over.set()

    async def _while_reached(self, pump: Awaitable[None]) -> None:
        """Run the console's pump; when the node is lost the stream is, and the client asks again."""
        try:
            await pump
        except Unavailable:
            self._console = None
            await self._send_json({"type": "disconnected", "data": "node-unreachable"})
        except (WebSocketDisconnect, CoreError):
            self._over.set()

    # -- to the client ----------------------------------------------------------------------------------------------

    async def _send(self, frame: str) -> None:
        self._sent += 1
        await self._socket.send_data(frame)

    async def _send_json(self, message: dict[str, Any]) -> None:
        await self._send(msgspec.json.encode(message).decode())

    async def _tell_status(self, news: Any) -> None:
        shown = self._views.encoded(self._record, shared=self._shared)
        server_id = self._record.server.id
        while True:
            try:
                record = await news.get()
            except Overflowed:
                record = self._product.directory.get(server_id)
            if record.server.id != server_id:
                continue
            self._product.directory.reach(self._actor, record, ServerPermission.VIEW)
            was_alive, is_alive = self._record.live.state in ALIVE, record.live.state in ALIVE
            self._record = record
            encoded = self._views.encoded(record, shared=self._shared)
            if encoded != shown:
                shown = encoded
                await self._send('{"stream":"status","type":"status","data":' + encoded.decode() + "}")
            if is_alive and not was_alive:
                await self._send_json({"type": "connected"})
            elif was_alive and not is_alive:
                await self._let_console_finish()
                await self._end_console()
                await self._send_json({"type": "disconnected", "data": "invalid-status"})

    async def _watch_rights(self, rights: Any) -> None:
        while True:
            try:
                async with asyncio.timeout(self._key_lasts()):
                    await rights.get()
            except (TimeoutError, Overflowed):
                pass
            self._actor = self._product.authority.renew(self._actor)
            record = self._product.directory.get(self._record.server.id)
            self._product.directory.reach(self._actor, record, ServerPermission.VIEW)
            if self._console is not None:
                self._product.directory.reach(self._actor, record, ServerPermission.CONSOLE_READ)

    def _key_lasts(self) -> float | None:
        """Return for how many seconds the key is valid, a day at most; None for one without end."""
        key = self._product.authority.keys.get(self._actor.key_id) if self._actor.key_id is not None else None
        if key is None or key.expires_at is None:
            return None
        return max(0.0, min((key.expires_at - self._product.clock.now()).total_seconds(), 86_400.0))

    async def _keep_alive(self) -> None:
        while True:
            sent = self._sent
            await asyncio.sleep(self._keep_alive_s)
            if self._sent == sent:
                await self._send_json({"type": "keep-alive"})

    # -- from the client --------------------------------------------------------------------------------------------

    async def _listen(self, tasks: TaskSet) -> None:
        while True:
            text = await self._socket.receive_data(mode="text")
            try:
                message = parse_json(text, ClientMessage)
                await self._obey(message, tasks)
            except CoreError as error:
                log.info("exaroton.stream.refused", server=str(self._record.server.uuid), reason=error.code)

    async def _obey(self, message: ClientMessage, tasks: TaskSet) -> None:
        """Do what the client says. What cannot be done now goes unanswered, as on the original: clients ask again."""
        match message.stream, message.type:
            case "console", "start":
                await self._start_console(message.data, tasks)
            case "console", "stop":
                await self._end_console()
                await self._send_json({"stream": "console", "type": "stopped"})
            case "console", "command" if isinstance(message.data, str):
                await self._product.console.command(self._actor, self._record, message.data.rstrip("\r\n"))

    async def _start_console(self, data: Any, tasks: TaskSet) -> None:
        self._product.directory.reach(self._actor, self._record, ServerPermission.CONSOLE_READ)
        if self._record.live.state not in ALIVE:
            return
        if self._console is None or self._console.done():
            begun = asyncio.Event()
            pump = self._pump_console(tail_of(data), begun.set)
            self._console = tasks.start(self._while_reached(pump), name="exaroton console")
            await begun.wait()
        else:
            await self._send_json({"stream": "console", "type": "started"})

    async def _pump_console(self, tail: int, begun: Callable[[], object]) -> None:
        try:
            async with self._product.console.follow(self._actor, self._record, tail=tail) as subscription:
                await self._send_json({"stream": "console", "type": "started"})
                self._told_seq = subscription.seq
                begun()
                while True:
                    blocks = await subscription.next()
                    self._sent += 1
                    await send_frames(self._socket, [block.render(line_frames) for block in blocks])
                    self._told_seq = subscription.seq
                    self._told.set()
        finally:
            begun()

    async def _let_console_finish(self) -> None:
        """Return once the client has the game's last lines: they may come after the word of its end."""
        if self._console is None:
            return
        try:
            last = await self._product.console.last_seq(self._actor, self._record)
            async with asyncio.timeout(LAST_LINES_S):
                while self._told_seq < last and not self._console.done():
                    self._told.clear()
                    await self._told.wait()
        except (TimeoutError, Unavailable):
            log.warning("exaroton.stream.cut_short", server=str(self._record.server.uuid))

    async def _end_console(self) -> None:
        console, self._console = self._console, None
        if console is not None:
            console.cancel()
            await asyncio.wait([console])
