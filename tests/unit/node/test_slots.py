"""Turns to start are given out in order and slowly."""

import asyncio
from datetime import timedelta

from innkeeper.node.slots import StartSlots


async def test_the_lowest_keys_come_first_and_only_a_few_at_a_time() -> None:
    slots = StartSlots(at_once=2, interval=timedelta(hours=1))
    turns: list[int] = []

    async def wait(key: int) -> None:
        await slots.acquire(key)
        turns.append(key)

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(wait(key)) for key in (5, 1, 4, 2)]
        await asyncio.sleep(0)
        assert turns == []
        slots.open()
        for _ in range(5):
            await asyncio.sleep(0)
        assert turns == [1, 2]
        for task in waiting:
            task.cancel()
    slots.close()


async def test_turns_come_again_after_the_interval_and_skip_who_gave_up() -> None:
    slots = StartSlots(at_once=1, interval=timedelta(milliseconds=5))
    slots.open()
    async with asyncio.TaskGroup() as group:
        await slots.acquire(1)
        gone = group.create_task(slots.acquire(2))
        await asyncio.sleep(0)
        gone.cancel()
        await slots.acquire(3)
        await slots.acquire(4)
    slots.close()
