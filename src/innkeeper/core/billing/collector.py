"""On a timer: charge what runs, warn the players of servers whose credits run out, and stop those in time.

    left until a stop must be ordered:  < 5 min  a first warning on the console
                                        < 1 min  a second one
                                        < 1 tick an ordinary stop, in the house's name, with the reason told

What stopping takes is charged all the same, even below zero.
"""

from collections import defaultdict
from datetime import timedelta

import msgspec

from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.announcing import Announcements, warnings_by
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.meters import Meters
from innkeeper.core.billing.model import Meter, Payer, seconds_left
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerChangedMeanwhile, ServerIsStopping
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.service import ServerService
from innkeeper.core.work import Works
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

TICK = timedelta(seconds=30)
REASON = "its credits ran out"
REASON_TO_COME = "its credits run out"


class Collector:
    """Charges, warns and stops; `tick` is called every TICK."""

    def __init__(
        self,
        *,
        works: Works,
        directory: BillingDirectory,
        meters: Meters,
        servers: ServerDirectory,
        commands: ServerService,
        activity: ActivityService,
        announcements: Announcements,
        tick: timedelta = TICK,
    ) -> None:
        self._works = works
        self._directory = directory
        self._meters = meters
        self._servers = servers
        self._commands = commands
        self._activity = activity
        self._announcements = announcements
        self._tick_s = tick.total_seconds()

    async def tick(self) -> None:
        """Charge every run that is due, then see to those whose payers run dry."""
        if self._directory.was_never_charged_for:
            return
        by_payer: dict[Payer, list[Meter]] = defaultdict(list)
        for meter in await self._meters.charge_due():
            if self._meters.is_alive(meter):
                by_payer[meter.payer].append(meter)
        for payer, meters in by_payer.items():
            async with self._works() as work:
                left_s = seconds_left(await self._meters.left(work, payer, meters), meters)
            for meter in meters:
                await self._see_to(meter, left_s)

    async def _see_to(self, meter: Meter, left_s: float) -> None:
        record = self._servers.get(meter.server_id)
        blueprint = self._announcements.blueprint(record)
        until_stop_s = left_s - (blueprint.stop.timeout_s if blueprint is not None else 0)
        warned = warnings_by(until_stop_s)
        if until_stop_s < self._tick_s:
            await self._stop(record)
        elif (
            warned != meter.warned
            and await self._note_warning(meter, warned)
            and warned > meter.warned
            and not await self._announcements.warn(record, until_stop_s, REASON_TO_COME)
        ):
            await self._note_warning(msgspec.structs.replace(meter, warned=warned), meter.warned)

    async def _stop(self, record: Record) -> None:
        if record.live.state in (State.STOPPING, State.SAVING):
            return
        try:
            await self._commands.stop_unasked(record, REASON)
            async with self._works() as work:
                await self._activity.note(work, None, "billing.ran_dry", server_id=record.server.id)
        except (ServerIsStopping, ServerChangedMeanwhile):  # another panel was first
            return
        except CoreError as error:
            log.warning("billing.stop.failed", server=str(record.server.uuid), error=str(error))

    async def _note_warning(self, meter: Meter, warned: int) -> bool:
        async with self._works() as work:
            return await work.billing.warn(meter, warned)
