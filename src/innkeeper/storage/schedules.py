"""Keeps schedules and their runs.

Whoever changes schedules of a server, or the schedule of a run that has ended, locks the server's row first and then
the schedules by id; whoever takes what is due locks schedules alone and waits for none. So nobody waits in a circle.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import BindParameter, RowMapping, Select, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.schedules.errors import NoSuchSchedule
from innkeeper.core.schedules.model import Schedule, ScheduleRun, parent_of
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import DUE, UNDER_WAY, schedule_runs, schedules, servers

_parents = schedules.alias()
_BEYOND_IDS = 1 << 63
_UPDATE = update(schedules).where(schedules.c.id == bindparam("schedule_id"))
_DUE = (
    select(schedules)
    .where(DUE, schedules.c.next_at <= bindparam("now"))
    .order_by(schedules.c.next_at, schedules.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_LOCK_SERVERS = (
    select(servers.c.id)
    .where(servers.c.id.in_(bindparam("servers", expanding=True)))
    .order_by(servers.c.id)
    .with_for_update(key_share=True)
)
_OF_SERVER = (
    select(schedules).where(schedules.c.server_id == bindparam("server")).order_by(schedules.c.id).with_for_update()
)
_these: BindParameter[Any] = bindparam("schedules", expanding=True)
_FAMILIES = (
    select(schedules)
    .where(
        schedules.c.server_id.in_(bindparam("servers", expanding=True)),
        or_(
            schedules.c.id.in_(_these),
            schedules.c.parent_id.in_(_these),
            schedules.c.id.in_(select(_parents.c.parent_id).where(_parents.c.id.in_(_these)).correlate(None)),
        ),
    )
    .order_by(schedules.c.id)
    .with_for_update()
)
_NEXT_DUE = select(func.min(schedules.c.next_at, type_=schedules.c.next_at.type)).where(DUE)
_LAPSED = (
    select(schedule_runs)
    .where(UNDER_WAY, schedule_runs.c.leased_until <= bindparam("now"))
    .order_by(schedule_runs.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CHANGING = ("state", "reason", "finished_at", "backup", "holder", "leased_until")
_HELD = (
    select(schedule_runs.c.id)
    .where(schedule_runs.c.id.in_(bindparam("runs", expanding=True)), UNDER_WAY)
    .where(schedule_runs.c.holder == bindparam("held_by"))
    .order_by(schedule_runs.c.id)
    .with_for_update()
)
_END = update(schedule_runs).where(schedule_runs.c.id == bindparam("run_id"))
_OLDEST_KEPT = select(
    schedules.c.id.label("of_schedule"),
    select(schedule_runs.c.id)
    .where(schedule_runs.c.schedule_id == schedules.c.id)
    .order_by(schedule_runs.c.id.desc())
    .offset(bindparam("newer"))
    .limit(1)
    .scalar_subquery()
    .label("oldest"),
).where(schedules.c.id.in_(bindparam("schedules", expanding=True)))
_TRIM = delete(schedule_runs).where(
    schedule_runs.c.schedule_id == bindparam("of_schedule"),
    schedule_runs.c.state != "running",
    schedule_runs.c.id < bindparam("oldest"),
)


class SqlSchedules:
    """Keeps `core.schedules.store.ScheduleStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, schedule: Schedule) -> Schedule:
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchServer(id=schedule.server_id)}):
            return replace(schedule, id=await insert_row(self._connection, schedules, _values(schedule)))

    async def find(self, server_id: int, which: int | UUID) -> Schedule | None:
        if isinstance(which, int) and not 0 < which < _BEYOND_IDS:
            return None
        column = schedules.c.uuid if isinstance(which, UUID) else schedules.c.id
        query = select(schedules).where(schedules.c.server_id == server_id, column == which)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else _schedule(row)

    async def of_server(self, server_id: int) -> list[Schedule]:
        query = select(schedules).where(schedules.c.server_id == server_id).order_by(schedules.c.id)
        return await self._fetch(query, {})

    async def lock_of_server(self, server_id: int) -> list[Schedule]:
        await self._connection.execute(_LOCK_SERVERS, {"servers": [server_id]})
        return await self._fetch(_OF_SERVER, {"server": server_id})

    async def lock_families(self, of: Collection[tuple[int, int]]) -> list[Schedule]:
        found = {"servers": sorted({server_id for server_id, _ in of})}
        await self._connection.execute(_LOCK_SERVERS, found)
        return await self._fetch(_FAMILIES, {**found, "schedules": sorted({schedule_id for _, schedule_id in of})})

    async def _fetch(self, query: Select[Any], values: dict[str, Any]) -> list[Schedule]:
        return [_schedule(row) for row in (await self._connection.execute(query, values)).mappings()]

    async def lock_due(self, now: datetime, limit: int) -> list[Schedule]:
        return await self._fetch(_DUE, {"now": now, "most": limit})

    async def next_due(self) -> datetime | None:
        found: datetime | None = (await self._connection.execute(_NEXT_DUE)).scalar_one_or_none()
        return found

    async def update(self, schedule: Schedule) -> None:
        values = {**_values(schedule), "schedule_id": schedule.id}
        if not (await self._connection.execute(_UPDATE, values)).rowcount:
            raise NoSuchSchedule(id=schedule.id)

    async def update_all(self, schedules: Collection[Schedule]) -> None:
        if schedules:
            rows = [{**_values(schedule), "schedule_id": schedule.id} for schedule in schedules]
            await self._connection.execute(_UPDATE, rows)

    async def delete(self, schedule_id: int) -> None:
        await self._connection.execute(delete(schedules).where(schedules.c.id == schedule_id))

    # -- runs -------------------------------------------------------------------------------------------------------

    async def add_run(self, run: ScheduleRun) -> ScheduleRun | None:
        statement = inserting(self._connection, schedule_runs).values(values_of(run)).on_conflict_do_nothing()
        row_id = (await self._connection.execute(statement.returning(schedule_runs.c.id))).scalar_one_or_none()
        return None if row_id is None else replace(run, id=int(row_id))

    async def add_runs(self, runs: Collection[ScheduleRun]) -> list[ScheduleRun]:
        if not runs:
            return []
        statement = inserting(self._connection, schedule_runs).on_conflict_do_nothing()
        new = await self._connection.execute(
            statement.returning(schedule_runs.c.uuid, schedule_runs.c.id), [values_of(run) for run in runs]
        )
        ids = {row.uuid: int(row.id) for row in new}
        return [replace(run, id=ids[run.uuid]) for run in runs if run.uuid in ids]

    async def get_run(self, run_id: int) -> ScheduleRun | None:
        return await fetch_one(self._connection, select(schedule_runs).where(schedule_runs.c.id == run_id), ScheduleRun)

    async def runs(self, schedule_id: int, before_id: int | None, limit: int) -> list[ScheduleRun]:
        query = select(schedule_runs).where(schedule_runs.c.schedule_id == schedule_id)
        if before_id is not None:
            query = query.where(schedule_runs.c.id < before_id)
        return await fetch_all(self._connection, query.order_by(schedule_runs.c.id.desc()).limit(limit), ScheduleRun)

    async def update_run(self, run: ScheduleRun, holder: str) -> bool:
        held = (schedule_runs.c.id == run.id) & (schedule_runs.c.holder == holder)
        values: dict[str, Any] = {name: getattr(run, name) for name in _CHANGING}
        statement = update(schedule_runs).where(held, UNDER_WAY).values(values)
        return (await self._connection.execute(statement)).rowcount > 0

    async def end_runs(self, runs: Collection[ScheduleRun], holder: str) -> set[int]:
        asked = {"runs": [run.id for run in runs], "held_by": holder}
        held = set((await self._connection.execute(_HELD, asked)).scalars())
        rows = [
            {"run_id": run.id, **{name: getattr(run, name) for name in _CHANGING}} for run in runs if run.id in held
        ]
        if rows:
            await self._connection.execute(_END, rows)
        return held

    async def renew(self, holder: str, until: datetime) -> set[int]:
        held = update(schedule_runs).where(schedule_runs.c.holder == holder, UNDER_WAY).values(leased_until=until)
        return set((await self._connection.execute(held.returning(schedule_runs.c.id))).scalars())

    async def lock_lapsed(self, now: datetime, limit: int) -> list[ScheduleRun]:
        result = await self._connection.execute(_LAPSED, {"now": now, "most": limit})
        return [ScheduleRun(**row) for row in result.mappings()]

    async def trim_runs(self, schedule_ids: Collection[int], keep: int) -> None:
        found = await self._connection.execute(_OLDEST_KEPT, {"schedules": sorted(schedule_ids), "newer": keep - 1})
        long = [dict(row) for row in found.mappings() if row["oldest"] is not None]
        if long:
            await self._connection.execute(_TRIM, long)


def _values(schedule: Schedule) -> dict[str, Any]:
    return {**values_of(schedule), "parent_id": parent_of(schedule)}


def _schedule(row: RowMapping) -> Schedule:
    return Schedule(**{name: row[name] for name in Schedule.__struct_fields__})
