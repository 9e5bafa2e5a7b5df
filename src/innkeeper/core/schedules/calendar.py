"""When a schedule is next due: what its trigger means, in its zone, across every change of its clocks.

Times of a clock are walked as they stand on the wall and turned into moments here, so that one rule holds for all of
them (`model` says which). Reads cron expressions through `CronTimes`; knows no schedule's act and no store.
"""

import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

from innkeeper.core.schedules.errors import ScheduleIsInvalid
from innkeeper.core.schedules.model import After, Cron, Every, Once, Trigger

DAY = timedelta(days=1)
LONGEST = 366 * DAY
"""The longest interval."""
MAX_EXPRESSION = 200
CRON_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_MINUTES_OF_CLOCK = 59
_HOURS_OF_CLOCK = 23
_STEPS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": DAY}
_SECOND = timedelta(seconds=1)
_LAST_YEAR = 9000


class CronTimes(Protocol):
    """Reads cron expressions of five fields."""

    def check(self, expression: str) -> None:
        """Raise CronIsInvalid unless the expression can be read."""
        ...

    def is_hourly(self, expression: str) -> bool:
        """Say whether the expression leaves the hour open."""
        ...

    def following(self, expression: str, after: datetime) -> datetime | None:
        """Return the first time after `after` that fits, within decades; None: there is none.

        Without a zone, both are times of a clock that never changes; with one, moments that its clocks show so.
        """
        ...


class CronIsInvalid(Exception):
    """A cron expression cannot be read; `field` is which of CRON_FIELDS, or empty."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class Calendar:
    """Tells when triggers are due."""

    def __init__(self, cron: CronTimes) -> None:
        self._cron = cron

    def check(self, trigger: Trigger, zone: str) -> None:
        """Raise ScheduleIsInvalid, with the field that is wrong, unless the trigger makes sense."""
        if zone not in _zones():
            raise ScheduleIsInvalid(f"There is no time zone {zone!r}.", field="zone")
        match trigger:
            case Every(count=count, unit=unit, at=at):
                if not 1 <= count <= LONGEST // _STEPS[unit]:
                    raise ScheduleIsInvalid("An interval is a minute at least and 366 days at most.", field="count")
                clock_time(at)
            case Cron(expression=expression):
                self._check_expression(expression)
            case After(delay_s=delay_s):
                if not 0 <= delay_s <= LONGEST.total_seconds():
                    raise ScheduleIsInvalid("A delay is 0 seconds at least and 366 days at most.", field="delay_s")
            case Once(at=moment):
                if moment.tzinfo is None or moment.year > _LAST_YEAR:
                    raise ScheduleIsInvalid("The moment needs a zone, and a year within reason.", field="at")

    def following(self, trigger: Trigger, zone: str, after: datetime, made_at: datetime) -> datetime | None:
        """Return the first moment (UTC) after `after` at which the trigger is due by itself; None: there is none.

        `made_at` is when the schedule was made: long intervals are counted from that day.
        """
        place = ZoneInfo(zone)
        match trigger:
            case Cron(expression=expression):
                return self._following_of_clock(expression, place, after)
            case Every(count=count, unit="minutes") if count <= _MINUTES_OF_CLOCK:
                return self._following_of_clock(f"*/{count} * * * *", place, after)
            case Every(count=count, unit="hours") if count <= _HOURS_OF_CLOCK:
                return self._following_of_clock(f"0 */{count} * * *", place, after)
            case Every(count=count, unit="days", at=at):
                return _following_day(count, clock_time(at), place, after, made_at.astimezone(place).date())
            case Every(count=count, unit=unit):
                begin = moment_of(datetime.combine(made_at.astimezone(place), time()), place)
                step = count * _STEPS[unit]
                return begin + ((after - begin) // step + 1) * step
            case Once(at=moment):
                return moment.astimezone(UTC) if moment > after else None
            case After():
                return None

    def _following_of_clock(self, expression: str, place: ZoneInfo, after: datetime) -> datetime | None:
        if self._cron.is_hourly(expression):
            found = self._cron.following(expression, after.astimezone(place))
            return None if found is None else found.astimezone(UTC)
        return _first_after(after, place, after.astimezone(place), lambda wall: self._cron.following(expression, wall))

    def _check_expression(self, expression: str) -> None:
        if len(expression) > MAX_EXPRESSION or len(expression.split()) != len(CRON_FIELDS):
            raise ScheduleIsInvalid(
                "A cron expression has five fields: minute, hour, day of month, month, day of week.", field="expression"
            )
        try:
            self._cron.check(expression)
        except CronIsInvalid as error:
            text = f"The {error.field} of the cron expression is wrong." if error.field else f"{error}"
            raise ScheduleIsInvalid(text, field="expression") from error


def clock_time(text: str) -> time:
    """Return a time of day that is written as `hours:minutes`, one or two digits each; raise ScheduleIsInvalid."""
    hours, colon, minutes = text.partition(":")
    try:
        if colon and all(part.isascii() and part.isdigit() and len(part) <= 2 for part in (hours, minutes)):
            return time(int(hours), int(minutes))
    except ValueError:
        pass
    raise ScheduleIsInvalid("A time of day is from 00:00 to 23:59.", field="at")


def moment_of(wall: datetime, place: ZoneInfo) -> datetime:
    """Return the moment (UTC) at which clocks show `wall` first; where they leave it out, when they go on after it."""
    moment = wall.replace(tzinfo=place, fold=0).astimezone(UTC)
    if moment.astimezone(place).replace(tzinfo=None) == wall:
        return moment
    # The offset from after the gap gives a moment before it, that from before the gap one that is not before its end.
    low, high = wall.replace(tzinfo=place, fold=1).astimezone(UTC), moment
    new = high.astimezone(place).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        if middle.astimezone(place).utcoffset() == new:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _first_after(
    after: datetime, place: ZoneInfo, begin: datetime, following: Callable[[datetime], datetime | None]
) -> datetime | None:
    """Return the first moment after `after` of the times on the wall that `following` walks from `begin` on."""
    wall: datetime | None = begin.replace(tzinfo=None)
    while wall is not None and (wall := following(wall)) is not None:
        moment = moment_of(wall, place)
        if moment > after:  # else: the clock shows it for the second time, or the gap it was in is over
            return moment
    return None


def _following_day(days: int, at: time, place: ZoneInfo, after: datetime, first: date) -> datetime:
    passed = (after.astimezone(place).date() - first).days
    day = first + (passed // days) * days * DAY
    while (moment := moment_of(datetime.combine(day, at), place)) <= after:
        day += days * DAY
    return moment


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
