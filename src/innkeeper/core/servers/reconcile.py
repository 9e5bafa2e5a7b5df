"""Make the nodes do what was decided, and believe what they say.

The database says what should be, the node what is. Every node is told its servers when it says hello, after each
command, and again on a timer: a lost message delays and never loses. What a node reports is kept (states, operations,
exits) before it is acknowledged.
"""

import asyncio
from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.model import JobProgress
from innkeeper.core.backups.noting import BackupNotes, Noted, Pending
from innkeeper.core.billing.errors import CreditsAreExhausted
from innkeeper.core.billing.meters import Meters
from innkeeper.core.catalog.errors import NoSuchPackage, PackageIsBroken
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.happenings import Happening
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.nodes.errors import NodeFailed, NodeIsOffline
from innkeeper.core.nodes.gateway import Desired, NodeGateway
from innkeeper.core.nodes.model import Node
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import OperationService, Progress
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import NoSuchServer, ServerChangedMeanwhile
from innkeeper.core.servers.lifecycle import ALIVE, ENDED, State
from innkeeper.core.servers.model import Live, Server
from innkeeper.core.webhooks.noting import Happenings
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet

log = get_logger(__name__)

_END_OF_DELETION = Progress(state=OperationState.DONE)
_DELETED_BEFORE = Progress(state=OperationState.FAILED, reason="the server was deleted")


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What a node sees of a server."""

    uuid: UUID
    live: Live
    generation: int
    """Of the newest decision that it has heard."""
    order_id: UUID | None
    """The order it speaks of."""
    progress: Progress | None
    jobs: tuple[JobProgress, ...] = ()
    """How those under way stand, and those that ended and were not kept yet."""


class Reconciler:
    """Tells nodes what should be and takes in what is."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: ServerDirectory,
        catalog: Catalog,
        nodes: NodeService,
        gateway: NodeGateway,
        operations: OperationService,
        activity: ActivityService,
        meters: Meters,
        tasks: TaskSet,
        house: HouseDirectory,
        happenings: Happenings,
        backups: BackupNotes,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._catalog = catalog
        self._nodes = nodes
        self._gateway = gateway
        self._operations = operations
        self._activity = activity
        self._meters = meters
        self._tasks = tasks
        self._house = house
        self._happenings = happenings
        self._backups = backups
        self._deleting: set[int] = set()
        self._observing: dict[int, asyncio.Lock] = {}
        self._finished: set[UUID] = set()
        """Orders whose end is kept already."""

    # -- telling ----------------------------------------------------------------------------------------------------

    async def tell(self, server_id: int, order: Operation | None = None) -> None:
        """Tell a server's node about it; a node that does not hear is told again later.

        `order` is the operation to be done now; None looks up the server's newest.
        """
        record = self._directory.get(server_id)
        if order is None and record.server.order_id is not None:
            order = await self._operations.get(record.server.order_id)
        async with self._works() as work:
            pending = await self._backups.pending(work, server_id)
        desired = self._desired(record.server, order, pending.get(server_id))
        if desired is None:
            return
        try:
            await self._gateway.apply(self._nodes.get(record.server.node_id), [desired], complete=False)
        except (NodeIsOffline, NodeFailed) as error:
            log.warning("server.tell.delayed", server=str(record.server.uuid), error=str(error))

    async def tell_all(self, node_id: int) -> None:
        """Tell a node all its servers; raise NodeIsOffline, NodeFailed."""
        mine = [record.server for record in self._directory.holding() if record.server.node_id == node_id]
        async with self._works() as work:
            orders = {operation.uuid: operation for operation in await work.operations.unfinished()}
            pending = await self._backups.pending(work)
        wanted = [
            self._desired(server, orders.get(server.order_id) if server.order_id else None, pending.get(server.id))
            for server in mine
        ]
        await self._gateway.apply(
            self._nodes.get(node_id), [item for item in wanted if item is not None], complete=True
        )
        for server in mine:
            if server.state is State.DELETING:
                self.finish_deletion_soon(server.id)

    async def tick(self) -> None:
        """Tell every node that is there everything again."""
        self._finished &= {record.server.order_id for record in self._directory.holding()}
        for node_id in {record.server.node_id for record in self._directory.holding()}:
            if self._nodes.is_online(node_id):
                try:
                    await self.tell_all(node_id)
                except (NodeIsOffline, NodeFailed) as error:
                    log.warning("node.tell.failed", node=node_id, error=str(error))

    async def ask_all(self) -> None:
        """Have every node say what it sees: who has just come up knows only what was kept of it."""
        await asyncio.gather(*(self._ask(node) for node in self._nodes.known()))

    async def _ask(self, node: Node) -> None:
        try:
            await self._gateway.announce(node)
        except (NodeIsOffline, NodeFailed) as error:
            log.info("node.announce.unheard", node=str(node.uuid), error=str(error))  # it greets when it comes

    def _desired(self, server: Server, order: Operation | None, pending: Pending | None) -> Desired | None:
        if server.state in ENDED and not server.kept:
            return None
        try:
            blueprint = self._catalog.blueprint(server)
        except (NoSuchPackage, PackageIsBroken) as error:
            log.error("server.blueprint.failed", server=str(server.uuid), error=str(error))
            return None
        if order is not None and order.verb == "delete":  # of what is kept, a node need only know that it must end
            order = msgspec.structs.replace(order, verb="kill")
        house = self._house.get()
        return Desired(
            server=server,
            blueprint=blueprint,
            order=order if order and not order.ended else None,
            journal_mib=house.journal_mib,
            disk_minutes=house.disk_minutes,
            restore=self._backups.restore(order, pending, blueprint),
            jobs=self._backups.jobs(pending, blueprint),
        )

    # -- deleting ---------------------------------------------------------------------------------------------------

    def finish_deletion_soon(self, server_id: int) -> None:
        """Have a server's files deleted in the background; asked again, nothing happens twice."""
        if server_id not in self._deleting:
            self._deleting.add(server_id)
            self._tasks.start(self._finish_deletion(server_id), name=f"deletion of server {server_id}", fatal=False)

    async def _finish_deletion(self, server_id: int) -> None:
        try:
            await self._gateway.remove(self._directory.get(server_id).server)
            async with self._works() as work:
                server = await work.servers.get(server_id)
                if server is None or server.state is not State.DELETING:
                    return  # another panel saw to it
                await work.servers.update(
                    msgspec.structs.replace(
                        server,
                        generation=server.generation + 1,
                        state=State.DELETED,
                        deleted_at=server.deleted_at or self._clock.now(),
                        purge_at=None,
                    )
                )
                work.changed("server", server_id)
                await work.backups.delete_of_server(server_id)
                for operation in await work.operations.unfinished(server_id):
                    await self._operations.note(
                        work, operation, _END_OF_DELETION if operation.verb == "delete" else _DELETED_BEFORE
                    )
                await self._activity.note(work, None, "server.deleted", server_id=server_id, data={"name": server.name})
        except (NodeIsOffline, NodeFailed) as error:
            log.warning("server.delete.delayed", server=server_id, error=str(error))
        except ServerChangedMeanwhile:
            log.info("server.delete.by_another_panel", server=server_id)
        finally:
            self._deleting.discard(server_id)

    # -- believing --------------------------------------------------------------------------------------------------

    async def observe(self, node_id: int, observations: list[Observation]) -> None:
        """Take in what a node sees; returns when what must be kept is kept.

        A server of another node, or none, is passed over with a log event: a node speaks for its own only.
        """
        self._nodes.heard(node_id)
        async with self._observing.setdefault(node_id, asyncio.Lock()):
            for seen in observations:
                try:
                    record = self._directory.find(seen.uuid)
                except NoSuchServer:
                    log.warning("node.report.unknown_server", node=node_id, server=str(seen.uuid))
                    continue
                if record.server.node_id != node_id:
                    log.warning("node.report.foreign_server", node=node_id, server=str(seen.uuid))
                    continue
                await self._meters.take(record.server, seen.live)
                if seen.jobs:
                    await self._observe_jobs(record.server, seen.jobs)
                if record.server.state not in ENDED:
                    await self._observe(record, seen)
                elif record.server.kept and seen.order_id is not None and seen.order_id not in self._finished:
                    await self._observe_kept(record.server, seen)

    def mirror(self, node_id: int, observations: list[Observation]) -> None:
        """Take in what another panel has kept of a node's servers: the read model follows, nothing is written."""
        for seen in observations:
            try:
                record = self._directory.find(seen.uuid)
            except NoSuchServer:
                continue
            if record.server.state not in ENDED and seen.generation >= record.server.generation:
                usage = record.live.usage if seen.live.pid else None
                self._directory.put_live(record.server.id, msgspec.structs.replace(seen.live, usage=usage))
                self._happenings.mirror(record.server.id, seen.live)

    async def _observe(self, record: Record, seen: Observation) -> None:
        server = record.server
        live = msgspec.structs.replace(seen.live, usage=record.live.usage if seen.live.pid else None)
        newest = seen.generation >= server.generation
        finished = seen.order_id is None or seen.order_id in self._finished
        stopped_by_itself = live.state is State.STOPPED and server.power == "on"
        if finished and not newest:
            return
        has_news = _has_crashed(record, live) or self._happenings.has_news(server.id, live)
        if finished and live.state is server.state and not stopped_by_itself and not has_news:
            self._directory.put_live(server.id, live)
            return
        ended: Operation | None = None
        to_start = False
        try:
            async with self._works() as work:
                if not finished:
                    ended = await self._note_progress(work, server, seen)
                now = await work.servers.get(server.id)
                # A node that has not heard the newest decision speaks of the state before it; of its order it counts.
                believed = now is not None and seen.generation >= now.generation and now.state not in ENDED
                superseded = now is None or now.order_id != seen.order_id
                if now is not None and believed:
                    to_start = await self._note_state(work, now, live, ended, finished=finished)
                    await self._note_news(work, record, live)
                    await self._note_happenings(work, now, seen, ended)
                    # Before the commit is announced: who waits for the order must find what came of it.
                    self._directory.put_live(server.id, live)
        except BaseException:
            self._directory.put_live(server.id, record.live)
            self._happenings.forget(server.id)
            raise
        if ended is not None and (believed or superseded):
            if ended.verb in ("install", "restore"):
                await self.go_on_with_restore(server.id, ended)
            if to_start:
                await self._start_installed(server.id, ended)
            self._finished.add(ended.uuid)  # last: what failed before this is done again with the next report

    async def _observe_jobs(self, server: Server, jobs: tuple[JobProgress, ...]) -> None:
        """Keep what a node says of a server's backups, and see to what follows from it."""
        noted = Noted()
        async with self._works() as work:
            for progress in jobs:
                await self._backups.note(work, server, progress, noted)
            for backup in noted.finished:
                failed = backup.state == "failed"
                data = {"backup": str(backup.uuid)} | ({"reason": backup.reason} if backup.reason else {})
                await self._happenings.note(
                    work,
                    Happening(
                        kind="backup_failed" if failed else "backup_finished",
                        server_id=server.id,
                        at=backup.finished_at or self._clock.now(),
                        key=str(backup.uuid),
                        account_id=backup.account_id,
                        data=data,
                    ),
                )
            for job, backup in noted.damaged:
                await self._happenings.note(
                    work,
                    Happening(
                        kind="backup_damaged",
                        server_id=server.id,
                        at=backup.verified_at or self._clock.now(),
                        key=str(job),
                        data={"backup": str(backup.uuid), "reason": backup.problem},
                    ),
                )
        await self._see_to(noted)

    async def _see_to(self, noted: Noted) -> None:
        for backup in noted.finished:
            self._backups.finished.tell(backup)
        for server_id in noted.tell:
            await self.tell(server_id)
        for server_id in noted.waiting:
            await self.go_on_with_restore(server_id)

    async def go_on_with_restore(self, server_id: int, ended: Operation | None = None) -> None:
        """Have a server restored that waited for its installation, or for the backup, to be finished.

        `ended`: an operation of the server that has just ended, of which the traces are removed where it was a restore.
        """
        noted = Noted()
        async with self._works() as work:
            if ended is not None:
                await self._backups.restored(work, ended, noted)
            server = await work.servers.get(server_id)
            operation = await self._backups.promote(work, server, noted) if server is not None else None
        if operation is not None:
            await self.tell(server_id, operation)
        await self._see_to(noted)

    async def _observe_kept(self, server: Server, seen: Observation) -> None:
        """Take in how the end of a deleted server's game goes; the server stays deleted, whatever the node sees."""
        async with self._works() as work:
            ended = await self._note_progress(work, server, seen)
        if ended is not None:
            self._finished.add(ended.uuid)

    async def _note_progress(self, work: Work, server: Server, seen: Observation) -> Operation | None:
        """Keep how the order stands that the node speaks of; return its operation where it has ended.

        Older operations that the node has not taken up by then it never will: they have failed.
        """
        if seen.order_id is None or seen.progress is None:
            return None
        operation = await work.operations.find(seen.order_id)
        if operation is None or operation.server_id != server.id:
            return None
        progress = seen.progress
        if operation.verb == "delete" and progress.state is OperationState.FAILED and seen.live.state not in ALIVE:
            progress = _END_OF_DELETION  # that there was no game to be killed any more is as good
        noted = await self._operations.note(work, operation, progress)
        if not noted.ended:
            return None
        for older in await work.operations.unfinished(server.id):
            if noted.verb == "delete" and older.id < noted.id:
                await self._operations.note(work, older, _DELETED_BEFORE)
            elif older.state is OperationState.CREATED and older.id < noted.id and not older.waits_apart:
                await self._operations.note(work, older, _superseded(noted))
        return noted

    async def _note_state(
        self, work: Work, server: Server, live: Live, ended: Operation | None, *, finished: bool
    ) -> bool:
        """Keep what is seen of a server, and that it stopped by itself; say whether it is now to be started."""
        idle = live.state is State.STOPPED and server.power == "on" and (finished or ended is not None)
        to_start = idle and ended is not None and ended.verb == "install" and ended.state is OperationState.DONE
        stopped_by_itself = idle and not to_start
        if live.state is not server.state or stopped_by_itself:
            power: Literal["on", "off"] = "off" if stopped_by_itself else server.power
            await work.servers.note_state(server.id, live.state, "off" if stopped_by_itself else None)
            work.changed("server", server.id, msgspec.structs.replace(server, state=live.state, power=power))
        return to_start

    async def _note_news(self, work: Work, record: Record, live: Live) -> None:
        """Note in the activity what happened without being asked."""
        ended = live.last_exit
        if ended is None or not _has_crashed(record, live):
            return
        at = ended.at.isoformat()
        if record.live.last_exit is None:  # a panel that has just begun does not know what it noted before
            recent = await work.activity.recent(server_id=record.server.id, account_id=None, before_id=None, limit=100)
            if any(entry.action == "server.crashed" and entry.data.get("at") == at for entry in recent):
                return
        await self._activity.note(
            work,
            None,
            "server.crashed",
            server_id=record.server.id,
            data={"reason": ended.reason, "code": ended.code, "signal": ended.signal, "at": at},
        )

    async def _note_happenings(self, work: Work, server: Server, seen: Observation, ended: Operation | None) -> None:
        """Have those told who want to be, of what is seen and of an installation that has ended."""
        if self._happenings.has_news(server.id, seen.live):
            order = await work.operations.find(seen.order_id) if seen.order_id is not None else None
            await self._happenings.observe(work, server, seen.live, order)
        if ended is None or ended.verb != "install" or ended.state is not OperationState.DONE:
            return
        if not await work.operations.of_server(server.id, ended.id, 1):
            return  # what is new was not updated
        await self._happenings.note(
            work,
            Happening(
                kind="updated",
                server_id=server.id,
                at=ended.finished_at or self._clock.now(),
                key=str(ended.uuid),
                account_id=ended.account_id,
                via=ended.via,
            ),
        )

    async def _start_installed(self, server_id: int, after: Operation) -> None:
        """Start a server that was made to be started once it is installed, unless it was told otherwise meanwhile."""
        operation = msgspec.structs.replace(
            self._operations.make(server_id, "start", None), account_id=after.account_id, via=after.via
        )
        async with self._works() as work:
            server = await work.servers.get(server_id)
            if server is None or server.order_id != after.uuid or server.power == "off":
                return
            try:
                await self._meters.require_reserve(work, server)
            except CreditsAreExhausted as error:
                await work.servers.note_state(server_id, State.STOPPED, "off")
                work.changed("server", server_id)
                data = {"reason": error.message}
                await self._activity.note(work, None, "billing.start_refused", server_id=server_id, data=data)
                return
            await work.servers.update(
                msgspec.structs.replace(
                    server, generation=server.generation + 1, state=State.PREPARING, order_id=operation.uuid
                )
            )
            operation = await work.operations.add(operation)
            work.changed("server", server_id)
        await self.tell(server_id, operation)


def _superseded(by: Operation) -> Progress:
    return Progress(state=OperationState.FAILED, reason=f"superseded by a newer order: {by.verb}")


def _has_crashed(record: Record, live: Live) -> bool:
    """Say whether a crash is seen that was not seen before."""
    return live.last_exit is not None and not live.last_exit.clean and live.last_exit != record.live.last_exit
