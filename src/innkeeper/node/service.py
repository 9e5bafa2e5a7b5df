"""The node: keeps the servers it was told to keep, answers what it is asked, and tells what it sees.

    start: lock the data folder ▶ remember ▶ adopt what lives ▶ serve asks ▶ greet, report, sample
    close: stop serving ▶ let go of the servers, which live on ▶ unlock

Only `Remove` deletes. A complete `Apply` that leaves a server out does not touch it: the panel may have come back from
an old backup, and a world deleted by mistake is gone; the server is named in the log event `server.unknown`.

Knows no runtime, no game and no keeper: `make_runner` brings them together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog

from innkeeper.contracts.runtime import Owner, Runtime, RuntimeRefused
from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.ids import uuid7
from innkeeper.kit.tasks import TaskSet, every, in_thread
from innkeeper.node.asks import Asks, Journal
from innkeeper.node.attending import Attending
from innkeeper.node.backup_asks import BackupAsks
from innkeeper.node.backups.jobs import Backups, Jobs
from innkeeper.node.broadcast import Broadcast
from innkeeper.node.configs import ConfigWriter
from innkeeper.node.facts import collect_facts, tool_versions
from innkeeper.node.file_asks import FileAsks, Unpack
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail
from innkeeper.node.identity import Identity
from innkeeper.node.import_asks import ImportAsks
from innkeeper.node.java import JavaRuntime
from innkeeper.node.keeper.client import NotRunning, RequestRefused
from innkeeper.node.kept import KeptServer, MakeRunner
from innkeeper.node.layout import DataFolder
from innkeeper.node.lifesigns import EVERY, LifeSigns
from innkeeper.node.limits.guard import Guard
from innkeeper.node.limits.watchdog import Watched
from innkeeper.node.management import Management
from innkeeper.node.outbox import Outbox
from innkeeper.node.player_lists import PlayerLists
from innkeeper.node.refusals import Refused
from innkeeper.node.samples.host import HOST_TICK, HostSampler
from innkeeper.node.samples.sampler import TICK, Running, Sampler
from innkeeper.node.slots import StartSlots
from innkeeper.node.supervisor.access import ManagementAccess
from innkeeper.node.supervisor.machine import IDLE
from innkeeper.node.supervisor.runner import BadLine, ServerRunner
from innkeeper.node.uploads import Uploads
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import Bus, BusError, Subscription
from innkeeper.wire.codec import encode

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""Servers adopted or applied at the same time."""
_AT_REST: frozenset[wire.Phase] = frozenset({"created", "installing", "stopped"})
UPLOAD_SWEEP = timedelta(minutes=1)
HOUSEKEEPING = timedelta(hours=6)
TOLD_PATIENCE = timedelta(seconds=30)
"""For a panel to acknowledge the last run of a server that is to be deleted."""


