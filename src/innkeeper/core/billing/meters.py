"""Metering: every run of a game is charged from its birth to its end, once.

A run's meter is a row: who pays, the price and the memory of its beginning, and until when it is charged. It moves on
by a step, the meter and the money in one transaction, and only from where it stood; so whoever is killed, and however
many panels do it, no second is charged twice.

    told alive ──▶ open ──a minute──▶ charged to now ──told ended──▶ charged to the end (or refunded to it)
                                            └──not seen for 10 minutes──▶ closed where it stands

How long a run lasted is its node's to say. While it goes on, the panel's clock counts, and never further than the node
was last heard: a host that lost its power runs nothing.
"""

from datetime import datetime, timedelta

import msgspec

from innkeeper.core.billing import ledger
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.errors import CreditsAreExhausted
from innkeeper.core.billing.model import MIB_PER_UNIT, Meter, Payer, Transaction, cost
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import Live, Run, Server
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

STEP = timedelta(minutes=1)
_EARLY = 0.9
"""A step may be so much shorter: ticks do not fall on the very second, and two of them make a step."""
RESERVE = timedelta(minutes=2)
"""What a server's payer must have for it to be started."""
LOST_AFTER = timedelta(minutes=10)
_MOST_SKEW = timedelta(days=1)

Taken = tuple[str | None, frozenset[str]]
"""Which run of a server was told to be alive, and which to have ended."""


