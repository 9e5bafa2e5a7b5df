"""WebSocket frames made once and written to many sockets as they stand, any number of them in one go.

What a server sends is not masked, so a frame is the same bytes for every client. `FramingProtocol` lets an application
write such bytes; under any other server, `send_frames` unpacks them and sends the messages one by one. Knows nothing of
what the messages say.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

EXTENSION = "innkeeper.frames"
WRITE_BYTES = 128 * 1024
"""A write is ended by the part that reaches it."""
_WHOLE_TEXT = 0x81
_LONG, _LONGER = 126, 127
_EXTRA = {_LONG: 2, _LONGER: 8}

Writer = Callable[[bytes], Awaitable[None]]


def text_frame(payload: bytes) -> bytes:
    """Return a message, UTF-8, as one frame."""
    size = len(payload)
    if size < _LONG:
        return b"%c%c%b" % (_WHOLE_TEXT, size, payload)
    if size < 1 << 16:
        return b"%c%c%b%b" % (_WHOLE_TEXT, _LONG, size.to_bytes(2, "big"), payload)
    return b"%c%c%b%b" % (_WHOLE_TEXT, _LONGER, size.to_bytes(8, "big"), payload)


def text_frames(payloads: Iterable[bytes]) -> bytes:
    """Return messages as frames, one each, in order."""
    return b"".join([text_frame(payload) for payload in payloads])


def messages(frames: bytes) -> Iterator[bytes]:
    """Yield what `text_frames` was given."""
    at = 0
    while at < len(frames):
        size = frames[at + 1]
        at += 2
        if extra := _EXTRA.get(size, 0):
            size = int.from_bytes(frames[at : at + extra], "big")
            at += extra
        yield frames[at : at + size]
        at += size


async def send_frames(socket: WebSocket[Any, Any, Any], parts: Iterable[bytes]) -> None:
    """Send frames, each part one or several whole ones, in few writes; wait whenever the client is behind.

    Raises WebSocketDisconnect once the client is gone.
    """
    write = cast("Writer | None", (socket.scope.get("extensions") or {}).get(EXTENSION))
    try:
        for together in _gathered(parts):
            if write is not None:
                await write(together)
                continue
            for message in messages(together):
                await socket.send_data(message.decode())
    except ClientDisconnected as error:
        raise WebSocketDisconnect(detail="the client has gone") from error


def _gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = 0
    for part in parts:
        pending.append(part)
        size += len(part)
        if size >= WRITE_BYTES:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


class FramingProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, with a way for whole frames around the building of each. No compression."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self.write_frames

    async def write_frames(self, frames: bytes) -> None:
        """Write whole frames once the client has taken most of what came before; raise ClientDisconnected."""
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN or not self.handshake_complete:
            raise ClientDisconnected
        self.transport.write(frames)
