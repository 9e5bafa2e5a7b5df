"""Turns to start after a boot of the host: a few at a time, the lowest keys first.

Knows neither servers nor what they do with their turn.
"""

import asyncio
import heapq
from datetime import timedelta
from itertools import count

AT_ONCE = 4
INTERVAL = timedelta(seconds=5)


class StartSlots:
    """Gives out `at_once` turns every `interval`, none before `open()`. Use it from one event loop."""

    def __init__(self, *, at_once: int = AT_ONCE, interval: timedelta = INTERVAL) -> None:
        self._at_once = at_once
        self._interval = interval.total_seconds()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._left = at_once
        self._open = False
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin: everybody who will wait from the first moment on does so by now."""
        self._open = True
        self._give_out()

    def close(self) -> None:
        """Give out no more turns."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def acquire(self, order_key: int) -> None:
        """Return when it is the turn; lower keys come first. A turn need not be given back."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order_key, next(self._arrivals), turn))
        self._give_out()
        await turn

    def _give_out(self) -> None:
        while self._open and self._left > 0 and self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if turn.cancelled():
                continue
            turn.set_result(None)
            self._left -= 1
        if self._open and self._left < self._at_once and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._renew)

    def _renew(self) -> None:
        self._timer = None
        self._left = self._at_once
        self._give_out()
