"""A bus whose server is killed in the middle of a flood comes back every time, on the loop that the product runs on."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta

import pytest
import uvloop

from innkeeper.bus.nats import NatsBus
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.nats_server import NatsServer
from innkeeper.wire.bus import BusError

KILLS = 12
PATIENCE_S = 15


async def echo(payload: bytes) -> bytes:
    return payload


async def flood(bus: NatsBus) -> None:
    while True:
        with suppress(BusError):  # while it is down, it says so
            await bus.publish("console.1", b"x" * 200)
        await asyncio.sleep(0)


async def answered(bus: NatsBus) -> None:
    """Return once a request is answered again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await bus.request("ask.1", b"there?", timedelta(seconds=1)) == b"there?"
                return
            except BusError:
                await asyncio.sleep(0.01)


async def survive(chance: random.Random) -> None:
    async with NatsServer() as server, await NatsBus.connect(server.url) as bus, TaskSet("flood") as tasks:
        await bus.serve("ask.1", echo, name="echo")
        tasks.start(flood(bus), name="flood")
        for _ in range(KILLS):
            await answered(bus)
            await server.kill()
            if chance.random() < 0.5:  # again, while the bus is coming back
                await server.restart()
                await asyncio.sleep(chance.uniform(0, 0.1))
                await server.kill()
            await server.restart()
        await answered(bus)
        await tasks.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_a_flooded_bus_outlives_its_server_however_often_that_is_killed(seed: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(survive(random.Random(seed)))
