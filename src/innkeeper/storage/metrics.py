"""Keeps samples, keyed by server and moment."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.servers.model import Usage
from innkeeper.storage.rows import fetch_all, inserting, values_of
from innkeeper.storage.schema import samples

_TABLE = samples
COLUMNS = [column for column in samples.c if column.name != "server_id"]


class SqlMetrics:
    """Keeps `core.metrics.store.MetricStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    # One statement with a batch of parameters, however many there are: no limit on the variables of a statement is met.
    async def add(self, samples: list[tuple[int, Usage]]) -> None:
        if samples:
            rows = [{"server_id": server_id, **values_of(usage)} for server_id, usage in samples]
            await self._connection.execute(inserting(self._connection, _TABLE).on_conflict_do_nothing(), rows)

    async def of_server(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        query = (
            select(*COLUMNS)
            .where(samples.c.server_id == server_id, samples.c.at >= since, samples.c.at < until)
            .order_by(samples.c.at)
            .limit(limit)
        )
        return await fetch_all(self._connection, query, Usage)

    async def delete_before(self, moment: datetime) -> int:
        return (await self._connection.execute(delete(samples).where(samples.c.at < moment))).rowcount
