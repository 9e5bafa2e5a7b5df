"""What a node is asked about the files of its servers; every answer comes through the jail, from a thread.

Bounded: a read is at most 512 KiB, a list at most what one message carries.
"""

import os
import posixpath
from collections.abc import Callable
from uuid import UUID

from innkeeper.kit.tasks import in_thread
from innkeeper.node.files.entries import Entry
from innkeeper.node.files.errors import NameRefused, NotFound, NotPermitted, translated
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.upload import Upload
from innkeeper.node.uploads import Uploads
from innkeeper.wire import messages as wire

MAX_READ_BYTES = 512 * 1024
MAX_LIST_BYTES = 512 * 1024
MAX_LISTED = 100_000
"""Entries of one folder that can be listed at all."""
_ENTRY_BYTES = 96


class FileAsks:
    """Answers; `jail(server)` and `archives(server)` give the jails of its files and of its archives, or raise."""

    def __init__(
        self,
        jail: Callable[[UUID], Jail],
        archives: Callable[[UUID], Jail],
        uploads: Uploads,
        write_config: Callable[[Jail, wire.ConfigWrite], None],
    ) -> None:
        self._write_config = write_config
        self._jail = jail
        self._archives = archives
        self._uploads = uploads

    async def stat(self, ask: wire.StatFile) -> wire.FileEntry:
        entry = await in_thread(self._jail(ask.server).stat, ask.path)
        return _entry(entry, posixpath.dirname(ask.path.strip("/")))

    async def list(self, ask: wire.ListFiles) -> wire.FilesListed:
        return await in_thread(_list, self._jail(ask.server), ask)

    async def read(self, ask: wire.ReadFile) -> wire.FilePart:
        return await in_thread(_read, self._jail(ask.server), ask)

    async def begin_upload(self, ask: wire.BeginUpload) -> wire.UploadBegun:
        jail = self._jail(ask.server)
        return wire.UploadBegun(upload=await self._uploads.begin(ask.server, lambda: jail.begin_write(ask.path)))

    async def begin_archive(self, ask: wire.BeginArchive) -> wire.UploadBegun:
        if "/" in ask.name or ask.name in ("", ".", ".."):
            raise NameRefused(ask.name, "an archive has a plain name")
        jail = self._archives(ask.server)

        def begin() -> Upload:
            return jail.begin_write(ask.name, mode=0o600)

        return wire.UploadBegun(upload=await self._uploads.begin(ask.server, begin))

    async def append(self, ask: wire.UploadPart) -> wire.Done:
        await self._uploads.append(ask.upload, ask.offset, ask.data)
        return wire.Done()

    async def finish(self, ask: wire.FinishUpload) -> wire.Done:
        await self._uploads.finish(ask.upload, keep=ask.keep)
        return wire.Done()

    async def write_config(self, ask: wire.WriteConfig) -> wire.Done:
        await in_thread(self._write_config, self._jail(ask.server), ask.write)
        return wire.Done()

    async def make_directory(self, ask: wire.MakeDirectory) -> wire.Done:
        await in_thread(_make_directory, self._jail(ask.server), ask.path)
        return wire.Done()

    async def delete(self, ask: wire.DeleteFile) -> wire.Done:
        await in_thread(self._jail(ask.server).delete, ask.path, recursive=ask.recursive)
        return wire.Done()

    async def rename(self, ask: wire.RenameFile) -> wire.Done:
        await in_thread(self._jail(ask.server).rename, ask.source, ask.target)
        return wire.Done()


def _make_directory(jail: Jail, path: str) -> None:
    """Make a folder and those above it; what exists already is refused."""
    try:
        jail.make_directory(path)
    except NotFound:
        jail.make_directory(path, parents=True)


def _list(jail: Jail, ask: wire.ListFiles) -> wire.FilesListed:
    folder = ask.path.strip("/")
    entries: list[wire.FileEntry] = []
    size = 0
    for entry in jail.list(ask.path, MAX_LISTED):
        if ask.after is not None and entry.name <= ask.after:
            continue
        size += len(folder) * 4 + len(entry.name) * 8 + _ENTRY_BYTES
        if len(entries) >= max(1, ask.limit) or (entries and size > MAX_LIST_BYTES):
            return wire.FilesListed(entries=entries, more=True)
        entries.append(_entry(entry, folder))
    return wire.FilesListed(entries=entries, more=False)


def _read(jail: Jail, ask: wire.ReadFile) -> wire.FilePart:
    if ask.offset < 0 or ask.length < 0:
        raise NotPermitted(ask.path, "offset and length may not be negative")
    with jail.open_read(ask.path) as file, translated(ask.path):
        data = os.pread(file.fileno(), min(ask.length, MAX_READ_BYTES), ask.offset)
        return wire.FilePart(data=data, size=os.fstat(file.fileno()).st_size)


def _entry(entry: Entry, folder: str) -> wire.FileEntry:
    return wire.FileEntry(
        path=posixpath.join(folder, entry.name),
        name=entry.name,
        kind=entry.kind.value,
        size=entry.size,
        mtime_us=int(entry.mtime * 1_000_000),
        mode=entry.mode,
    )
