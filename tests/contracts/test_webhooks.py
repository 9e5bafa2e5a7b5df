"""Two panels of one PostgreSQL tell what happens: everything once, each webhook in its order, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from innkeeper.core.happenings import Happening
from innkeeper.core.webhooks.model import WebhookDraft
from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.main import notifiers
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.products import House
from innkeeper.testing.receivers import Receiver

pytest_plugins = ["innkeeper.testing.postgres"]

HOOKS, EVENTS = 3, 8


@pytest.fixture
async def panels(postgres_server: PostgresServer) -> AsyncIterator[list[House]]:
    postgres_url = await in_thread(postgres_server.create_database)
    await upgrade(postgres_url)
    async with AsyncExitStack() as stack:
        houses = []
        for _ in range(2):
            database = await Database.open(postgres_url)
            stack.push_async_callback(database.aclose)
            tasks = await stack.enter_async_context(TaskSet("panel"))
            courier = HttpCourier(notifiers(), networks=("127.0.0.0/8",))
            stack.push_async_callback(courier.aclose)
            houses.append(House(database, SystemClock(), tasks, Settings(), courier=courier))
        await houses[0]._furnish()
        yield houses
    await in_thread(postgres_server.drop_database, postgres_url)


async def test_what_both_panels_noted_arrives_once_and_in_order(panels: list[House]) -> None:
    one, two = panels
    server = await one.server()
    async with Receiver.open() as receiver:
        for number in range(HOOKS):
            draft = WebhookDraft(
                name=f"hook {number}",
                kind="json",
                url=f"{receiver.url}/{number}",
                triggers=frozenset({"backup_finished"}),
                body="{{ backup }}",
            )
            await one.product.webhooks.create(one.actor(one.root), server, draft)
        for house in (two, one):
            await house.product.authority.load()
            await house.product.directory.load()
            await house.product.webhooks.load()

        async def note(house: House, number: int) -> None:
            happening = Happening(
                kind="backup_finished",
                server_id=server.server.id,
                at=house.clock.now(),
                key=str(number),
                data={"backup": str(number)},
            )
            async with house.database.works() as work:
                await house.product.happenings.note(work, happening)

        senders = [asyncio.create_task(house.product.webhooks.queue.run()) for house in panels]
        for number in range(EVENTS):
            await asyncio.gather(*(note(house, number) for house in panels))
        await receiver.wait_for(HOOKS * EVENTS, 30)
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        while await one.product.webhooks.queue.tick():
            pass
    for number in range(HOOKS):
        told = [message.json()["text"] for message in receiver.taken if message.path == f"/hook/{number}"]
        assert told == [str(event) for event in range(EVENTS)]
