"""Console streams: lines as they come, the server's state, and commands the other way.

    accepted ── ready ── lines, state, skipped, done, error … ──┬── the client leaves
                                                                └── the right to it ends: closed with 44xx

A block of lines is encoded once, whoever reads it; what is pending goes out as one frame. The right to the stream is
asked again whenever any right changes, and when the key ends.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import msgspec
from litestar.connection import WebSocket
from litestar.exceptions import WebSocketException

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.hub import RingBlock, Subscription
from innkeeper.core.console.model import Block
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.kit.broadcast import Listener, Overflowed, Topic
from innkeeper.kit.clock import from_microseconds
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.api.door import REFUSED, refusal
from innkeeper.panel.api.errors import FrameIsInvalid, TooManyCommands, body_of, status_of
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.http.bounds import Allowance, Places
from innkeeper.panel.http.frames import send_frames, text_frame
from innkeeper.panel.product import Product

log = get_logger(__name__)

MAX_STREAMS = 200
"""Streams that one account may have open."""
MAX_FRAME = 256 * 1024
"""Bytes of a frame, more or less: a frame ends with the block that reaches it."""
MAX_MESSAGE = 16 * 1024
COMMAND_BURST = 50
COMMANDS_PER_S = 20.0
CLOSE_PATIENCE_S = 0.5

_encode = msgspec.json.Encoder(enc_hook=str).encode


class CommandFrame(msgspec.Struct, frozen=True, tag="command", tag_field="type"):
    """A client types a command."""

    command: str
    id: str | int | None = None


_decoder = msgspec.json.Decoder(CommandFrame)


def render(block: Block) -> bytes:
    """Return a block as JSON, its lines numbered from `seq`."""
    return _encode({"seq": block.first_seq, "time": from_microseconds(block.time_us), "lines": block.lines()})


def frames(blocks: list[RingBlock]) -> Iterator[bytes]:
    """Yield blocks as WebSocket frames, as many in one as fit."""
    pending: list[bytes] = []
    size = 0
    for block in blocks:
        rendered = block.render(render)
        if pending and size + len(rendered) > MAX_FRAME:
            yield _frame(pending)
            pending, size = [], 0
        pending.append(rendered)
        size += len(rendered)
    if pending:
        yield _frame(pending)


def _frame(rendered: list[bytes]) -> bytes:
    return text_frame(b'{"type":"lines","blocks":[' + b",".join(rendered) + b"]}")


class _OfOneServer(Listener[Record]):
    """Hears of one server only."""

    def __init__(self, topic: Topic[Record], server_id: int) -> None:
        super().__init__(topic, 100)
        self._server_id = server_id

    def put(self, value: Record) -> None:
        if value.server.id == self._server_id:
            super().put(value)


class Streams:
    """Opens console streams, so many an account."""

    def __init__(self, product: Product, views: ServerViews, *, most: int = MAX_STREAMS) -> None:
        self._product = product
        self._views = views
        self.places = Places(most)

    async def serve(
        self, socket: WebSocket[Any, Any, Any], actor: Actor, record: Record, resume_from: int | None, tail: int
    ) -> None:
        """Serve one stream to its end."""
        try:
            with self.places.place(actor):
                subscription = self._product.console.follow(actor, record, resume_from=resume_from, tail=tail)
                async with subscription:
                    await socket.accept()
                    await _Stream(self._product, self._views, socket, actor, record, subscription).run()
        except CoreError as error:
            if socket.connection_state == "init":
                raise refusal(error) from error
            await close_refused(socket, error)
        except (WebSocketException, OSError) as error:  # the client has gone while something was sent
            log.debug("api.stream.broken_off", server=str(record.server.uuid), error=str(error))


async def until_one_ends(stream: str, **parts: Awaitable[None]) -> None:
    """Run the parts of a stream, each in a task of its own, until one ends; raise what ended it."""
    tasks = TaskSet(stream).start_set()
    try:
        running = [tasks.start(_to_its_end(part), name=name, fatal=False) for name, part in parts.items()]
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.stop()
    for task in done:
        if (ended_by := task.result()) is not None:
            raise ended_by


async def _to_its_end(part: Awaitable[None]) -> Exception | None:
    """Return what ended a part of a stream, where that is nothing out of the ordinary."""
    try:
        await part
    except (CoreError, WebSocketException, OSError) as error:
        return error
    return None


class _Stream:
    """One open stream: lines go out, changes go out, commands come in, each in a task of its own."""

    def __init__(
        self,
        product: Product,
        views: ServerViews,
        socket: WebSocket[Any, Any, Any],
        actor: Actor,
        record: Record,
        subscription: Subscription,
    ) -> None:
        self._product = product
        self._views = views
        self._socket = socket
        self._actor = actor
        self._server_id = record.server.id
        self._subscription = subscription

    async def run(self) -> None:
        """Serve until the client leaves or the right ends, which is raised as the condition that it is."""
        record = self._product.directory.get(self._server_id)
        await self._send({"type": "ready", "server": record.server.uuid, "state": record.live.state})
        await until_one_ends(
            f"console stream of {str(record.server.uuid)[-4:]}",
            lines=self._lines(),
            changes=self._changes(),
            rights=self._rights(),
            commands=self._commands(),
        )

    async def _lines(self) -> None:
        subscription = self._subscription
        skipped = 0
        while True:
            blocks = await subscription.next()
            if subscription.skipped > skipped:
                await self._send({"type": "skipped", "count": subscription.skipped - skipped})
                skipped = subscription.skipped
            await send_frames(self._socket, frames(blocks))

    async def _changes(self) -> None:
        """Tell what changed of the server, usage left aside, and what the client may do with it."""
        shown = self._shown()
        with _OfOneServer(self._product.directory.changes, self._server_id) as changes:
            while True:
                try:
                    await changes.get()
                except Overflowed:
                    log.debug("api.stream.changes_overflowed", server=self._server_id)
                self._check()
                now = self._shown()
                if now != shown:
                    shown = now
                    await self._tell_state()

    def _shown(self) -> tuple[Any, ...]:
        record = self._product.directory.get(self._server_id)
        return record.server, msgspec.structs.replace(record.live, usage=None)

    async def _tell_state(self) -> None:
        view = self._views.one(self._actor, self._product.directory.get(self._server_id))
        await self._socket.send_data(f'{{"type":"state","server":{view.decode()}}}')

    async def _rights(self) -> None:
        """Ask again whenever rights change, and when the key ends."""
        authority = self._product.authority
        with authority.changes.listen() as changes:
            while True:
                try:
                    async with asyncio.timeout(authority.key_lasts_s(self._actor)):
                        await changes.get()
                except (TimeoutError, Overflowed):
                    log.debug("api.stream.rights_asked_again", server=self._server_id)
                record = self._product.directory.get(self._server_id)
                held = self._actor.on(record.server.id, record.server.owner_id)
                self._actor = authority.renew(self._actor)
                self._check()
                if self._actor.on(record.server.id, record.server.owner_id) != held:
                    await self._tell_state()

    def _check(self) -> None:
        """Raise what keeps the client from the stream now, if anything does."""
        record = self._product.directory.get(self._server_id)
        self._product.directory.reach(self._actor, record, ServerPermission.CONSOLE_READ)

    async def _commands(self) -> None:
        allowance = Allowance(self._product.clock, burst=COMMAND_BURST, per_s=COMMANDS_PER_S)
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            message: Any = event.get("text") or event.get("bytes") or ""
            said: CommandFrame | None = None
            try:
                if allowance.try_take():
                    raise TooManyCommands(retry_after_s=1)
                if len(message) > MAX_MESSAGE:
                    raise FrameIsInvalid("The message is too long.", limit_bytes=MAX_MESSAGE)
                said = _parse(message)
                record = self._product.directory.get(self._server_id)
                await self._product.console.command(self._actor, record, said.command)
            except CoreError as error:
                body = body_of(error).error
                await self._send({"type": "error", "id": said.id if said is not None else None, "error": body})
                if isinstance(error, TooManyCommands):
                    await asyncio.sleep(1 / COMMANDS_PER_S)  # who does not listen is read no faster
            else:
                await self._send({"type": "done", "id": said.id})

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._socket.send_data(_encode(frame).decode())


def _parse(message: str | bytes) -> CommandFrame:
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameIsInvalid(f"The message is not what is needed here: {error}.") from error


async def close_refused(socket: WebSocket[Any, Any, Any], error: CoreError) -> None:
    """Close a stream whose right ended; a client that takes nothing any more is left to the server."""
    try:
        async with asyncio.timeout(CLOSE_PATIENCE_S):
            await socket.close(code=REFUSED + status_of(type(error)), reason=error.code)
    except TimeoutError:
        log.info("api.stream.not_closed_in_time", code=error.code)
