"""Core's asks of nodes, put on the wire; and what nodes say, put before core.

The one place in the panel that knows both core's types and the wire's.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

from innkeeper.core.backups import errors as backup_errors
from innkeeper.core.backups.model import Form, Job, StoreDeed, StoreRun, StoreState
from innkeeper.core.catalog.model import ConfigFile, ConfigValue, PlayerList
from innkeeper.core.console.model import Block, FoundLine, Lines
from innkeeper.core.errors import CoreError, snake
from innkeeper.core.files import errors as file_errors
from innkeeper.core.files.model import FileEntry, Folder, Importable
from innkeeper.core.nodes.errors import NodeFailed, NodeIsOffline
from innkeeper.core.nodes.gateway import Attention, Desired, OnBlocks, OnNote
from innkeeper.core.nodes.model import Node
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.players.errors import PlayerNameIsInvalid
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.servers.errors import (
    CommandIsInvalid,
    ConsoleIsNotRead,
    ManagementIsUnavailable,
    ManagementRefused,
    ServerIsNotRunning,
)
from innkeeper.core.servers.model import Server
from innkeeper.kit.clock import from_microseconds
from innkeeper.kit.log import get_logger
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import (
    Bus,
    BusIsDown,
    NoResponder,
    PayloadTooLarge,
    RequestTimedOut,
    ResponderFailed,
    Subscription,
)
from innkeeper.wire.bus import Message as BusMessage
from innkeeper.wire.codec import BadMessage, decode, encode

log = get_logger(__name__)
A = TypeVar("A", bound=wire.Message)

ASK_TIMEOUT = timedelta(seconds=15)
REMOVE_TIMEOUT = timedelta(minutes=5)
FINISH_TIMEOUT = timedelta(minutes=2)
"""Of an upload: what of it has not reached the disk yet is waited for."""
IMPORT_TIMEOUT = timedelta(seconds=40)
"""Of an archive that is looked into."""
UNPACK_TIMEOUT = timedelta(minutes=10)
DOWNLOAD_TIMEOUT = timedelta(minutes=1)
"""Of one part, which a distant store may have to be asked for."""
MAX_APPLY_BYTES = 512 * 1024
"""Of servers in one message."""

CONDITIONS: dict[str, type[CoreError]] = {
    snake(condition.__name__): condition
    for condition in (
        *(item for item in vars(file_errors).values() if isinstance(item, type) and issubclass(item, CoreError)),
        backup_errors.BackupIsReadable,
        backup_errors.BackupStoreFailed,
        backup_errors.BackupStoreIsBusy,
        backup_errors.DownloadPartIsWrong,
        backup_errors.NoSuchBackup,
        backup_errors.NoSuchDownload,
        backup_errors.TooManyDownloads,
        CommandIsInvalid,
        ConsoleIsNotRead,
        ManagementIsUnavailable,
        PlayerNameIsInvalid,
        ServerIsNotRunning,
    )
}
"""A node's refusals by code, as core's conditions; any other is NodeFailed."""


class BusGateway:
    """Keeps `core.nodes.gateway.NodeGateway` over a bus."""

    def __init__(self, bus: Bus, nodes: NodeService) -> None:
        self._bus = bus
        self._nodes = nodes
        self._watches: set[ConsoleWatch] = set()
        bus.on_state(self._bus_state)

    # -- what should be ---------------------------------------------------------------------------------------------

    async def apply(self, node: Node, desired: list[Desired], *, complete: bool) -> None:
        """Tell `node` what should be. What does not fit into one message is told in parts; only their sum is complete.

        A part that the node refuses does not keep the others from being told.
        """
        parts = _parts([desired_server(item) for item in desired])
        refused: CoreError | None = None
        for part in parts:
            try:
                await self._ask(node, wire.Apply(servers=part, complete=complete and len(parts) == 1), wire.Done)
            except NodeIsOffline:
                raise
            except CoreError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    async def remove(self, server: Server) -> None:
        await self._ask_of(server, wire.Remove(server=server.uuid), wire.Done, REMOVE_TIMEOUT)

    async def announce(self, node: Node) -> None:
        await self._ask(node, wire.Announce(), wire.Done)

    async def find_port(
        self, node: Node, address: str, protocol: Literal["tcp", "udp"], candidates: list[int]
    ) -> int | None:
        ask = wire.FindPort(address=address, protocol=protocol, candidates=candidates)
        return (await self._ask(node, ask, wire.PortFound)).port

    # -- console ----------------------------------------------------------------------------------------------------

    async def send_line(self, server: Server, line: str) -> None:
        await self._ask_of(server, wire.SendLine(server=server.uuid, line=line), wire.Done)

    async def read_console(self, server: Server, after_seq: int) -> Lines:
        return _lines(
            await self._ask_of(server, wire.ReadConsole(server=server.uuid, after_seq=after_seq), wire.ConsoleRead)
        )

    async def tail_console(self, server: Server, count: int) -> Lines:
        return _lines(await self._ask_of(server, wire.ReadConsole(server=server.uuid, tail=count), wire.ConsoleRead))

    async def search_console(
        self, server: Server, text: str, since_us: int | None, until_us: int | None, after_seq: int, limit: int
    ) -> tuple[list[FoundLine], int | None]:
        ask = wire.SearchConsole(
            server=server.uuid, text=text, since_us=since_us, until_us=until_us, after_seq=after_seq, limit=limit
        )
        found = await self._ask_of(server, ask, wire.ConsoleFound)
        return [FoundLine(seq, at, raw.decode("utf-8", "replace")) for seq, at, raw in found.lines], found.next_after

    async def watch_console(self, server: Server, on_blocks: OnBlocks) -> "ConsoleWatch":
        watch = ConsoleWatch(on_blocks, self._watches.discard)
        try:
            watch.subscription = await self._bus.subscribe(
                wire.node_console("*", server.uuid), watch.take, name=f"console of {server.uuid}", on_gap=watch.missed
            )
        except BusIsDown as error:
            raise NodeIsOffline from error
        self._watches.add(watch)
        return watch

    def _bus_state(self, connected: bool) -> None:
        for watch in self._watches if connected else ():
            watch.missed()

    # -- looking closely --------------------------------------------------------------------------------------------

    async def attend(self, server: Server, what: Sequence[Attention], for_s: float) -> None:
        await self._ask_of(server, wire.Attend(server=server.uuid, what=list(what), for_s=for_s), wire.Done)

    async def call_management(self, server: Server, method: str, params: Any) -> Any:
        ask = wire.CallManagement(server=server.uuid, method=method, params=params)
        answer = await self._ask_of(server, ask, wire.ManagementAnswer)
        if answer.error is not None:
            raise ManagementRefused(error=answer.error)
        return answer.result

    async def watch_management(self, server: Server, on_note: OnNote) -> Subscription:
        async def take(message: BusMessage) -> None:
            note = decode(message.payload, wire.ManagementNote)
            on_note(note.name, note.data)

        subject = wire.node_management("*", server.uuid)
        try:
            return await self._bus.subscribe(subject, take, name=f"management of {server.uuid}")
        except BusIsDown as error:
            raise NodeIsOffline from error

    # -- files ------------------------------------------------------------------------------------------------------

    async def stat(self, server: Server, path: str, *, sniff: bool = False) -> FileEntry:
        ask = wire.StatFile(server=server.uuid, path=path, sniff=sniff)
        return _entry(await self._ask_of(server, ask, wire.FileEntry))

    async def list_folders(
        self, server: Server, paths: list[str], limit: int, *, after: str | None = None
    ) -> list[Folder]:
        ask = wire.ListFolders(server=server.uuid, paths=paths, limit=limit, after=after)
        listed = await self._ask_of(server, ask, wire.FoldersListed)
        return [
            Folder(path=folder.path, entries=[_entry(entry) for entry in folder.entries], more=folder.more)
            for folder in listed.folders
        ]

    async def list_files(
        self, server: Server, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        listed = await self._ask_of(
            server, wire.ListFiles(server=server.uuid, path=path, after=after, limit=limit), wire.FilesListed
        )
        return [_entry(entry) for entry in listed.entries], listed.more

    async def read_file(self, server: Server, path: str, offset: int, length: int) -> tuple[bytes, int]:
        part = await self._ask_of(
            server, wire.ReadFile(server=server.uuid, path=path, offset=offset, length=length), wire.FilePart
        )
        return part.data, part.size

    async def begin_upload(self, server: Server, path: str) -> str:
        return (await self._ask_of(server, wire.BeginUpload(server=server.uuid, path=path), wire.UploadBegun)).upload

    async def begin_archive(self, server: Server, name: str) -> str:
        return (await self._ask_of(server, wire.BeginArchive(server=server.uuid, name=name), wire.UploadBegun)).upload

    async def upload_part(self, server: Server, upload: str, offset: int, data: bytes) -> None:
        await self._ask_of(server, wire.UploadPart(upload=upload, offset=offset, data=data), wire.Done)

    async def finish_upload(self, server: Server, upload: str, *, keep: bool) -> None:
        await self._ask_of(server, wire.FinishUpload(upload=upload, keep=keep), wire.Done, FINISH_TIMEOUT)

    async def write_config(self, server: Server, file: ConfigFile) -> None:
        await self._ask_of(server, wire.WriteConfig(server=server.uuid, write=_config(file)), wire.Done)

    async def read_config(self, server: Server, path: str, format_name: str) -> dict[str, ConfigValue]:
        ask = wire.ReadConfig(server=server.uuid, path=path, format=format_name)
        return (await self._ask_of(server, ask, wire.ConfigRead)).values

    async def edit_player_list(
        self, server: Server, listed: PlayerList, *, add: Sequence[ListedPlayer] = (), remove: Sequence[str] = ()
    ) -> list[ListedPlayer]:
        ask = wire.EditPlayerList(
            server=server.uuid,
            path=listed.path,
            format=listed.format,
            key=listed.key,
            fields=listed.fields,
            add=[wire.ListedPlayer(name=entry.name, uuid=entry.uuid) for entry in add],
            remove=list(remove),
        )
        answer = await self._ask_of(server, ask, wire.PlayerListed)
        return [ListedPlayer(name=entry.name, uuid=entry.uuid) for entry in answer.entries]

    async def make_directory(self, server: Server, path: str) -> None:
        await self._ask_of(server, wire.MakeDirectory(server=server.uuid, path=path), wire.Done)

    async def delete_file(self, server: Server, path: str) -> None:
        await self._ask_of(server, wire.DeleteFile(server=server.uuid, path=path), wire.Done)

    async def rename_file(self, server: Server, source: str, target: str) -> None:
        await self._ask_of(server, wire.RenameFile(server=server.uuid, source=source, target=target), wire.Done)

    async def unpack_file(self, server: Server, path: str, into: str) -> None:
        ask = wire.UnpackFile(server=server.uuid, path=path, into=into)
        await self._ask_of(server, ask, wire.Done, UNPACK_TIMEOUT)

    async def list_imports(self, node: Node, path: str) -> list[Importable]:
        listed = await self._ask(node, wire.ListImports(path=path), wire.ImportsListed, IMPORT_TIMEOUT)
        return [Importable(entry.name, entry.directory) for entry in listed.entries]

    # -- backups ----------------------------------------------------------------------------------------------------

    async def list_backup(
        self, server: Server, snapshot: str, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        ask = wire.ListBackup(server=server.uuid, snapshot=snapshot, path=path, after=after, limit=limit)
        listed = await self._ask_of(server, ask, wire.FilesListed, DOWNLOAD_TIMEOUT)
        return [_entry(entry) for entry in listed.entries], listed.more

    async def begin_download(self, server: Server, snapshot: str, form: Form, path: str) -> str:
        ask = wire.BeginDownload(server=server.uuid, snapshot=snapshot, form=form, path=path)
        return (await self._ask_of(server, ask, wire.DownloadBegun, DOWNLOAD_TIMEOUT)).download

    async def read_download(self, server: Server, download: str, number: int) -> bytes:
        ask = wire.ReadDownload(download=download, number=number)
        return (await self._ask_of(server, ask, wire.DownloadPart, DOWNLOAD_TIMEOUT)).data

    async def end_download(self, server: Server, download: str) -> None:
        await self._ask_of(server, wire.EndDownload(download=download), wire.Done)

    async def read_store(self, node: Node) -> StoreState:
        return _store(await self._ask(node, wire.ReadStore(), wire.StoreReport, DOWNLOAD_TIMEOUT))

    async def tend_store(self, node: Node, deed: StoreDeed) -> StoreState:
        return _store(await self._ask(node, wire.TendStore(deed=deed), wire.StoreReport, DOWNLOAD_TIMEOUT))

    async def discard_backup(self, node: Node, snapshot: str) -> None:
        await self._ask(node, wire.DiscardBackup(snapshot=snapshot), wire.Done, DOWNLOAD_TIMEOUT)

    # -- asking -----------------------------------------------------------------------------------------------------

    async def _ask_of(self, server: Server, ask: wire.Message, kind: type[A], timeout: timedelta = ASK_TIMEOUT) -> A:
        return await self._ask(self._nodes.get(server.node_id), ask, kind, timeout)

    async def _ask(self, node: Node, ask: wire.Message, kind: type[A], timeout: timedelta = ASK_TIMEOUT) -> A:
        """Return the node's answer; raise NodeIsOffline, NodeFailed or what its refusal means."""
        try:
            reply = await self._bus.request(wire.node_ask(node.uuid), encode(ask), timeout)
            answer: Any = decode(reply, wire.Answer)
        except NoResponder as error:
            self._nodes.lost(node.id)
            raise NodeIsOffline from error
        except (RequestTimedOut, BusIsDown) as error:
            raise NodeIsOffline from error
        except (ResponderFailed, BadMessage, PayloadTooLarge) as error:
            raise NodeFailed from error
        if isinstance(answer, wire.Refusal):
            condition = CONDITIONS.get(answer.code)
            if condition is None:
                raise NodeFailed(answer.message, refusal=answer.code, **answer.data)
            raise condition(answer.message or None, **answer.data)
        if not isinstance(answer, kind):
            raise NodeFailed(f"The node answered {type(answer).__name__} where {kind.__name__} was due.")
        return answer


