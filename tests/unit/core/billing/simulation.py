"""Thousands of random operations on a whole product whose panel is broken off at random points and opened again.

The clock is simulated, the database real. A panel that is broken off forgets everything; what the database and the
node know stays. Operations that were broken off are asked again with the same key, as a program would.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.billing.model import ISSUED, cost
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.work import Work
from innkeeper.kit.money import MICRO
from innkeeper.storage.database import Database
from innkeeper.testing.products import House
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.conftest import FakeClock, restarted

ACCOUNTS, SERVERS = 4, 5


class BrokenOff(Exception):
    """The panel was killed here."""


class Breaking:
    """A database whose transactions are broken off: before they begin, before their commit, or right after it."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self._database = database
        self._chance = chance
        self.likely = 0.0
        self.broken = 0

    def set_announcer(self, announce: Any) -> None:
        self._database.set_announcer(announce)

    @asynccontextmanager
    async def works(self) -> AsyncIterator[Work]:
        where = self._chance.randrange(3) if self._chance.random() < self.likely else None
        self._break_off(where == 0)
        async with self._database.works() as work:
            yield work
            self._break_off(where == 1)
        self._break_off(where == 2)

    def _break_off(self, now: bool) -> None:
        if now:
            self.broken += 1
            raise BrokenOff


