"""Files on their way in, part by part: bounded in number, given up after a long silence.

The bytes go to the jail's own unfinished files, so nothing is seen before the end. Knows nothing of who uploads.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog

from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import in_thread
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.upload import Upload
from innkeeper.node.refusals import Refused

log = structlog.get_logger(__name__)

MAX_UPLOADS = 256
MAX_PER_SERVER = 32
IDLE = timedelta(minutes=5)


class _Open:
    """One upload under way."""

    def __init__(self, server: UUID, sink: Upload, now: float) -> None:
        self.server = server
        self.sink = sink
        self.lock = asyncio.Lock()
        self.touched = now
        self.last: tuple[int, int] | None = None


class Uploads:
    """All uploads under way on a node."""

    def __init__(self, clock: Clock, *, idle: timedelta = IDLE, limit: int = MAX_UPLOADS) -> None:
        self._clock = clock
        self._idle = idle.total_seconds()
        self._limit = limit
        self._open: dict[str, _Open] = {}
        self._beginning: dict[UUID, int] = {}

    async def begin(self, server: UUID, make: Callable[[], Upload]) -> str:
        """Begin with the unfinished file that `make()` returns (blocking; run in a thread); return the upload's id."""
        await self.give_up_idle()
        mine = sum(one.server == server for one in self._open.values()) + self._beginning.get(server, 0)
        if mine >= MAX_PER_SERVER or len(self._open) + sum(self._beginning.values()) >= self._limit:
            raise Refused("too_many_uploads")
        self._beginning[server] = self._beginning.get(server, 0) + 1
        try:
            sink = await in_thread(make)
        finally:
            self._beginning[server] -= 1
            if not self._beginning[server]:
                del self._beginning[server]
        upload = secrets.token_urlsafe(16)
        self._open[upload] = _Open(server, sink, self._clock.monotonic())
        return upload

    async def append(self, upload: str, offset: int, data: bytes) -> None:
        """Append `data` at `offset`; a repetition of the part before is taken for what it is.

        A part that cannot be written (no space, too large) ends the upload.
        """
        one = self._find(upload)
        async with one.lock:
            written = one.sink.written
            if (offset, len(data)) == one.last and data:
                return
            if offset != written:
                raise Refused("upload_offset_is_wrong", expected=written)
            one.touched = self._clock.monotonic()
            try:
                await in_thread(one.sink.write, data)
            except JailError:
                await self._drop(upload)
                raise
            one.last = (offset, len(data))

    async def finish(self, upload: str, *, keep: bool) -> None:
        """Put the file in its place, or throw it away; the upload is then unknown."""
        one = self._find(upload)
        async with one.lock:
            if self._open.pop(upload, None) is None:
                raise Refused("no_such_upload")
            await in_thread(one.sink.commit if keep else one.sink.abort)

    async def give_up_idle(self) -> None:
        """Throw away every upload that was silent for too long."""
        limit = self._clock.monotonic() - self._idle
        for upload, one in list(self._open.items()):
            if one.touched < limit and not one.lock.locked():
                log.info("upload.given_up", server=str(one.server), written=one.sink.written)
                await self._drop(upload)

    async def give_up_all(self, server: UUID | None = None) -> None:
        """Throw away every upload, or every one of `server`."""
        for upload, one in list(self._open.items()):
            if server in (None, one.server):
                async with one.lock:
                    await self._drop(upload)

    def _find(self, upload: str) -> _Open:
        one = self._open.get(upload)
        if one is None:
            raise Refused("no_such_upload")
        return one

    async def _drop(self, upload: str) -> None:
        one = self._open.pop(upload, None)
        if one is None:
            return
        try:
            await in_thread(one.sink.abort)
        except JailError as error:
            log.warning("upload.abort.failed", server=str(one.server), error=str(error))