def _store(report: wire.StoreReport) -> StoreState:
    return StoreState(where=report.where, check=_store_run(report.check), collection=_store_run(report.collection))


def _store_run(run: wire.StoreRun | None) -> StoreRun | None:
    if run is None:
        return None
    return StoreRun(
        begun_at=from_microseconds(run.begun_us),
        ended_at=from_microseconds(run.ended_us) if run.ended_us is not None else None,
        failure=run.failure,
        problems=tuple(run.problems),
        problems_count=run.problems_count,
        removed=run.removed,
        freed_bytes=run.freed_bytes,
    )


def _parts(servers: list[wire.DesiredServer], limit: int = MAX_APPLY_BYTES) -> list[list[wire.DesiredServer]]:
    """Return `servers` in order as one run or more, each within `limit` bytes; what alone is larger stands alone."""
    found: list[list[wire.DesiredServer]] = [[]]
    size = 0
    for server in servers:
        own = len(encode(server))
        if found[-1] and size + own > limit:
            found.append([])
            size = 0
        found[-1].append(server)
        size += own
    return found


class ConsoleWatch:
    """A console being watched over the bus."""

    def __init__(self, on_blocks: OnBlocks, forget: Callable[["ConsoleWatch"], None]) -> None:
        self._on_blocks = on_blocks
        self._forget = forget
        self.subscription: Subscription | None = None

    async def take(self, message: BusMessage) -> None:
        """Hand on what came."""
        blocks = decode(message.payload, wire.ConsoleBlocks).blocks
        self._on_blocks([Block(block.first_seq, block.time_us, block.payload) for block in blocks])

    def missed(self, *_: Any) -> None:
        """Say that something may have been missed."""
        self._on_blocks([])

    async def close(self) -> None:
        """Watch no longer."""
        self._forget(self)
        if self.subscription is not None:
            await self.subscription.close()


