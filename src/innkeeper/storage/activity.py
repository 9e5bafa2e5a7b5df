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

    async def delete_before(self, moment: datetime, *, most: int | None = None) -> int:
        old = activity.c.at < moment
        if most is not None:
            old = activity.c.id.in_(select(activity.c.id).where(old).order_by(activity.c.at).limit(most))
        return (await self._connection.execute(delete(activity).where(old))).rowcount

    async def delete_beyond(self, newest: int, *, most: int) -> int:
        ids = select(activity.c.id).order_by(activity.c.id.desc()).offset(newest).limit(1)
        last = (await self._connection.execute(ids)).scalar_one_or_none()
        if last is None:
            return 0
        oldest = select(activity.c.id).where(activity.c.id <= last).order_by(activity.c.id).limit(most)
        return (await self._connection.execute(delete(activity).where(activity.c.id.in_(oldest)))).rowcount
