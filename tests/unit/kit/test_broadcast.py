"""A topic and those who listen, the slow ones too."""

import asyncio

import pytest

from innkeeper.kit.broadcast import Overflowed, Topic
from innkeeper.kit.tasks import TaskSet


async def test_everybody_hears_everything_in_order_from_with_on() -> None:
    topic: Topic[int] = Topic()
    topic.tell(0)
    with topic.listen() as early:
        topic.tell(1)
        with topic.listen() as late:
            topic.tell(2)
            assert [await early.get(), await early.get()] == [1, 2]
            assert await late.get() == 2


async def test_a_listener_waits_for_what_comes_later() -> None:
    topic: Topic[str] = Topic()
    async with TaskSet("test") as tasks:
        with topic.listen() as listener:
            heard = tasks.start(listener.get(), name="listening")
            await asyncio.sleep(0)
            assert not heard.done()
            topic.tell("now")
            assert await heard == "now"


async def test_who_falls_behind_is_told_once_and_goes_on_with_what_comes_after() -> None:
    topic: Topic[int] = Topic()
    with topic.listen(limit=3) as slow, topic.listen(limit=100) as quick:
        for value in range(10):
            topic.tell(value)
        with pytest.raises(Overflowed):
            await slow.get()
        topic.tell(10)
        topic.tell(11)
        assert [await slow.get(), await slow.get()] == [10, 11]
        assert [await quick.get() for _ in range(12)] == list(range(12))


async def test_a_listener_exactly_full_has_lost_nothing() -> None:
    topic: Topic[int] = Topic()
    with topic.listen(limit=3) as listener:
        for value in range(3):
            topic.tell(value)
        assert [await listener.get() for _ in range(3)] == [0, 1, 2]


async def test_nothing_older_than_the_overflow_is_heard_after_it() -> None:
    topic: Topic[int] = Topic()
    with topic.listen(limit=2) as listener:
        for value in range(4):  # 0 and 1 pend, 2 overflows, 3 pends behind the gap
            topic.tell(value)
        with pytest.raises(Overflowed):
            await listener.get()
        topic.tell(4)
        assert await listener.get() == 4


async def test_who_never_takes_anything_does_not_grow() -> None:
    topic: Topic[int] = Topic()
    with topic.listen(limit=5) as idle:
        for value in range(10_000):
            topic.tell(value)
            assert len(idle._pending) <= 5


async def test_who_has_left_hears_nothing_and_is_forgotten() -> None:
    topic: Topic[int] = Topic()
    with topic.listen() as listener:
        pass
    topic.tell(1)
    assert not topic.listeners
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await listener.get()
