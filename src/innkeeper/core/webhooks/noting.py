"""From what happened to what is to be told: deliveries are queued in the transaction that keeps the change itself.

    what a node sees ──observe──▶ happenings ──note──▶ a delivery for each webhook that wants it
    commands, backups ─────────────────────────┘

So nothing is lost by a crash. And nothing is told twice: a happening bears the same event id on every panel, and a
webhook has one delivery of an event at most. A server that no webhook asks about costs a look into a dictionary.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid5

from msgspec.structs import replace

from innkeeper.core.happenings import Happening, Sighting, news
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Live, Server
from innkeeper.core.webhooks.model import Delivery
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

MOST_WAITING = 1000
"""Deliveries of one webhook that may wait; what happens beyond that is not told."""
TOLD_FOR = timedelta(hours=24)
"""What is older when it becomes known is not told any more."""
DISK_FULL, DISK_EMPTIER = 0.90, 0.85
"""Nearly full from the one share on, until it is less than the other."""
_CLOCKS_DIFFER = timedelta(minutes=1)
_ORDER_ENDED = timedelta(minutes=1)
_VERBS: dict[str, frozenset[str]] = {
    "started": frozenset({"start", "restart"}),
    "ready": frozenset({"start", "restart"}),
    "stopped": frozenset({"stop", "restart", "kill", "delete"}),
    "killed": frozenset({"stop", "restart", "kill", "delete"}),
}
"""Orders that bring a happening about: who gave one had it done."""


class Happenings:
    """Knows what is wanted of which server, and queues it."""

    def __init__(self, works: Works, clock: Clock) -> None:
        self._works = works
        self._clock = clock
        self._wanted: dict[int, frozenset[str]] = {}
        self._seen: dict[int, Sighting] = {}
        """What was kept last, as far as this panel has heard: whether there may be news is asked of it."""

    async def load(self) -> None:
        """Read what is wanted of every server."""
        async with self._works() as work:
            self._wanted = await work.webhooks.wanted()
        self._seen.clear()

    async def apply(self, change: Changed) -> None:
        """Read again what is wanted of the server whose webhooks changed."""
        async with self._works() as work:
            wanted = await work.webhooks.wanted(change.id)
        self._wanted.pop(change.id, None)
        self._wanted.update(wanted)
        self._seen.pop(change.id, None)

    async def note(self, work: Work, happening: Happening) -> None:
        """Queue a happening, within `work`, for every webhook that wants it."""
        if happening.kind not in self._wanted.get(happening.server_id, ()):
            return
        now = self._clock.now()
        if happening.at < now - TOLD_FOR:
            return
        event = event_of(happening)
        for webhook in await work.webhooks.of_server(happening.server_id):
            if not webhook.enabled or happening.kind not in webhook.triggers:
                continue
            if happening.at < webhook.created_at - _CLOCKS_DIFFER:
                continue
            if await work.webhooks.count_waiting(webhook.id) >= MOST_WAITING:
                log.warning("webhook.queue.full", webhook=str(webhook.uuid), happening=happening.kind)
                continue
            delivery = Delivery(
                id=0,
                uuid=uuid7(),
                webhook_id=webhook.id,
                event=event,
                happening=happening.kind,
                facts=happening,
                next_at=now,
                created_at=now,
            )
            if await work.webhooks.queue(delivery) is not None:
                work.changed("delivery", webhook.id, True)

    # -- what nodes see ---------------------------------------------------------------------------------------------

    def has_news(self, server_id: int, live: Live) -> bool:
        """Say whether `observe` has something to keep: without it, what is seen needs no transaction."""
        if server_id not in self._wanted:
            return False
        known = self._seen.get(server_id)
        return known is None or known.after(live) != known

    async def observe(self, work: Work, server: Server, live: Live, order: Operation | None) -> None:
        """Queue, within `work`, what happened to a server since it was seen last; `order` is what the node was told."""
        if not self.has_news(server.id, live):
            return
        known = await work.webhooks.sighting(server.id)
        if known is None:
            known = Sighting()
        seen = known.after(live)
        if seen != known:
            now = self._clock.now()
            for happening in news(server.id, known, live, now):
                await self.note(work, _by(happening, order))
            await work.webhooks.put_sighting(server.id, seen)
        self._seen[server.id] = seen

    def mirror(self, server_id: int, live: Live) -> None:
        """Take in what another panel has kept of a server."""
        known = self._seen.get(server_id)
        if known is not None:
            self._seen[server_id] = known.after(live)

    def forget(self, server_id: int) -> None:
        """Look up anew what was kept of a server: a transaction of ours came to nothing."""
        self._seen.pop(server_id, None)

    async def begin(self, work: Work, server_id: int, live: Live) -> None:
        """Take all that is seen of a server for told: its first webhook is being made."""
        known = await work.webhooks.sighting(server_id)
        times = known.disk_times if known is not None else 0
        await work.webhooks.put_sighting(server_id, replace(Sighting.of(live), disk_times=times))

    # -- what samples say -------------------------------------------------------------------------------------------

    async def look_at_disks(self, records: Iterable[Record]) -> None:
        """Queue that a server's disk is nearly full, once until it has become emptier; called each minute."""
        for record in list(records):
            server_id, share = record.server.id, _disk_share(record)
            if share is None or "disk_nearly_full" not in self._wanted.get(server_id, ()):
                continue
            known = self._seen.get(server_id)
            if known is None or _is_full(known, share) != known.disk_full:
                await self._note_disk(record, share)

    async def _note_disk(self, record: Record, share: float) -> None:
        server_id = record.server.id
        async with self._works() as work:
            known = await work.webhooks.sighting(server_id) or Sighting.of(record.live)
            full = _is_full(known, share)
            if full != known.disk_full:
                times = known.disk_times + full
                if full:
                    await self.note(
                        work,
                        Happening(
                            kind="disk_nearly_full",
                            server_id=server_id,
                            at=self._clock.now(),
                            key=str(times),
                            data={"reason": f"{share:.0%} of {record.server.limits.disk_mib:,} MiB are used"},
                        ),
                    )
                known = replace(known, disk_full=full, disk_times=times)
                await work.webhooks.put_sighting(server_id, known)
        self._seen[server_id] = known


def event_of(happening: Happening) -> UUID:
    """Return the id of a happening: the same on every panel, and however often it is told."""
    return uuid5(_EVENTS, f"{happening.server_id} {happening.kind} {happening.key}")


_EVENTS = UUID("0193d1b0-6f0e-7b70-9c55-1d1f8f0d9a2e")


def _by(happening: Happening, order: Operation | None) -> Happening:
    """Return a happening with who had it done, where the order that was just carried out says so."""
    if order is None or order.verb not in _VERBS.get(happening.kind, ()):
        return happening
    if order.finished_at is not None and happening.at > order.finished_at + _ORDER_ENDED:
        return happening
    if happening.at < order.created_at - _CLOCKS_DIFFER:
        return happening
    return replace(happening, account_id=order.account_id, via=order.via)


def _disk_share(record: Record) -> float | None:
    usage, limit = record.live.usage, record.server.limits.disk_mib
    if usage is None or usage.disk_bytes is None or not limit:
        return None
    return usage.disk_bytes / (limit * 1024 * 1024)


def _is_full(known: Sighting, share: float) -> bool:
    return share >= (DISK_EMPTIER if known.disk_full else DISK_FULL)
