"""What a node is asked about the files of its servers, and what it answers."""

from typing import Any, Literal
from uuid import UUID

from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.desired import ConfigValue, ConfigWrite


class FileEntry(Message, frozen=True, kw_only=True):
    """One file, folder or other thing of a server."""

    path: str
    name: str
    kind: Literal["file", "directory", "link", "other"]
    size: int
    mtime_us: int
    mode: int
    text: bool | None = None
    """Whether a file's beginning reads as text; None where that was not asked."""


class StatFile(Message, frozen=True, kw_only=True):
    server: UUID
    path: str
    sniff: bool = False
    """Say whether it is text, too."""


class ListFiles(Message, frozen=True, kw_only=True):
    """Ask for a folder's entries by name, continuing after one."""

    server: UUID
    path: str
    after: str | None = None
    limit: int = 1000


class FilesListed(Message, frozen=True, kw_only=True):
    entries: list[FileEntry]
    more: bool


class ListFolders(Message, frozen=True, kw_only=True):
    """Ask for whole folders at once, sniffed: as many of `paths`, in that order, as fit one answer."""

    server: UUID
    paths: list[str]
    limit: int = 5000
    """Entries in all."""
    after: str | None = None
    """Of the first folder, only what comes after this name."""


class Folder(Message, frozen=True, kw_only=True):
    path: str
    entries: list[FileEntry]
    more: bool
    """It has more entries than fit; only so of the first."""


class FoldersListed(Message, frozen=True, kw_only=True):
    """Those that were listed; one that is gone or may not be read is listed as empty."""

    folders: list[Folder]


class ReadFile(Message, frozen=True, kw_only=True):
    """Ask for part of a file; at most 512 KiB at once."""

    server: UUID
    path: str
    offset: int = 0
    length: int = 512 * 1024


class FilePart(Message, frozen=True, kw_only=True):
    data: bytes
    size: int
    """Of the whole file, now."""


class BeginUpload(Message, frozen=True, kw_only=True):
    """Start writing a file beside its target: nothing is seen until it is finished."""

    server: UUID
    path: str


class UploadBegun(Message, frozen=True, kw_only=True):
    upload: str


class UploadPart(Message, frozen=True, kw_only=True):
    """Append; `offset` must be what was written so far, so that a repeated part is noticed."""

    upload: str
    offset: int
    data: bytes


class FinishUpload(Message, frozen=True, kw_only=True):
    """Put the written file in place of its target, atomically; or with `keep` false throw it away."""

    upload: str
    keep: bool = True


class MakeDirectory(Message, frozen=True, kw_only=True):
    server: UUID
    path: str


class DeleteFile(Message, frozen=True, kw_only=True):
    server: UUID
    path: str
    recursive: bool = True


class WriteConfig(Message, frozen=True, kw_only=True):
    """Set values in a config file now, whether the game runs or not."""

    server: UUID
    write: ConfigWrite


class ReadConfig(Message, frozen=True, kw_only=True):
    """Ask for all values of a config file."""

    server: UUID
    path: str
    format: str


class ConfigRead(Message, frozen=True, kw_only=True):
    """Its values, in the file's order."""

    values: dict[str, ConfigValue]


class ListedPlayer(Message, frozen=True, kw_only=True):
    """One entry of a player list: a player's name, or an address."""

    name: str
    uuid: UUID | None = None


class EditPlayerList(Message, frozen=True, kw_only=True):
    """Take entries out of a player list's file, and put others in that it has not; neither: just read it.

    A file that is missing is an empty list.
    """

    server: UUID
    path: str
    format: str
    key: str = "name"
    """What an entry is called by in the file."""
    fields: dict[str, Any] = {}
    """What a new entry has besides; the text {now} becomes the present time."""
    add: list[ListedPlayer] = []
    remove: list[str] = []
    """Names, whatever their case."""


class PlayerListed(Message, frozen=True, kw_only=True):
    """The list as it stands now."""

    entries: list[ListedPlayer]


class RenameFile(Message, frozen=True, kw_only=True):
    server: UUID
    source: str
    target: str


class UnpackFile(Message, frozen=True, kw_only=True):
    """Unpack an archive of the server's own into one of its folders; answered when all of it is there."""

    server: UUID
    path: str
    into: str


class ListImports(Message, frozen=True, kw_only=True):
    """Ask what is at an absolute path of the host that is opened to imports: in a folder, or in an archive.

    The path of a folder in an archive goes on from the archive's own.
    """

    path: str


class ImportEntry(Message, frozen=True, kw_only=True):
    name: str
    directory: bool


class ImportsListed(Message, frozen=True, kw_only=True):
    entries: list[ImportEntry]


class BeginArchive(Message, frozen=True, kw_only=True):
    """Start receiving an archive that an install step will unpack; finished by FinishUpload."""

    server: UUID
    name: str
