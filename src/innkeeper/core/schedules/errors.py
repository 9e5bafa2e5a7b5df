"""What can be wrong about schedules."""

from innkeeper.core.errors import Exhausted, Invalid, NotFound


class NoSuchSchedule(NotFound):
    """There is no such schedule."""


class ScheduleIsInvalid(Invalid):
    """The schedule cannot be kept as it is asked for."""

    def __init__(self, reason: str | None = None, *, field: str = "") -> None:
        super().__init__(reason, field=field)


class TooManySchedules(Exhausted):
    """The server has as many schedules as it may have."""
