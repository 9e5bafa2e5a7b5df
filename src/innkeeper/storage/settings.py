"""Keeps the installation's own values."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.storage.rows import inserting
from innkeeper.storage.schema import settings


class SqlSettings:
    """Keeps `core.work.SettingStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, name: str) -> str | None:
        found = await self._connection.execute(select(settings.c.value).where(settings.c.name == name))
        return found.scalar_one_or_none()

    async def put_if_absent(self, name: str, value: str) -> str:
        insertion = inserting(self._connection, settings).on_conflict_do_nothing()
        await self._connection.execute(insertion, {"name": name, "value": value})
        # The insert waits for another writer of the same name, and this statement sees what that one left.
        kept = await self._connection.execute(select(settings.c.value).where(settings.c.name == name))
        return str(kept.scalar_one())

    async def put(self, name: str, value: str) -> None:
        insertion = inserting(self._connection, settings)
        keep = insertion.on_conflict_do_update(
            index_elements=[settings.c.name], set_={"value": insertion.excluded.value}
        )
        await self._connection.execute(keep, {"name": name, "value": value})

    async def starting(self, prefix: str) -> dict[str, str]:
        query = select(settings.c.name, settings.c.value).where(settings.c.name.startswith(prefix, autoescape=True))
        return {row.name: row.value for row in await self._connection.execute(query)}