class NodeService:
    """One node. `start` and `close` once each; everything between is driven by what it is asked and what happens.

    `isolation` are sentences for people. `tools_path` is where games' tools are looked for, and `javas` looks for Java.
    `keep_house` is called now and then to tidy what installers keep. `let_go` is called last: it ends what serves only
    to start games.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        identity: Identity,
        data: DataFolder,
        runtimes: Sequence[Runtime],
        make_runner: MakeRunner,
        slots: StartSlots,
        let_go: Callable[[], Awaitable[None]],
        configs: ConfigWriter,
        player_lists: PlayerLists,
        unpack: Unpack,
        imports: ImportAsks,
        guard: Guard,
        repository: Backups,
        backups: str = "",
        isolation: Sequence[str] = (),
        tools_path: str | None = None,
        javas: Callable[[], Sequence[JavaRuntime]] = list,
        keep_house: Callable[[], Awaitable[None]] | None = None,
        sample_interval: timedelta = TICK,
        host_interval: timedelta = HOST_TICK,
    ) -> None:
        self.identity = identity
        self._backups = backups
        self._bus = bus
        self._clock = clock
        self._data = data
        self._runtimes = {runtime.name: runtime for runtime in runtimes}
        self._make_runner = make_runner
        self._slots = slots
        self._let_go = let_go
        self._isolation = list(isolation)
        self._tools_path = tools_path
        self._javas = javas
        self._keep_house = keep_house
        self._guard = guard
        self._watchdog = guard.watch(self._watched)
        self._tools: dict[str, str] | None = None
        self._kept: dict[UUID, KeptServer] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._moved = asyncio.Event()
        self._unknown: frozenset[UUID] = frozenset()
        self._tasks = TaskSet(f"node {str(identity.node)[:8]}")
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._uploads = Uploads(clock)
        self._told = asyncio.Event()
        self._lifesigns = LifeSigns(data.alive)
        self._management = Management(
            clock=clock, tasks=self._tasks, access=self._management_access, on_note=self._publish_note
        )
        self._outbox = Outbox(
            bus, identity, observed=self.observed, facts=self._facts, on_acknowledged=self._acknowledged
        )
        self._broadcast = Broadcast(bus, identity.node)
        self._sampler = Sampler(
            node=identity.node,
            clock=clock,
            running=self._running,
            disk_usage=lambda server: self._find(server).storage.measure(),
            publish=self._publish_samples,
            tick_ms=lambda server: self._attending.tick_ms(server),
            interval=sample_interval,
        )
        self._hosts = HostSampler(
            node=identity.node, clock=clock, data=data.root, publish=self._publish_samples, interval=host_interval
        )
        self._attending = Attending(
            clock=clock,
            tasks=self._tasks,
            find=lambda server: self._find(server).runner,
            sample=self._sampler.tick,
            listen=self._management.listen,
        )
        files = FileAsks(self._jail_of, self._archives, self._uploads, configs, player_lists, unpack)
        self._jobs = Jobs(
            repository=repository,
            find=self._find,
            changed=self._jobs_changed,
            file_of=lambda server: data.place(server).root / "jobs.json",
            scratch=data.scratch,
            tasks=self._tasks,
        )
        self._close_backups = repository.close
        self._backup_asks = BackupAsks(repository, clock, self._jobs.upkeep)
        self._asks = Asks(self, files, self._attending, self._management, self._backup_asks, imports)
        self._serving: Subscription | None = None
        self._undo_on_state: Callable[[], None] = lambda: None

    # -- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take charge of the data folder and of every server in it; raise DataFolderInUse where another process is.

        Returns once everything that lives is adopted and asks are served; the panel need not be there yet.
        """
        await in_thread(self._data.prepare)
        self._data.lock()
        self._tasks.start_set()
        await in_thread(self._data.sweep)
        await in_thread(self._lifesigns.load)
        remembered = await in_thread(self._data.remembered)
        await in_thread(self._guard.sweep)
        await self._bounded([self._adopt(desired) for desired in remembered])
        self._slots.open()
        self._undo_on_state = self._bus.on_state(self._bus_turned)
        self._serving = await self._bus.serve(
            wire.node_ask(self.identity.node), self._asks.answer, name=f"asks of node {str(self.identity.node)[:8]}"
        )
        self._tasks.start(self._outbox.run(), name="outbox", fatal=False)
        self._tasks.start(self._broadcast.run(), name="console broadcast", fatal=False)
        self._tasks.start(
            every(UPLOAD_SWEEP, self._uploads.give_up_idle, name="idle uploads"), name="idle uploads", fatal=False
        )
        self._tasks.start(
            every(UPLOAD_SWEEP, self._backup_asks.give_up_idle, name="idle downloads"),
            name="idle downloads",
            fatal=False,
        )
        self._tasks.start(self._jobs.upkeep.keep_collecting(), name="collecting what no backup needs", fatal=False)
        if self._keep_house is not None:
            self._tasks.start(
                every(HOUSEKEEPING, self._keep_house, name="housekeeping"), name="housekeeping", fatal=False
            )
        self._sampler.start(self._tasks)
        self._hosts.start(self._tasks)
        self._watchdog.start(self._tasks)
        self._tasks.start(every(EVERY, self._note_lifesigns, name="life signs"), name="life signs", fatal=False)
        log.info("node.started", node=str(self.identity.node), servers=len(self._kept))

    async def close(self) -> None:
        """Let go of everything; servers live on. What was seen but not acknowledged is told at the next start."""
        self._undo_on_state()
        if self._serving is not None:
            await self._serving.close()
        self._slots.close()
        self._sampler.close()
        await self._uploads.give_up_all()
        await self._backup_asks.give_up_all()
        await self._jobs.close()
        await asyncio.gather(*(kept.runner.close() for kept in self._kept.values()))
        await self._tasks.aclose()
        await in_thread(self._close_backups)
        await self._let_go()
        await in_thread(self._guard.close)
        self._data.unlock()
        log.info("node.closed", node=str(self.identity.node))

    async def stop_servers(self) -> None:
        """Bring every server to an orderly end, all at once, killed where it takes too long.

        Their intent to run stays as it is: the next start of the node restores it, as after a boot of the host.
        """
        await asyncio.gather(*(self._stop_one(kept) for kept in self._kept.values()))

    async def _stop_one(self, kept: KeptServer) -> None:
        kept.runner.restore_at_next_start()
        if kept.runner.observed.phase in _AT_REST:
            return
        order = wire.Order(id=uuid7(), verb="stop")
        await kept.runner.apply(msgspec.structs.replace(kept.desired, order=order))
        while kept.runner.observed.phase not in IDLE:
            self._moved.clear()
            await self._moved.wait()

    async def settled(self) -> None:
        """Wait until the panel has acknowledged everything that was to be told."""
        await self._outbox.settled()

    def observed(self) -> list[wire.ObservedServer]:
        """Return what is seen of every server now."""
        return [self._with_jobs(kept.runner.observed) for kept in self._kept.values()]

    def _changed(self, observed: wire.ObservedServer) -> None:
        self._outbox.changed(self._with_jobs(observed))
        self._jobs.moved(observed.uuid)
        self._moved.set()

    def _jobs_changed(self, server: UUID) -> None:
        kept = self._kept.get(server)
        if kept is not None:
            self._outbox.changed(self._with_jobs(kept.runner.observed))

    def _with_jobs(self, observed: wire.ObservedServer) -> wire.ObservedServer:
        reports = self._jobs.reports(observed.uuid)
        return msgspec.structs.replace(observed, jobs=reports) if reports else observed

    def _acknowledged(self, servers: Sequence[wire.ObservedServer]) -> None:
        """A panel has taken this in: it answers for what ended from now on."""
        for server in servers:
            if server.jobs:
                self._tasks.start(self._jobs.told(server.uuid, server.jobs), name="jobs told", fatal=False)
            kept = self._kept.get(server.uuid) if server.runs else None
            if kept is not None:
                kept.runner.runs_told(frozenset(run.run_id for run in server.runs))
                self._told.set()

    async def _until_told(self, runner: ServerRunner) -> None:
        """Wait until the panel knows of every run that has ended; raise Refused where that takes too long."""
        try:
            async with asyncio.timeout(TOLD_PATIENCE.total_seconds()):
                while runner.observed.runs:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError as error:
            raise Refused("runs_are_not_told", server=str(runner.uuid)) from error

    def _bus_turned(self, connected: bool) -> None:
        if connected:
            self._outbox.greet_again()

    # -- what is asked ----------------------------------------------------------------------------------------------

    async def apply(self, ask: wire.Apply) -> wire.Done:
        """Take in what should be. What cannot be kept here does not keep the others from being kept."""
        refused: list[tuple[UUID, Refused]] = []

        async def one(desired: wire.DesiredServer) -> None:
            try:
                await self._apply_one(desired)
            except Refused as error:
                log.warning("server.apply.refused", server=str(desired.uuid), code=error.code, error=str(error))
                refused.append((desired.uuid, error))

        await self._bounded([one(desired) for desired in ask.servers])
        if ask.complete:
            unknown = frozenset(self._kept) - {desired.uuid for desired in ask.servers}
            for server in unknown - self._unknown:
                log.warning("server.unknown", server=str(server), name=self._kept[server].desired.name)
            self._unknown = unknown
        if refused:
            _, error = refused[0]
            raise Refused(error.code, str(error), servers=[str(server) for server, _ in refused])
        return wire.Done()

    async def remove(self, ask: wire.Remove) -> wire.Done:
        """Kill and delete a server; well done where there is none."""
        async with self._lock(ask.server):
            await self._uploads.give_up_all(ask.server)
            await self._backup_asks.give_up_all(ask.server)
            await self._jobs.give_up(ask.server)
            kept = self._kept.get(ask.server)
            if kept is not None:
                await kept.runner.end()
                await self._until_told(kept.runner)
                await kept.runner.remove()
                del self._kept[ask.server]
                self._outbox.forget(ask.server)
                self._sampler.forget(ask.server)
                self._attending.forget(ask.server)
                await in_thread(self._data.forget_archives, ask.server)
                await in_thread(self._guard.forget, ask.server)
                log.info("server.removed", server=str(ask.server))
            await self._jobs.forget_all(ask.server)
        self._locks.pop(ask.server, None)
        return wire.Done()

    async def announce(self, ask: wire.Announce) -> wire.Done:
        """Report everything again."""
        self._outbox.announce()
        return wire.Done()

    async def send_line(self, server: UUID, line: str) -> None:
        """Type a line on the console of a server; raise Refused where it does not run or is not kept here."""
        try:
            await self._find(server).runner.send_line(line)
        except NotRunning as error:
            raise Refused("server_is_not_running") from error
        except RequestRefused as error:
            raise Refused("console_is_not_read", str(error)) from error
        except BadLine as error:
            raise Refused("command_is_invalid") from error

    def journal(self, server: UUID) -> Journal:
        """Return the journal of a server; raise Refused where it is not kept here."""
        return self._find(server).journal

    # -- inside -----------------------------------------------------------------------------------------------------

    def _jail_of(self, server: UUID) -> Jail:
        return self._find(server).jail

    def _find(self, server: UUID) -> KeptServer:
        kept = self._kept.get(server)
        if kept is None:
            raise Refused("no_such_server", server=str(server))
        return kept

    def _lock(self, server: UUID) -> asyncio.Lock:
        return self._locks.setdefault(server, asyncio.Lock())

    async def _bounded(self, works: Sequence[Coroutine[Any, Any, None]]) -> None:
        async def one(work: Coroutine[Any, Any, None]) -> None:
            async with self._at_once:
                await work

        await asyncio.gather(*(one(work) for work in works))

    async def _adopt(self, desired: wire.DesiredServer) -> None:
        try:
            kept = await self._keep(desired)
            await kept.runner.adopt()
            self._jobs.go_on(desired.uuid)
        except Exception:
            # One server that cannot be taken up must not keep the node from keeping the others.
            log.exception("server.adopt.failed", server=str(desired.uuid))

    async def _apply_one(self, desired: wire.DesiredServer) -> None:
        async with self._lock(desired.uuid):
            kept = self._kept.get(desired.uuid)
            if kept is not None and desired.generation < kept.desired.generation:
                log.info("server.apply.outdated", server=str(desired.uuid), generation=desired.generation)
                return
            if kept is not None and kept.desired.runtime != desired.runtime:
                self._runtime(desired)
                await kept.runner.close()
                kept = None
            if kept is None:
                kept = await self._keep(desired)
            if desired.disk_mib != kept.desired.disk_mib:
                await in_thread(self._guard.storage, desired.uuid, desired.number, desired.disk_mib)
            await kept.runner.apply(desired)
            kept.desired = desired
            await self._jobs.take(desired.uuid, desired.jobs)

    async def _keep(self, desired: wire.DesiredServer) -> KeptServer:
        runtime = self._runtime(desired)
        owner = _owner_of(runtime, desired.number)
        pair = (owner.uid, owner.gid) if owner is not None else None
        place = await in_thread(self._data.make_server, desired.uuid, pair)
        await self._jobs.load(desired.uuid)
        storage = await in_thread(self._guard.storage, desired.uuid, desired.number, desired.disk_mib)
        runner = self._make_runner(
            desired,
            place,
            runtime,
            tasks=self._tasks,
            on_change=self._changed,
            on_blocks=self._printed,
            seen_alive=lambda run_id: self._lifesigns.of(desired.uuid, run_id),
            storage=storage,
            restore_files=partial(self._jobs.restore, desired.uuid),
        )
        jail = Jail(place.files, pair, room=storage)
        kept = self._kept[desired.uuid] = KeptServer(desired, place, jail, storage, runner)
        try:
            await in_thread(kept.jail.sweep)
        except JailError as error:
            log.warning("server.sweep.failed", server=str(desired.uuid), error=str(error))
        return kept

    def _runtime(self, desired: wire.DesiredServer) -> Runtime:
        runtime = self._runtimes.get(desired.runtime)
        if runtime is None:
            raise Refused("runtime_is_unknown", runtime=desired.runtime)
        return runtime

    def _archives(self, server: UUID) -> Jail:
        self._find(server)
        return Jail(self._data.archives(server), room=self._guard.archives(server))

    def _running(self) -> list[Running]:
        found = []
        for uuid, kept in self._kept.items():
            tree = kept.tree()
            if tree is not None:
                players = len(kept.runner.observed.players)
                every = float(kept.desired.measure_disk_s)
                found.append(Running(uuid=uuid, tree=tree, players=players, measure_disk_s=every))
        return found

    def _watched(self) -> list[Watched]:
        return [kept.watched(tree) for kept in self._kept.values() if (tree := kept.tree()) is not None]

    def _printed(self, server: UUID, blocks: list[wire.Block]) -> None:
        self._broadcast.offer(server, blocks)
        self._attending.hear(server, blocks)
        self._jobs.hear(server, blocks)

    async def _note_lifesigns(self) -> None:
        runs = {uuid: kept.runner.observed for uuid, kept in self._kept.items()}
        alive = {uuid: seen.run_id if seen.pid is not None else None for uuid, seen in runs.items()}
        await self._lifesigns.note(alive, microseconds(self._clock.now()))

    def _management_access(self, server: UUID) -> ManagementAccess | None:
        return self._find(server).runner.management

    async def _publish_note(self, server: UUID, name: str, data: Any) -> None:
        try:
            note = encode(wire.ManagementNote(server=server, name=name, data=data))
            await self._bus.publish(wire.node_management(self.identity.node, server), note)
        except (BusError, OverflowError) as error:  # numbers of a game may be larger than a message can hold
            log.warning("server.management.note.lost", server=str(server), error=str(error))

    async def _publish_samples(self, samples: wire.Samples) -> None:
        try:
            await self._bus.publish(wire.node_samples(self.identity.node), encode(samples))
        except BusError as error:
            log.warning("samples.lost", error=str(error))

    async def _facts(self) -> wire.NodeFacts:
        if self._tools is None:
            self._tools = await in_thread(tool_versions, self._tools_path)
        return await in_thread(
            collect_facts,
            self._data.root,
            runtimes=sorted(self._runtimes),
            isolation=self._isolation,
            tools=self._tools,
            javas=await in_thread(self._javas),
            backups=self._backups,
        )


def _owner_of(runtime: Runtime, number: int) -> Owner | None:
    try:
        return runtime.owner(number)
    except RuntimeRefused as error:
        raise Refused("runtime_refused", str(error)) from error
