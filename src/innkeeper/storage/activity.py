"""Keeps activity."""

from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.activity.model import Activity
from innkeeper.storage.rows import fetch_all, insert_row, values_of
from innkeeper.storage.schema import activity


class SqlActivity:
    """Keeps `core.activity.store.ActivityStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entry: Activity) -> Activity:
        return replace(entry, id=await insert_row(self._connection, activity, values_of(entry)))

    async def recent(
        self, *, server_id: int | None, account_id: int | None, before_id: int | None, limit: int
    ) -> list[Activity]:
        query = select(activity)
        if server_id is not None:
            query = query.where(activity.c.server_id == server_id)
        if account_id is not None:
            query = query.where(activity.c.account_id == account_id)
        if before_id is not None:
            query = query.where(activity.c.id < before_id)
        return await fetch_all(self._connection, query.order_by(activity.c.id.desc()).limit(limit), Activity)

    async def delete_before(self, moment: datetime) -> int:
        return (await self._connection.execute(delete(activity).where(activity.c.at < moment))).rowcount
