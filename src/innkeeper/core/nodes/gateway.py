"""The promise by which the product reaches its nodes; kept by the panel over whatever bus there is.

Every method raises NodeIsOffline when the node does not answer, and NodeFailed when it answers that it cannot, unless
the condition has an error of its own. The caller has checked who may.
"""

from typing import Literal, Protocol

import msgspec

from innkeeper.core.catalog.model import Blueprint, ConfigFile
from innkeeper.core.console.model import Block, FoundLine, Lines
from innkeeper.core.files.model import FileEntry
from innkeeper.core.nodes.model import Node
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.model import Server


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """A server, what it needs of its package, and the operation to be done on it now, if any."""

    server: Server
    blueprint: Blueprint
    order: Operation | None


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

    async def stat(self, server: Server, path: str) -> FileEntry:
        """Return one entry; this and what follows raise the conditions of `core.files.errors`."""
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

    async def make_directory(self, server: Server, path: str) -> None: ...

    async def delete_file(self, server: Server, path: str) -> None: ...

    async def rename_file(self, server: Server, source: str, target: str) -> None: ...


class OnBlocks(Protocol):
    """Takes console blocks as they come; none at all: some may have been missed meanwhile."""

    def __call__(self, blocks: list[Block]) -> None: ...


class Watch(Protocol):
    """A console being watched."""

    async def close(self) -> None:
        """Watch no longer."""
        ...
