"""What a node is asked about its backups: folders listed, whole backups read as archives, the store looked after.

An archive is made as it is read, part by part: what nobody asks for any more is given up after a silence. Bounded: a
part is at most 512 KiB, of each download the last part is held and no more. Knows nothing of who asks.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from innkeeper.kit.clock import Clock
from innkeeper.node.backups.performing import in_worker
from innkeeper.node.backups.upkeep import Upkeep
from innkeeper.node.listing import page
from innkeeper.node.refusals import Refused
from innkeeper.wire import messages as wire

if TYPE_CHECKING:
    from innkeeper.node.backups.repository import Repository

log = structlog.get_logger(__name__)

MAX_DOWNLOADS = 64
MAX_PER_SERVER = 4
IDLE = timedelta(minutes=2)
PART = 512 * 1024
MAX_LISTED = 1000


class _Open:
    """One download under way."""

    def __init__(self, server: UUID, stream: Iterator[bytes], now: float) -> None:
        self.server = server
        self.stream = stream
        self.lock = asyncio.Lock()
        self.touched = now
        self.number = -1
        self.part = b""
        self.rest = b""
        self.ended = False


class BackupAsks:
    """Answers. `repository` may block, and is asked in threads only."""

    def __init__(self, repository: Callable[[], "Repository"], clock: Clock, upkeep: Upkeep) -> None:
        self._repository = repository
        self._clock = clock
        self._upkeep = upkeep
        self._open: dict[str, _Open] = {}

    async def list(self, ask: wire.ListBackup) -> wire.FilesListed:
        """Return a folder's entries by name."""
        return await in_worker(lambda _: _list(self._repository, ask))

    async def read_store(self, _: wire.ReadStore) -> wire.StoreReport:
        """Return how the store is, as far as it was looked at."""
        return await self._upkeep.report()

    async def tend_store(self, ask: wire.TendStore) -> wire.StoreReport:
        """Begin to check or to collect the store."""
        return await self._upkeep.begin(ask.deed)

    async def discard(self, ask: wire.DiscardBackup) -> wire.Done:
        """Remove a backup that cannot be read."""
        await self._upkeep.discard(ask.snapshot)
        return wire.Done()

    async def begin(self, ask: wire.BeginDownload) -> wire.DownloadBegun:
        """Begin an archive; nothing of it is made before a part is asked for."""
        await self.give_up_idle()
        mine = sum(one.server == ask.server for one in self._open.values())
        if mine >= MAX_PER_SERVER or len(self._open) >= MAX_DOWNLOADS:
            raise Refused("too_many_downloads")

        def begin(_: object) -> Iterator[bytes]:
            repository = self._repository()
            repository.get(ask.snapshot)
            return repository.stream(ask.snapshot, ask.form, ask.path)

        stream = await in_worker(begin)
        download = secrets.token_urlsafe(16)
        self._open[download] = _Open(ask.server, stream, self._clock.monotonic())
        return wire.DownloadBegun(download=download)

    async def read(self, ask: wire.ReadDownload) -> wire.DownloadPart:
        """Return a part: the one after the last, or the last again."""
        one = self._find(ask.download)
        async with one.lock:
            one.touched = self._clock.monotonic()
            if ask.number == one.number:
                return wire.DownloadPart(data=one.part)
            if ask.number != one.number + 1 or one.ended:
                raise Refused("download_part_is_wrong", expected=one.number + 1)
            try:
                part = await in_worker(lambda _: _next_part(one))
            except BaseException:
                await self._drop(ask.download)
                raise
            one.part, one.number, one.ended = part, ask.number, not part
        return wire.DownloadPart(data=part)

    async def end(self, ask: wire.EndDownload) -> wire.Done:
        """Give a download up; well done where there is none."""
        one = self._open.get(ask.download)
        if one is not None:
            async with one.lock:
                await self._drop(ask.download)
        return wire.Done()

    async def give_up_idle(self) -> None:
        """Give up every download that was silent for too long."""
        limit = self._clock.monotonic() - IDLE.total_seconds()
        for download, one in list(self._open.items()):
            if one.touched < limit and not one.lock.locked():
                log.info("download.given_up", server=str(one.server), parts=one.number + 1)
                await self._drop(download)

    async def give_up_all(self, server: UUID | None = None) -> None:
        """Give up every download, or every one of `server`."""
        for download, one in list(self._open.items()):
            if server in (None, one.server):
                async with one.lock:
                    await self._drop(download)

    def _find(self, download: str) -> _Open:
        one = self._open.get(download)
        if one is None:
            raise Refused("no_such_download")
        return one

    async def _drop(self, download: str) -> None:
        one = self._open.pop(download, None)
        close = getattr(one.stream, "close", None) if one is not None else None
        if close is not None:
            await in_worker(lambda _: close())


def _next_part(one: _Open) -> bytes:
    """Return the next bytes of a stream, at most a part of them; none at its end."""
    held, pieces = len(one.rest), [one.rest]
    while held < PART and (piece := next(one.stream, None)) is not None:
        pieces.append(piece)
        held += len(piece)
    whole = b"".join(pieces)
    one.rest = whole[PART:]
    return whole[:PART]


def _list(repository: Callable[[], "Repository"], ask: wire.ListBackup) -> wire.FilesListed:
    found = sorted(repository().entries(ask.snapshot, ask.path), key=lambda entry: entry.name)
    return page(found, ask.path.strip("/"), ask.after, min(ask.limit, MAX_LISTED))
