"""Console blocks on their way out: what is pending in one turn of the event loop goes as one message per server.

Keeps nothing: whoever misses a message sees the gap in the numbers and reads the journal.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from innkeeper.wire.bus import Bus, BusError
from innkeeper.wire.codec import encode
from innkeeper.wire.messages import Block, ConsoleBlocks, node_console

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 512 * 1024
_BLOCK_OVERHEAD = 24


class Broadcast:
    """Publishes what `offer` is given; `run` does it, for ever."""

    def __init__(self, bus: Bus, node: UUID) -> None:
        self._bus = bus
        self._node = node
        self._pending: dict[UUID, list[Block]] = {}
        self._wake = asyncio.Event()
        self._silent: set[UUID] = set()
        """Servers whose console could not be published the last time."""

    def offer(self, server: UUID, blocks: Sequence[Block]) -> None:
        """Take note of new blocks, in order. Called from the event loop; never blocks."""
        self._pending.setdefault(server, []).extend(blocks)
        self._wake.set()

    async def run(self) -> None:
        """Publish, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, {}
            for server, blocks in pending.items():
                subject = node_console(self._node, server)
                for part in parts(blocks):
                    try:
                        await self._bus.publish(subject, encode(ConsoleBlocks(server=server, blocks=part)))
                        self._silent.discard(server)
                    except BusError as error:
                        self._note_silence(server, error)
                        break

    def _note_silence(self, server: UUID, error: BusError) -> None:
        """Say once that nobody hears a console; whoever listens reads the journal when the bus is back."""
        if server not in self._silent:
            self._silent.add(server)
            log.warning("console.unheard", server=str(server), error=str(error))


def parts(blocks: Sequence[Block], limit: int = MAX_MESSAGE_BYTES) -> list[list[Block]]:
    """Return `blocks` in order as runs whose bytes stay within `limit`; a block that alone is larger stands alone."""
    found: list[list[Block]] = []
    size = limit + 1
    for block in blocks:
        size += len(block.payload) + _BLOCK_OVERHEAD
        if size > limit:
            found.append([])
            size = len(block.payload) + _BLOCK_OVERHEAD
        found[-1].append(block)
    return found
