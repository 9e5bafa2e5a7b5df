"""Whatever is done in whatever order, clocks put back and panels broken off: no period is charged twice or left out."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.billing.model import income, issued, wallet
from innkeeper.core.billing.rental_model import period_cost, rate_at
from innkeeper.core.catalog.plans import PlanPrice
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.kit.money import MICRO
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House
from tests.unit.core.billing.renting import HOURLY, MONTHLY, PLAN, priced, rents, tenant
from tests.unit.core.billing.simulation import Breaking, BrokenOff
from tests.unit.core.conftest import FakeClock

OPERATIONS = 250
CURRENCIES = ("EUR", "USD")
STEPS = [{"seconds": 1}, {"minutes": 7}, {"minutes": 59}, {"hours": 1}, {"hours": 2.5}, {"hours": 5}, {"hours": 26}]


class Renting:
    """A house of a few tenants, and what was really given to them."""

    def __init__(self, house: House, clock: FakeClock, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = clock
        self.breaking = Breaking(house.database, self.chance)
        house.database = self.breaking  # type: ignore[assignment]
        self.house = house
        self.done: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.keys = 0

    async def furnish(self) -> None:
        await priced(self.house, EUR=(HOURLY, MONTHLY), USD=(2 * HOURLY, 2 * MONTHLY))
        self.tenants = [await tenant(self.house, f"guest{number}") for number in range(3)]
        await self.reopen()
        await self.house.product.rentals.set_charging(self.house.actor(self.house.root), True)

    async def run(self, operations: int) -> None:
        acts: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
            (10, self.tick),
            (3, self.give),
            (1, self.take),
            (2, self.deploy),
            (1, self.delete),
            (1, self.restore),
            (2, self.price),
            (1, self.switch),
            (1, self.currency),
            (1, self.suspend),
        ]
        choices = [act for weight, act in acts for _ in range(weight)]
        self.breaking.likely = 0.05
        for _ in range(operations):
            self.clock.advance(**self.chance.choice(STEPS))
            if self.chance.random() < 0.05:
                self.clock.advance(hours=-self.chance.randint(1, 40))
            await self.do(self.chance.choice(choices))
            assert await self.faults() == []

    async def do(self, act: Callable[[], Awaitable[Any]]) -> None:
        self.done[act.__name__] += 1
        self.house.product.nodes.heard(self.house.node.id)
        try:
            await act()
        except BrokenOff:
            await self.reopen()
        except CoreError as error:
            self.done[error.code] += 1

    async def faults(self) -> list[str]:
        likely, self.breaking.likely = self.breaking.likely, 0.0
        found = await self.house.product.billing.check(None)
        self.breaking.likely = likely
        return found

    async def reopen(self) -> None:
        """Open the panel again: nothing is in its memory."""
        likely, self.breaking.likely = self.breaking.likely, 0.0
        await self.house.settle()
        old, settings = self.house, Settings(deletion_grace=timedelta(days=2))
        self.house = House(old.database, old.clock, old.tasks, settings)
        product = self.house.product
        await product.authority.load()
        await self.house.credits.load()
        await product.selling.load()
        await product.regions.load()
        await product.nodes.load()
        await product.directory.load()
        self.house.node, self.house.root = old.node, old.root
        product.nodes.heard(self.house.node.id)
        self.house.gateway.desired = dict(old.gateway.desired)
        await product.rentals.note_prices()
        self.breaking.likely = likely

    def present(self) -> list[Record]:
        return [record for record in self.house.product.directory.present() if record.server.state not in ENDED]

    # -- what is done -------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        await self.house.product.rent_collector.tick()
        await self.house.product.deleting.tick()

    async def give(self) -> None:
        await self._move(self.chance.choice([HOURLY, 30 * HOURLY, 3 * MONTHLY]))

    async def take(self) -> None:
        await self._move(-self.chance.randint(1, MONTHLY))

    async def _move(self, amount: int) -> None:
        who, code = self.chance.choice(self.tenants), self.chance.choice(CURRENCIES)
        self.keys += 1
        key = f"key {self.keys}"
        while True:
            billing, root = self.house.product.billing, self.house.actor(self.house.root)
            try:
                if amount > 0:
                    await billing.top_up(root, who.account.id, amount, currency=code, key=key)
                else:
                    await billing.adjust(root, who.account.id, amount, text="taken", currency=code, key=key)
                break
            except BrokenOff:
                await self.reopen()
        self.given[code] += amount

    async def deploy(self) -> None:
        if len(self.present()) < 8:
            kind = self.chance.choice(["hourly", "monthly"])
            await rents(self.house, self.chance.choice(self.tenants), kind, name=f"camp {self.done.total()}")

    async def delete(self) -> None:
        if found := self.present():
            await self.house.product.servers.delete(self.house.actor(self.house.root), self.chance.choice(found))

    async def restore(self) -> None:
        root = self.house.actor(self.house.root)
        if found := self.house.product.servers.kept(root):
            await self.house.product.servers.restore(root, self.chance.choice(found).server.uuid)

    async def price(self) -> None:
        plan = self.house.product.selling.get(PLAN)
        prices = tuple(
            PlanPrice(currency=code, hourly=self.chance.choice([0, 1, HOURLY]), monthly=self.chance.randint(0, MONTHLY))
            for code in self.chance.choice([CURRENCIES, ("EUR",)])
        )
        await self.house.product.selling.put_plan(self.house.actor(self.house.root), replace(plan, prices=prices))

    async def switch(self) -> None:
        on = self.chance.random() < 0.7
        await self.house.product.rentals.set_charging(self.house.actor(self.house.root), on)

    async def currency(self) -> None:
        await self.house.product.billing.set_currency(self.house.actor(self.house.root), self.chance.choice(CURRENCIES))

    async def suspend(self) -> None:
        root = self.house.actor(self.house.root)
        if found := self.present():
            record = self.chance.choice(found)
            servers = self.house.product.servers
            if record.server.suspended:
                await servers.unsuspend(root, record)
            else:
                await servers.suspend(root, record, "maintenance")

    # -- what must be true --------------------------------------------------------------------------------------------

    async def verify(self) -> None:
        """Raise AssertionError unless everybody who exists has paid or is locked, and all money is accounted for."""
        self.breaking.likely = 0.0
        await self.reopen()
        await self.house.product.rentals.set_charging(self.house.actor(self.house.root), True)
        self.clock.advance(days=1)
        self.house.product.nodes.heard(self.house.node.id)
        await self.house.product.rent_collector.tick()
        assert await self.faults() == []
        async with self.house.database.works() as work:
            histories = await work.rentals.histories(0, 10_000)
            rates = await work.rentals.rates()
            wallets = await work.billing.wallets()
            ours = [issued(code) for code in CURRENCIES] + [income(code) for code in CURRENCIES]
            balances = await work.billing.balances(ours)
        for code in CURRENCIES:
            held = sum(amount for ref, amount in wallets.items() if ref.currency == code)
            earned = sum(s.amount for h in histories if h.rental.currency == code for s in h.steps)
            assert balances[issued(code)] == -self.given[code]
            assert balances[income(code)] == earned == self.given[code] - held
        now = self.clock.now()
        for history in histories:
            rental = history.rental
            if rental.closed_at is not None:
                continue
            server = self.house.product.directory.get(rental.server_id).server
            if rental.unpaid_since is None:
                assert rental.term is not None
                assert rental.term.paid_until > now
                assert server.suspended_reason != "billing"
            else:
                mine = [rate for rate in rates if (rate.plan, rate.currency) == (rental.plan, rental.currency)]
                needed = period_cost(rental.billing_type, rate_at(mine, now), 0)
                assert wallets.get(wallet(rental.account_id, rental.currency), 0) < needed
                assert server.suspended
        assert sum(len(history.steps) for history in histories) > OPERATIONS
        assert {history.rental.billing_type for history in histories} == {"hourly", "monthly"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_random_operations_and_crashes_leave_every_rental_paid_once_or_locked(tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    async with House.open(tmp_path, clock=clock) as house:
        database = house.database
        renting = Renting(house, clock, seed)
        await renting.furnish()
        await renting.run(OPERATIONS)
        await renting.verify()
        house.database = database
        assert renting.breaking.broken > OPERATIONS // 30
        assert renting.done["credits_are_exhausted"]
        assert sum(renting.given.values()) > MICRO
