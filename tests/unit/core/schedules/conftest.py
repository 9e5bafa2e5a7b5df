"""A house, and schedules in it by few words."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.schedules.model import Act, ActKind, Every, Schedule, ScheduleDraft, ScheduleRun, Trigger
from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Settings
from innkeeper.testing.products import House

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""What the clock says at first."""
EVERY_MINUTE = Every(count=1, unit="minutes")


def a_draft(trigger: Trigger = EVERY_MINUTE, kind: ActKind = "command", **fields: Any) -> ScheduleDraft:
    command = fields.pop("command", "say hello" if kind == "command" else "")
    return ScheduleDraft(**({"name": kind, "trigger": trigger, "act": Act(kind=kind, command=command)} | fields))


async def make(
    house: House,
    record: Record,
    trigger: Trigger = EVERY_MINUTE,
    kind: ActKind = "command",
    *,
    by: Actor | None = None,
    **fields: Any,
) -> Schedule:
    return await house.product.schedules.create(by or house.actor(house.root), record, a_draft(trigger, kind, **fields))


async def tick(house: House, *, away: bool = False) -> None:
    """Have the house do what is due by now, to its end, its node being there or away."""
    (house.product.nodes.lost if away else house.product.nodes.heard)(house.node.id)
    await house.product.schedules.tick()
    await house.settle()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - what storage knows has no event
            await asyncio.sleep(0.01)


async def panel_beside(house: House, tasks: TaskSet, database: Any = None) -> House:
    """Return another panel over the same database, which ends with its tasks."""
    other = House(database or house.database, house.clock, tasks, Settings())
    await other.product.authority.load()
    await other.product.nodes.load()
    await other.product.directory.load()
    other.node, other.root = house.node, house.root
    other.product.nodes.heard(other.node.id)
    for record in list(other.product.directory.present()):
        other.product.directory.put_live(record.server.id, house.now(record).live)
    return other


async def now(house: House, schedule: Schedule) -> Schedule:
    record = house.product.directory.get(schedule.server_id)
    return await house.product.schedules.get(house.actor(house.root), record, schedule.id)


async def runs(house: House, schedule: Schedule) -> list[ScheduleRun]:
    """Return the runs of a schedule, oldest first."""
    async with house.database.works() as work:
        return (await work.schedules.runs(schedule.id, None, 1000))[::-1]
