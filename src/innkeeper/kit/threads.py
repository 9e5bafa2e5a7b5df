"""Blocking work that must not go on unwatched once nobody waits for it; knows nothing of what the work is."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def in_stoppable_thread(work: Callable[[Callable[[], bool]], _T]) -> _T:
    """Run `work(called_off)` in a thread; on cancellation ask it to end, wait until it has, and then let it out."""
    stop = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(None, work, stop.is_set)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        raise


async def to_the_end(work: Callable[[], _T]) -> _T:
    """Run short `work` in a thread to its end, even when cancelled: then the cancellation comes out afterwards."""
    return await in_stoppable_thread(lambda _: work())
