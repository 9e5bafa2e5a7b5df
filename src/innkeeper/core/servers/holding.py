"""One command at a time on each server: within this panel by waiting, against other panels by what the database says.

Knows no command. A decision is kept only over the generation that it was made about, so of two panels that decide at
the same time one is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerChangedMeanwhile, ServerIsBusy, ServerIsDeleted
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work


class Holds:
    """The servers that a command is at, each held by one."""

    def __init__(self, directory: ServerDirectory) -> None:
        self._directory = directory
        self._locks: dict[int, asyncio.Lock] = {}

    @asynccontextmanager
    async def hold(self, server_id: int) -> AsyncIterator[Record]:
        """Keep other commands from a server, and give its record as it is by then; raise ServerIsDeleted."""
        async with self.hold_any(server_id) as now:
            if now.server.state in ENDED:
                raise ServerIsDeleted
            yield now

    @asynccontextmanager
    async def hold_any(self, server_id: int) -> AsyncIterator[Record]:
        """Hold a server, deleted or not; raise NoSuchServer."""
        async with self._locks.setdefault(server_id, asyncio.Lock()):
            yield self._directory.get(server_id)


async def require_idle(work: Work, server_id: int) -> None:
    """Raise ServerIsBusy, naming the operation, while one of the server has not ended."""
    for operation in await work.operations.unfinished(server_id):
        raise ServerIsBusy(operation=str(operation.uuid), verb=operation.verb)


async def keep_decision(work: Work, server: Server, *, strictly: bool) -> None:
    """Replace a server's row by what was decided over the generation before; raise ServerChangedMeanwhile.

    Decided `strictly`, ServerIsBusy is raised instead where it is an operation, another panel's, that came first.
    """
    try:
        await work.servers.update(server)
    except ServerChangedMeanwhile:
        if strictly:
            await require_idle(work, server.id)
        raise
