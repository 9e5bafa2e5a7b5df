"""The node's composition root: the one place where its runtimes, installers, queries and formats are chosen.

`innkeeper serve` opens a node in the panel's process, with an identity that the panel made; `innkeeper node` opens one
over NATS, with an identity of its own or a token to get one.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from innkeeper.contracts.blobstore import BlobStore
from innkeeper.contracts.game import Query
from innkeeper.contracts.installer import Installer, Report, RunAsServer
from innkeeper.contracts.runtime import Runtime
from innkeeper.drivers.configfiles.ini import Ini
from innkeeper.drivers.configfiles.json import Json
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.drivers.configfiles.toml import Toml
from innkeeper.drivers.configfiles.yaml import Yaml
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.games.generic import TcpConnect
from innkeeper.drivers.games.minecraft_java import MinecraftJava
from innkeeper.drivers.installers.archive import ArchiveInstaller, FolderInstaller, look_into, unpack
from innkeeper.drivers.installers.command import CommandInstaller
from innkeeper.drivers.installers.debian import DebianInstaller
from innkeeper.drivers.installers.download import DownloadInstaller
from innkeeper.drivers.installers.files import FilesInstaller
from innkeeper.drivers.installers.java import JavaInstaller
from innkeeper.drivers.installers.npm import NpmInstaller
from innkeeper.drivers.installers.steamcmd import SteamCmdInstaller
from innkeeper.drivers.playerlists.lines import Lines
from innkeeper.drivers.playerlists.minecraft_json import MinecraftJson
from innkeeper.drivers.runtimes.process import FIRST_UID, SYSTEM_PATH, ProcessRuntime
from innkeeper.drivers.trees import remove_unfinished
from innkeeper.kit.clock import Clock, SystemClock
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.node.configs import ConfigWriter
from innkeeper.node.edits import EditLocks
from innkeeper.node.facts import collect_facts, tool_versions
from innkeeper.node.identity import Identity, enrol, load_identity, save_identity
from innkeeper.node.import_asks import ImportAsks
from innkeeper.node.installs.planning import plan_command
from innkeeper.node.installs.process import CommandRunner, ServerCommandRunner, end_leftovers, mark_of
from innkeeper.node.java import Javas
from innkeeper.node.keeper.client import Zygote
from innkeeper.node.layout import DataFolder
from innkeeper.node.limits.cgroups import detect
from innkeeper.node.limits.guard import Guard
from innkeeper.node.limits.quota import ProjectQuota
from innkeeper.node.limits.storage import Storage
from innkeeper.node.places import Places
from innkeeper.node.player_lists import PlayerLists
from innkeeper.node.samples.sampler import TICK
from innkeeper.node.service import NodeService
from innkeeper.node.slots import AT_ONCE, INTERVAL, StartSlots
from innkeeper.node.stopping import stop_all_servers
from innkeeper.node.supervisor.installing import RestoreFiles
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.node.supervisor.runner import ServerRunner
from innkeeper.wire.bus import Bus
from innkeeper.wire.messages import Block, DesiredServer, Enrol, ObservedServer

if TYPE_CHECKING:
    from innkeeper.node.backups.repository import Repository

__all__ = ["NodeOptions", "NotEnrolled", "open_node", "stop_all_servers"]


class NodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the administrator chose about a node."""

    data: Path
    name: str = "node"
    token: str | None = None
    """For enrolment; used once, and not at all by a node that is enrolled."""
    address: str = "127.0.0.1"
    """Told at enrolment: where its game servers listen."""
    public_host: str = ""
    """Told at enrolment: what players type; empty: the address."""
    imports: list[Path] = []
    """Directories of this host that servers may be installed from."""
    mirror: str = ""
    """Where vendors' files are fetched from in the vendors' place: see `kit.mirrors`."""
    javas: list[Path] = []
    """Java runtimes beyond those in the usual places: programs, homes, or folders of homes."""
    first_uid: int = FIRST_UID
    """Where we are root: this + a server's number is its user id."""
    sample_interval: timedelta = TICK
    backups: str = ""
    """Where backups are kept: a folder, or s3://BUCKET/PREFIX with credentials from the environment; empty: within
    `data`."""
    starts_at_once: int = AT_ONCE
    """After a boot of the host: so many servers are started in each `start_interval`."""
    start_interval: timedelta = INTERVAL


