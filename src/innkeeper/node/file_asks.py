"""What a node is asked about the files of its servers; every answer comes through the jail, from a thread.

Bounded: a read is at most 512 KiB, a list at most what one message carries.
"""

import os
import posixpath
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from innkeeper.contracts.installer import InstallFailed
from innkeeper.kit.tasks import in_thread
from innkeeper.node.configs import ConfigWriter
from innkeeper.node.files.entries import Entry, Kind
from innkeeper.node.files.errors import JailError, NameRefused, NotFound, NotPermitted, translated
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.upload import Upload
from innkeeper.node.listing import ENTRY_BYTES, MAX_LIST_BYTES, entry_of, page, size_of
from innkeeper.node.player_lists import PlayerLists
from innkeeper.node.refusals import Refused
from innkeeper.node.sniffing import is_text
from innkeeper.node.uploads import Uploads
from innkeeper.wire import messages as wire

log = structlog.get_logger(__name__)

MAX_READ_BYTES = 512 * 1024
MAX_LISTED = 100_000
"""Entries of one folder that can be listed at all."""

Unpack = Callable[[Jail, str, str], Awaitable[int]]
"""Unpacks the archive at a path of a jail into a folder of it, and says how many files that made; raises
InstallFailed."""


class FileAsks:
    """Answers; `jail(server)` and `archives(server)` give the jails of its files and of its archives, or raise."""

    def __init__(
        self,
        jail: Callable[[UUID], Jail],
        archives: Callable[[UUID], Jail],
        uploads: Uploads,
        configs: ConfigWriter,
        player_lists: PlayerLists,
        unpack: Unpack,
    ) -> None:
        self._unpack = unpack
        self._configs = configs
        self._player_lists = player_lists
        self._jail = jail
        self._archives = archives
        self._uploads = uploads

    async def stat(self, ask: wire.StatFile) -> wire.FileEntry:
        return await in_thread(_stat, self._jail(ask.server), ask)

    async def list(self, ask: wire.ListFiles) -> wire.FilesListed:
        return await in_thread(_list, self._jail(ask.server), ask)

    async def list_folders(self, ask: wire.ListFolders) -> wire.FoldersListed:
        return await in_thread(_list_folders, self._jail(ask.server), ask)

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
        await in_thread(self._configs, self._jail(ask.server), ask.write)
        return wire.Done()

    async def read_config(self, ask: wire.ReadConfig) -> wire.ConfigRead:
        return await in_thread(self._configs.read, self._jail(ask.server), ask.path, ask.format)

    async def edit_player_list(self, ask: wire.EditPlayerList) -> wire.PlayerListed:
        return await in_thread(self._player_lists, self._jail(ask.server), ask)

    async def make_directory(self, ask: wire.MakeDirectory) -> wire.Done:
        await in_thread(_make_directory, self._jail(ask.server), ask.path)
        return wire.Done()

    async def delete(self, ask: wire.DeleteFile) -> wire.Done:
        await in_thread(self._jail(ask.server).delete, ask.path, recursive=ask.recursive)
        return wire.Done()

    async def unpack(self, ask: wire.UnpackFile) -> wire.Done:
        try:
            await self._unpack(self._jail(ask.server), ask.path, ask.into)
        except InstallFailed as error:
            raise Refused("archive_is_unusable", str(error)) from error
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


def _stat(jail: Jail, ask: wire.StatFile) -> wire.FileEntry:
    entry = jail.stat(ask.path)
    text = is_text(jail, ask.path, entry) if ask.sniff else None
    return entry_of(entry, posixpath.dirname(ask.path.strip("/")), text)


def _list(jail: Jail, ask: wire.ListFiles) -> wire.FilesListed:
    return page(jail.list(ask.path, MAX_LISTED), ask.path.strip("/"), ask.after, ask.limit)


def _list_folders(jail: Jail, ask: wire.ListFolders) -> wire.FoldersListed:
    """List as many folders as fit; only the first may be cut, and no link is followed."""
    folders: list[wire.Folder] = []
    room, size = max(1, ask.limit), 0
    for path in ask.paths:
        folder = path.strip("/")
        found = _entries(jail, path)
        if ask.after is not None and not folders:
            found = [entry for entry in found if entry.name > ask.after]
        size += len(path) * 4 + ENTRY_BYTES
        fit = 0
        for entry in found[:room]:
            size += size_of(entry, folder)
            if size > MAX_LIST_BYTES and (folders or fit):
                break
            fit += 1
        whole = fit == len(found)
        if folders and not whole:
            break
        folders.append(wire.Folder(path=path, entries=_sniffed(jail, folder, found[:fit]), more=not whole))
        room -= fit
        if not whole:
            break
    return wire.FoldersListed(folders=folders)


def _sniffed(jail: Jail, folder: str, entries: list[Entry]) -> list[wire.FileEntry]:
    return [entry_of(entry, folder, is_text(jail, posixpath.join(folder, entry.name), entry)) for entry in entries]


def _entries(jail: Jail, path: str) -> list[Entry]:
    """Return what is in a folder, nothing where it is gone, may not be read, or is none."""
    try:
        return jail.list(path, MAX_LISTED) if jail.stat(path).kind is Kind.DIRECTORY else []
    except JailError as error:
        log.info("files.folder.passed_over", path=path, reason=error.reason)
        return []


def _read(jail: Jail, ask: wire.ReadFile) -> wire.FilePart:
    if ask.offset < 0 or ask.length < 0:
        raise NotPermitted(ask.path, "offset and length may not be negative")
    with jail.open_read(ask.path) as file, translated(ask.path):
        data = os.pread(file.fileno(), min(ask.length, MAX_READ_BYTES), ask.offset)
        return wire.FilePart(data=data, size=os.fstat(file.fileno()).st_size)
