"""A house in which running costs something: 60 credits an hour for a GiB, a credit a minute for these servers."""

import pytest

from innkeeper.core.access.model import Actor
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Limits
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock

PRICE = 60 * MICRO
GIB = Limits(memory_mib=1024)


@pytest.fixture
def node(clock: FakeClock) -> TrueNode:
    return TrueNode(clock)


@pytest.fixture
async def priced(house: House) -> House:
    """The house, with a price; its node does only what the test's own does."""
    await house.product.billing.set_price(house.actor(house.root), PRICE)
    return house


async def guest(house: House, name: str, *, has: int = 0) -> Actor:
    """Return a new account with so many credits."""
    account = await house.account(name)
    if has:
        await house.product.billing.top_up(house.actor(house.root), account.id, has * MICRO)
    return house.actor(account)


async def camp(house: House, owner: Actor, name: str = "camp") -> Record:
    """Return a stopped server of 1 GiB."""
    house.gateway.obeys = True
    record = await house.server(owner=owner.account, name=name, limits=GIB)
    house.gateway.obeys = False
    return record


async def started(house: House, node: TrueNode, record: Record, by: Actor, *, own_credits: bool = False) -> str:
    """Start a server and have it run; return the run's id."""
    await house.product.servers.start(by, house.now(record), own_credits=own_credits)
    run_id = node.start(record.server.uuid)
    await node.report(house, record)
    return run_id


async def passes(house: House, clock: FakeClock, **time: float) -> None:
    """Let time pass, the node heard all the while, and do what is done on the timer."""
    clock.advance(**time)
    house.product.nodes.heard(house.node.id)
    await house.product.collector.tick()
    assert await house.product.billing.check(None) == []
