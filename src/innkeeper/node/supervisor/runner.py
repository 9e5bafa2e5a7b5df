"""Perform for one server what its machine decides, and tell the machine what happened.

Everything the machine remembers is on disk before a command is performed, so a node killed at any point goes on where
it was. The game itself is its keeper's: closing a runner, or killing the node, leaves it running. Refuses to know who
gives orders, and what a game's words mean.

    desired ──▶ apply ──▶ machine ──commands──▶ works (install, slot, prepare, launch) · keeper · timers
                             ▲                                     │
                             └───────────────events────────────────┘──▶ memory.json, then on_change(ObservedServer)
"""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog

from innkeeper.contracts.game import Query
from innkeeper.contracts.installer import Installer
from innkeeper.contracts.runtime import ExecPlan, Runtime
from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.ids import uuid7
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.node.console.journal import JournalReader
from innkeeper.node.files.jail import Jail
from innkeeper.node.java import ChooseJava, no_java
from innkeeper.node.keeper.client import KeeperError, LaunchFailed, NotRunning, Zygote
from innkeeper.node.limits.storage import Storage
from innkeeper.node.supervisor import commands as do
from innkeeper.node.supervisor import events as on
from innkeeper.node.supervisor.access import ManagementAccess, choose_access
from innkeeper.node.supervisor.installing import InstallBroken, MakePlace, RestoreFiles, install, no_backups
from innkeeper.node.supervisor.keeping import Keeping
from innkeeper.node.supervisor.lines import BadLine, encode_line
from innkeeper.node.supervisor.listening import Listener
from innkeeper.node.supervisor.machine import Machine
from innkeeper.node.supervisor.memory import Memory
from innkeeper.node.supervisor.observing import observed
from innkeeper.node.supervisor.patterns import BadPattern, Seen, Watcher
from innkeeper.node.supervisor.place import Kept, ServerPlace, load_desired, recall, save
from innkeeper.node.supervisor.preparing import StartRefused, WriteConfig, jail_of, limits_of, prepare
from innkeeper.node.supervisor.probing import probe
from innkeeper.node.supervisor.saving import Saving
from innkeeper.node.supervisor.turns import Slots
from innkeeper.node.supervisor.works import Timers, Works
from innkeeper.wire.messages import Block, DesiredServer, ObservedServer, OnlinePlayer, Patterns, Restore

__all__ = ["BadLine", "ServerRunner", "Slots"]

log = structlog.get_logger(__name__)

FOLLOW_AGAIN_S = 1.0
REMOVE_PATIENCE = timedelta(seconds=30)
RUNS_KEPT = 1000


