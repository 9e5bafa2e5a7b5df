"""On a timer: charge rented servers, warn the players of those that cannot pay on, and lock and unlock servers.

    next period in  < 5 min and no credit for it   a first warning on the console
                    < 1 min                        a second one
                    begun                          the server is locked: stopped in order, it cannot be started
    credit again                                   a new period is charged, and the server may be started

A lock of the reason `billing` is the house's own and follows whether the server is paid for; others are left alone.
"""

from datetime import datetime, timedelta

import msgspec

from innkeeper.core.billing.announcing import WARNED_AT_S, Announcements, warnings_by
from innkeeper.core.billing.rental_model import Rental
from innkeeper.core.billing.rentals import Rentals
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import NoSuchServer, ServerChangedMeanwhile, ServerIsDeleted
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.core.servers.service import ServerService
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

LOCK = "billing"
"""The reason of a suspension that the house imposes until a server is paid for."""
REASON_TO_COME = "its credit runs out"


class RentCollector:
    """Charges, warns, locks and unlocks; `tick` is called on a timer."""

    def __init__(
        self,
        *,
        clock: Clock,
        rentals: Rentals,
        servers: ServerDirectory,
        commands: ServerService,
        announcements: Announcements,
    ) -> None:
        self._clock = clock
        self._rentals = rentals
        self._servers = servers
        self._commands = commands
        self._announcements = announcements

    async def tick(self) -> None:
        """Charge every period that has begun, then see to those that cannot pay."""
        for rental in await self._rentals.charge_due(timedelta(seconds=max(WARNED_AT_S))):
            await self._see_to(rental)
        unpaid = await self._rentals.unpaid()
        for record in self._servers.present():
            if record.server.billing_type is not None and record.server.state not in ENDED:
                await self._lock(record, record.server.id in unpaid)

    async def _see_to(self, rental: Rental) -> None:
        """Warn the players of a server that runs and cannot pay its next period."""
        try:
            record = self._servers.get(rental.server_id)
        except NoSuchServer:
            return
        left_s = (_paid_until(rental) - self._clock.now()).total_seconds()
        warned = warnings_by(left_s)
        if record.live.run_id is None or warned <= rental.warned or not await self._rentals.shortfall(rental):
            return
        if await self._rentals.note_warning(rental, warned) and not await self._announcements.warn(
            record, left_s, REASON_TO_COME
        ):
            await self._rentals.note_warning(msgspec.structs.replace(rental, warned=warned), rental.warned)

    async def _lock(self, record: Record, unpaid: bool) -> None:
        server = record.server
        try:
            if unpaid and not server.suspended:
                await self._commands.lock(record, LOCK)
            elif not unpaid and server.suspended and server.suspended_reason == LOCK:
                await self._commands.unlock(record, LOCK)
        except (ServerChangedMeanwhile, ServerIsDeleted):  # another panel was first, or the next tick sees to it
            return
        except CoreError as error:
            log.warning("billing.lock.failed", server=str(server.uuid), error=str(error))


def _paid_until(rental: Rental) -> datetime:
    return rental.term.paid_until if rental.term is not None else rental.since
