"""Time to the microsecond, at any date."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.clock import SystemClock, from_microseconds, microseconds, wall_microseconds

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001


@given(MOMENTS)
def test_a_moment_survives_as_microseconds_in_any_zone_and_century(moment: datetime) -> None:
    assert from_microseconds(microseconds(moment)) == moment


@given(MOMENTS)
def test_one_microsecond_later_is_one_more(moment: datetime) -> None:
    assert microseconds(moment + timedelta(microseconds=1)) == microseconds(moment) + 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (1 << 31, "1970-01-01T00:35:47.483648+00:00"),
        (2147483648_000001, "2038-01-19T03:14:08.000001+00:00"),
        (253402300799_999999, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_known_moments(value: int, text: str) -> None:
    assert from_microseconds(value).isoformat() == text
    assert microseconds(datetime.fromisoformat(text)) == value


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        microseconds(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_hosts_clocks_agree_and_do_not_go_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(microseconds(clock.now()) - wall_microseconds()) < 60_000_000
    assert clock.monotonic() <= clock.monotonic()