class Meters:
    """Opens, moves on and closes the meters of runs."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: BillingDirectory,
        servers: ServerDirectory,
        nodes: NodeService,
        step: timedelta = STEP,
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._servers = servers
        self._nodes = nodes
        self.step = step
        """A run is charged each time that so long has passed, give or take."""
        self._taken: dict[int, Taken] = {}
        """What was taken in last, by server id."""

    # -- what nodes tell ----------------------------------------------------------------------------------------------

    async def take(self, server: Server, live: Live) -> None:
        """Take in which runs a node tells of; returns when what must be kept is kept. Told again, nothing happens."""
        alive = live.run_id if live.started_at is not None else None  # one that is being launched is not born yet
        told: Taken = (alive, frozenset(run.run_id for run in live.runs))
        known = self._taken.get(server.id, (None, frozenset()))
        ended = [run for run in live.runs if run.run_id not in known[1]]
        begun = live.started_at if alive is not None and alive != known[0] else None
        if begun is not None and (server.billing_type or self._directory.was_free_at(_begun(server, begun))):
            begun = None
        if begun is not None or ended:
            async with self._works() as work:
                now = await work.servers.get(server.id) or server
                for run in ended:
                    await self._end(work, now, run)
                if begun is not None and alive is not None:
                    await self._meter(work, now, alive, begun)
        self._taken[server.id] = told

    async def _meter(self, work: Work, server: Server, run_id: str, started_at: datetime) -> Meter | None:
        """Return the meter of a run, opened now if need be; None for one that began while running was free.

        A server that is rented pays for its existence and not for its runs: it has no meter.
        """
        if server.billing_type is not None:
            return None
        meter = await work.billing.find_meter(server.id, run_id)
        if meter is not None:
            return meter
        begun = _begun(server, started_at)
        price = await work.billing.price_at(begun)
        if price == 0:
            return None
        opened = Meter(
            id=0,
            server_id=server.id,
            run_id=run_id,
            payer=await self.payer(work, server),
            price=price,
            memory_mib=_memory(server),
            started_at=begun,
            billed_until=begun,
        )
        return await work.billing.add_meter(opened)

    async def _end(self, work: Work, server: Server, run: Run) -> None:
        meter = await self._meter(work, server, run.run_id, run.started_at)
        while meter is not None:
            end = max(run.ended_at, meter.started_at)
            if meter.ended_at == end or await self._move(work, meter, end, end):
                return
            meter = await work.billing.find_meter(server.id, run.run_id)  # another panel moved it meanwhile

    # -- who pays ---------------------------------------------------------------------------------------------------

    async def payer(self, work: Work, server: Server) -> Payer:
        """Return who pays for a server: whoever started it with credits of their own, else its pool, else its owner."""
        if server.paid_by is not None and await work.accounts.get(server.paid_by) is not None:
            return Payer(account_id=server.paid_by)
        if server.pool_id is not None:
            # A pool pays for its members' servers alone, whatever a server that was left behind says.
            members = (await work.billing.stakes([server.pool_id]))[server.pool_id]
            if server.owner_id in members:
                return Payer(pool_id=server.pool_id)
        return Payer(account_id=server.owner_id)

    async def require_reserve(self, work: Work, server: Server) -> None:
        """Raise CreditsAreExhausted unless a server's payer can pay for its first two minutes; rented, it may start."""
        if server.billing_type is not None:
            return
        price = await work.billing.price_at(self._clock.now())
        needed = cost(price, _memory(server), RESERVE)
        if needed == 0:
            return
        payer = await self.payer(work, server)
        running = [meter for meter in await work.billing.open_meters() if meter.payer == payer]
        if await self.left(work, payer, running) < needed:
            raise CreditsAreExhausted(
                "There are not enough credits to start this server.", needed_micro=needed, of_pool=payer.pool_id
            )

    async def left(self, work: Work, payer: Payer, running: list[Meter]) -> int:
        """Return what a payer has, less what its running servers have used and were not charged for yet."""
        return await ledger.held(work, payer) - sum(max(0, meter.due(self.alive_until(meter))) for meter in running)

    # -- charging -----------------------------------------------------------------------------------------------------

    async def charge_due(self) -> list[Meter]:
        """Charge every run that a step has passed for; return the meters of those that go on, as they are then.

        Runs that this panel was not told of, but read of, get their meter here; those that nobody sees any more are
        closed.
        """
        async with self._works() as work:
            opened = await work.billing.open_meters()
        opened += await self._open_missing(opened)
        going: list[Meter] = []
        for meter in opened:
            if self._is_lost(meter):
                log.warning("billing.run.lost", server=meter.server_id, run=meter.run_id)
                await self._close(meter)
                continue
            until = self.alive_until(meter)
            moved: Meter | None = meter
            if until - meter.billed_until >= self.step * _EARLY:
                moved = await self._charge(meter, until)
            if moved is not None:
                going.append(moved)
        return going

    async def settle(self, *, server_id: int | None = None, pool_id: int | None = None) -> None:
        """Charge what runs, of a server or of all that a pool pays for, up to now. Not to be asked in a transaction."""
        async with self._works() as work:
            opened = await work.billing.open_meters(server_id)
        for meter in opened:
            if pool_id is None or meter.payer.pool_id == pool_id:
                await self._charge(meter, self.alive_until(meter))

    async def close(self, work: Work, server: Server) -> None:
        """Charge the last seconds of a server that will not run on."""
        for opened in await work.billing.open_meters(server.id):
            meter: Meter | None = opened
            while meter is not None and meter.ended_at is None:
                until = self.alive_until(meter)
                if await self._move(work, meter, until, until):
                    break
                meter = await work.billing.find_meter(meter.server_id, meter.run_id)

    async def change_payer(self, work: Work, server: Server) -> None:
        """Have the run of a server, as it is now, paid for by whoever `payer` says from here on."""
        await work.billing.repoint(server.id, await self.payer(work, server))

    async def drop_payer(self, work: Work, account_id: int) -> None:
        """Charge what an account pays for up to now; from here on the servers' pools or owners pay."""
        for meter in await work.billing.open_meters():
            server = await work.servers.get(meter.server_id) if meter.payer.account_id == account_id else None
            if server is not None:
                until = self.alive_until(meter)
                await self._move(work, meter, until, None)
                await self.change_payer(work, msgspec.structs.replace(server, paid_by=None))

    def alive_until(self, meter: Meter) -> datetime:
        """Return until when a run is known to have lived, never before it was charged to."""
        if not self.is_alive(meter):
            return meter.billed_until
        heard = self._nodes.heard_at(self._servers.get(meter.server_id).server.node_id)
        now = self._clock.now()
        return max(meter.billed_until, min(now, heard) if heard is not None else meter.billed_until)

    def is_alive(self, meter: Meter) -> bool:
        """Say whether this panel sees the run of a meter."""
        try:
            return self._servers.get(meter.server_id).live.run_id == meter.run_id
        except NoSuchServer:
            return False

    def _is_lost(self, meter: Meter) -> bool:
        """Say whether a run is not there any more though its node never said when it ended."""
        taken = self._taken.get(meter.server_id)
        if self.is_alive(meter) or taken is None or taken[0] == meter.run_id:
            return False
        online = self._nodes.is_online(self._servers.get(meter.server_id).server.node_id)
        return online and self._clock.now() - meter.billed_until > LOST_AFTER

    async def _open_missing(self, opened: list[Meter]) -> list[Meter]:
        known = {(meter.server_id, meter.run_id) for meter in opened}
        missing = [
            record
            for record in self._servers.present()
            if record.live.run_id is not None
            and record.live.started_at is not None
            and record.server.billing_type is None
            and (record.server.id, record.live.run_id) not in known
            and not self._directory.was_free_at(_begun(record.server, record.live.started_at))
        ]
        found: list[Meter] = []
        for record in missing:
            run_id, started_at = record.live.run_id, record.live.started_at
            if run_id is not None and started_at is not None:
                async with self._works() as work:
                    meter = await self._meter(work, record.server, run_id, started_at)
                if meter is not None and meter.ended_at is None:
                    found.append(meter)
        return found

    async def _charge(self, meter: Meter, until: datetime) -> Meter | None:
        """Charge a run to `until` where that costs something; None where another panel moved its meter meanwhile."""
        if meter.due(until) <= 0:
            return meter
        async with self._works() as work:
            return await self._move(work, meter, until, None)

    async def _close(self, meter: Meter) -> None:
        async with self._works() as work:
            await self._move(work, meter, meter.billed_until, meter.billed_until)

    async def _move(self, work: Work, meter: Meter, until: datetime, ended_at: datetime | None) -> Meter | None:
        """Move a meter on, or back to its run's end, with the money that this means; None where it stood elsewhere."""
        pool = await work.billing.lock_pool(meter.payer.pool_id) if meter.payer.pool_id is not None else None
        moved = await work.billing.advance(meter, until, ended_at)
        if moved is None or until == meter.billed_until:
            return moved
        amount = meter.due(until)
        if pool is not None:
            postings = await ledger.charged_to_pool(work, pool, amount) if amount else ()
        else:
            account_id = await self._account(work, meter)
            postings = await ledger.charged_to_wallet(work, account_id, amount) if amount else ()
        step = Transaction(
            uuid=uuid7(),
            at=self._clock.now(),
            kind="charge" if until > meter.billed_until else "refund",
            # No step is made twice, whatever else is wrong.
            key=f"meter:{meter.id}:{microseconds(meter.billed_until)}:{microseconds(until)}",
            postings=postings,
            server_id=meter.server_id,
            meter_id=meter.id,
            since=meter.billed_until,
            until=until,
        )
        if not await ledger.post(work, step):
            raise RuntimeError(f"meter {meter.id} was moved from {meter.billed_until} to {until} before")
        return moved

    @staticmethod
    async def _account(work: Work, meter: Meter) -> int:
        """Return whose wallet pays for a run: for one whose pool is gone, that of its server's owner."""
        if meter.payer.account_id is not None:
            return meter.payer.account_id
        server = await work.servers.get(meter.server_id)
        if server is None:
            raise NoSuchServer
        return server.owner_id


def _begun(server: Server, started_at: datetime) -> datetime:
    """Return from when a run is charged.

    A host whose clock stood at 1970 when it came up must not have anybody pay for fifty years.
    """
    return max(started_at, server.created_at - _MOST_SKEW)


def _memory(server: Server) -> int:
    return server.limits.memory_mib or MIB_PER_UNIT