class ServerRunner:
    """Keeps one server. Made for a server that may already run: `adopt` comes before anything else."""

    def __init__(
        self,
        *,
        uuid: UUID,
        place: ServerPlace,
        zygote: Zygote,
        runtime: Runtime,
        installers: Mapping[str, Installer],
        queries: Mapping[str, Query],
        make_place: MakePlace,
        write_config: WriteConfig,
        clock: Clock,
        tasks: TaskSet,
        slots: Slots,
        on_change: Callable[[ObservedServer], None],
        on_blocks: Callable[[UUID, list[Block]], None],
        seen_alive: Callable[[str], int | None] = lambda _: None,
        choose_java: ChooseJava = no_java,
        storage: Storage | None = None,
        restore_files: RestoreFiles = no_backups,
    ) -> None:
        """`seen_alive` tells when a run was noted to be alive, in µs since 1970, where that was while it ran."""
        self.uuid = uuid
        self._place = place
        self._runtime = runtime
        self._installers = installers
        self._queries = queries
        self._make_place = make_place
        self._write_config = write_config
        self._choose_java = choose_java
        self._restore_files = restore_files
        self._storage = storage or Storage(Jail(place.files).usage)
        self._clock = clock
        self._slots = slots
        self._on_change = on_change
        self._on_blocks = on_blocks
        self._label = str(uuid)[:8]
        self._works = Works(tasks, self._label, self._happened)
        self._timers = Timers(self._happened)
        self._desired: DesiredServer | None = None
        self._kept = Kept()
        self._saving = Saving(place.memory, lambda: self._kept)
        self._machine = Machine(on.Rules())
        self._plan: ExecPlan | None = None
        self._notes: list[str] = []
        self._published: ObservedServer | None = None
        self._idle = asyncio.Event()
        self._adopted = False
        self._closed = False
        self._lock = asyncio.Lock()
        self._listener = self._make_listener()
        self._keeping = Keeping(
            place=place,
            zygote=zygote,
            listener=lambda: self._listener,
            heard=self._heard,
            happened=self._happened,
            seen_alive=seen_alive,
            label=self._label,
        )

    # -- what the node asks -----------------------------------------------------------------------------------------

    @property
    def observed(self) -> ObservedServer:
        """How the server is, now."""
        return observed(self.uuid, self._desired, self._kept, self._notes, self._memory.order_shown())

    @property
    def desired(self) -> DesiredServer | None:
        """What should be, as last told; None before the first time."""
        return self._desired

    @property
    def players(self) -> list[OnlinePlayer]:
        """Who is on the server now."""
        return self._kept.players

    @property
    def management(self) -> ManagementAccess | None:
        """How the game's management server is reached; None where it has none, or nothing runs."""
        wanted = self._desired is not None and self._desired.management and self._memory.process == "alive"
        return self._kept.management if wanted else None

    async def adopt(self) -> None:
        """Take up what an earlier life of the node left: find the game, hear what it printed meanwhile, go on.

        Called once, before anything else; reports what it finds. Returns when the present state is known.
        """
        async with self._lock:
            await self._adopt()

    async def apply(self, desired: DesiredServer) -> None:
        """Make it so. Older generations are ignored; an order is performed once, however often it comes."""
        async with self._lock:
            await self._adopt()
            if self._closed or (self._desired is not None and desired.generation < self._desired.generation):
                return
            news: list[on.Event] = []
            if desired != self._desired:
                # An order is sent again until it is answered: only what should be must outlive a power cut.
                known = msgspec.structs.replace(desired, order=None)
                durable = self._desired is None or known != msgspec.structs.replace(self._desired, order=None)
                await in_thread(save, self._place.desired, desired, durable=durable)
                self._use(desired)
                news.append(on.DesiredChanged(on.Rules.of(desired)))
            if desired.order is not None:
                news.append(on.OrderReceived(desired.order.id, desired.order.verb, desired.order.restore))
            self._happened(*news)

    def restore_at_next_start(self) -> None:
        """Have the next start of the node restore the intent to run, as after a boot of the host."""
        self._kept.restore = True
        self._saving.save()

    async def send_line(self, line: str) -> None:
        """Write one line to the game's console.

        Raises BadLine, NotRunning where no game runs, and RequestRefused where it does not read its console.
        """
        data = encode_line(line)
        if self._memory.process != "alive":
            raise NotRunning("the server is not running")
        await self._keeping.send(data)

    def note(self, text: str) -> None:
        """Have something shown of the run under way that its administrator should know."""
        self._notes = [*self._notes, text]
        self._publish()

    def out_of_storage(self, reason: str, *, at_once: bool) -> None:
        """Have the game stopped, or killed `at_once`, and not started again: its files take more than they may."""
        self._happened(on.OutOfStorage(reason, at_once))

    async def close(self) -> None:
        """Let go of everything but the game, which goes on."""
        self._closed = True
        self._timers.clear()
        await self._works.aclose()
        await self._keeping.close()
        self._saving.call_off()
        if self._adopted and self._place.root.is_dir():
            self._saving.save()

    def runs_told(self, run_ids: frozenset[str]) -> None:
        """Forget runs of which the panel has acknowledged the end."""
        if any(run.run_id in run_ids for run in self._memory.runs):
            self._happened(on.RunsTold(run_ids))

    async def end(self) -> None:
        """Kill the game; return once it has ended. Idempotent."""
        async with self._lock:
            await self._adopt()
            self._happened(on.OrderReceived(uuid7(), "kill"))
            async with asyncio.timeout(REMOVE_PATIENCE.total_seconds()):
                await self._idle.wait()

    async def remove(self) -> None:
        """Kill the game and delete the server with all its files, and what is remembered of it. Idempotent."""
        await self.end()
        async with self._lock:
            await self.close()
            await in_thread(self._delete)

    # -- the machine ------------------------------------------------------------------------------------------------

    @property
    def _memory(self) -> Memory:
        return self._machine.memory

    def _happened(self, *events: on.Event) -> None:
        """Take in what happened; of several at once only what comes of them all is told."""
        if self._closed:
            return
        for event in events:
            if isinstance(event, on.Exited) and event.cause is not None:
                self._storage.doubt()
            before = (self._memory.process, len(self._memory.runs))
            commands = self._machine.receive(event, self._now_us())
            self._bound_runs()
            if self._memory.process == "none":
                self._kept.players = []
                self._idle.set()
            else:
                self._idle.clear()
            self._saving.save()
            if before != (self._memory.process, len(self._memory.runs)):
                self._works.start("sync", self._saving.make_durable)
            for command in commands:
                self._perform(command)
        self._look_for_readiness()
        self._publish()

    def _perform(self, command: do.Command) -> None:
        match command:
            case do.Install():
                self._works.start("install", self._install, on.InstallFailed)
            case do.RestoreFiles(restore):
                self._works.start("install", partial(self._restore, restore), on.InstallFailed)
            case do.WaitForSlot():
                self._works.start("slot", self._wait_for_slot)
            case do.Prepare():
                self._works.start("prepare", self._prepare, on.PrepareRefused)
            case do.CancelWork(work):
                self._works.cancel(work)
            case do.Launch(run_id):
                self._works.start("launch", partial(self._launch, run_id), on.LaunchFailed)
            case do.SendLine(line):
                self._works.start("stop", partial(self._ask, partial(self._keeping.send, line.encode() + b"\n")))
            case do.Signal(name):
                self._works.start("stop", partial(self._ask, partial(self._keeping.signal, name)))
            case do.Kill():
                self._works.start("kill", self._keeping.kill)
            case do.SetTimer(timer, seconds):
                self._timers.set(timer, seconds)
            case do.CancelTimer(timer):
                self._timers.cancel(timer)
            case do.FinishOrder(report):
                log.info("server.order.ended", server=self._label, state=report.state, reason=report.reason)
                self._tell(observed(self.uuid, self._desired, self._kept, self._notes, report))
            case _:
                raise NotImplementedError(command)

    # -- works ------------------------------------------------------------------------------------------------------

    async def _install(self) -> None:
        desired = self._wanted()
        exports: dict[str, str] = {}
        try:
            await install(
                desired,
                place=self._place,
                jail=jail_of(desired, self._place, self._runtime, self._storage),
                installers=self._installers,
                make_place=self._make_place,
                progressed=lambda step, fraction: self._happened(on.InstallProgressed(step, fraction)),
                export=exports.__setitem__,
            )
        except InstallBroken as error:
            self._happened(on.InstallFailed(str(error)))
        else:
            self._kept.exports = exports
            self._happened(on.InstallFinished())

    async def _restore(self, restore: Restore) -> None:
        async def begun() -> None:
            self._happened(on.RestoreBegun())
            await self._saving.make_durable()

        try:
            await self._restore_files(
                restore, begun, lambda step, fraction: self._happened(on.InstallProgressed(step, fraction))
            )
        except InstallBroken as error:
            self._happened(on.InstallFailed(str(error)))
        else:
            self._happened(on.InstallFinished())

    async def _wait_for_slot(self) -> None:
        await asyncio.sleep(self._wanted().autostart_delay_s)
        await self._slots.acquire(self._wanted().number)
        self._happened(on.SlotGranted())

    async def _prepare(self) -> None:
        run_id = uuid7().hex
        self._kept.management = await in_thread(choose_access) if self._wanted().management else None
        self._saving.save()
        try:
            self._plan = await in_thread(
                prepare,
                self._wanted(),
                run_id,
                place=self._place,
                exports=dict(self._kept.exports),
                management=self._kept.management,
                runtime=self._runtime,
                write_config=self._write_config,
                choose_java=self._choose_java,
                storage=self._storage,
            )
        except StartRefused as error:
            self._happened(on.PrepareRefused(str(error), error.lasting))
        else:
            self._happened(on.Prepared(run_id))

    async def _launch(self, run_id: str) -> None:
        desired, plan = self._wanted(), self._plan
        if plan is None:
            raise RuntimeError("nothing was prepared")
        try:
            await self._listener.start_run()
            launched = await self._keeping.launch(run_id, plan, retain_bytes=desired.journal_retain_mib << 20)
        except LaunchFailed as error:
            self._happened(on.LaunchFailed(str(error)))
            return
        self._notes = [*self._runtime.shortcomings(limits_of(desired)), *self._keeping.notes]
        self._happened(launched)
        self._works.start("follow", self._follow)

    async def _follow(self) -> None:
        while True:
            try:
                await self._keeping.follow()
                return
            except Exception:  # a game that runs is followed, whatever one of its lines broke
                log.exception("server.follow.failed", server=self._label)
            await asyncio.sleep(FOLLOW_AGAIN_S)

    async def _ask(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await ask()
        except KeeperError as error:  # either its end is on its way, or the stop will time out
            log.info("server.stop.unheard", server=self._label, error=str(error))
            return
        self._happened(on.StopAsked())

    def _look_for_readiness(self) -> None:
        desired, memory = self._desired, self._memory
        wanted = memory.phase == "starting" and memory.process == "alive"
        if not wanted or desired is None or desired.ready_when not in ("query", "port"):
            self._works.cancel("probe")
        elif "probe" not in self._works:
            self._works.start("probe", partial(self._probe, desired))

    async def _probe(self, desired: DesiredServer) -> None:
        await probe(desired, self._queries)
        self._happened(on.ReadySeen())

    # -- the console ------------------------------------------------------------------------------------------------

    def _make_listener(self) -> Listener:
        return Listener(
            reader=JournalReader(self._place.journal),
            kept=self._kept,
            announce=lambda blocks: self._on_blocks(self.uuid, blocks),
            seen=self._seen,
            printed=self._printed,
        )

    def _heard(self) -> None:
        if not self._closed:
            self._saving.save_soon()
        self._publish()

    def _seen(self, found: Seen) -> None:
        if found.kind == "ready":
            self._happened(on.ReadySeen())
        elif found.kind == "saving":
            self._happened(on.SavingSeen())

    def _printed(self) -> None:
        if self._memory.phase == "starting" and self._desired is not None and self._desired.ready_when == "output":
            self._happened(on.ReadySeen())

    # -- beginning and end ------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        if self._adopted:
            return
        kept, booted, is_unknown = await in_thread(recall, self._place)
        desired = await in_thread(load_desired, self._place)
        self._kept = kept
        self._machine = Machine(on.Rules.of(desired) if desired is not None else on.Rules(), kept.machine)
        self._listener = self._make_listener()
        if desired is not None:
            self._use(desired)
        self._adopted = True
        memory = kept.machine
        forgotten = await self._keeping.forgotten(memory)
        event = await self._keeping.find(memory, booted=booted)
        if isinstance(event, on.Adopted):
            await self._listener.resume(foreign_since_us=None if memory.run_id == event.run_id else event.started_us)
        elif is_unknown:
            await self._listener.start_run()
        else:
            await self._listener.resume()
            await self._listener.catch_up()
        if isinstance(event, on.HostBooted):
            start = desired is not None and desired.running and desired.autostart
            event = msgspec.structs.replace(event, start=start)
        self._happened(*((forgotten,) if forgotten is not None else ()), event)
        if isinstance(event, on.Adopted):
            await self._listener.catch_up(self._keeping.next_seq)
            short = self._runtime.shortcomings(limits_of(desired)) if desired is not None else []
            self._notes = [*short, *self._keeping.notes]
            self._works.start("follow", self._follow)
        self._publish()

    def _use(self, desired: DesiredServer) -> None:
        before, self._desired = self._desired, desired
        if before is not None and before.patterns == desired.patterns:
            return
        try:
            self._listener.watch(Watcher(desired.patterns))
        except BadPattern as error:  # a start says so too
            log.error("server.patterns.refused", server=self._label, error=str(error))
            self._notes = [str(error)]
            self._listener.watch(Watcher(Patterns()))

    def _wanted(self) -> DesiredServer:
        if self._desired is None:
            raise RuntimeError("nobody has said yet what the server should be")
        return self._desired

    def _delete(self) -> None:
        if self._place.files.is_dir() and self._desired is not None:
            jail_of(self._desired, self._place, self._runtime, self._storage).clear()
        if self._place.root.is_dir():
            shutil.rmtree(self._place.root)

    # -- telling ----------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        seen = self.observed
        if seen != self._published:
            self._tell(seen)

    def _tell(self, seen: ObservedServer) -> None:
        if not self._closed:
            self._published = seen
            self._on_change(seen)

    def _bound_runs(self) -> None:
        runs = self._memory.runs
        if len(runs) > RUNS_KEPT:
            log.error("server.runs.dropped", server=self._label, runs=[run.run_id for run in runs[:-RUNS_KEPT]])
            self._memory.runs = runs[-RUNS_KEPT:]

    def _now_us(self) -> int:
        return microseconds(self._clock.now())
