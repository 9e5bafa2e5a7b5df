"""A server's log, given to a service that shows it to whoever has the link; what strangers must not see is taken out.

A log that has not changed is uploaded once, however many ask and at the same moment. Knows no such service: who
uploads is given.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.console.errors import LogIsEmpty, LogSharingIsOff
from innkeeper.core.console.model import Block
from innkeeper.core.console.redaction import redacted
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import in_thread
from innkeeper.kit.terminal import plain

MAX_LINES = 25_000
MAX_BYTES = 10 * 1024 * 1024
"""Both are what mclo.gs takes of a log."""
_UPLOADS_AT_ONCE = 2
_REMEMBERED = 1000
_KEPT = timedelta(days=1)
"""For so long a service is trusted to have what it was given."""


class SharedLog(msgspec.Struct, frozen=True):
    """Where a shared log is to be seen: its name there, the page, the bare text."""

    id: str
    url: str
    raw: str


class LogUploader(Protocol):
    """A service that keeps logs."""

    async def upload(self, text: str) -> SharedLog:
        """Give it a log, whole; raise LogServiceFailed."""
        ...


class LogSharing:
    """Shares logs, for those who may read them."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        console: ConsoleService,
        servers: ServerDirectory,
        activity: ActivityService,
        uploader: LogUploader | None,
    ) -> None:
        """`uploader` is None where nothing may leave the house."""
        self._works = works
        self._clock = clock
        self._console = console
        self._servers = servers
        self._activity = activity
        self._uploader = uploader
        self._shared: dict[int, tuple[int, datetime, SharedLog]] = {}
        """By server: the number of the last line that was in it, when it was shared, and the log."""
        self._locks: dict[int, asyncio.Lock] = {}
        self._uploading = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def share(self, actor: Actor, record: Record) -> SharedLog:
        """Upload the newest lines; needs `logs.read`.

        Raises LogSharingIsOff, LogIsEmpty, LogServiceFailed, NodeIsOffline.
        """
        self._servers.reach(actor, record, ServerPermission.LOGS_READ)
        uploader = self._uploader
        if uploader is None:
            raise LogSharingIsOff
        server_id = record.server.id
        async with self._locks.setdefault(server_id, asyncio.Lock()):
            last = await self._console.last_seq(actor, record)
            if last == 0:
                raise LogIsEmpty
            known = self._known(server_id, last)
            if known is not None:
                return known
            async with self._uploading:
                blocks = await self._console.newest(actor, record, last=last, lines=MAX_LINES, most_bytes=MAX_BYTES)
                text = await in_thread(shareable, blocks)
                if not text.strip():
                    raise LogIsEmpty
                shared = await uploader.upload(text)
            self._remember(server_id, last, shared)
            async with self._works() as work:
                await self._activity.note(
                    work, actor, "console.shared", server_id=server_id, data={"id": shared.id, "url": shared.url}
                )
            return shared

    def _known(self, server_id: int, last: int) -> SharedLog | None:
        seq, at, shared = self._shared.get(server_id, (0, self._clock.now(), None))
        return shared if seq == last and self._clock.now() - at < _KEPT else None

    def _remember(self, server_id: int, last: int, shared: SharedLog) -> None:
        self._shared.pop(server_id, None)
        self._shared[server_id] = (last, self._clock.now(), shared)
        if len(self._shared) > _REMEMBERED:
            del self._shared[next(iter(self._shared))]


def log_text(blocks: Iterable[Block]) -> str:
    """Return console lines as a log file has them: no colours, a line end each."""
    return "".join(f"{plain(line)}\n" for block in blocks for line in block.lines())


def shareable(blocks: list[Block]) -> str:
    """Return console lines as strangers may see them, the newest of what is too long."""
    pieces: deque[str] = deque()
    size = 0
    for piece in redacted(plain(line) for block in blocks for line in block.lines()):
        pieces.append(piece)
        size += len(piece.encode())
        while size > MAX_BYTES and len(pieces) > 1:
            size -= len(pieces.popleft().encode())
    return "".join(pieces)
