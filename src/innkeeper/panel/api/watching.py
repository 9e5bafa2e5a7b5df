"""Streams that only tell: a server's figures, and what its management server says.

    accepted ── ready ── usage … or notification … ──┬── the client leaves
                                                     └── the right to it ends: closed with 44xx

What is followed ends by itself, with the condition that ended it, when the right to it does.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from litestar.connection import WebSocket
from litestar.exceptions import WebSocketException

from innkeeper.core.access.model import Actor
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Usage
from innkeeper.kit.log import get_logger
from innkeeper.panel.api.door import refusal
from innkeeper.panel.api.streams import Streams, close_refused, until_one_ends
from innkeeper.panel.product import Product

log = get_logger(__name__)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
Looked = Literal["samples", "tick"]

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Followed(Protocol[T_co]):
    """Something that is followed."""

    async def next(self) -> T_co:
        """Return what comes next; raise the condition that ends it."""
        ...


class Watching:
    """Opens streams that only tell; they count among an account's streams."""

    def __init__(self, product: Product, streams: Streams) -> None:
        self._product = product
        self._streams = streams

    async def figures(
        self,
        socket: WebSocket[Any, Any, Any],
        actor: Actor,
        record: Record,
        *,
        tick: bool,
    ) -> None:
        """Tell what a server uses, with `tick` its tick time too, until the client leaves."""
        what: tuple[Looked, ...] = ("samples", "tick") if tick else ("samples",)

        def frame(usage: Usage) -> dict[str, Any]:
            return {"type": "usage", "usage": usage}

        await self._serve(socket, actor, record, self._product.metrics.watch(actor, record, what), frame)

    async def management(self, socket: WebSocket[Any, Any, Any], actor: Actor, record: Record) -> None:
        """Tell what a game's management server says by itself, until the client leaves."""

        def frame(note: tuple[str, Any]) -> dict[str, Any]:
            return {"type": "notification", "name": note[0], "data": note[1]}

        await self._serve(socket, actor, record, self._product.management.follow(actor, record), frame)

    async def _serve(
        self,
        socket: WebSocket[Any, Any, Any],
        actor: Actor,
        record: Record,
        following: AbstractAsyncContextManager[Followed[T]],
        frame: Callable[[T], dict[str, Any]],
    ) -> None:
        try:
            with self._streams.places.place(actor):
                async with following as followed:
                    await socket.accept()
                    await _tell(socket, {"type": "ready", "server": record.server.uuid})
                    await until_one_ends(
                        f"figures of {str(record.server.uuid)[-4:]}",
                        tell=_pump(socket, followed, frame),
                        leave=_leave(socket),
                    )
        except CoreError as error:
            if socket.connection_state == "init":
                raise refusal(error) from error
            await close_refused(socket, error)
        except (WebSocketException, OSError) as error:  # the client has gone while something was sent
            log.debug("api.stream.broken_off", server=str(record.server.uuid), error=str(error))


async def _pump(socket: WebSocket[Any, Any, Any], followed: Followed[T], frame: Callable[[T], dict[str, Any]]) -> None:
    while True:
        await _tell(socket, frame(await followed.next()))


async def _tell(socket: WebSocket[Any, Any, Any], frame: dict[str, Any]) -> None:
    await socket.send_data(_encode(frame).decode())


async def _leave(socket: WebSocket[Any, Any, Any]) -> None:
    """Return when the client leaves; what it says is not listened to."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
