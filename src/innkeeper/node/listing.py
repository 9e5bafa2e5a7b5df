"""What of a folder goes into one answer: as many entries as were asked for, and as one message carries."""

import posixpath
from collections.abc import Iterable

from innkeeper.node.files.entries import Entry
from innkeeper.wire import messages as wire

MAX_LIST_BYTES = 512 * 1024
ENTRY_BYTES = 96
"""That an entry takes in a message beside its names."""


def page(entries: Iterable[Entry], folder: str, after: str | None, limit: int) -> wire.FilesListed:
    """Return entries, which are in the order of their names, from the one after `after` on; at least one."""
    shown: list[wire.FileEntry] = []
    size = 0
    for entry in entries:
        if after is not None and entry.name <= after:
            continue
        size += size_of(entry, folder)
        if len(shown) >= max(1, limit) or (shown and size > MAX_LIST_BYTES):
            return wire.FilesListed(entries=shown, more=True)
        shown.append(entry_of(entry, folder))
    return wire.FilesListed(entries=shown, more=False)


def size_of(entry: Entry, folder: str) -> int:
    """Return how many bytes an entry takes at most in an answer."""
    return len(folder.encode()) + 2 * len(entry.name.encode()) + ENTRY_BYTES


def entry_of(entry: Entry, folder: str, text: bool | None = None) -> wire.FileEntry:
    """Return an entry of a folder as it is told."""
    return wire.FileEntry(
        path=posixpath.join(folder, entry.name),
        name=entry.name,
        kind=entry.kind.value,
        size=entry.size,
        mtime_us=int(entry.mtime * 1_000_000),
        mode=entry.mode,
        text=text,
    )
