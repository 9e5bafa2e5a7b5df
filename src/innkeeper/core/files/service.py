"""Files of a server, for those who may; the node's jail does the work and the refusing.

A transfer ends with the right to it: a download asks again before each part, an upload each second, however slowly it
comes. The next part is made ready while the last is being sent.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.errors import CoreError
from innkeeper.core.files.errors import FileIsADirectory, FileIsTooLarge
from innkeeper.core.files.model import FileEntry, FileNode
from innkeeper.core.files.streams import in_parts, one_ahead
from innkeeper.core.files.tree import read_tree
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.house.model import MOST_UPLOAD_GIB
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerIsSuspended
from innkeeper.core.work import Works
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet

log = get_logger(__name__)

PART = 512 * 1024
GIB = 1 << 30
MAX_FILE = MOST_UPLOAD_GIB * GIB
"""The house may be set to less."""
_ASK_AGAIN_S = 1.0
Ask = Callable[[], None]


class FileService:
    """Reads and writes, in parts: no file is ever held in memory whole."""

    def __init__(
        self,
        *,
        works: Works,
        gateway: NodeGateway,
        access: AccessDirectory,
        servers: ServerDirectory,
        activity: ActivityService,
        on_written: Callable[[Record, str], Awaitable[None]],
        house: HouseDirectory,
    ) -> None:
        """Tie it together; `on_written` is told of each path at which there is another file now."""
        self._house = house
        self._on_written = on_written
        self._works = works
        self._gateway = gateway
        self._access = access
        self._servers = servers
        self._activity = activity

    @property
    def most_bytes(self) -> int:
        """How large an uploaded file may be now."""
        return self._house.get().upload_gib * GIB

    async def stat(self, actor: Actor, record: Record, path: str) -> FileEntry:
        """Return one entry; needs `files.read`."""
        self._reach(actor, record, ServerPermission.FILES_READ)
        return await self._gateway.stat(record.server, path)

    async def list(
        self, actor: Actor, record: Record, path: str, *, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        """Return a folder's entries by name, and whether there are more; needs `files.read`."""
        self._reach(actor, record, ServerPermission.FILES_READ)
        return await self._gateway.list_files(record.server, path, after, limit)

    async def tree(self, actor: Actor, record: Record, path: str) -> FileNode:
        """Return an entry with all below it, sniffed, as far as `core.files.tree` goes; needs `files.read`."""
        self._reach(actor, record, ServerPermission.FILES_READ)
        return await read_tree(self._gateway, record.server, path)

    async def read(self, actor: Actor, record: Record, path: str) -> tuple[FileEntry, AsyncGenerator[bytes, None]]:
        """Return a file's entry, sniffed, and its parts, to be closed if not read out; needs `files.read`."""
        self._reach(actor, record, ServerPermission.FILES_READ)
        entry = await self._gateway.stat(record.server, path, sniff=True)
        if entry.kind == "directory":
            raise FileIsADirectory
        first, size = await self._gateway.read_file(record.server, path, 0, PART)
        parts = self._parts(record, path, first, size)
        return entry, self._while_allowed(record, parts, self._again(actor, record, ServerPermission.FILES_READ))

    async def write(self, actor: Actor, record: Record, path: str, content: AsyncIterator[bytes]) -> None:
        """Write a file from parts, in place of what is there, atomically; needs `files.write`."""
        self._reach(actor, record, ServerPermission.FILES_WRITE)
        upload = await self._gateway.begin_upload(record.server, path)
        await self._receive(record, upload, content, self._again(actor, record, ServerPermission.FILES_WRITE))
        await self._note(actor, record, "file.written", path)
        await self._on_written(record, path)

    async def receive_archive(self, actor: Actor, record: Record, name: str, content: AsyncIterator[bytes]) -> None:
        """Take an archive that the next installation unpacks; needs `server.reinstall`."""
        self._reach(actor, record, ServerPermission.REINSTALL)
        upload = await self._gateway.begin_archive(record.server, name)
        await self._receive(record, upload, content, self._again(actor, record, ServerPermission.REINSTALL))
        await self._note(actor, record, "archive.received", name)

    async def make_directory(self, actor: Actor, record: Record, path: str) -> None:
        """Make a folder with those above it; needs `files.write`."""
        self._reach(actor, record, ServerPermission.FILES_WRITE)
        await self._gateway.make_directory(record.server, path)
        await self._note(actor, record, "file.folder_made", path)

    async def delete(self, actor: Actor, record: Record, path: str) -> None:
        """Delete a file, or a folder with all in it; needs `files.delete`."""
        self._reach(actor, record, ServerPermission.FILES_DELETE)
        await self._gateway.delete_file(record.server, path)
        await self._note(actor, record, "file.deleted", path)

    async def rename(self, actor: Actor, record: Record, source: str, target: str) -> None:
        """Rename or move within the server's folder; never over something; needs `files.write`."""
        self._reach(actor, record, ServerPermission.FILES_WRITE)
        await self._gateway.rename_file(record.server, source, target)
        await self._note(actor, record, "file.renamed", f"{source} → {target}")
        await self._on_written(record, target)

    async def unpack(self, actor: Actor, record: Record, path: str, into: str) -> None:
        """Unpack an archive of the server's into one of its folders; needs `files.read` and `files.write`.

        Raises ArchiveIsUnusable; then nothing of it is there.
        """
        self._reach(actor, record, ServerPermission.FILES_READ)
        self._reach(actor, record, ServerPermission.FILES_WRITE)
        await self._gateway.unpack_file(record.server, path, into)
        await self._note(actor, record, "file.unpacked", path)

    def _reach(self, actor: Actor, record: Record, permission: ServerPermission) -> None:
        self._servers.reach(actor, record, permission)
        if record.server.suspended and ServerPermission.SUSPEND not in actor.everywhere:
            raise ServerIsSuspended

    def _again(self, actor: Actor, record: Record, permission: ServerPermission) -> Ask:
        """Return what raises once the actor may no longer do what it has begun."""

        def ask() -> None:
            self._reach(self._access.renew(actor), self._servers.get(record.server.id), permission)

        return ask

    async def _parts(self, record: Record, path: str, first: bytes, size: int) -> AsyncGenerator[bytes, None]:
        offset = 0
        part = first
        while part:
            yield part
            offset += len(part)
            if offset >= size:
                return
            part, size = await self._gateway.read_file(record.server, path, offset, PART)

    async def _while_allowed(
        self, record: Record, parts: AsyncGenerator[bytes, None], ask: Ask
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(one_ahead(parts, name=f"download from {_short(record)}")) as ahead:
            async for part in ahead:
                ask()
                yield part

    async def _receive(self, record: Record, upload: str, content: AsyncIterator[bytes], ask: Ask) -> None:
        tasks = TaskSet(f"upload to {_short(record)}").start_set()
        try:
            async with asyncio.timeout(None) as patience:
                tasks.start(_end_with_right(ask, patience), name="right to upload", fatal=False)
                await self._take(record, upload, content)
        except BaseException as error:
            await self._give_up(record, upload)
            if isinstance(error, TimeoutError):
                ask()
            raise
        finally:
            await tasks.aclose()
        await self._gateway.finish_upload(record.server, upload, keep=True)

    async def _take(self, record: Record, upload: str, content: AsyncIterator[bytes]) -> None:
        offset, most = 0, self.most_bytes
        async with aclosing(one_ahead(in_parts(content, PART), name=f"upload to {_short(record)}")) as parts:
            async for part in parts:
                if offset + len(part) > most:
                    raise FileIsTooLarge(limit_bytes=most)
                await self._gateway.upload_part(record.server, upload, offset, part)
                offset += len(part)

    async def _give_up(self, record: Record, upload: str) -> None:
        """Throw away what was written; what went wrong before is the error that counts."""
        try:
            await self._gateway.finish_upload(record.server, upload, keep=False)
        except CoreError as error:
            log.warning("file.upload.left", server=str(record.server.uuid), error=str(error))

    async def _note(self, actor: Actor, record: Record, action: str, path: str) -> None:
        async with self._works() as work:
            await self._activity.note(work, actor, action, server_id=record.server.id, data={"path": path})


def _short(record: Record) -> str:
    return str(record.server.uuid)[-4:]


async def _end_with_right(ask: Ask, patience: asyncio.Timeout) -> None:
    """Let the time be up once `ask` raises."""
    while True:
        await asyncio.sleep(_ASK_AGAIN_S)
        try:
            ask()
        except CoreError as error:
            log.info("file.upload.ended", reason=error.code)
            patience.reschedule(asyncio.get_running_loop().time())
            return