def desired_server(item: Desired) -> wire.DesiredServer:
    """Return what a node must know of a server, complete."""
    server, plan = item.server, item.blueprint
    order = (
        wire.Order(id=item.order.uuid, verb=cast(wire.Verb, item.order.verb), restore=_restore(item))
        if item.order
        else None
    )
    return wire.DesiredServer(
        uuid=server.uuid,
        number=server.id,
        generation=server.generation,
        name=server.name,
        running=server.power == "on",
        autostart=server.autostart,
        autostart_delay_s=server.handling.autostart_delay_s,
        suspended=server.suspended,
        order=order,
        install=plan.install,
        argv=plan.argv,
        environment=plan.environment,
        stop=wire.StopRule(command=plan.stop.command or None, signal=plan.stop.signal, timeout_s=plan.stop.timeout_s),
        crash=wire.CrashRule(restart=server.crash.restart, limit=server.crash.limit),
        clean_exit=plan.stop.clean_exit,
        patterns=wire.Patterns(
            strip=plan.console.strip,
            ready=plan.console.ready,
            join=plan.console.join,
            leave=plan.console.leave,
            chat=plan.console.chat,
            saving=plan.console.saving,
        ),
        ready_when=cast(Any, plan.start.ready_when),
        query=plan.query,
        tick=wire.TickRule(command=plan.tick.command, pattern=plan.tick.pattern) if plan.tick else None,
        management=plan.management,
        config=[_config(file) for file in plan.config],
        address=server.address,
        port=server.port,
        protocol=server.protocol,
        start_timeout_s=plan.start.timeout_s,
        memory_mib=server.limits.memory_mib,
        cpu_percent=server.limits.cpu_percent,
        disk_mib=server.limits.disk_mib,
        java=plan.java,
        journal_retain_mib=item.journal_mib,
        measure_disk_s=item.disk_minutes * 60,
        rows=plan.start.rows,
        columns=plan.start.columns,
        jobs=[_job(job) for job in item.jobs],
    )


