"""A panel in a process of its own that is told what to do, to be killed at any moment.

It has a real product on a real database and a timer that meters; its node is whoever tells it what runs. Told a list
of (name, arguments) it does one after the other and answers each with None or the code of the condition it met.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.errors import CoreError
from innkeeper.core.operations.model import OperationState
from innkeeper.core.operations.service import Progress
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Live
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet, every
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.testing.products import House

STEP = timedelta(milliseconds=200)
TICK = timedelta(milliseconds=50)


def serve(url: str, node: UUID, orders: Connection) -> None:
    """Be a panel on that database until there are no more orders."""

    asyncio.run(_serve(url, node, orders))


async def _serve(url: str, node: UUID, orders: Connection) -> None:
    database = await Database.open(url)
    async with TaskSet("panel") as tasks:
        house = House(database, SystemClock(), tasks, Settings())
        house.gateway.obeys = False
        house.meters.step = STEP
        product = house.product
        await product.authority.load()
        await house.credits.load()
        await product.nodes.load()
        await product.directory.load()
        house.node = product.nodes.by_uuid(node)
        metering = tasks.start(every(TICK, product.collector.tick, name="metering"), name="metering")
        deeds = Deeds(house)
        while batch := await asyncio.to_thread(orders.recv):
            for name, arguments in batch:
                try:
                    await getattr(deeds, name)(*arguments)
                    orders.send(None)
                except CoreError as error:
                    orders.send(error.code)
        metering.cancel()
    await database.aclose()


class Deeds:
    """What can be told."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._billing = house.product.billing

    def _actor(self, account_id: int) -> Actor:
        return self._house.product.authority.actor_of(account_id, "system")

    def _record(self, server: UUID) -> Record:
        return self._house.product.directory.find(server)

    async def report(self, lives: bytes) -> None:
        seen = []
        for uuid, live in msgspec.msgpack.decode(lives, type=dict[UUID, Live]).items():
            server = self._record(uuid).server
            progress = Progress(state=OperationState.DONE)
            seen.append(
                Observation(
                    uuid=uuid, live=live, generation=server.generation, order_id=server.order_id, progress=progress
                )
            )
        await self._house.reconciler.observe(self._house.node.id, seen)

    async def start(self, who: int, server: UUID, own: bool) -> None:
        await self._house.product.servers.start(self._actor(who), self._record(server), own_credits=own)

    async def stop(self, who: int, server: UUID) -> None:
        await self._house.product.servers.stop(self._actor(who), self._record(server))

    async def assign(self, server: UUID, pool: int | None) -> None:
        record = self._record(server)
        owner = self._actor(record.server.owner_id)
        await (self._billing.assign(owner, record, pool) if pool else self._billing.unassign(owner, record))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Everything else is billing's own: the first argument is who asks, the last, a mapping, is by name."""
        method = getattr(self._billing, name)

        async def ask(who: int, *arguments: Any) -> None:
            *given, by_name = arguments
            await method(self._actor(who), *given, **by_name)

        return ask
