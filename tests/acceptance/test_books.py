"""Panels are killed at random moments while credits move and games run; the books stay right.

The test is the node and whoever asks: it knows what really ran and what was really given. What a killed panel did not
answer is asked again with the same key, and what it did not acknowledge is told again.
"""

import asyncio
import multiprocessing
import random
import time
from collections import deque
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from innkeeper.core.billing.books import faults_of
from innkeeper.core.billing.model import ISSUED, cost
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Limits, Live, Run
from innkeeper.kit.money import MICRO
from innkeeper.storage.database import Database
from innkeeper.testing.products import House
from tests.acceptance import books

OPERATIONS, KILLS = 4000, 25
ANSWER_SECONDS = 60.0
MOST_SECONDS = 2.0
"""That a panel lives for, once it has answered."""
PRICES = (0, 0, 900 * MICRO, 100_000 * MICRO)
Order = tuple[str, tuple[Any, ...]]


class Truth:
    """What really ran, what was really given, and what nobody has acknowledged yet."""

    def __init__(self, accounts: list[int], servers: list[UUID], seed: int) -> None:
        self.root, *self.accounts = accounts
        self.servers = servers
        self.chance = random.Random(seed)
        self.alive: dict[UUID, tuple[str, datetime]] = {}
        self.ended: dict[str, Run] = {}
        self.unheard: dict[UUID, list[Run]] = {server: [] for server in servers}
        self.issued = 0
        self.pools = 0
        self.keys = 0

    def order(self) -> Order:
        """Return something to do, chosen by chance."""
        chance, who = self.chance, self.chance.choice(self.accounts)
        server, pool = chance.choice(self.servers), chance.randint(1, max(1, self.pools))
        self.keys += 1
        once = {"key": f"key {self.keys}"}
        match chance.randrange(20):
            case 0 | 1 | 2:
                return self.report()
            case 3 | 4 | 5:
                amount = chance.randint(1, 500 * MICRO)
                self.issued += amount
                return "top_up", (self.root, who, amount, once)
            case 6:
                amount = chance.randint(1, 50 * MICRO)
                self.issued -= amount
                return "adjust", (self.root, who, -amount, {"text": "a mistake", **once})
            case 7 | 8 | 9:
                return "deposit", (who, pool, chance.randint(1, 50 * MICRO), once)
            case 10 | 11:
                return "withdraw", (who, pool, chance.randint(1, 50 * MICRO), once)
            case 12 | 13:
                return "add_member", (self.root, pool, who, {})
            case 14:
                return "leave", (who, pool, {})
            case 15:
                self.pools += 1
                return "create_pool", (who, "together", {})
            case 16:
                return chance.choice([("delete_pool", (self.root, pool, {})), ("assign", (server, None))])
            case 17:
                return "assign", (server, pool)
            case 18:
                return "set_price", (self.root, chance.choice(PRICES), {})
            case _:
                own = (self.root, server, chance.random() < 0.3)
                return chance.choice([("start", own), ("stop", own[:2])])

    def report(self) -> Order:
        """Let games begin and end, and tell of all."""
        for server in self.servers:
            if self.chance.random() < 0.25:
                self.end(server)
                if self.chance.random() < 0.8:
                    self.alive[server] = (f"run-{self.chance.getrandbits(64):x}", _now())
        return self.told()

    def end(self, server: UUID) -> None:
        if server in self.alive:
            run_id, started_at = self.alive.pop(server)
            self.ended[run_id] = Run(run_id=run_id, started_at=started_at, ended_at=_now())
            self.unheard[server].append(self.ended[run_id])

    def told(self) -> Order:
        lives = {}
        for server in self.servers:
            run_id, started_at = self.alive.get(server, (None, None))
            state = State.RUNNING if run_id else State.STOPPED
            runs = tuple(self.unheard[server])
            lives[server] = Live(state=state, run_id=run_id, started_at=started_at, pid=run_id and 4711, runs=runs)
        return "report", (msgspec.msgpack.encode(lives),)

    def heard(self, order: Order) -> None:
        """Take note that a report was acknowledged: what it told is told no more."""
        for server, live in msgspec.msgpack.decode(order[1][0], type=dict[UUID, Live]).items():
            self.unheard[server] = [run for run in self.unheard[server] if run not in live.runs]


