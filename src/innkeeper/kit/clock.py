"""Time as a dependency: whatever needs the hour is given a clock.

Knows nothing of the product. Wall time is for people and records, monotonic time is for waiting.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic, time_ns
from typing import Protocol


class Clock(Protocol):
    """What code may ask about time."""

    def now(self) -> datetime:
        """Return the wall time, zone UTC, to the microsecond."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...


class SystemClock:
    """The host's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic()


def microseconds(moment: datetime) -> int:
    """Return `moment` (zone-aware) as whole microseconds since 1970 UTC."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return the UTC moment `value` microseconds after 1970."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)


def wall_microseconds() -> int:
    """Return the host's wall time in microseconds since 1970 UTC."""
    return time_ns() // 1000


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
