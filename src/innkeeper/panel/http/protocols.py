"""Uvicorn's two protocols with the bounds that they lack: of what a connection may take, and for how long.

    head       64 KiB and 30 s, then 400                       uvicorn reads on for ever
    body       60 s of silence, then the connection is closed
    pipeline   32 requests waiting for their turn, then 400
    handshake  30 s for a WebSocket to be opened or refused
    pings      1 MiB of answers that the other side does not read
    fragments  10,000 of one message
    answers    60 s without the other side taking any, then the connection is closed
    in all     as many connections as leave descriptors for ourselves; one more is closed at once

How much of an answer waits to be taken is bounded by uvicorn: its sender waits. Knows no application.
"""

import resource
from asyncio import TimerHandle, Transport, get_running_loop
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.frames import Frame

from innkeeper.kit.log import get_logger
from innkeeper.panel.http.frames import FramingProtocol

log = get_logger(__name__)

MAX_HEAD_BYTES = 64 * 1024
HEAD_S = 30.0
SILENCE_S = 60.0
MAX_PIPELINED = 32
HANDSHAKE_S = 30.0
MAX_UNREAD_BYTES = 1024 * 1024
MAX_FRAGMENTS = 10_000
_OWN_DESCRIPTORS = 256
_FEWEST = 64


class TooManyAtOnce(Exception):
    """More requests wait on one connection than may."""


def most_connections() -> int:
    """Return how many connections leave descriptors for the database, files and games."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_FEWEST, soft - _OWN_DESCRIPTORS) if soft != resource.RLIM_INFINITY else 1 << 20


class _Unread:
    """How long the other side has taken nothing of what waits for it."""

    def __init__(self) -> None:
        self._timer: TimerHandle | None = None

    def begin(self, transport: Transport) -> None:
        """Break the connection off, unless `end` comes first."""
        self.end()
        self._timer = get_running_loop().call_later(SILENCE_S, transport.abort)

    def end(self) -> None:
        """It reads again, or has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 with bounds."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._timer: TimerHandle | None = None
        self._unread = _Unread()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            log.warning("http.connections.exhausted", connections=len(self.connections))
            transport.abort()
            return
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._rest()
        self._unread.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; what is not complete has to go on."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._rest()
                self.send_400_response("The request's head is too large.")
                return
        super().data_received(data)
        if self._in_head:
            if self._timer is None:
                self._wait(HEAD_S)
        else:
            self._rest()
            if self._in_body:
                self._wait(SILENCE_S)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head, self._in_body, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Know a request's head."""
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            raise TooManyAtOnce

    def on_message_complete(self) -> None:
        """Know all of a request."""
        self._in_body = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over."""
        self._rest()
        self._unread.end()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Wait for the other side to read, but not for ever."""
        super().pause_writing()
        self._unread.begin(self.transport)

    def resume_writing(self) -> None:
        """Go on."""
        self._unread.end()
        super().resume_writing()

    def _wait(self, seconds: float) -> None:
        self._timer = get_running_loop().call_later(seconds, self._too_slow)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_body and self.flow.read_paused:  # it is we who do not read
            self._wait(SILENCE_S)
        elif not self.transport.is_closing():
            self.transport.abort()


class BoundedWebSocket(FramingProtocol):
    """WebSockets with bounds."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._handshake_timer: TimerHandle | None = None
        self._unread = _Unread()

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        self._handshake_timer = get_running_loop().call_later(HANDSHAKE_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
        self._unread.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the other side to read, but not for ever."""
        super().pause_writing()
        self._unread.begin(self.transport)

    def resume_writing(self) -> None:
        """Go on."""
        self._unread.end()
        super().resume_writing()

    def handle_ping(self) -> None:
        """Answer a ping, as long as the answers are read."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            log.warning("websocket.pings.unread", client=self.client)
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """Take in a further fragment: empty ones cost memory, too."""
        if len(self.frames) >= MAX_FRAGMENTS:
            log.warning("websocket.fragments.endless", client=self.client)
            self.transport.abort()
            return
        super().handle_cont(event)

    def _too_slow(self) -> None:
        self._handshake_timer = None
        if not self.handshake_complete:
            self.transport.abort()