@pytest.mark.slow
def test_panels_that_are_killed_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    url, node, truth = asyncio.run(_furnished(tmp_path))
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([books.__name__])
    answered: list[str | None] = []
    unanswered: deque[Order] = deque()
    kills = 0
    while len(answered) < OPERATIONS or kills < KILLS:
        here, there = forking.Pipe()
        panel = forking.Process(target=books.serve, args=(url, node, there))
        panel.start()
        there.close()
        while len(unanswered) < 3 * OPERATIONS // KILLS:
            unanswered.append(truth.order())
        first = truth.told()  # whoever comes up hears what runs
        here.send([first, *unanswered])
        _answers(here, deque([first]), truth)
        before = len(answered)
        moment = time.monotonic() + truth.chance.random() * MOST_SECONDS
        while (left := moment - time.monotonic()) > 0 and here.poll(left):
            answered += _answers(here, unanswered, truth, just_one=True)
            if not unanswered:
                break
        panel.kill()
        kills += 1
        answered += _answers(here, unanswered, truth, to_the_end=True)
        panel.join()
        panel.close()
        here.close()
        assert len(answered) > before or kills < KILLS * 3
    asyncio.run(_settle_and_verify(url, node, truth, unanswered))
    assert answered.count(None) > OPERATIONS // 3
    print(f"{len(answered)} operations, {kills} kills, {len(truth.ended)} runs")


def _answers(
    panel: Connection, asked: deque[Order], truth: Truth, *, just_one: bool = False, to_the_end: bool = False
) -> list[str | None]:
    """Take answers to what was asked, in order; with `to_the_end` as many as a killed panel has left."""
    found: list[str | None] = []
    while asked:
        if not to_the_end and not panel.poll(ANSWER_SECONDS):
            raise TimeoutError("the panel does not answer")
        try:
            answer = panel.recv()
        except (EOFError, ConnectionResetError):
            if not to_the_end:
                raise
            return found
        order = asked.popleft()
        assert order[0] not in ("top_up", "adjust", "report") or answer is None, (order, answer)
        if order[0] == "report":
            truth.heard(order)
        found.append(answer)
        if just_one:
            break
    return found


async def _furnished(folder: Path) -> tuple[str, UUID, Truth]:
    async with House.open(folder) as house:
        accounts = [house.root, *[await house.account(f"guest{number}") for number in range(4)]]
        servers = [
            (await house.server(owner=accounts[1 + number % 4], name=f"camp{number}", limits=Limits(memory_mib=700)))
            for number in range(4)
        ]
        await house.product.billing.set_price(house.actor(house.root), 900 * MICRO)
        url = f"sqlite:///{folder / 'innkeeper.db'}"
        uuids = [server.server.uuid for server in servers]
        return url, house.node.uuid, Truth([account.id for account in accounts], uuids, seed=20261121)


async def _settle_and_verify(url: str, node: UUID, truth: Truth, unanswered: deque[Order]) -> None:
    here, there = multiprocessing.get_context("forkserver").Pipe()
    panel = multiprocessing.get_context("forkserver").Process(target=books.serve, args=(url, node, there))
    panel.start()
    there.close()
    for server in truth.servers:
        truth.end(server)
    last = deque([*unanswered, truth.told()])
    here.send(list(last))
    _answers(here, last, truth)
    here.send([])
    panel.join()
    assert panel.exitcode == 0
    panel.close()
    here.close()
    database = await Database.open(url)
    assert await faults_of(database.works) == []
    async with database.works() as work:
        assert (await work.billing.balances([ISSUED]))[ISSUED] == -truth.issued
        assert await work.billing.open_meters() == []
        prices = await work.billing.prices()
        metered = {meter.run_id: (meter, steps) for meter, steps in await work.billing.metered(0, 1_000_000)}
    await database.aclose()
    for run in truth.ended.values():
        price = next((price.amount for price in reversed(prices) if price.at <= run.started_at), 0)
        meter, steps = metered.pop(run.run_id, (None, []))
        assert (meter is None) == (price == 0)
        if meter is not None:
            assert (meter.started_at, meter.billed_until) == (run.started_at, run.ended_at)
            assert sum(step.amount for step in steps) == cost(price, 700, run.ended_at - run.started_at)
    assert metered == {}


def _now() -> datetime:
    return datetime.now(UTC)
