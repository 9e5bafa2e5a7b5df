"""Blocking work, and what becomes of it once nobody waits for it."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from innkeeper.kit.threads import in_stoppable_thread, to_the_end


async def test_work_that_is_called_off_has_ended_when_the_cancellation_comes_out() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(called_off: Callable[[], bool]) -> None:
        begun.set()
        while not called_off():
            threading.Event().wait(0.001)
        ended.set()

    task = asyncio.create_task(in_stoppable_thread(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_short_work_goes_to_its_end_however_often_it_is_cancelled() -> None:
    begun, may_end, done = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        may_end.wait()
        done.append(True)

    task = asyncio.create_task(to_the_end(work))
    await asyncio.to_thread(begun.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_what_work_returns_and_raises_comes_out() -> None:
    assert await to_the_end(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await to_the_end(lambda: 1 // 0)