class Simulation:
    """A house of a few accounts, servers and pools, and what was really done to it."""

    def __init__(self, house: House, clock: FakeClock, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = clock
        self.node = TrueNode(clock)
        self.breaking = Breaking(house.database, self.chance)
        house.database = self.breaking  # type: ignore[assignment]
        self.house = house
        self.done: Counter[str] = Counter()
        self.issued = 0
        """What was given out in all, less what was taken back."""
        self.keys = 0
        self.actors: list[Actor]
        self.servers: list[Record]

    async def furnish(self) -> None:
        """Make accounts, servers and a price."""
        house = self.house
        self.actors = [house.actor(await house.account(f"guest{number}")) for number in range(ACCOUNTS)]
        self.servers = [
            await house.server(owner=self.chance.choice(self.actors).account, name=f"camp {number}")
            for number in range(SERVERS)
        ]
        house.gateway.obeys = False
        await house.product.billing.set_price(house.actor(house.root), 700 * MICRO)
        self.house = await restarted(house)

    async def run(self, operations: int) -> None:
        """Do so many random operations, the panel broken off now and then."""
        acts: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
            (4, self.start),
            (2, self.stop),
            (6, self.hear),
            (6, self.metering),
            (2, self.top_up),
            (1, self.adjust),
            (2, self.shift),
            (1, self.pool),
            (2, self.member),
            (1, self.assign),
            (1, self.price),
            (1, self.crash_of_a_game),
            (1, self.absence),
        ]
        choices = [act for weight, act in acts for _ in range(weight)]
        self.breaking.likely = 0.03
        while self.done.total() < operations:
            self.clock.advance(seconds=self.chance.choice([0, 0.001, 1, 7.3, 20, 31, 64]))
            if self.chance.random() < 0.9:
                self.house.product.nodes.heard(self.house.node.id)
            await self.do(self.chance.choice(choices))
        self.breaking.likely = 0

    async def do(self, act: Callable[[], Awaitable[Any]]) -> None:
        """Do one thing; where the panel is broken off, open it again."""
        self.done[act.__name__] += 1
        try:
            await act()
        except BrokenOff:
            await self.reopen()
        except CoreError as error:
            self.done[error.code] += 0

    async def reopen(self) -> None:
        """Open the panel again: nothing is in its memory; its node tells everything."""
        likely, self.breaking.likely = self.breaking.likely, 0.0
        await self.house.settle()
        self.house = await restarted(self.house)
        self.house.gateway.obeys = False
        self.house.gateway.observe = self.house.reconciler.observe
        if self.chance.random() < 0.7:
            await self.node.report(self.house, *self.servers)
        self.breaking.likely = likely

    async def surely(self, ask: Callable[[], Awaitable[Any]]) -> None:
        """Ask until there is an answer, whatever happens to the panel meanwhile."""
        while True:
            try:
                await ask()
                return
            except BrokenOff:
                await self.reopen()

    # -- what is done -------------------------------------------------------------------------------------------------

    def actor(self) -> Actor:
        return self.chance.choice(self.actors)

    def key(self) -> str:
        self.keys += 1
        return f"key {self.keys}"

    def amount(self) -> int:
        return self.chance.randint(1, 60 * MICRO)

    async def start(self) -> None:
        record = self.house.now(self.chance.choice(self.servers))
        root = self.house.actor(self.house.root)
        own = self.chance.random() < 0.3
        await self.house.product.servers.start(self.actor() if own else root, record, own_credits=own)

    async def stop(self) -> None:
        record = self.house.now(self.chance.choice(self.servers))
        await self.house.product.servers.stop(self.house.actor(self.house.root), record)

    async def hear(self) -> None:
        """The node does what was decided, and tells."""
        for record in self.servers:
            server = self.house.now(record).server
            if server.power == "on" and server.uuid not in self.node.alive:
                self.node.start(server.uuid)
            elif server.power == "off" and server.uuid in self.node.alive:
                self.node.end(server.uuid)
        await self.node.report(self.house, *self.servers)

    async def metering(self) -> None:
        await self.house.product.collector.tick()

    async def crash_of_a_game(self) -> None:
        """A game ends by itself and runs again, some time later; perhaps nobody is told of it now."""
        for server in list(self.node.alive):
            if self.chance.random() < 0.5:
                self.node.end(server)
                self.clock.advance(seconds=3)
                self.node.start(server)
        if self.chance.random() < 0.5:
            await self.node.report(self.house, *self.servers)

    async def absence(self) -> None:
        """No panel is there for a while; games end and begin."""
        for server in list(self.node.alive):
            if self.chance.random() < 0.3:
                self.clock.advance(seconds=self.chance.randint(1, 400))
                self.node.end(server)
                if self.chance.random() < 0.5:
                    self.node.start(server)
        self.clock.advance(seconds=self.chance.randint(1, 400))
        await self.reopen()

    async def top_up(self) -> None:
        who, amount, key = self.actor().account.id, self.amount() * 4, self.key()
        await self.surely(
            lambda: self.house.product.billing.top_up(self.house.actor(self.house.root), who, amount, key=key)
        )
        self.issued += amount

    async def adjust(self) -> None:
        who, amount, key = self.actor().account.id, -self.amount(), self.key()
        root = self.house.actor(self.house.root)
        await self.surely(lambda: self.house.product.billing.adjust(root, who, amount, text="a mistake", key=key))
        self.issued += amount

    async def shift(self) -> None:
        actor, pools = self.actor(), await self.pools()
        if pools:
            billing = self.house.product.billing
            move = self.chance.choice([billing.deposit, billing.withdraw])
            await move(actor, self.chance.choice(pools), self.amount(), key=self.key())

    async def pool(self) -> None:
        actor, pools, billing = self.actor(), await self.pools(), self.house.product.billing
        if len(pools) < 3:
            await billing.create_pool(actor, "all of us")
        elif self.chance.random() < 0.3:
            await billing.delete_pool(actor, self.chance.choice(pools))
        else:
            await billing.rename_pool(actor, self.chance.choice(pools), "some of us")

    async def member(self) -> None:
        actor, pools, billing = self.actor(), await self.pools(), self.house.product.billing
        if not pools:
            return
        pool, other = self.chance.choice(pools), self.actor().account.id
        match self.chance.randrange(4):
            case 0:
                await billing.leave(actor, pool)
            case 1:
                await billing.remove_member(actor, pool, other)
            case _:
                await billing.add_member(actor, pool, other)

    async def assign(self) -> None:
        record, pools = self.house.now(self.chance.choice(self.servers)), await self.pools()
        owner = next(actor for actor in self.actors if actor.account.id == record.server.owner_id)
        if pools and self.chance.random() < 0.7:
            await self.house.product.billing.assign(owner, record, self.chance.choice(pools))
        else:
            await self.house.product.billing.unassign(owner, record)

    async def price(self) -> None:
        amount = self.chance.choice([0, 1, 333, 7 * MICRO, 1000 * MICRO])
        self.clock.advance(seconds=0.001)  # no game begins at the very moment of a price
        try:
            await self.house.product.billing.set_price(self.house.actor(self.house.root), amount)
        finally:
            self.clock.advance(seconds=0.001)

    async def pools(self) -> list[int]:
        async with self.house.database.works() as work:
            return [pool.id for pool in await work.billing.pools(None)]

    # -- what must be true --------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Have every game end and the panel told."""
        await self.reopen()
        for server in list(self.node.alive):
            self.node.end(server)
        await self.node.report(self.house, *self.servers)
        await self.metering()

    async def verify(self) -> None:
        """Raise AssertionError unless the books are right, and say what really happened."""
        assert await self.house.product.billing.check(None) == []
        async with self.house.database.works() as work:
            assert (await work.billing.balances([ISSUED]))[ISSUED] == -self.issued
            metered = await work.billing.metered(0, 1_000_000)
            prices = await work.billing.prices()
            assert await work.billing.open_meters() == []
        charged = {meter.run_id: (meter, steps) for meter, steps in metered}
        for run in self.node.ended.values():
            price = next((price.amount for price in reversed(prices) if price.at <= run.started_at), 0)
            if price == 0:
                assert run.run_id not in charged
                continue
            meter, steps = charged.pop(run.run_id)
            assert meter.price == price
            assert (meter.started_at, meter.billed_until) == (run.started_at, run.ended_at)
            assert sum(step.amount for step in steps) == cost(price, meter.memory_mib, run.ended_at - run.started_at)
        assert charged == {}
