"""Many ask at once: what is done is done for several, and nobody fails with another."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from innkeeper.kit.tasks import TaskSet, TaskSetIsDown
from innkeeper.kit.together import Together


class Desk:
    """Does what is asked, held up while a test wants that."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def do(self, items: list[int]) -> None:
        await self.open.wait()
        self.lots.append(items)
        if bad := [item for item in items if item < 0]:
            raise ValueError(bad[0])
        if any(item > 1000 for item in items):
            raise ConnectionError


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    async with TaskSet("desk") as found:
        yield found


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def together(desk: Desk, tasks: TaskSet) -> Together[int]:
    return Together(desk.do, tasks=tasks, name="desk", of_all=(ConnectionError,), most=10)


async def test_one_alone_is_done_at_once(desk: Desk, together: Together[int]) -> None:
    await together(1)
    await together(2)
    assert desk.lots == [[1], [2]]


async def test_who_comes_while_something_is_done_is_done_with_the_others(desk: Desk, together: Together[int]) -> None:
    desk.open.clear()
    first = asyncio.create_task(together(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(together(number)) for number in range(1, 16)]
    await asyncio.sleep(0)
    desk.open.set()
    await asyncio.gather(first, *others)
    assert desk.lots == [[0], list(range(1, 11)), list(range(11, 16))]


async def test_a_failure_is_that_of_whoever_caused_it(desk: Desk, together: Together[int]) -> None:
    found = await asyncio.gather(*(together(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [repr(one) for one in found] == ["None", "ValueError(-2)", "None"]
    assert desk.lots == [[1, -2, 3], [1], [-2], [3]]


async def test_a_failure_that_concerns_all_is_not_tried_for_each(desk: Desk, together: Together[int]) -> None:
    found = await asyncio.gather(*(together(number) for number in (1, 1001, 3)), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError] * 3
    assert len(desk.lots) == 1
    await together(4)
    assert desk.lots[-1] == [4]


async def test_what_is_asked_is_done_though_whoever_asked_goes_away(desk: Desk, together: Together[int]) -> None:
    desk.open.clear()
    asking = asyncio.create_task(together(1))
    other = asyncio.create_task(together(2))
    await asyncio.sleep(0)
    asking.cancel()
    desk.open.set()
    await other
    assert desk.lots == [[1, 2]]
    assert asking.cancelled()


async def test_nobody_waits_for_what_is_not_done_any_more(desk: Desk) -> None:
    tasks = TaskSet("desk").start_set()
    together = Together(desk.do, tasks=tasks, name="desk", most=1)
    desk.open.clear()
    asking = [asyncio.create_task(together(number)) for number in range(2)]
    await asyncio.sleep(0)
    await tasks.stop()
    await asyncio.wait(asking, timeout=5)
    assert all(one.cancelled() for one in asking)
    with pytest.raises(TaskSetIsDown):
        await together(3)
    await tasks.aclose()
