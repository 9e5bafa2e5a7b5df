"""Reads cron expressions with cronsim. Knows no schedule and no zone's changes."""

from datetime import datetime

from cronsim import CronSim, CronSimError

from innkeeper.core.schedules.calendar import CRON_FIELDS, CronIsInvalid

_BEGIN = datetime(2000, 1, 1)  # noqa: DTZ001 - a time on the wall
_HOURS = frozenset(range(24))


class CronSimTimes:
    """Keeps `core.schedules.calendar.CronTimes`."""

    def check(self, expression: str) -> None:
        if self.following(expression, _BEGIN) is None:
            raise CronIsInvalid("The cron expression names a time that never comes.")

    def is_hourly(self, expression: str) -> bool:
        # Of "0-23" cronsim thinks as of named hours, each of which comes once a day.
        return expression.split()[1].startswith("*") and _read(expression, _BEGIN).hours == _HOURS

    def following(self, expression: str, after: datetime) -> datetime | None:
        return next(_read(expression, after), None)


def _read(expression: str, after: datetime) -> CronSim:
    try:
        return CronSim(expression, after)
    except CronSimError as error:
        named = str(error).removeprefix("Bad ").replace("-", " ")
        raise CronIsInvalid("The cron expression cannot be read.", named if named in CRON_FIELDS else "") from error
