"""What nodes and other panels say, put before core.

node ── Enrol, Hello, Report (acknowledged) ──▶ one of the panels ── PanelNote ──▶ all the others
node ── Samples ──▶ every panel
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.backups.model import JobProgress, JobResult
from innkeeper.core.backups.service import BackupService
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.errors import CoreError, Unavailable
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.metrics.model import MOST_DISKS, Disk, HostUsage
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes import model as nodes_model
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.nodes.regions import Regions
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import OperationState
from innkeeper.core.operations.service import OperationService, Progress
from innkeeper.core.schedules.service import ScheduleService
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, Live, OnlinePlayer, Run, Usage
from innkeeper.core.servers.reconcile import Observation, Reconciler
from innkeeper.core.webhooks.service import WebhookService
from innkeeper.core.work import Changed, Noun
from innkeeper.kit.clock import from_microseconds
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import Bus, BusError, Subscription
from innkeeper.wire.bus import Message as BusMessage
from innkeeper.wire.codec import BadMessage, decode, encode

log = get_logger(__name__)

PANELS = "panels"


class Inbox:
    """Listens to the bus for the panel; `announce` is the other direction, after every commit."""

    def __init__(
        self,
        *,
        bus: Bus,
        access: AccessDirectory,
        backups: BackupService,
        credits: BillingDirectory,
        house: HouseDirectory,
        servers: ServerDirectory,
        nodes: NodeService,
        operations: OperationService,
        metrics: MetricService,
        selling: Selling,
        regions: Regions,
        schedules: ScheduleService,
        webhooks: WebhookService,
        tasks: TaskSet,
    ) -> None:
        self._bus = bus
        self._access = access
        self._backups = backups
        self._credits = credits
        self._house = house
        self._servers = servers
        self._nodes = nodes
        self._operations = operations
        self._metrics = metrics
        self._selling = selling
        self._regions = regions
        self._schedules = schedules
        self._webhooks = webhooks
        self._tasks = tasks
        self._origin = uuid4().hex
        self._heard: list[Subscription] = []
        self._forget_state: Callable[[], None] = lambda: None
        self._reconciler: Reconciler

    async def open(self, reconciler: Reconciler) -> None:
        """Load what there is and listen from now on."""
        self._reconciler = reconciler
        bus, heard = self._bus, self._heard
        heard.append(
            await bus.subscribe(wire.PANEL_NOTES, self._note, name="notes of other panels", on_gap=self._missed)
        )
        await self.load()
        self._forget_state = bus.on_state(self._bus_state)
        heard.append(await bus.serve(wire.PANEL_ENROL, self._enrol, name="enrolments", group=PANELS))
        heard.append(await bus.serve(wire.PANEL_HELLO, self._hello, name="greetings of nodes", group=PANELS))
        heard.append(await bus.serve(wire.PANEL_REPORT, self._report, name="reports of nodes", group=PANELS))
        heard.append(await bus.subscribe(wire.ANY_SAMPLES, self._samples, name="samples of nodes"))
        self._tasks.start(reconciler.ask_all(), name="asking nodes what they see", fatal=False)

    async def close(self) -> None:
        """Listen no longer; what came already is taken in first."""
        self._forget_state()
        for subscription in reversed(self._heard):
            await subscription.close()

    async def load(self) -> None:
        """Read everything that is kept in memory from storage."""
        await self._house.load()
        await self._access.load()
        await self._credits.load()
        await self._selling.load()
        await self._regions.load()
        await self._nodes.load()
        await self._servers.load()
        await self._webhooks.load()

    # -- after a commit ---------------------------------------------------------------------------------------------

    async def announce(self, changes: list[Changed]) -> None:
        """Take in what a transaction of this panel changed, and tell the other panels."""
        await self._apply(changes)
        await self._publish(
            wire.PanelNote(origin=self._origin, changes=[(str(change.noun), change.id) for change in changes])
        )

    async def _apply(self, changes: list[Changed]) -> None:
        for change in changes:
            match change.noun:
                case "server":
                    await self._servers.reload(change.id, change.row)
                case "node":
                    await self._nodes.apply(change)
                case "operation":
                    await self._operations.apply(change)
                case "price" | "wallet" | "billing":
                    await self._credits.apply(change)
                case "backup":
                    await self._backups.apply(change)
                case "house":
                    await self._house.load()
                case "schedule":
                    await self._schedules.apply(change)
                case "selling":
                    await self._selling.load()
                    await self._regions.load()
                case "webhook" | "delivery":
                    await self._webhooks.apply(change)
                case _:
                    await self._access.apply(change)

    async def _publish(self, note: wire.PanelNote) -> None:
        try:
            await self._bus.publish(wire.PANEL_NOTES, encode(note))
        except BusError as error:
            log.warning("panel.note.lost", error=str(error))  # the others read everything again when the bus is back

    async def _note(self, message: BusMessage) -> None:
        note = decode(message.payload, wire.PanelNote)
        if note.origin == self._origin:
            return
        await self._apply([Changed(cast(Noun, noun), row) for noun, row in dict.fromkeys(note.changes)])
        if note.node is not None:
            node = self._nodes.by_uuid(note.node)
            self._nodes.heard(node.id)
            self._reconciler.mirror(node.id, [_observation(seen) for seen in note.servers])

    def _missed(self, _count: int) -> None:
        self._tasks.start(self.load(), name="reading everything again", fatal=False)

    def _bus_state(self, connected: bool) -> None:
        if connected:
            self._tasks.start(self._read_again(), name="reading everything again", fatal=False)

    async def _read_again(self) -> None:
        await self.load()
        await self._reconciler.tick()

    # -- nodes ------------------------------------------------------------------------------------------------------

    async def _enrol(self, payload: bytes) -> bytes:
        async def answer() -> wire.Message:
            enrol = decode(payload, wire.Enrol)
            node, secret = await self._nodes.enrol(
                enrol.token, enrol.name, _facts(enrol.facts), address=enrol.address, public_host=enrol.public_host
            )
            return wire.Enrolled(node=node.uuid, secret=secret)

        return await self._answered("node.enrolment", answer)

    async def _hello(self, payload: bytes) -> bytes:
        async def answer() -> wire.Message:
            hello = decode(payload, wire.Hello)
            node = await self._nodes.greet(hello.node, hello.secret, _facts(hello.facts))
            self._tasks.start(self._tell(node.id), name=f"telling node {node.name} its servers", fatal=False)
            return wire.Welcome()

        return await self._answered("node.greeting", answer)

    async def _tell(self, node_id: int) -> None:
        try:
            await self._reconciler.tell_all(node_id)
        except Unavailable as error:
            log.warning("node.tell.failed", node=node_id, error=str(error))

    async def _report(self, payload: bytes) -> bytes:
        async def answer() -> wire.Message:
            report = decode(payload, wire.Report)
            node = self._node(report.node)
            await self._reconciler.observe(node.id, [_observation(seen) for seen in report.servers])
            await self._publish(wire.PanelNote(origin=self._origin, node=report.node, servers=report.servers))
            return wire.Acknowledged()

        return await self._answered("node.report", answer)

    async def _samples(self, message: BusMessage) -> None:
        samples = decode(message.payload, wire.Samples)
        at, node_id = from_microseconds(samples.at_us), self._node(samples.node).id
        if samples.host is not None:
            self._metrics.take_host(node_id, _host(samples.host, at))
        self._metrics.take(
            node_id,
            [
                (
                    sample.uuid,
                    Usage(
                        at=at,
                        cpu_percent=sample.cpu_percent,
                        memory_bytes=sample.memory_bytes,
                        disk_bytes=sample.disk_bytes,
                        players=sample.players,
                        heap_bytes=sample.heap_bytes,
                        heap_max_bytes=sample.heap_max_bytes,
                        tick_ms=sample.tick_ms,
                    ),
                )
                for sample in samples.servers
            ],
        )

    def _node(self, uuid: UUID) -> nodes_model.Node:
        return self._nodes.by_uuid(uuid)

    @staticmethod
    async def _answered(what: str, answer: Any) -> bytes:
        """Return what `answer` gives, or the refusal that its error means, which is logged as one of `what`."""
        try:
            return encode(await answer())
        except NoSuchNode as error:
            refusal = wire.Refusal(code="unknown_node", message=str(error))
        except CoreError as error:
            refusal = wire.Refusal(code=error.code, message=str(error), data=error.data)
        except BadMessage as error:
            refusal = wire.Refusal(code="bad_message", message=str(error))
        event = f"{what}.refused"
        log.warning(event, code=refusal.code, reason=refusal.message)
        return encode(refusal)


def _host(sample: wire.HostSample, at: datetime) -> HostUsage:
    return HostUsage(
        at=at,
        cpu_percent=sample.cpu_percent,
        cpus=sample.cpus,
        cpu_mhz=sample.cpu_mhz,
        cpu_mhz_max=sample.cpu_mhz_max,
        memory_bytes=sample.memory_bytes,
        memory_total_bytes=sample.memory_total_bytes,
        booted_at=from_microseconds(sample.booted_us),
        disks=tuple(
            Disk(
                device=disk.device,
                mount=disk.mount,
                filesystem=disk.filesystem,
                total_bytes=disk.total_bytes,
                used_bytes=disk.used_bytes,
                free_bytes=disk.free_bytes,
            )
            for disk in sample.disks[:MOST_DISKS]
        ),
    )


def _facts(facts: wire.NodeFacts) -> nodes_model.NodeFacts:
    return nodes_model.NodeFacts(
        version=facts.version,
        hostname=facts.hostname,
        system=facts.system,
        cpus=facts.cpus,
        memory_mib=facts.memory_mib,
        disk_mib=facts.disk_mib,
        disk_free_mib=facts.disk_free_mib,
        runtimes=facts.runtimes,
        tools=facts.tools,
        isolation=facts.isolation,
        servers_path=facts.servers_path,
        backups_path=facts.backups_path,
        javas=facts.javas,
    )


_PROGRESS = {
    "waiting": OperationState.CREATED,
    "running": OperationState.RUNNING,
    "done": OperationState.DONE,
    "failed": OperationState.FAILED,
}


def _observation(seen: wire.ObservedServer) -> Observation:
    order = seen.order
    progress = None
    if order is not None:
        progress = Progress(
            state=_PROGRESS[order.state], reason=order.reason, steps=tuple(order.steps), fraction=order.fraction
        )
    ended = seen.last_exit
    live = Live(
        state=State(seen.phase),
        reason=seen.reason,
        pid=seen.pid,
        run_id=seen.run_id,
        started_at=from_microseconds(seen.started_us) if seen.started_us else None,
        ready_at=from_microseconds(seen.ready_us) if seen.ready_us else None,
        last_exit=LastExit(
            code=ended.code,
            signal=ended.signal,
            started_at=from_microseconds(ended.started_us) if ended.started_us else None,
            at=from_microseconds(ended.at_us),
            clean=ended.clean,
            reason=ended.reason,
        )
        if ended
        else None,
        runs=tuple(
            Run(
                run_id=run.run_id,
                started_at=from_microseconds(run.started_us),
                ended_at=from_microseconds(run.ended_us),
            )
            for run in seen.runs
        ),
        players=tuple(
            OnlinePlayer(name=player.name, since=from_microseconds(player.since_us)) for player in seen.players
        ),
        crashes=seen.crashes,
        notes=tuple(seen.notes),
    )
    return Observation(
        uuid=seen.uuid,
        live=live,
        generation=seen.generation,
        order_id=order.id if order else None,
        progress=progress,
        jobs=tuple(_job_progress(report) for report in seen.jobs),
    )


def _job_progress(report: wire.JobReport) -> JobProgress:
    made = report.result
    return JobProgress(
        id=report.id,
        state=report.state,
        reason=report.reason,
        steps=tuple(report.steps),
        fraction=report.fraction,
        result=JobResult(
            snapshot=made.snapshot,
            files=made.files,
            bytes=made.bytes,
            stored_bytes=made.stored_bytes,
            digest=made.digest,
            verified=made.verified,
            problem=made.problem,
        )
        if made is not None
        else None,
    )
