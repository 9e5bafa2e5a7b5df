"""Keeps the installation's own values."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.storage.schema import settings


class SqlSettings:
    """Keeps `core.work.SettingStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, name: str) -> str | None:
        found = await self._connection.execute(select(settings.c.value).where(settings.c.name == name))
        return found.scalar_one_or_none()

    async def put_if_absent(self, name: str, value: str) -> str:
        make = sqlite.insert if self._connection.dialect.name == "sqlite" else postgresql.insert
        await self._connection.execute(make(settings).values(name=name, value=value).on_conflict_do_nothing())
        # The insert waits for another writer of the same name, and this statement sees what that one left.
        kept = await self._connection.execute(select(settings.c.value).where(settings.c.name == name))
        return str(kept.scalar_one())
