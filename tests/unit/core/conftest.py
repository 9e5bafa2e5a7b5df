"""What core's tests stand on: a whole product on a database of its own, and a clock that a test moves."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.product import Settings
from innkeeper.testing.products import FACTS, House


class FakeClock:
    """Time that stands still until a test says otherwise."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC) + self.passed

    def monotonic(self) -> float:
        return 1000 + self.passed.total_seconds()

    def advance(self, **time: float) -> None:
        """Let that much time pass: `advance(minutes=5)`."""
        self.passed += timedelta(**time)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with House.open(tmp_path, clock=clock) as opened:
        yield opened


async def restarted(house: House) -> House:
    """Return the house as its panel finds it after a restart: the same database, nothing in memory, the same node."""
    again = House(house.database, house.clock, house.tasks, Settings())
    await again.product.authority.load()
    await again.credits.load()
    await again.product.selling.load()
    await again.product.regions.load()
    await again.product.nodes.load()
    await again.product.directory.load()
    again.node, again.root = house.node, house.root
    again.product.nodes.heard(again.node.id)
    again.gateway.desired = dict(house.gateway.desired)
    return again


async def server_in(house: House, state: State, *, power: str = "on") -> Record:
    """Return a server that its node reports to be in `state`, with nothing carried out by itself from then on."""
    server = await house.server(name=f"{state} {power}")
    house.gateway.obeys = False
    if power == "on":
        await house.product.servers.start(house.actor(house.root), server)
    await house.gateway.see(server.server.uuid, house.gateway.live(state))
    house.gateway.obeys = True
    found = house.now(server)
    assert (found.live.state, found.server.power) == (state, power)
    return found


async def second_node(house: House, name: str = "far") -> int:
    """Enrol another node, there and empty; return its id."""
    token, _ = await house.product.nodes.create_token(house.actor(house.root))
    node, _ = await house.product.nodes.enrol(token, name, FACTS, address="127.0.0.2", public_host="")
    house.product.nodes.heard(node.id)
    return node.id
