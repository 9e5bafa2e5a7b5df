"""The promise by which the product reaches its nodes; kept by the panel over whatever bus there is.

Every method raises NodeIsOffline when the node does not answer, and NodeFailed when it answers that it cannot, unless
the condition has an error of its own. The caller has checked who may.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from innkeeper.core.backups.model import Form, Job, Restore, StoreDeed, StoreState
from innkeeper.core.catalog.model import Blueprint, ConfigFile, ConfigValue, PlayerList
from innkeeper.core.console.model import Block, FoundLine, Lines
from innkeeper.core.files.model import FileEntry, Folder, Importable
from innkeeper.core.nodes.model import Node
from innkeeper.core.operations.model import Operation
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.servers.model import Server

Attention = Literal["samples", "tick", "management"]


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """A server, what it needs of its package, and the operation to be done on it now, if any."""

    server: Server
    blueprint: Blueprint
    order: Operation | None
    journal_mib: int = 256
    """How much of its console is kept, from its next start on."""
    disk_minutes: int = 5
    """After how long its files are measured again."""
    restore: Restore | None = None
    """What the order of that verb restores."""
    jobs: tuple[Job, ...] = ()
    """What is to be done about its backups."""


class NodeGateway(Protocol):
    """What a node can be asked."""

    async def apply(self, node: Node, desired: list[Desired], *, complete: bool) -> None:
        """Tell a node what should be; returns when the node has kept it. `complete`: these are all its servers."""
        ...

    async def remove(self, server: Server) -> None:
        """Kill a server and delete its files; returns when they are gone. Idempotent."""
        ...

    async def announce(self, node: Node) -> None:
        """Ask a node to report all that it sees."""
        ...

    async def find_port(
        self, node: Node, address: str, protocol: Literal["tcp", "udp"], candidates: list[int]
    ) -> int | None:
        """Return the first candidate that no program of the host holds."""
        ...

    async def send_line(self, server: Server, line: str) -> None:
        """Type one line on the game's console; raise ServerIsNotRunning, ConsoleIsNotRead."""
        ...

    async def read_console(self, server: Server, after_seq: int) -> Lines:
        """Return journaled blocks after a number: as many as fit a message, none at the journal's end."""
        ...

    async def tail_console(self, server: Server, count: int) -> Lines:
        """Return the blocks that hold the last `count` lines (or what fits a message)."""
        ...

    async def search_console(
        self, server: Server, text: str, since_us: int | None, until_us: int | None, after_seq: int, limit: int
    ) -> tuple[list[FoundLine], int | None]:
        """Return lines holding `text`, oldest first, and the number after which to go on (None: the end)."""
        ...

    async def watch_console(self, server: Server, on_blocks: "OnBlocks") -> "Watch":
        """Have `on_blocks` called with every batch of blocks of a server from now on, in order, until closed."""
        ...

    async def attend(self, server: Server, what: Sequence[Attention], for_s: float) -> None:
        """Have a server sampled every second, its tick time asked for, or its management server listened to.

        Lasts `for_s` seconds; asked again before, it goes on. Raise ServerIsNotRunning; for "management" also
        ManagementIsUnavailable.
        """
        ...

    async def call_management(self, server: Server, method: str, params: Any) -> Any:
        """Return what the game's management server answers.

        Raise ManagementIsUnavailable where there is none, ManagementRefused (data: its JSON-RPC error object).
        """
        ...

    async def watch_management(self, server: Server, on_note: "OnNote") -> "Watch":
        """Have `on_note` called with each notification of a game's management server, while it is attended to."""
        ...

    async def stat(self, server: Server, path: str, *, sniff: bool = False) -> FileEntry:
        """Return one entry, with `sniff` also whether it is text.

        This and what follows raise the conditions of `core.files.errors`.
        """
        ...

    async def list_folders(
        self, server: Server, paths: list[str], limit: int, *, after: str | None = None
    ) -> list[Folder]:
        """Return whole folders, sniffed: as many of `paths`, in their order, as fit an answer, at least one.

        The first alone may be cut; of it, only what comes `after` a name is returned. A folder that is gone is empty.
        """
        ...

    async def list_files(
        self, server: Server, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        """Return a folder's entries by name, and whether there are more."""
        ...

    async def read_file(self, server: Server, path: str, offset: int, length: int) -> tuple[bytes, int]:
        """Return part of a file (fewer bytes at its end) and the file's size."""
        ...

    async def begin_upload(self, server: Server, path: str) -> str:
        """Start writing a file; return the upload's name."""
        ...

    async def begin_archive(self, server: Server, name: str) -> str:
        """Start receiving an archive for the installation; return the upload's name."""
        ...

    async def upload_part(self, server: Server, upload: str, offset: int, data: bytes) -> None:
        """Append a part, at most 512 KiB."""
        ...

    async def finish_upload(self, server: Server, upload: str, *, keep: bool) -> None:
        """Put the written file in place, or throw it away."""
        ...

    async def write_config(self, server: Server, file: ConfigFile) -> None:
        """Set values in a config file now."""
        ...

    async def read_config(self, server: Server, path: str, format_name: str) -> dict[str, ConfigValue]:
        """Return all values of a config file, in its order; raise ConfigIsUnreadable."""
        ...

    async def edit_player_list(
        self, server: Server, listed: PlayerList, *, add: Sequence[ListedPlayer] = (), remove: Sequence[str] = ()
    ) -> list[ListedPlayer]:
        """Take entries out of a player list's file and put others in; return the list. Neither: just read it."""
        ...

    async def make_directory(self, server: Server, path: str) -> None: ...

    async def delete_file(self, server: Server, path: str) -> None: ...

    async def rename_file(self, server: Server, source: str, target: str) -> None: ...

    async def unpack_file(self, server: Server, path: str, into: str) -> None:
        """Unpack an archive of the server's own into one of its folders; raise ArchiveIsUnusable."""
        ...

    async def list_imports(self, node: Node, path: str) -> list[Importable]:
        """Return what is at an absolute path of a node's host that is opened to imports: in a folder or an archive.

        The path of a folder in an archive goes on from the archive's own. Raise FileNotFound, FileNotPermitted,
        ArchiveIsUnusable, FileIsTooLarge.
        """
        ...

    async def list_backup(
        self, server: Server, snapshot: str, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        """Return the entries of a folder of a backup by name, and whether there are more.

        This and what follows raise NoSuchBackup, FileNotFound and BackupStoreFailed.
        """
        ...

    async def begin_download(self, server: Server, snapshot: str, form: Form, path: str) -> str:
        """Begin to read a backup as an archive; return the download's name. Raise TooManyDownloads."""
        ...

    async def read_download(self, server: Server, download: str, number: int) -> bytes:
        """Return the part of that number, at most 512 KiB, none at the end; each once and in order, the last again."""
        ...

    async def end_download(self, server: Server, download: str) -> None:
        """Ask for no more of it. Idempotent."""
        ...

    async def read_store(self, node: Node) -> StoreState:
        """Return how a node's store of backups is, as far as it was looked at; raise BackupStoreFailed."""
        ...

    async def tend_store(self, node: Node, deed: StoreDeed) -> StoreState:
        """Begin to check or to collect it; raise BackupStoreIsBusy, BackupStoreFailed."""
        ...

    async def discard_backup(self, node: Node, snapshot: str) -> None:
        """Remove a backup that cannot be read; raise NoSuchBackup, BackupIsReadable, BackupStoreFailed."""
        ...


class OnBlocks(Protocol):
    """Takes console blocks as they come; none at all: some may have been missed meanwhile."""

    def __call__(self, blocks: list[Block]) -> None: ...


class OnNote(Protocol):
    """Takes what a game's management server tells by itself."""

    def __call__(self, name: str, data: Any) -> None: ...


class Watch(Protocol):
    """Something being watched."""

    async def close(self) -> None:
        """Watch no longer."""
        ...
