"""When triggers are due: by hand around changes of the clocks, and against walking every minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.core.schedules.calendar import Calendar, clock_time, moment_of
from innkeeper.core.schedules.errors import ScheduleIsInvalid
from innkeeper.core.schedules.model import After, Cron, Every, Once, Trigger
from innkeeper.panel.calendars import CronSimTimes

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
MINUTE = timedelta(minutes=1)
MADE = datetime(2026, 1, 10, 17, 23, 5, tzinfo=UTC)
CALENDAR = Calendar(CronSimTimes())
# Around the four changes of clocks of each zone from 2026 on, and a quiet time.
AROUND = [
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC),
    datetime(2027, 2, 27, tzinfo=UTC),
]


def series(trigger: Trigger, zone: str, after: datetime, count: int, made_at: datetime = MADE) -> list[datetime]:
    found = []
    moment: datetime | None = after
    while len(found) < count:
        assert moment is not None
        moment = CALENDAR.following(trigger, zone, moment, made_at)
        if moment is None:
            break
        found.append(moment)
    return found


def local(moments: list[datetime], zone: str) -> list[str]:
    return [moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M") for moment in moments]


# -- by hand --------------------------------------------------------------------------------------------------------


def test_a_time_that_the_clock_leaves_out_comes_right_after_the_gap_and_once() -> None:
    after = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert local(series(Cron(expression="30 2 * * *"), "Europe/Berlin", after, 2), "Europe/Berlin") == [
        "29 03:00",
        "30 02:30",
    ]
    many = local(series(Cron(expression="*/20 2,3 * * *"), "Europe/Berlin", after, 4), "Europe/Berlin")
    assert many == ["29 03:00", "29 03:20", "29 03:40", "30 02:00"]
    after = datetime(2026, 10, 3, 0, tzinfo=UTC)
    assert local(
        series(Every(count=1, unit="days", at="2:10"), "Australia/Lord_Howe", after, 2), "Australia/Lord_Howe"
    ) == [
        "04 02:30",
        "05 02:10",
    ]


def test_a_time_that_the_clock_shows_twice_comes_once_and_first() -> None:
    found = series(Cron(expression="30 2 * * *"), "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]
    found = series(
        Every(count=1, unit="days", at="01:45"), "Australia/Lord_Howe", datetime(2026, 4, 4, 0, tzinfo=UTC), 2
    )
    assert found == [datetime(2026, 4, 4, 14, 45, tzinfo=UTC), datetime(2026, 4, 5, 15, 15, tzinfo=UTC)]
    # Asked between the two, it is over for that day.
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert series(Cron(expression="30 2 * * *"), "Europe/Berlin", between, 1) == [
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("trigger", [Every(count=15, unit="minutes"), Cron(expression="*/15 * * * *")])
def test_minutes_keep_real_time_over_every_change(trigger: Trigger, zone: str) -> None:
    for begin in AROUND:
        found = series(trigger, zone, begin, 300)
        assert {later - earlier for earlier, later in pairwise(found)} == {15 * MINUTE}


def test_hours_are_those_of_a_clock() -> None:
    after = datetime(2026, 6, 1, 0, tzinfo=UTC)
    assert local(series(Every(count=5, unit="hours"), "Europe/Berlin", after, 6), "Europe/Berlin") == [
        "01 05:00",
        "01 10:00",
        "01 15:00",
        "01 20:00",
        "02 00:00",
        "02 05:00",
    ]


def test_more_minutes_than_an_hour_has_are_real_time_from_the_day_it_was_made() -> None:
    zone = "Europe/Berlin"
    found = series(Every(count=90, unit="minutes"), zone, MADE - timedelta(hours=18), 4)
    assert local(found, zone) == ["10 01:30", "10 03:00", "10 04:30", "10 06:00"]
    later = series(Every(count=90, unit="minutes"), zone, datetime(2026, 3, 28, 22, tzinfo=UTC), 10)
    assert {two - one for one, two in pairwise(later)} == {90 * MINUTE}
    assert local(series(Every(count=36, unit="hours"), zone, MADE, 3), zone) == ["11 12:00", "13 00:00", "14 12:00"]


def test_days_are_counted_from_the_day_it_was_made_and_keep_their_time() -> None:
    zone = "Europe/Berlin"
    trigger = Every(count=3, unit="days", at="18:20")
    assert local(series(trigger, zone, MADE, 3), zone) == ["13 18:20", "16 18:20", "19 18:20"]
    assert local(series(Every(count=3, unit="days", at="18:30"), zone, MADE, 2), zone) == ["10 18:30", "13 18:30"]
    assert {moment[3:] for moment in local(series(trigger, zone, MADE, 200), zone)} == {"18:20"}


def test_once_comes_once_and_after_never_by_itself() -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert series(Once(at=at), "UTC", MADE, 2) == [at]
    assert CALENDAR.following(After(schedule_id=1), "UTC", MADE, MADE) is None


# -- against walking every minute -----------------------------------------------------------------------------------


def shown(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def minutes_from(begin: datetime, span: timedelta) -> Iterator[datetime]:
    moment = begin.replace(second=0, microsecond=0) + MINUTE
    while moment <= begin + span:
        yield moment
        moment += MINUTE


def walls_as_shown_first(begin: datetime, span: timedelta, zone: str) -> Iterator[tuple[datetime, list[datetime]]]:
    """Walk every minute; give each with the times of the clock that count then: shown first, or just left out."""
    back = timedelta(hours=3)
    last = shown(begin - back, zone)
    for moment in minutes_from(begin - back, back + span):
        wall = shown(moment, zone)
        walls = []
        step = last + MINUTE
        while step <= wall:
            walls.append(step)
            step += MINUTE
        last = max(last, wall)
        if moment > begin:
            yield moment, walls


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    return st.one_of(
        st.just("*"),
        st.integers(1, most).map(lambda step: f"*/{step}"),
        st.lists(number, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


def names(text: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, dash, high = span.partition("-")
        first = least if span == "*" else int(low)
        last = most if span == "*" else int(high) if dash else first
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def fits(expression: str, wall: datetime) -> bool:
    minute, hour, day, month, weekday = expression.split()
    on_day = wall.day in names(day, 1, 31)
    on_weekday = (wall.isoweekday() % 7) in {number % 7 for number in names(weekday, 0, 7)}
    both = day.startswith("*") or weekday.startswith("*")
    return (
        wall.minute in names(minute, 0, 59)
        and wall.hour in names(hour, 0, 23)
        and wall.month in names(month, 1, 12)
        and ((on_day and on_weekday) if both else (on_day or on_weekday))
    )


moments = st.builds(
    lambda begin, minutes, seconds: begin + timedelta(minutes=minutes, seconds=seconds),
    st.sampled_from(AROUND),
    st.integers(-1500, 1500),
    st.integers(0, 59),
)
SPAN = timedelta(days=2)


@settings(max_examples=200, deadline=None)
@given(
    minute=field(0, 59),
    hour=field(0, 23),
    days=st.sampled_from(["* * *", "* * 0", "*/2 * *", "1,15,25,29 * *", "* 3,4,10 *", "29 3 1-5"]),
    zone=st.sampled_from(ZONES),
    begin=moments,
)
def test_cron_is_what_walking_every_minute_finds(minute: str, hour: str, days: str, zone: str, begin: datetime) -> None:
    expression = f"{minute} {hour} {days}"
    if hour in ("*", "*/1"):
        walked = [one for one in minutes_from(begin, SPAN) if fits(expression, shown(one, zone))]
    else:
        walked = [
            one
            for one, walls in walls_as_shown_first(begin, SPAN, zone)
            if any(fits(expression, wall) for wall in walls)
        ]
    try:
        CALENDAR.check(Cron(expression=expression), zone)
    except ScheduleIsInvalid:
        assert not walked
        return
    found = series(Cron(expression=expression), zone, begin, len(walked) + 1)
    assert found[: len(walked)] == walked
    assert len(found) == len(walked) or found[-1] > begin + SPAN


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(1, 200),
    unit=st.sampled_from(["minutes", "hours", "days"]),
    at=st.times(),
    zone=st.sampled_from(ZONES),
    begin=moments,
)
def test_intervals_are_what_walking_every_minute_finds(
    count: int, unit: Any, at: time, zone: str, begin: datetime
) -> None:
    trigger = Every(count=count, unit=unit, at=f"{at:%H:%M}")
    CALENDAR.check(trigger, zone)
    first = MADE.astimezone(ZoneInfo(zone)).date()

    def day_counts(day: date) -> bool:
        return (day - first).days % count == 0

    walked: list[datetime]
    if unit == "minutes" and count <= 59:
        walked = [one for one in minutes_from(begin, SPAN) if shown(one, zone).minute % count == 0]
    elif unit == "days" or (unit == "hours" and 1 < count <= 23):
        walked = [
            one
            for one, walls in walls_as_shown_first(begin, SPAN, zone)
            if any(
                (day_counts(wall.date()) and wall.time() == at.replace(second=0, microsecond=0))
                if unit == "days"
                else (wall.minute == 0 and wall.hour % count == 0)
                for wall in walls
            )
        ]
    elif unit == "hours" and count == 1:
        walked = [one for one in minutes_from(begin, SPAN) if shown(one, zone).minute == 0]
    else:
        anchor = datetime.combine(first, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
        step = count * (60 if unit == "hours" else 1)
        walked = [one for one in minutes_from(begin, SPAN) if ((one - anchor) // MINUTE) % step == 0]
    found = series(trigger, zone, begin, len(walked) + 1)
    assert found[: len(walked)] == walked
    assert found[-1] > begin + SPAN


@settings(max_examples=200, deadline=None)
@given(zone=st.sampled_from(ZONES), begin=moments)
def test_what_a_clock_shows_first_is_that_moment(zone: str, begin: datetime) -> None:
    moment = moment_of(shown(begin, zone), ZoneInfo(zone))
    assert shown(moment, zone) == shown(begin, zone)
    assert moment <= begin


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "zone", "field", "words"),
    [
        (Cron(expression="61 * * * *"), "UTC", "expression", "The minute of"),
        (Cron(expression="* 24 * * *"), "UTC", "expression", "The hour of"),
        (Cron(expression="* * 0 * *"), "UTC", "expression", "The day of month of"),
        (Cron(expression="* * 31 2 *"), "UTC", "expression", "The day of month of"),
        (Cron(expression="* * * 13 *"), "UTC", "expression", "The month of"),
        (Cron(expression="* * * * funday"), "UTC", "expression", "The day of week of"),
        (Cron(expression="* * * *"), "UTC", "expression", "five fields"),
        (Cron(expression="* * * * * *"), "UTC", "expression", "five fields"),
        (Cron(expression="@daily"), "UTC", "expression", "five fields"),
        (Cron(expression=""), "UTC", "expression", "five fields"),
        (Every(count=0, unit="minutes"), "UTC", "count", "interval"),
        (Every(count=367, unit="days"), "UTC", "count", "interval"),
        (Every(count=1, unit="days", at="24:00"), "UTC", "at", "time of day"),
        (Every(count=1, unit="days", at="noon"), "UTC", "at", "time of day"),
        (Every(count=1, unit="days", at="²:00"), "UTC", "at", "time of day"),
        (After(schedule_id=1, delay_s=-1), "UTC", "delay_s", "delay"),
        (Once(at=datetime(2026, 1, 1)), "UTC", "at", "zone"),  # noqa: DTZ001
        (Every(count=1, unit="days"), "Europe", "zone", "time zone"),
        (Every(count=1, unit="days"), "../etc/passwd", "zone", "time zone"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(trigger: Trigger, zone: str, field: str, words: str) -> None:
    with pytest.raises(ScheduleIsInvalid, match=words) as refused:
        CALENDAR.check(trigger, zone)
    assert refused.value.data["field"] == field


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text("0123456789*/-,#LW²SUNjan", max_size=8), min_size=5, max_size=5).map(" ".join))
def test_any_text_is_a_cron_expression_or_refused(text: str) -> None:
    try:
        CALENDAR.check(Cron(expression=text), "Europe/Berlin")
    except ScheduleIsInvalid:
        return
    assert CALENDAR.following(Cron(expression=text), "Europe/Berlin", MADE, MADE) is not None


def test_a_time_of_day_may_be_written_short() -> None:
    assert clock_time("4:05") == clock_time("04:5") == time(4, 5)
