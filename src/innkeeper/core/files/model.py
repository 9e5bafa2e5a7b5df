"""What a file of a server is."""

from datetime import datetime
from typing import Literal

import msgspec


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file, folder or other thing, by its path below the server's folder."""

    path: str
    name: str
    kind: Literal["file", "directory", "link", "other"]
    size: int
    """Bytes."""
    modified_at: datetime
    mode: int
    """Permission bits."""
    text: bool | None = None
    """Whether a file's beginning reads as text; None where that was not asked."""


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """What is in one folder."""

    path: str
    entries: list[FileEntry]
    more: bool
    """It has more entries than were listed."""


class Importable(msgspec.Struct, frozen=True):
    """Something that a new server may be imported from, or a part of it."""

    name: str
    directory: bool


class FileNode(msgspec.Struct, frozen=True):
    """An entry, and what is in it: None for what is no folder, and for a folder past the limits of a tree."""

    entry: FileEntry
    children: tuple["FileNode", ...] | None
