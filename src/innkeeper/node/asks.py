"""What a node is asked, and who answers: one table over every message of the `Ask` union.

Errors become `Refusal` (see `refusals`); what is no refusal is a bug, logged and answered without its text. Console
and port asks are answered here, files in `file_asks`, the keeping of servers in `service`.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import structlog

from innkeeper.kit.tasks import in_thread
from innkeeper.node.attending import Attending
from innkeeper.node.backup_asks import BackupAsks
from innkeeper.node.broadcast import MAX_MESSAGE_BYTES
from innkeeper.node.console.journal import JournalReader
from innkeeper.node.file_asks import FileAsks
from innkeeper.node.import_asks import ImportAsks
from innkeeper.node.management import Management
from innkeeper.node.refusals import REFUSALS, Refused, refusal_of
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import decode, encode

log = structlog.get_logger(__name__)

MAX_TAIL_LINES = 100_000
MAX_FOUND = 1000
MAX_FOUND_BYTES = 512 * 1024
MAX_CANDIDATES = 70_000
MAX_LINE_BYTES = 4096


class Journal:
    """The console journal of one server for any number of askers: their reads take turns in threads."""

    def __init__(self, reader: JournalReader, searcher: JournalReader) -> None:
        # A search reads far more than a viewer does; it has an index and a turn of its own.
        self._reader, self._searcher = reader, searcher
        self._reading, self._searching = asyncio.Lock(), asyncio.Lock()

    async def read(self, ask: wire.ReadConsole) -> wire.ConsoleRead:
        async with self._reading:
            return await in_thread(_read_console, self._reader, ask)

    async def search(self, ask: wire.SearchConsole) -> wire.ConsoleFound:
        async with self._searching:
            return await in_thread(_search_console, self._searcher, ask)


class Keeping(Protocol):
    """What of the keeping of servers can be asked for."""

    async def apply(self, ask: wire.Apply) -> wire.Done:
        """Take in what should be; it is written down when this returns."""
        ...

    async def remove(self, ask: wire.Remove) -> wire.Done:
        """Kill and delete a server."""
        ...

    async def announce(self, ask: wire.Announce) -> wire.Done:
        """Report everything again."""
        ...

    async def send_line(self, server: UUID, line: str) -> None:
        """Type `line`, one line without its end, on the console; raise Refused where nothing runs."""
        ...

    def journal(self, server: UUID) -> Journal:
        """Return the journal of a server; raise Refused where it is not kept here."""
        ...


class Asks:
    """Answers what arrives on the node's subject."""

    def __init__(
        self,
        keeping: Keeping,
        files: FileAsks,
        attending: Attending,
        management: Management,
        backups: BackupAsks,
        imports: ImportAsks,
    ) -> None:
        self._keeping = keeping
        self.handlers: dict[type[Any], Callable[[Any], Awaitable[Any]]] = {
            wire.Apply: keeping.apply,
            wire.Remove: keeping.remove,
            wire.Announce: keeping.announce,
            wire.SendLine: self._send_line,
            wire.ReadConsole: self._read_console,
            wire.SearchConsole: self._search_console,
            wire.FindPort: self._find_port,
            wire.Attend: attending.attend,
            wire.CallManagement: management.call,
            wire.StatFile: files.stat,
            wire.ListFiles: files.list,
            wire.ReadFile: files.read,
            wire.BeginUpload: files.begin_upload,
            wire.BeginArchive: files.begin_archive,
            wire.UploadPart: files.append,
            wire.FinishUpload: files.finish,
            wire.MakeDirectory: files.make_directory,
            wire.DeleteFile: files.delete,
            wire.RenameFile: files.rename,
            wire.UnpackFile: files.unpack,
            wire.WriteConfig: files.write_config,
            wire.ListFolders: files.list_folders,
            wire.ReadConfig: files.read_config,
            wire.EditPlayerList: files.edit_player_list,
            wire.ListImports: imports.list,
            wire.ListBackup: backups.list,
            wire.BeginDownload: backups.begin,
            wire.ReadDownload: backups.read,
            wire.EndDownload: backups.end,
            wire.ReadStore: backups.read_store,
            wire.TendStore: backups.tend_store,
            wire.DiscardBackup: backups.discard,
        }

    async def answer(self, payload: bytes) -> bytes:
        """Return the encoded answer, or refusal, to an encoded ask."""
        kind = "?"
        try:
            ask: Any = decode(payload, wire.Ask)
            kind = type(ask).__name__
            return encode(await self.handlers[type(ask)](ask))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                log.exception("node.ask.failed", ask=kind)
                refusal = wire.Refusal(code="node_failed", message=REFUSALS["node_failed"])
            return encode(refusal)

    async def _send_line(self, ask: wire.SendLine) -> wire.Done:
        # One command is one line: whoever may type one must not type two.
        if len(ask.line.encode()) > MAX_LINE_BYTES or any(ord(letter) < 32 or letter == "\x7f" for letter in ask.line):
            raise Refused("command_is_invalid")
        await self._keeping.send_line(ask.server, ask.line)
        return wire.Done()

    async def _read_console(self, ask: wire.ReadConsole) -> wire.ConsoleRead:
        return await self._keeping.journal(ask.server).read(ask)

    async def _search_console(self, ask: wire.SearchConsole) -> wire.ConsoleFound:
        return await self._keeping.journal(ask.server).search(ask)

    async def _find_port(self, ask: wire.FindPort) -> wire.PortFound:
        return wire.PortFound(port=await in_thread(_find_port, ask))


def _read_console(reader: JournalReader, ask: wire.ReadConsole) -> wire.ConsoleRead:
    room = max(1, min(ask.max_bytes, MAX_MESSAGE_BYTES))
    if ask.tail is None:
        blocks = reader.read(ask.after_seq, room)
    else:
        blocks = reader.tail(max(0, min(ask.tail, MAX_TAIL_LINES)), room) if ask.tail > 0 else []
    first, following = reader.first_seq, reader.next_seq
    return wire.ConsoleRead(
        blocks=[wire.Block(block.first_seq, block.time_us, bytes(block.payload)) for block in blocks],
        first_seq=first,
        next_seq=following,
    )


def _search_console(reader: JournalReader, ask: wire.SearchConsole) -> wire.ConsoleFound:
    page = reader.search(
        ask.text or None,
        since_us=ask.since_us,
        until_us=ask.until_us,
        after_seq=ask.after_seq,
        limit=max(1, min(ask.limit, MAX_FOUND)),
    )
    lines: list[tuple[int, int, bytes]] = []
    size = 0
    for seq, time_us, line in page.found:
        size += len(line) + 24
        if lines and size > MAX_FOUND_BYTES:
            return wire.ConsoleFound(lines=lines, next_after=lines[-1][0])
        lines.append((seq, time_us, bytes(line)))
    return wire.ConsoleFound(lines=lines, next_after=page.next_after)


def _find_port(ask: wire.FindPort) -> int | None:
    kind = socket.SOCK_STREAM if ask.protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in ask.address else socket.AF_INET
    for port in ask.candidates[:MAX_CANDIDATES]:
        if not 0 < port < 65536:
            continue
        with socket.socket(family, kind) as probe:
            try:
                if kind == socket.SOCK_STREAM:
                    # As a game would: a port in TIME_WAIT is free, one that is listened on is not.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((ask.address, port))
                if kind == socket.SOCK_STREAM:
                    probe.listen(1)
            except OSError:
                continue
            return port
    return None
