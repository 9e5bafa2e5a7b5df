"""Keeps samples, keyed by server or node and moment, and what they were gathered into, keyed by that and span.

A sample is gathered in the statement after the one that kept it, and only if that one did: the database says which
samples were new. Sums are whole numbers (the processor's in hundredths of a percent), so that no order of adding makes
a difference. Rows are written in the order of their keys, in which two panels cannot wait for each other.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, Table, case, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.metrics.model import SPANS, HostPoint, HostSample, Step, UsagePoint
from innkeeper.core.servers.model import Usage
from innkeeper.storage.columns import EPOCH
from innkeeper.storage.rows import fetch_all, inserting, values_of
from innkeeper.storage.schema import (
    host_samples,
    host_usage_by_hour,
    host_usage_by_minute,
    samples,
    usage_by_hour,
    usage_by_minute,
)

SERVERS: Mapping[Step, Table] = {"raw": samples, "minute": usage_by_minute, "hour": usage_by_hour}
HOSTS: Mapping[Step, Table] = {"raw": host_samples, "minute": host_usage_by_minute, "hour": host_usage_by_hour}
CPU_UNITS = 100
"""Into so many parts a percent of a core is divided, where they are added up."""


class SqlMetrics:
    """Keeps `core.metrics.store.MetricStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, samples: list[tuple[int, Usage]]) -> None:
        await self._add(SERVERS, samples)

    async def add_hosts(self, samples: list[tuple[int, HostSample]]) -> None:
        await self._add(HOSTS, samples)

    async def of_server(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        columns = [column for column in samples.c if column.name != "server_id"]
        return await fetch_all(self._connection, _within(samples, columns, server_id, since, until, limit), Usage)

    async def gathered(
        self, span: Literal["minute", "hour"], server_id: int, since: datetime, until: datetime, limit: int
    ) -> list[UsagePoint]:
        table = SERVERS[span]
        found = await self._connection.execute(_within(table, list(table.c), server_id, since, until, limit))
        return [
            UsagePoint(
                **_figures(row),
                players_mean=round(row["players_sum"] / row["samples"], 4),
                players_max=row["players_max"],
            )
            for row in found.mappings()
        ]

    async def of_host(self, step: Step, node_id: int, since: datetime, until: datetime, limit: int) -> list[HostPoint]:
        table = HOSTS[step]
        found = await self._connection.execute(_within(table, list(table.c), node_id, since, until, limit))
        if step == "raw":
            return [_moment(row) for row in found.mappings()]
        return [HostPoint(**_figures(row)) for row in found.mappings()]

    async def delete_before(self, moment: datetime, *, of: Step = "raw", most: int | None = None) -> int:
        return max(
            await self._delete_before(SERVERS[of], moment, most), await self._delete_before(HOSTS[of], moment, most)
        )

    async def _add(self, tables: Mapping[Step, Table], samples: Sequence[tuple[int, msgspec.Struct]]) -> None:
        raw = tables["raw"]
        subject, _ = (column.name for column in raw.primary_key)
        rows: dict[tuple[int, datetime], dict[str, Any]] = {}
        for number, sample in samples:
            values = {name: value for name, value in values_of(sample).items() if name in raw.c}
            rows.setdefault((number, values["at"]), {subject: number, **values})
        if not rows:
            return
        new = await self._connection.execute(
            inserting(self._connection, raw).on_conflict_do_nothing().returning(*raw.primary_key),
            [rows[key] for key in sorted(rows)],
        )
        kept = [rows[number, at] for number, at in new]
        for span, length in SPANS.items():
            if kept:
                await self._connection.execute(_addition(self._connection, tables[span]), gather(kept, subject, length))

    async def _delete_before(self, table: Table, moment: datetime, most: int | None) -> int:
        old = delete(table).where(table.c.at < moment)
        if most is not None:
            key = list(table.primary_key)
            oldest = select(*key).where(table.c.at < moment).order_by(table.c.at).limit(most)
            old = delete(table).where(tuple_(*key).in_(oldest))
        return (await self._connection.execute(old)).rowcount


def gather(rows: list[dict[str, Any]], subject: str, span: timedelta) -> list[dict[str, Any]]:
    """Return one row for each subject and span, in the order of their keys; `subject` names the column."""
    found: dict[tuple[int, datetime], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[subject], EPOCH + (row["at"] - EPOCH) // span * span].append(row)
    return [{subject: key[0], "at": key[1], **_sums(found[key])} for key in sorted(found)]


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    cpu, memory = [round(row["cpu_percent"] * CPU_UNITS) for row in rows], [row["memory_bytes"] for row in rows]
    disk = [row["disk_bytes"] for row in rows if row["disk_bytes"] is not None]
    players = [row["players"] for row in rows if "players" in row]
    return {
        "samples": len(rows),
        "cpu_sum": sum(cpu),
        "cpu_max": max(cpu),
        "memory_sum": sum(memory),
        "memory_max": max(memory),
        **({"players_sum": sum(players), "players_max": max(players)} if players else {}),
        "disk_samples": len(disk),
        "disk_sum": sum(disk),
        "disk_max": max(disk, default=0),
    }


def _figures(row: Any) -> dict[str, Any]:
    """Return what servers' and hosts' points have in common."""
    count, disks = row["samples"], row["disk_samples"]
    return {
        "at": row["at"],
        "samples": count,
        "cpu_mean": round(row["cpu_sum"] / CPU_UNITS / count, 4),
        "cpu_max": row["cpu_max"] / CPU_UNITS,
        "memory_mean": row["memory_sum"] // count,
        "memory_max": row["memory_max"],
        "disk_mean": row["disk_sum"] // disks if disks else None,
        "disk_max": row["disk_max"] if disks else None,
    }


def _moment(row: Any) -> HostPoint:
    return HostPoint(
        at=row["at"],
        cpu_mean=row["cpu_percent"],
        cpu_max=row["cpu_percent"],
        memory_mean=row["memory_bytes"],
        memory_max=row["memory_bytes"],
        disk_mean=row["disk_bytes"],
        disk_max=row["disk_bytes"],
    )


def _addition(connection: AsyncConnection, table: Table) -> Any:
    """Return the insertion that adds its row to the one that is there."""
    insertion = inserting(connection, table)
    new = insertion.excluded
    together = {
        name: case((new[name] > table.c[name], new[name]), else_=table.c[name])
        if name.endswith("_max")
        else table.c[name] + new[name]
        for name in table.c.keys()  # noqa: SIM118 - a collection of columns is no dictionary
        if name not in table.primary_key.columns
    }
    return insertion.on_conflict_do_update(index_elements=list(table.primary_key), set_=together)


def _within(
    table: Table, columns: list[Any], subject: int, since: datetime, until: datetime, limit: int
) -> Select[Any]:
    return (
        select(*columns)
        .where(next(iter(table.primary_key)) == subject, table.c.at >= since, table.c.at < until)
        .order_by(table.c.at)
        .limit(limit)
    )
