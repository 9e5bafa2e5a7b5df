"""What a node is asked about what servers may be imported from: folders of its host, and archives in them.

Everything is read through the jail of a directory that the administrator has opened to imports. One archive is looked
into at a time, and none for long. Knows no formats, and unpacks nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import BinaryIO

from innkeeper.contracts.installer import InstallFailed
from innkeeper.kit.tasks import in_thread
from innkeeper.node.files.entries import Kind
from innkeeper.node.files.errors import NotADirectory, NotFound, NotPermitted
from innkeeper.node.files.imports import ImportRoots
from innkeeper.node.files.jail import Jail
from innkeeper.node.refusals import Refused
from innkeeper.wire import messages as wire

MAX_LISTED = 20_000
MAX_LIST_BYTES = 512 * 1024
LONGEST = timedelta(seconds=20)
_ENTRY_BYTES = 32
_TOO_MUCH = ("file_is_too_large", "There is more in this folder than can be listed.")

LookInto = Callable[[BinaryIO, str], Awaitable[dict[str, bool]]]
"""Says what is in a folder of an archive: by name, whether it is a folder itself; raises InstallFailed."""


class ImportAsks:
    """Answers."""

    def __init__(self, roots: ImportRoots, look_into: LookInto, *, longest: timedelta = LONGEST) -> None:
        self._roots = roots
        self._look_into = look_into
        self._longest = longest.total_seconds()
        self._turn = asyncio.Lock()

    async def list(self, ask: wire.ListImports) -> wire.ImportsListed:
        """List a folder of this host, or a folder of an archive, whose path goes on from the archive's own."""
        try:
            jail, path = self._roots(ask.path)
        except InstallFailed as error:
            raise NotPermitted(ask.path, str(error)) from error
        archive, within = await in_thread(_archive_of, jail, path)
        found = await (self._folder(jail, path) if archive is None else self._archive(jail, archive, within))
        if len(found) >= MAX_LISTED:
            raise Refused(*_TOO_MUCH)
        entries = [wire.ImportEntry(name=_shown(name), directory=found[name]) for name in sorted(found)]
        if sum(len(entry.name.encode()) + _ENTRY_BYTES for entry in entries) > MAX_LIST_BYTES:
            raise Refused(*_TOO_MUCH)
        return wire.ImportsListed(entries=entries)

    async def _folder(self, jail: Jail, path: str) -> dict[str, bool]:
        entries = await in_thread(jail.list, path, MAX_LISTED)
        return {entry.name: entry.kind is Kind.DIRECTORY for entry in entries}

    async def _archive(self, jail: Jail, archive: str, within: str) -> dict[str, bool]:
        try:
            async with asyncio.timeout(self._longest), self._turn:
                # Opened in its turn: those who wait for theirs hold nothing.
                with await in_thread(jail.open_read, archive) as file:
                    return await self._look_into(file, within)
        except TimeoutError as error:
            raise Refused("archive_is_unusable", "It takes too long to look into this archive.") from error
        except InstallFailed as error:
            raise Refused("archive_is_unusable", str(error)) from error


def _archive_of(jail: Jail, path: str) -> tuple[str | None, str]:
    """Return the path of the file that a path is, or goes on from, and what comes after it; None for a folder."""
    file, within = path, ""
    while True:
        try:
            entry = jail.stat(file)
        except (NotFound, NotADirectory):
            file, _, name = file.rpartition("/")
            within = f"{name}/{within}" if within else name
            if not file:
                raise NotFound(path) from None
            continue
        if entry.kind is not Kind.DIRECTORY:
            return file, within
        if within:
            raise NotFound(path)
        return None, ""


def _shown(name: str) -> str:
    """Return a name as text, whatever its bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
