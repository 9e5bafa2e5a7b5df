"""The bounds of what one customer may ask: how many streams at once, how many messages or requests in a while.

Knows no protocol; what is said to whoever asks too much is the API's.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from innkeeper.core.access.model import Actor
from innkeeper.core.console.errors import TooManyStreams
from innkeeper.kit.clock import Clock


class Places:
    """Counts streams, so many an account."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[int] = Counter()

    @contextmanager
    def place(self, actor: Actor) -> Iterator[None]:
        """Take a place for as long as the block lasts; raise TooManyStreams."""
        account = actor.account.id
        if self._taken[account] >= self._most:
            raise TooManyStreams(limit=self._most)
        self._taken[account] += 1
        try:
            yield
        finally:
            self._taken[account] -= 1
            if not self._taken[account]:
                del self._taken[account]


class Allowance:
    """So many at once, and so many a second from then on."""

    def __init__(self, clock: Clock, *, burst: int, per_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at = clock.monotonic()

    def take(self) -> float:
        """Take one, in advance if need be; return for how many seconds to wait before it counts as had."""
        self._refill()
        self._left -= 1
        return max(0.0, -self._left / self._per_s)

    def try_take(self) -> float:
        """Take one and return 0; where there is none, take nothing and return in how many seconds there will be."""
        self._refill()
        if self._left < 1:
            return (1 - self._left) / self._per_s
        self._left -= 1
        return 0.0

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