class NotEnrolled(RuntimeError):
    """The node has no identity yet, and no token to get one."""


async def open_node(
    options: NodeOptions, bus: Bus, *, identity: Identity | None = None, clock: Clock | None = None
) -> NodeService:
    """Return a node that runs: everything that lives is adopted, asks are served. `close()` it in the end.

    `identity`: given by a panel in this process; it is kept and used from now on. Otherwise the kept one is used, or
    one is got for `options.token`. Raises DataFolderInUse, NotEnrolled, EnrolmentRefused, IdentityUnreadable, and
    BusError where no panel answers an enrolment.
    """
    data = DataFolder(options.data)
    await in_thread(data.prepare)
    data.lock()
    try:
        await in_thread(end_leftovers, mark_of(data.root))
        await in_thread(remove_unfinished, data.shared)
        tools = _Tools()
        javas = Javas(options.javas)
        guard = Guard(await in_thread(detect, data.root), data, await in_thread(ProjectQuota.of, data.servers))
        runtime = ProcessRuntime(
            tools=tools.folders,
            tool_binaries=tools.binaries,
            first_uid=options.first_uid,
            confinement=guard.confinement,
        )
        known = identity if identity is not None else await in_thread(load_identity, data.identity)
        if known is None:
            known = await _enrolled(options, bus, data, runtime, tools.path, javas, guard)
        elif identity is not None:
            await in_thread(save_identity, data.identity, identity)
        node = _assemble(options, bus, known, data, runtime, tools.path, javas, clock or SystemClock(), guard)
        await node.start()
    except BaseException:
        data.unlock()
        raise
    return node


_OPEN_TO_ALL = (Path("/"), Path("/usr"), Path("/usr/local"))


class _Tools:
    """Where games find interpreters: on the system's path, and in the folders that this program itself lives in."""

    def __init__(self) -> None:
        self.folders = [path for path in (Path(sys.prefix), Path(sys.base_prefix)) if path not in _OPEN_TO_ALL]
        self.binaries = [Path(sys.prefix) / "bin"]
        for name in ("node", "java"):
            found = shutil.which(name)
            if found is None:
                continue
            binaries = Path(found).resolve().parent
            if str(binaries) not in SYSTEM_PATH.split(":"):
                self.folders.append(binaries.parent if binaries.name == "bin" else binaries)
                self.binaries.append(binaries)

    @property
    def path(self) -> str:
        """Return the PATH on which installers look for tools."""
        return ":".join([*(str(path) for path in self.binaries), SYSTEM_PATH])


async def _enrolled(
    options: NodeOptions,
    bus: Bus,
    data: DataFolder,
    runtime: ProcessRuntime,
    path: str,
    javas: Javas,
    guard: Guard,
) -> Identity:
    if options.token is None:
        raise NotEnrolled(f"{data.root} holds no identity: enrol this node with a token of the panel")
    facts = await in_thread(
        lambda: collect_facts(
            data.root,
            runtimes=[runtime.name],
            isolation=[*runtime.describe(), *guard.describe()],
            tools=tool_versions(path),
            javas=javas.all(),
            backups=options.backups,
        )
    )
    wish = Enrol(
        token=options.token, name=options.name, facts=facts, address=options.address, public_host=options.public_host
    )
    return await enrol(bus, wish, data.identity)


