"""A node that does what a test says: `ScriptedGateway` keeps core's promise of nodes from memory.

By default it obeys every order soon after it was told. Knows neither wire nor bus; what it sees it tells to whoever
is given as `observe`.
"""

import io
import posixpath
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec

from innkeeper.contracts.configfile import ConfigFormat, ConfigUnreadable
from innkeeper.contracts.playerlist import Entry, ListUnreadable, PlayerListFormat
from innkeeper.core.backups.errors import BackupIsReadable, NoSuchBackup, NoSuchDownload
from innkeeper.core.backups.model import Form, Job, JobProgress, JobResult, Restore, StoreDeed, StoreRun, StoreState
from innkeeper.core.catalog.model import ConfigFile, ConfigValue, PlayerList
from innkeeper.core.console.model import Block, FoundLine, Lines
from innkeeper.core.files.errors import (
    ArchiveIsUnusable,
    ConfigIsUnreadable,
    FileExists,
    FileIsADirectory,
    FileIsNotADirectory,
    FileNameIsInvalid,
    FileNotFound,
    NoSuchUpload,
    UploadOffsetIsWrong,
)
from innkeeper.core.files.model import FileEntry, Folder, Importable
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.nodes.gateway import Attention, Desired, OnBlocks, OnNote
from innkeeper.core.nodes.model import Node
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.servers.errors import ConsoleIsNotRead, ManagementIsUnavailable
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Live, Server
from innkeeper.core.servers.reconcile import Observation
from innkeeper.drivers.configfiles.ini import Ini
from innkeeper.drivers.configfiles.json import Json
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.drivers.configfiles.toml import Toml
from innkeeper.drivers.configfiles.yaml import Yaml
from innkeeper.drivers.playerlists.lines import Lines as LineList
from innkeeper.drivers.playerlists.minecraft_json import MinecraftJson
from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.managements import ScriptedManagement, ScriptedManagementWatch

Observe = Callable[[int, list[Observation]], Awaitable[None]]

_AFTER = {
    "install": State.STOPPED,
    "start": State.RUNNING,
    "stop": State.STOPPED,
    "restart": State.RUNNING,
    "kill": State.STOPPED,
    "restore": State.STOPPED,
}
_MOST_LINES = 5000
_CONFIGS: dict[str, ConfigFormat] = {one.name: one for one in (Ini(), Json(), Properties(), Toml(), Yaml())}
_LISTS: dict[str, PlayerListFormat] = {one.name: one for one in (LineList(), MinecraftJson())}


class ScriptedConsole:
    """A server's journal, in memory."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.first_seq = 1
        self.next_seq = 1
        self.watchers: list[OnBlocks] = []
        self.typed: list[str] = []

    def add(self, payload: bytes, time_us: int) -> Block:
        """Journal whole lines and announce them."""
        block = Block(self.next_seq, time_us, payload)
        self.blocks.append(block)
        self.next_seq = block.last_seq + 1
        for watcher in list(self.watchers):
            watcher([block])
        return block

    def forget(self, before_seq: int) -> None:
        """Drop the journal's lines before a number, as rotation does."""
        self.first_seq = before_seq
        self.blocks = [part for block in self.blocks if (part := block.after(before_seq - 1)) is not None]

    def read(self, after_seq: int) -> Lines:
        """Return some blocks after a number."""
        found: list[Block] = []
        count = 0
        for block in self.blocks:
            part = block.after(after_seq)
            if part is None:
                continue
            found.append(part)
            count += part.count
            if count >= _MOST_LINES:
                break
        return Lines(found, self.first_seq, self.next_seq)


class ScriptedWatch:
    """A watched console."""

    def __init__(self, console: ScriptedConsole, on_blocks: OnBlocks) -> None:
        self._console = console
        self._on_blocks = on_blocks
        console.watchers.append(on_blocks)

    async def close(self) -> None:
        """Watch no longer."""
        self._console.watchers.remove(self._on_blocks)


