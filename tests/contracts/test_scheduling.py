"""Three panels of one database run schedules over every change of the clocks, restarted and killed: each run once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from innkeeper.core.errors import CoreError
from innkeeper.core.schedules.calendar import Calendar
from innkeeper.core.schedules.errors import TooManySchedules
from innkeeper.core.schedules.model import Act, After, Cron, Every, Schedule, ScheduleDraft, ScheduleRun, Trigger
from innkeeper.core.schedules.running import INTERRUPTED, LEASE
from innkeeper.core.schedules.service import MOST_OF_A_SERVER
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.calendars import CronSimTimes
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.products import House

pytest_plugins = ["innkeeper.testing.postgres"]

PANELS = 3
SPAN = timedelta(hours=18)
"""How long is simulated around each change."""
ZONES = {
    "Europe/Berlin": [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 7, 18, tzinfo=UTC), datetime(2026, 10, 31, 18, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 2, tzinfo=UTC), datetime(2026, 10, 3, 2, tzinfo=UTC)],
}
"""With the half day before each of their two changes of clocks within a year."""
TRIGGERS: list[Trigger] = [
    Every(count=1, unit="days", at="02:15"),
    Every(count=1, unit="days", at="01:45"),
    Cron(expression="15 */3 * * *"),
    Cron(expression="*/20 2 * * *"),
    Every(count=45, unit="minutes"),
    Every(count=150, unit="minutes"),
]


class Time:
    """A clock that all panels share, and that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Panels:
    """Panels over one database, any of which may end and be another afterwards."""

    def __init__(self, url: str, clock: Time, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack
        self.clock = clock
        self.houses: list[House] = []
        self.typed: Counter[str] = Counter()

    async def open(self) -> None:
        for number in range(PANELS):
            self.houses.append(await self._panel())
            if number == 0:
                self._first = self.houses[0]
                await self._first._furnish()
        for house in self.houses:
            await self.know(house)

    async def _panel(self) -> House:
        database = await Database.open(self._url)
        self._stack.push_async_callback(database.aclose)
        tasks = TaskSet("panel").start_set()
        self._stack.push_async_callback(tasks.aclose)
        return House(database, self.clock, tasks, Settings())

    async def know(self, house: House) -> None:
        """Have a panel read what there is, and see every server run."""
        product = house.product
        await product.authority.load()
        await product.nodes.load()
        await product.directory.load()
        house.node, house.root = self._first.node, self._first.root
        product.nodes.heard(house.node.id)
        for record in list(product.directory.present()):
            product.directory.put_live(record.server.id, house.gateway.live(State.RUNNING))

    def go_to(self, moment: datetime) -> None:
        """Let it be that late, at a node that every panel hears of."""
        self.clock.at = moment
        for house in self.houses:
            house.product.nodes.heard(house.node.id)

    async def tick(self) -> None:
        """Have every panel look at the same time, and do what it took."""
        await asyncio.gather(*(house.product.schedules.tick() for house in self.houses))
        for house in self.houses:
            await house.settle()

    async def kill(self, number: int, *, busy: bool) -> None:
        """End a panel, in the middle of what it took where it is `busy`, and put another in its place."""
        house = self.houses[number]
        if busy:
            await house.product.schedules.tick()
        await house.tasks.stop()
        self._count(house)
        self.houses[number] = await self._panel()
        await self.know(self.houses[number])

    def _count(self, house: House) -> None:
        for record in house.product.directory.present():
            self.typed.update(house.gateway.console(record.server.uuid).typed)

    def all_typed(self) -> Counter[str]:
        """Return how often each line was typed, whichever panel did."""
        for house in self.houses:
            self._count(house)
        return self.typed


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """Where databases are, None: in files."""
    return request.getfixturevalue("postgres_server") if request.param == "postgresql" else None


@pytest.fixture
def empty_url(server: PostgresServer | None, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    if server is None:
        yield f"sqlite:///{tmp_path / 'innkeeper.db'}"
        return
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
async def panels(empty_url: str) -> AsyncIterator[Panels]:
    await upgrade(empty_url)
    async with AsyncExitStack() as stack:
        found = Panels(empty_url, Time(datetime(2026, 3, 1, tzinfo=UTC)), stack)
        await found.open()
        yield found


async def make(panels: Panels, record: Record, trigger: Trigger, zone: str = "UTC", command: str = "") -> Schedule:
    house = panels.houses[0]
    draft = ScheduleDraft(
        name="some", trigger=trigger, zone=zone, act=Act(kind="command", command=command or f"{zone} {trigger}")
    )
    return await house.product.schedules.create(house.actor(house.root), record, draft)


async def runs(panels: Panels, schedule: Schedule) -> list[ScheduleRun]:
    async with panels.houses[0].database.works() as work:
        return await work.schedules.runs(schedule.id, None, 1000)


async def next_due(panels: Panels) -> datetime:
    async with panels.houses[0].database.works() as work:
        found = await work.schedules.next_due()
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone", ZONES)
async def test_each_due_run_happens_once_over_two_changes_of_clocks(panels: Panels, zone: str) -> None:
    chance = random.Random(zone)
    panels.go_to(ZONES[zone][0])
    record = await panels.houses[0].server(start=True)
    for house in panels.houses:
        await panels.know(house)
    schedules = [await make(panels, record, trigger, zone) for trigger in TRIGGERS]
    delay = timedelta(seconds=7)
    child = await make(panels, record, After(schedule_id=schedules[0].id, delay_s=7), zone, "the child")
    expected: dict[int, list[datetime]] = {schedule.id: [] for schedule in schedules}
    killed = 0
    for begin in ZONES[zone]:
        if begin > panels.clock.at:  # everything was down until the second change
            panels.go_to(begin)
            await panels.tick()
        for schedule in schedules:
            expected[schedule.id] += due_within(schedule, begin, begin + SPAN)
        while (due := await next_due(panels)) <= begin + SPAN:
            panels.go_to(max(due, panels.clock.at) + chance.choice([timedelta(0), timedelta(seconds=3)]))
            fate = chance.random()
            if fate < 0.1:
                await panels.kill(chance.randrange(PANELS), busy=False)
            elif fate < 0.15:
                await panels.kill(chance.randrange(PANELS), busy=True)
                killed += 1
            await panels.tick()
        panels.go_to(begin + SPAN)
    panels.go_to(panels.clock.at + LEASE)
    await panels.tick()
    typed = panels.all_typed()
    for schedule in schedules:
        found = await runs(panels, schedule)
        assert [run.state for run in found].count("skipped") == 1, "what is missed between the changes is noted once"
        ran = [run for run in found if run.state != "skipped"]
        assert sorted(run.due_at for run in ran) == expected[schedule.id]
        assert {run.reason for run in ran if run.state == "failed"} <= {INTERRUPTED}
        done = [run for run in ran if run.state == "done"]
        assert len(done) <= typed[schedule.act.command] <= len(ran)
        assert len(ran) - len(done) <= killed
    assert killed
    parents = [run for run in await runs(panels, schedules[0]) if run.state != "skipped"]
    children = {run.due_at - delay for run in await runs(panels, child)}
    assert children <= {run.finished_at for run in parents}
    assert children >= {run.finished_at for run in parents if run.state == "done"}


def due_within(schedule: Schedule, begin: datetime, end: datetime) -> list[datetime]:
    calendar = Calendar(CronSimTimes())
    found = []
    moment = calendar.following(schedule.trigger, schedule.zone, begin, schedule.created_at)
    while moment is not None and moment <= end:
        found.append(moment)
        moment = calendar.following(schedule.trigger, schedule.zone, moment, schedule.created_at)
    return found


async def test_days_stay_at_their_time_of_day(panels: Panels) -> None:
    place = ZoneInfo("Europe/Berlin")
    panels.go_to(datetime(2026, 3, 27, 12, tzinfo=UTC))
    record = await panels.houses[0].server(start=True)
    schedule = await make(panels, record, Every(count=1, unit="days", at="02:30"), place.key)
    for _ in range(3):
        panels.go_to(await next_due(panels))
        await panels.tick()
    times = [run.due_at.astimezone(place).strftime("%d %H:%M") for run in await runs(panels, schedule)]
    assert times[::-1] == ["28 02:30", "29 03:00", "30 02:30"]


async def test_many_that_are_due_at_once_are_done_once_each(panels: Panels) -> None:
    for number in range(5):
        await panels.houses[0].server(name=f"camp {number}", start=True)
    for house in panels.houses:
        await panels.know(house)
    records = list(panels.houses[0].product.directory.present())
    commands = [f"say {number}" for number in range(60)]
    for number, command in enumerate(commands):
        await make(panels, records[number % 5], Every(count=1, unit="days"), "UTC", command)
    panels.go_to(await next_due(panels))
    await panels.tick()
    assert panels.all_typed() == Counter(commands)


async def test_a_server_has_so_many_schedules_whichever_panel_is_asked(panels: Panels) -> None:
    record = await panels.houses[0].server()
    for house in panels.houses:
        await panels.know(house)
    for _ in range(MOST_OF_A_SERVER - 3):
        await make(panels, record, Every(count=1, unit="days"))
    draft = ScheduleDraft(name="one more", trigger=Every(count=1, unit="days"), act=Act(kind="start"))
    asked = [
        house.product.schedules.create(house.actor(house.root), record, draft) for house in panels.houses for _ in "123"
    ]
    refused = await answers(asked)
    assert (refused.count(None), refused.count(TooManySchedules)) == (3, 6)


async def answers(commands: list[Awaitable[Schedule]]) -> list[type[CoreError] | None]:
    """Do everything at once; return for each what it was refused with, None where it was done."""
    found = await asyncio.gather(*commands, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, CoreError):
            raise one
    return [type(one) if isinstance(one, CoreError) else None for one in found]
