"""How fast each of many may ask: so many requests at once, and so many a second from then on.

Who asks faster is told when to come again. Knows no HTTP and nobody's rights.
"""

from collections.abc import Hashable

from innkeeper.core.errors import Exhausted
from innkeeper.kit.clock import Clock
from innkeeper.panel.http.bounds import Allowance

_MOST_REMEMBERED = 10_000


class TooManyRequests(Exhausted):
    """Requests come too fast; slow down."""


class Rates:
    """An allowance for each asker; those of whoever did not ask for longest are forgotten, which makes them full."""

    def __init__(self, clock: Clock, *, per_s: float, burst: int, most: int = _MOST_REMEMBERED) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._most = most
        self._allowances: dict[Hashable, Allowance] = {}

    def take(self, asker: Hashable) -> None:
        """Count one request; raise TooManyRequests with `retry_after_s`."""
        known = self._allowances.pop(asker, None) or Allowance(self._clock, burst=self._burst, per_s=self._per_s)
        if len(self._allowances) >= self._most:
            del self._allowances[next(iter(self._allowances))]
        self._allowances[asker] = known
        wait_s = known.try_take()
        if wait_s:
            raise TooManyRequests(retry_after_s=wait_s)