class ScriptedGateway:
    """Keeps `core.nodes.gateway.NodeGateway`.

    obeys     orders are carried out by themselves; otherwise by `carry_out`
    offline   nothing answers
    deaf      games do not read their console
    game      called with each line typed on a console; what a game does with it (`testing.games` has one)
    """

    def __init__(self, clock: Clock, tasks: TaskSet) -> None:
        self._clock = clock
        self._tasks = tasks
        self.observe: Observe
        self.obeys = True
        self.offline = False
        self.deaf = False
        self.game: Callable[[Server, str], None] = lambda _server, _line: None
        self.desired: dict[UUID, Desired] = {}
        self.orders: dict[UUID, Operation] = {}
        """What was ordered and not carried out, by server."""
        self.removed: list[UUID] = []
        self.ports_taken: set[int] = set()
        self.consoles: dict[UUID, ScriptedConsole] = {}
        self.trees: dict[UUID, dict[str, bytes | None]] = {}
        """Files by server and path; None: a folder."""
        self.imports: dict[str, dict[str, bool]] = {}
        """What may be imported, by path: the names there, and whether each is a folder."""
        self.configs: dict[UUID, dict[str, dict[str, ConfigValue]]] = {}
        """Config values that were set, by server, path and key; the files themselves are in `trees`."""
        self.archives: dict[tuple[UUID, str], bytes] = {}
        self.attended: list[tuple[UUID, tuple[Attention, ...], float]] = []
        """What was attended to: server, in which ways, for how many seconds."""
        self.managements: dict[UUID, ScriptedManagement] = {}
        """The management servers there are; see `management`."""
        self._uploads: dict[str, tuple[UUID, str, bool, bytearray]] = {}
        self._seen_orders: set[UUID] = set()
        self._live: dict[UUID, Live] = {}
        self.snapshots: dict[str, dict[str, bytes | None]] = {}
        """The backups that are kept, each a tree."""
        self.damaged: set[str] = set()
        """Names of backups in the store that cannot be read."""
        self.store = StoreState(where="the directory /backups", check=None, collection=None)
        self.downloads: dict[str, list[bytes]] = {}

    # -- what a test does -------------------------------------------------------------------------------------------

    def console(self, server: UUID) -> ScriptedConsole:
        """Return a server's console."""
        return self.consoles.setdefault(server, ScriptedConsole())

    def management(self, server: UUID) -> ScriptedManagement:
        """Return a server's management server, which it has from now on."""
        return self.managements.setdefault(server, ScriptedManagement())

    def say(self, server: UUID, *lines: str) -> Block:
        """Have the game print lines, in one go."""
        payload = "".join(line + "\n" for line in lines).encode()
        return self.console(server).add(payload, microseconds(self._clock.now()))

    async def carry_out(self, server: UUID, *, fail: str | None = None) -> None:
        """Do what was ordered of a server, or fail at it for a reason."""
        order = self.orders.pop(server)
        state = State.STOPPED if fail else _AFTER[order.verb]
        restore = self.desired[server].restore
        if order.verb == "restore" and not fail and restore is not None:
            await self._restore(server, restore)
            state = State.RUNNING if self.desired[server].server.power == "on" else State.STOPPED
        progress = Progress(state=OperationState.FAILED if fail else OperationState.DONE, reason=fail, fraction=1.0)
        await self.see(server, self.live(state), progress)

    def live(self, state: State) -> Live:
        """Return what is seen of a server in `state`, a process with it where one lives."""
        if state not in ALIVE:
            return Live(state=state)
        now = self._clock.now()
        ready = now if state is State.RUNNING else None
        return Live(state=state, pid=4711, run_id=uuid4().hex, started_at=now - timedelta(seconds=2), ready_at=ready)

    async def see(self, server: UUID, live: Live, progress: Progress | None = None) -> None:
        """Report that a server is as `live` says."""
        self._live[server] = live
        desired = self.desired[server].server
        await self.observe(
            desired.node_id,
            [
                Observation(
                    uuid=server,
                    live=live,
                    generation=desired.generation,
                    order_id=desired.order_id,
                    progress=progress,
                )
            ],
        )

    # -- what should be ---------------------------------------------------------------------------------------------

    async def apply(self, node: Node, desired: list[Desired], *, complete: bool) -> None:
        self._answer()
        for item in desired:
            self.desired[item.server.uuid] = item
            order = item.order
            if order is None or order.uuid in self._seen_orders:
                continue
            self._seen_orders.add(order.uuid)
            self.orders[item.server.uuid] = order
            if self.obeys:
                self._tasks.start(self._obey(item.server.uuid), name=f"scripted {order.verb}", fatal=False)

        for item in desired:
            for job in item.jobs:
                if job.id not in self._seen_orders and self.obeys:
                    self._seen_orders.add(job.id)
                    self._tasks.start(self.do_job(item.server.uuid, job), name=f"scripted {job.verb}", fatal=False)

    async def do_job(self, server: UUID, job: Job, *, fail: str | None = None, damage: str = "") -> None:
        """Do what is to be done about a backup, or fail at it for a reason, and report it, with the damage found."""
        result = JobResult()
        if fail is None and job.verb == "backup":
            result = self._snapshot(server, job.backup)
            if job.verify:
                result = msgspec.structs.replace(result, verified=not damage, problem=damage)
        elif fail is None and job.verb == "verify":
            result = JobResult(verified=job.snapshot in self.snapshots)
        elif fail is None and job.verb == "forget":
            self.snapshots.pop(job.backup.hex, None)
        elif fail is None:
            kept = self.snapshots[job.snapshot]
            self.trees.setdefault(server, {}).update({path: kept[path] for path in job.paths})
        progress = JobProgress(id=job.id, state="failed" if fail else "done", reason=fail, result=result)
        wanted = self.desired[server].server
        now = self._live.get(server, Live(state=wanted.state))
        await self.observe(
            wanted.node_id,
            [Observation(uuid=server, live=now, generation=0, order_id=None, progress=None, jobs=(progress,))],
        )

    def _snapshot(self, server: UUID, backup: UUID) -> JobResult:
        tree = dict(self.trees.get(server, {}))
        size = sum(len(content or b"") for content in tree.values())
        self.snapshots[backup.hex] = tree
        return JobResult(
            snapshot=backup.hex, files=len(tree), bytes=size, stored_bytes=size, digest=str(hash(str(tree)))
        )

    async def _restore(self, server: UUID, restore: Restore) -> None:
        if restore.before is not None:
            await self.do_job(server, restore.before)
        tree = self.trees.setdefault(server, {})
        if restore.delete_others:
            tree.clear()
        tree.update(self.snapshots[restore.snapshot])

    async def list_backup(
        self, server: Server, snapshot: str, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        self._answer()
        if snapshot not in self.snapshots:
            raise NoSuchBackup
        tree, path = self.snapshots[snapshot], _clean(path)
        found = sorted(
            item for item in tree if posixpath.dirname(item) == path and posixpath.basename(item) > (after or "")
        )
        return [self._entry(item, tree[item]) for item in found[:limit]], len(found) > limit

    async def begin_download(self, server: Server, snapshot: str, form: Form, path: str) -> str:
        self._answer()
        if snapshot not in self.snapshots:
            raise NoSuchBackup
        download = uuid4().hex
        self.downloads[download] = [content for content in self.snapshots[snapshot].values() if content]
        return download

    async def read_download(self, server: Server, download: str, number: int) -> bytes:
        self._answer()
        if download not in self.downloads:
            raise NoSuchDownload
        parts = self.downloads[download]
        return parts[number] if number < len(parts) else b""

    async def end_download(self, server: Server, download: str) -> None:
        self.downloads.pop(download, None)

    async def read_store(self, node: Node) -> StoreState:
        self._answer()
        return self.store

    async def tend_store(self, node: Node, deed: StoreDeed) -> StoreState:
        self._answer()
        now = datetime.now(UTC)
        problems = tuple(f"snapshots/{name} is no snapshot" for name in sorted(self.damaged))
        run = StoreRun(begun_at=now, ended_at=now, problems=problems, problems_count=len(problems))
        if deed == "collect":
            run = StoreRun(begun_at=now, ended_at=now, failure="; ".join(problems), removed=0 if problems else 1)
        changed = {"check": run} if deed == "check" else {"collection": run}
        self.store = msgspec.structs.replace(self.store, **changed)
        return self.store

    async def discard_backup(self, node: Node, snapshot: str) -> None:
        self._answer()
        if snapshot in self.snapshots:
            raise BackupIsReadable
        if snapshot not in self.damaged:
            raise NoSuchBackup
        self.damaged.discard(snapshot)

    async def _obey(self, server: UUID) -> None:
        if server in self.orders:
            await self.carry_out(server)

    async def remove(self, server: Server) -> None:
        self._answer()
        self.removed.append(server.uuid)
        self.trees.pop(server.uuid, None)

    async def announce(self, node: Node) -> None:
        self._answer()

    async def find_port(
        self, node: Node, address: str, protocol: Literal["tcp", "udp"], candidates: list[int]
    ) -> int | None:
        self._answer()
        return next((port for port in candidates if port not in self.ports_taken), None)

    # -- console ----------------------------------------------------------------------------------------------------

    async def send_line(self, server: Server, line: str) -> None:
        self._answer()
        if self.deaf:
            raise ConsoleIsNotRead
        self.console(server.uuid).typed.append(line)
        self.game(server, line)

    async def read_console(self, server: Server, after_seq: int) -> Lines:
        self._answer()
        return self.console(server.uuid).read(after_seq)

    async def tail_console(self, server: Server, count: int) -> Lines:
        self._answer()
        console = self.console(server.uuid)
        found: list[Block] = []
        for block in reversed(console.blocks):
            found.append(block)
            if sum(item.count for item in found) >= min(count, _MOST_LINES):
                break
        return Lines(found[::-1], console.first_seq, console.next_seq)

    async def search_console(
        self, server: Server, text: str, since_us: int | None, until_us: int | None, after_seq: int, limit: int
    ) -> tuple[list[FoundLine], int | None]:
        self._answer()
        found: list[FoundLine] = []
        for block in self.console(server.uuid).blocks:
            if (since_us is not None and block.time_us < since_us) or (
                until_us is not None and block.time_us >= until_us
            ):
                continue
            for seq, line in enumerate(block.lines(), block.first_seq):
                if seq > after_seq and text.lower() in line.lower():
                    found.append(FoundLine(seq, block.time_us, line))
        return found[:limit], found[limit - 1].seq if len(found) > limit else None

    async def watch_console(self, server: Server, on_blocks: OnBlocks) -> ScriptedWatch:
        self._answer()
        return ScriptedWatch(self.console(server.uuid), on_blocks)

    # -- looking closely --------------------------------------------------------------------------------------------

    async def attend(self, server: Server, what: Sequence[Attention], for_s: float) -> None:
        self._answer()
        if "management" in what:
            self._managed(server)
        self.attended.append((server.uuid, tuple(what), for_s))

    async def call_management(self, server: Server, method: str, params: Any) -> Any:
        self._answer()
        return self._managed(server).call(method, params)

    async def watch_management(self, server: Server, on_note: OnNote) -> ScriptedManagementWatch:
        self._answer()
        return ScriptedManagementWatch(self.managements.get(server.uuid) or ScriptedManagement(), on_note)

    def _managed(self, server: Server) -> ScriptedManagement:
        if server.uuid not in self.managements:
            raise ManagementIsUnavailable
        return self.managements[server.uuid]

    # -- files ------------------------------------------------------------------------------------------------------

    async def stat(self, server: Server, path: str, *, sniff: bool = False) -> FileEntry:
        tree, path = self._tree(server), _clean(path)
        if path and path not in tree:
            raise FileNotFound
        return self._entry(path, tree.get(path), sniff=sniff)

    async def list_folders(
        self, server: Server, paths: list[str], limit: int, *, after: str | None = None
    ) -> list[Folder]:
        """Answer as a node with little room: no more than three folders at once."""
        tree, folders, room = self._tree(server), list[Folder](), limit
        for path in map(_clean, paths[:3]):
            inside = sorted(item for item in tree if item and posixpath.dirname(item) == path)
            rest = [item for item in inside if folders or after is None or posixpath.basename(item) > after]
            if len(rest) > room and folders:
                break
            entries = [self._entry(item, tree[item], sniff=True) for item in rest[:room]]
            folders.append(Folder(path=path, entries=entries, more=len(rest) > room))
            room -= len(entries)
        return folders

    async def list_files(
        self, server: Server, path: str, after: str | None, limit: int
    ) -> tuple[list[FileEntry], bool]:
        tree, path = self._tree(server), _clean(path)
        if path and path not in tree:
            raise FileNotFound
        if tree.get(path) is not None:
            raise FileIsNotADirectory
        inside = sorted((item for item in tree if posixpath.dirname(item) == path), key=posixpath.basename)
        found = [item for item in inside if after is None or posixpath.basename(item) > after]
        return [self._entry(item, tree[item]) for item in found[:limit]], len(found) > limit

    async def read_file(self, server: Server, path: str, offset: int, length: int) -> tuple[bytes, int]:
        tree, path = self._tree(server), _clean(path)
        if not path:
            raise FileIsADirectory
        if path not in tree:
            raise FileNotFound
        content = tree[path]
        if content is None:
            raise FileIsADirectory
        return content[offset : offset + length], len(content)

    async def begin_upload(self, server: Server, path: str) -> str:
        tree, path = self._tree(server), _clean(path)
        if not path or tree.get(path, b"") is None:
            raise FileIsADirectory
        return self._begin(server, path, archive=False)

    async def begin_archive(self, server: Server, name: str) -> str:
        self._answer()
        if "/" in name or not _clean(name):
            raise FileNameIsInvalid
        return self._begin(server, name, archive=True)

    def _begin(self, server: Server, name: str, *, archive: bool) -> str:
        upload = uuid4().hex
        self._uploads[upload] = (server.uuid, name, archive, bytearray())
        return upload

    async def upload_part(self, server: Server, upload: str, offset: int, data: bytes) -> None:
        self._answer()
        if upload not in self._uploads or self._uploads[upload][0] != server.uuid:
            raise NoSuchUpload
        content = self._uploads[upload][3]
        if offset != len(content):
            raise UploadOffsetIsWrong
        content += data

    async def finish_upload(self, server: Server, upload: str, *, keep: bool) -> None:
        if upload not in self._uploads:
            raise NoSuchUpload
        uuid, path, archive, content = self._uploads.pop(upload)
        if not keep:
            return
        if archive:
            self.archives[uuid, path] = bytes(content)
        else:
            self._make_parents(self._tree(server), path)
            self._tree(server)[path] = bytes(content)

    async def write_config(self, server: Server, file: ConfigFile) -> None:
        """Set values in a config file: in the file itself, and kept in `configs`."""
        tree, path = self._tree(server), _clean(file.path)
        try:
            fresh = _CONFIGS[file.format].edit(tree.get(path) or b"", file.values)
        except ConfigUnreadable as error:
            raise ConfigIsUnreadable(str(error)) from error
        self._make_parents(tree, path)
        tree[path] = fresh
        self.configs.setdefault(server.uuid, {}).setdefault(file.path, {}).update(file.values)

    async def read_config(self, server: Server, path: str, format_name: str) -> dict[str, ConfigValue]:
        content, _ = await self.read_file(server, path, 0, 1 << 30)
        try:
            return _CONFIGS[format_name].read(content)
        except ConfigUnreadable as error:
            raise ConfigIsUnreadable(str(error)) from error

    async def edit_player_list(
        self, server: Server, listed: PlayerList, *, add: Sequence[ListedPlayer] = (), remove: Sequence[str] = ()
    ) -> list[ListedPlayer]:
        tree, one = self._tree(server), _LISTS[listed.format]
        content = tree.get(listed.path) or b""
        entries = [Entry(player.name, player.uuid) for player in add]
        try:
            fresh = one.edit(
                content, listed.key, add=entries, remove=remove, fields=listed.fields, now=self._clock.now()
            )
            found = one.read(fresh, listed.key)
        except ListUnreadable as error:
            raise ConfigIsUnreadable(str(error)) from error
        if fresh != content:
            tree[listed.path] = fresh
        return [ListedPlayer(name=entry.name, uuid=entry.uuid) for entry in found]

    async def make_directory(self, server: Server, path: str) -> None:
        tree, path = self._tree(server), _clean(path)
        if tree.get(path) is not None:
            raise FileExists
        self._make_parents(tree, path)
        if path:
            tree[path] = None

    async def delete_file(self, server: Server, path: str) -> None:
        tree, path = self._tree(server), _clean(path)
        if path not in tree:
            raise FileNotFound
        for item in [item for item in tree if item == path or item.startswith(path + "/")]:
            del tree[item]

    async def rename_file(self, server: Server, source: str, target: str) -> None:
        tree, source, target = self._tree(server), _clean(source), _clean(target)
        if source not in tree:
            raise FileNotFound
        if not target or target in tree:
            raise FileExists
        if target.startswith(source + "/"):
            raise FileNameIsInvalid
        self._make_parents(tree, target)
        for item in [item for item in tree if item == source or item.startswith(source + "/")]:
            tree[target + item[len(source) :]] = tree.pop(item)

    async def unpack_file(self, server: Server, path: str, into: str) -> None:
        tree = self._tree(server)
        content = tree.get(_clean(path))
        if content is None:
            raise FileNotFound
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                found = {item: archive.read(item) for item in archive.namelist() if not item.endswith("/")}
        except zipfile.BadZipFile as error:
            raise ArchiveIsUnusable(str(error)) from error
        for item, unpacked in found.items():
            target = _clean(posixpath.join(into, item))
            self._make_parents(tree, target)
            tree[target] = unpacked

    async def list_imports(self, node: Node, path: str) -> list[Importable]:
        self._answer()
        if path not in self.imports:
            raise FileNotFound
        return [Importable(name, directory) for name, directory in self.imports[path].items()]

    def _tree(self, server: Server) -> dict[str, bytes | None]:
        self._answer()
        return self.trees.setdefault(server.uuid, {})

    def _entry(self, path: str, content: bytes | None, *, sniff: bool = False) -> FileEntry:
        return FileEntry(
            path=path,
            name=posixpath.basename(path),
            kind="directory" if content is None else "file",
            size=len(content or b""),
            modified_at=self._clock.now(),
            mode=0o755 if content is None else 0o644,
            text=(content is not None and b"\0" not in content) if sniff else None,
        )

    @staticmethod
    def _make_parents(tree: dict[str, bytes | None], path: str) -> None:
        parent = posixpath.dirname(path)
        while parent:
            if tree.setdefault(parent, None) is not None:
                raise FileIsNotADirectory
            parent = posixpath.dirname(parent)

    def _answer(self) -> None:
        if self.offline:
            raise NodeIsOffline


def seen_as(live: Live, **changes: object) -> Live:
    """Return `live` with some fields changed."""
    return msgspec.structs.replace(live, **changes)


def _clean(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if (
        ".." in parts
        or "\0" in path
        or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts)
        or len(path) > 4000
    ):
        raise FileNameIsInvalid
    if any(0xD800 <= ord(letter) < 0xE000 for letter in path):
        raise FileNameIsInvalid
    return "/".join(parts)
