"""The bounds of sockets: how many an account may have open, how fast one is listened to."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from innkeeper.core.access.model import Actor
from innkeeper.core.console.errors import TooManyStreams
from innkeeper.kit.clock import Clock

MAX_SOCKETS = 100
BURST = 50
MESSAGES_PER_S = 20.0


class Places:
    """Counts sockets, so many an account."""

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


class Throttle:
    """So many messages at once, and so many a second from then on: who sends faster is read no faster."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._at = clock.monotonic()

    def take(self) -> float:
        """Take a message; return for how many seconds to wait before it is obeyed."""
        now = self._clock.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * MESSAGES_PER_S) - 1
        self._at = now
        return max(0.0, -self._left / MESSAGES_PER_S)
