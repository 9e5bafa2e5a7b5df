"""The console's stream: lines as they come, after some of the past; and commands the other way."""

import asyncio
from typing import Any

import msgspec

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.model import Block
from innkeeper.core.errors import Unavailable
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.exaroton.streams.feed import Feed, Socket
from innkeeper.panel.http.frames import text_frames

log = get_logger(__name__)

MAX_TAIL = 500
LAST_LINES_S = 2.0
_LINE_HEAD = b'{"stream":"console","type":"line","data":'
_encode = msgspec.json.Encoder().encode


def tail_of(data: Any) -> int:
    """Return how many lines of the past a console start asks for: none where it does not say so in whole numbers."""
    tail = data.get("tail") if isinstance(data, dict) else None
    return min(max(0, tail), MAX_TAIL) if type(tail) is int else 0


def line_frames(block: Block) -> bytes:
    """Return a block's lines as frames: one a line, as the dialect demands; made once for all subscribers."""
    return text_frames(_LINE_HEAD + _encode(line) + b"}" for line in block.lines())


class ConsoleFeed(Feed):
    """Tells console lines."""

    name = "console"
    permission = ServerPermission.CONSOLE_READ
    states = ALIVE

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        self._told_seq = 0
        """The number of the last line that was sent."""
        self._told = asyncio.Event()

    async def pump(self, data: Any) -> None:
        socket = self.socket
        async with socket.product.console.follow(socket.actor, socket.record, tail=tail_of(data)) as subscription:
            self._told_seq = subscription.seq
            await self.begin()
            while True:
                blocks = await subscription.next()
                await socket.send_frames(block.render(line_frames) for block in blocks)
                self._told_seq = subscription.seq
                self._told.set()

    async def obey(self, kind: str, data: Any) -> None:
        """Type a command."""
        if kind == "command" and isinstance(data, str):
            socket = self.socket
            await socket.product.console.command(socket.actor, socket.record, data.rstrip("\r\n"))

    async def finish(self) -> None:
        """End once the client has the game's last lines: they may come after the word of its end."""
        if self.is_open:
            await self._let_it_catch_up()
        await self.stop()

    async def lose(self) -> None:
        """Say that the link to the game is lost: without its console the client has none."""
        await self.socket.send({"type": "disconnected", "data": "node-unreachable"})

    async def _let_it_catch_up(self) -> None:
        socket = self.socket
        try:
            last = await socket.product.console.last_seq(socket.actor, socket.record)
            async with asyncio.timeout(LAST_LINES_S):
                while self._told_seq < last and self.is_open:
                    self._told.clear()
                    await self._told.wait()
        except (TimeoutError, Unavailable):
            log.warning("exaroton.stream.cut_short", server=str(socket.record.server.uuid))
