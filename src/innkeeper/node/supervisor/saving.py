"""Writing down what a supervisor remembers of its server: only where it changed, at once or a little later.

Knows no machine and no server; what is kept is `place.Kept`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from innkeeper.kit.tasks import in_thread
from innkeeper.node.supervisor.place import Kept, make_durable, write_private

SAVE_EVERY_S = 1.0


class Saving:
    """The file of one server's memory."""

    def __init__(self, file: Path, kept: Callable[[], Kept]) -> None:
        """`kept` returns what is to be written down."""
        self._file = file
        self._kept = kept
        self._written = b""
        self._to_come: asyncio.TimerHandle | None = None

    def save(self) -> None:
        """Write it down, where it changed."""
        self.call_off()
        content = msgspec.json.encode(self._kept())
        if content != self._written:
            # Not synced here: of what must outlast a power cut (births and ends of runs) `make_durable` makes sure.
            write_private(self._file, content)
            self._written = content

    def save_soon(self) -> None:
        """Write it down within a second, with whatever changes until then."""
        if self._to_come is None:
            self._to_come = asyncio.get_running_loop().call_later(SAVE_EVERY_S, self.save)

    def call_off(self) -> None:
        """Write nothing later."""
        if self._to_come is not None:
            self._to_come.cancel()
            self._to_come = None

    async def make_durable(self) -> None:
        """Return once not even a power cut takes back what was written last."""
        await in_thread(make_durable, self._file)