def _assemble(
    options: NodeOptions,
    bus: Bus,
    identity: Identity,
    data: DataFolder,
    runtime: ProcessRuntime,
    tools_path: str,
    javas: Javas,
    clock: Clock,
    guard: Guard,
) -> NodeService:
    environment = dict(os.environ)
    downloads = Downloads(mirror=options.mirror)
    zygote = Zygote(data.zygote)
    slots = StartSlots(at_once=options.starts_at_once, interval=options.start_interval)
    archive, download = ArchiveInstaller(downloads), DownloadInstaller(downloads)
    installers: Mapping[str, Installer] = {
        one.name: one
        for one in (
            archive,
            download,
            CommandInstaller(),
            DebianInstaller(),
            FolderInstaller(),
            FilesInstaller(),
            JavaInstaller(download),
            NpmInstaller(environment),
            SteamCmdInstaller(archive),
        )
    }
    queries: Mapping[str, Query] = {one.name: one for one in (MinecraftJava(), TcpConnect())}
    mark = mark_of(data.root)

    def make_run_as_server(desired: DesiredServer, report: Report) -> RunAsServer:
        plan = partial(
            plan_command,
            desired=desired,
            place=data.place(desired.uuid),
            runtime=runtime,
            choose_java=javas.choose,
        )
        return ServerCommandRunner(report, environment, mark, plan)

    make_place = Places(
        data,
        make_run=lambda report: CommandRunner(report, environment, mark),
        make_run_as_server=make_run_as_server,
        imports=options.imports,
        tools_path=tools_path,
        choose_java=javas.choose,
    )
    locks = EditLocks()
    configs = ConfigWriter([Ini(), Json(), Properties(), Toml(), Yaml()], locks)

    def make_runner(
        desired: DesiredServer,
        place: ServerPlace,
        runtime: Runtime,
        *,
        tasks: TaskSet,
        on_change: Callable[[ObservedServer], None],
        on_blocks: Callable[[UUID, list[Block]], None],
        seen_alive: Callable[[str], int | None],
        storage: Storage,
        restore_files: RestoreFiles,
    ) -> ServerRunner:
        return ServerRunner(
            uuid=desired.uuid,
            place=place,
            zygote=zygote,
            runtime=runtime,
            installers=installers,
            queries=queries,
            make_place=make_place,
            write_config=configs,
            clock=clock,
            tasks=tasks,
            slots=slots,
            on_change=on_change,
            on_blocks=on_blocks,
            seen_alive=seen_alive,
            choose_java=javas.choose,
            storage=storage,
            restore_files=restore_files,
        )

    return NodeService(
        bus=bus,
        clock=clock,
        identity=identity,
        data=data,
        runtimes=[runtime],
        make_runner=make_runner,
        slots=slots,
        let_go=zygote.quit,
        configs=configs,
        unpack=unpack,
        imports=ImportAsks(make_place.source, look_into),
        player_lists=PlayerLists([Lines(), MinecraftJson()], clock, locks),
        guard=guard,
        repository=_Backups(options.backups, data),
        backups=options.backups,
        isolation=[*runtime.describe(), *guard.describe()],
        tools_path=tools_path,
        javas=javas.all,
        keep_house=partial(downloads.sweep, data.shared),
        sample_interval=options.sample_interval,
    )


class _Backups:
    """Opens the repository of backups when it is first needed. Called in threads; raises BlobStoreError."""

    def __init__(self, where: str, data: DataFolder) -> None:
        self._where = where
        self._data = data
        self._opening = threading.Lock()
        self._repository: Repository | None = None

    def __call__(self) -> "Repository":
        """Return the repository."""
        with self._opening:
            if self._repository is None:
                from innkeeper.node.backups.repository import Repository  # much for a node that has never made one

                self._repository = Repository(self._store(), self._data.root / "backup-cache")
            return self._repository

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._opening:
            if self._repository is not None:
                self._repository.close()
                self._repository = None

    def _store(self) -> BlobStore:
        if self._where.startswith("s3://"):
            from innkeeper.drivers.blobstores.s3 import S3BlobStore, S3Options

            bucket, _, prefix = self._where.removeprefix("s3://").partition("/")
            return S3BlobStore(S3Options(bucket=bucket, prefix=prefix.strip("/")))
        from innkeeper.drivers.blobstores.disk import DiskBlobStore

        folder = Path(self._where) if self._where else self._data.backups
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return DiskBlobStore(folder)
