"""What schedules need of storage."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from innkeeper.core.schedules.model import Schedule, ScheduleRun


class ScheduleStore(Protocol):
    """Schedules and their runs at rest."""

    async def add(self, schedule: Schedule) -> Schedule:
        """Keep a new schedule (its id is ignored) and return it with its id; raise NoSuchServer."""
        ...

    async def find(self, server_id: int, which: int | UUID) -> Schedule | None:
        """Return a schedule of that server by its id or UUID."""
        ...

    async def of_server(self, server_id: int) -> list[Schedule]:
        """Return a server's schedules, by id."""
        ...

    async def lock_of_server(self, server_id: int) -> list[Schedule]:
        """Return a server's schedules, by id; until the end of the transaction nobody else changes or adds any."""
        ...

    async def lock_families(self, of: Collection[tuple[int, int]]) -> list[Schedule]:
        """Return schedules, those they wait for and those that wait for them, by id; locked as by `lock_of_server`.

        Each is named by its server's id and its own.
        """
        ...

    async def lock_due(self, now: datetime, limit: int) -> list[Schedule]:
        """Return enabled schedules that are due by `now`, the longest due first, and keep others from them.

        Those that another transaction has locked are left out.
        """
        ...

    async def next_due(self) -> datetime | None:
        """Return when the next of all enabled schedules is due."""
        ...

    async def update(self, schedule: Schedule) -> None:
        """Replace the row of the same id; raise NoSuchSchedule."""
        ...

    async def update_all(self, schedules: Collection[Schedule]) -> None:
        """Replace the rows of the same ids, where there are such."""
        ...

    async def delete(self, schedule_id: int) -> None:
        """Delete a schedule with its runs."""
        ...

    # -- runs -------------------------------------------------------------------------------------------------------

    async def add_run(self, run: ScheduleRun) -> ScheduleRun | None:
        """Keep a new run and return it with its id; None where there is one of that schedule, moment and cause."""
        ...

    async def add_runs(self, runs: Collection[ScheduleRun]) -> list[ScheduleRun]:
        """Keep new runs as `add_run` does; return those that were new, with their ids, in the order given."""
        ...

    async def get_run(self, run_id: int) -> ScheduleRun | None: ...

    async def runs(self, schedule_id: int, before_id: int | None, limit: int) -> list[ScheduleRun]:
        """Return a schedule's runs, newest first, older than `before_id`."""
        ...

    async def update_run(self, run: ScheduleRun, holder: str) -> bool:
        """Replace the row of the same id as long as it runs and `holder` has it; say whether that was so."""
        ...

    async def end_runs(self, runs: Collection[ScheduleRun], holder: str) -> set[int]:
        """Do for many runs what `update_run` does; return the ids of those that `holder` had."""
        ...

    async def renew(self, holder: str, until: datetime) -> set[int]:
        """Lease everything that `holder` is at until then; return the ids of these runs."""
        ...

    async def lock_lapsed(self, now: datetime, limit: int) -> list[ScheduleRun]:
        """Return runs under way whose lease has ended, oldest first; those that others have locked are left out."""
        ...

    async def trim_runs(self, schedule_ids: Collection[int], keep: int) -> None:
        """Delete all but the newest `keep` runs of each schedule, those under way excepted."""
        ...
