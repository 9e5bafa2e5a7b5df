"""Keeps what is sold: plans made here, regions, retirements."""

from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.catalog.plans import Plan
from innkeeper.core.catalog.store import Retirement, Sold
from innkeeper.core.nodes.model import Region
from innkeeper.storage.rows import fetch_all, fetch_one, inserting, values_of
from innkeeper.storage.schema import plans, regions, retirements


class SqlSelling:
    """Keeps `core.catalog.store.SellingStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def plans(self) -> list[Plan]:
        return await fetch_all(self._connection, select(plans).order_by(plans.c.name), Plan)

    async def hold_plan(self, name: str) -> Plan | None:
        held = select(plans).where(plans.c.name == name).with_for_update(read=True)
        return await fetch_one(self._connection, held, Plan)

    async def put_plan(self, plan: Plan) -> None:
        await self._put(plans, values_of(plan))

    async def delete_plan(self, name: str) -> bool:
        return bool((await self._connection.execute(delete(plans).where(plans.c.name == name))).rowcount)

    async def regions(self) -> list[Region]:
        return await fetch_all(self._connection, select(regions).order_by(regions.c.name), Region)

    async def hold_region(self, name: str) -> Region | None:
        held = select(regions).where(regions.c.name == name).with_for_update(read=True)
        return await fetch_one(self._connection, held, Region)

    async def put_region(self, region: Region) -> None:
        await self._put(regions, values_of(region))

    async def delete_region(self, name: str) -> bool:
        return bool((await self._connection.execute(delete(regions).where(regions.c.name == name))).rowcount)

    async def retirements(self) -> list[Retirement]:
        query = select(retirements).order_by(retirements.c.noun, retirements.c.name)
        return await fetch_all(self._connection, query, Retirement)

    async def retire(self, retirement: Retirement) -> None:
        insertion = inserting(self._connection, retirements).on_conflict_do_nothing()
        await self._connection.execute(insertion, values_of(retirement))

    async def unretire(self, noun: Sold, name: str) -> None:
        await self._connection.execute(
            delete(retirements).where(retirements.c.noun == noun, retirements.c.name == name)
        )

    async def _put(self, table: Table, values: dict[str, Any]) -> None:
        insertion = inserting(self._connection, table)
        others = {name: insertion.excluded[name] for name in values if name != "name"}
        await self._connection.execute(
            insertion.on_conflict_do_update(index_elements=[table.c.name], set_=others), values
        )
