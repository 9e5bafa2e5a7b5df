"""What the jail tells about a file; it never tells where a link leads or who owns what."""

import enum
import os
import stat

import msgspec


class Kind(enum.StrEnum):
    """What a name stands for."""

    FILE = "file"
    """A regular file: it may be read."""
    DIRECTORY = "directory"
    """It may be listed."""
    LINK = "link"
    """A symbolic link, wherever it leads."""
    OTHER = "other"
    """A pipe, socket or device: it is never opened."""


class Entry(msgspec.Struct, frozen=True):
    """One name in a folder. `size` in bytes, `mtime` in seconds since 1970 UTC, `mode` the twelve permission bits."""

    name: str
    kind: Kind
    size: int
    mtime: float
    mode: int


class Placed(msgspec.Struct, frozen=True):
    """An entry and its path beneath where the look began."""

    path: str
    entry: Entry


class Tree(msgspec.Struct, frozen=True):
    """What lies beneath a folder, each folder before its content; `complete` is false where a limit cut it short."""

    entries: tuple[Placed, ...]
    complete: bool


def kind_of(mode: int) -> Kind:
    """Give the kind that the mode bits of `stat` say."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    if stat.S_ISLNK(mode):
        return Kind.LINK
    return Kind.OTHER


def entry_of(name: str, status: os.stat_result) -> Entry:
    """Give the entry for a shown name and its `lstat`."""
    return Entry(name, kind_of(status.st_mode), status.st_size, status.st_mtime, stat.S_IMODE(status.st_mode))