def _restore(item: Desired) -> wire.Restore | None:
    wanted = item.restore
    if wanted is None:
        return None
    return wire.Restore(
        backup=wanted.backup,
        snapshot=wanted.snapshot,
        delete_others=wanted.delete_others,
        before=_job(wanted.before) if wanted.before is not None else None,
    )


def _job(job: Job) -> wire.Job:
    quiet = job.quiet
    return wire.Job(
        id=job.id,
        verb=job.verb,
        backup=job.backup,
        snapshot=job.snapshot,
        exclude=list(job.exclude),
        before=list(job.before),
        after=list(job.after),
        quiet=wire.QuietRule(
            hold=list(quiet.hold),
            ask=list(quiet.ask),
            held=quiet.held,
            timeout_s=quiet.timeout_s,
            required=quiet.required,
            release=list(quiet.release),
        )
        if quiet is not None
        else None,
        stop_first=job.stop_first,
        verify=job.verify,
        paths=list(job.paths),
    )


def _config(file: ConfigFile) -> wire.ConfigWrite:
    return wire.ConfigWrite(path=file.path, format=file.format, values=file.values, initial=file.initial)


def _lines(read: wire.ConsoleRead) -> Lines:
    blocks = [Block(block.first_seq, block.time_us, block.payload) for block in read.blocks]
    return Lines(blocks, read.first_seq, read.next_seq)


def _entry(entry: wire.FileEntry) -> FileEntry:
    return FileEntry(
        path=entry.path,
        name=entry.name,
        kind=entry.kind,
        size=entry.size,
        modified_at=from_microseconds(entry.mtime_us),
        mode=entry.mode,
        text=entry.text,
    )
