"""Keeps what vendors told of versions."""

import msgspec
from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.catalog.index_store import KeptIndex, KeptRelease
from innkeeper.storage.rows import fetch_all, inserting, values_of
from innkeeper.storage.schema import catalog_indexes, catalog_releases


class SqlIndexes:
    """Keeps `core.catalog.index_store.IndexStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def indexes(self) -> list[KeptIndex]:
        query = select(catalog_indexes).order_by(catalog_indexes.c.package, catalog_indexes.c.runtime)
        return await fetch_all(self._connection, query, KeptIndex)

    async def releases(self) -> list[KeptRelease]:
        columns = catalog_releases.c
        query = select(catalog_releases).order_by(columns.package, columns.runtime, columns.version)
        return await fetch_all(self._connection, query, KeptRelease)

    async def put_index(self, kept: KeptIndex) -> None:
        columns, releases = catalog_indexes.c, catalog_releases.c
        before = await self._connection.execute(
            select(columns.source).where(columns.package == kept.package, columns.runtime == kept.runtime)
        )
        if (source := before.scalar_one_or_none()) is not None and source != kept.source:
            of_runtime = (releases.package == kept.package, releases.runtime == kept.runtime)
            await self._connection.execute(delete(catalog_releases).where(*of_runtime))
        await self._put(catalog_indexes, kept)

    async def put_release(self, kept: KeptRelease) -> None:
        await self._put(catalog_releases, kept)

    async def _put(self, table: Table, row: msgspec.Struct) -> None:
        values, insertion = values_of(row), inserting(self._connection, table)
        key = [column.name for column in table.primary_key]
        await self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=key,
                set_={name: insertion.excluded[name] for name in values if name not in key},
                where=table.c.fetched_at <= insertion.excluded.fetched_at,
            ),
            values,
        )
