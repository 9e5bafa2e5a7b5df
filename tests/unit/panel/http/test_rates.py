"""How fast one key may ask."""

import pytest

from innkeeper.panel.http.rates import Rates, TooManyRequests
from tests.unit.core.conftest import FakeClock


def test_whoever_asks_too_fast_is_told_when_to_come_again() -> None:
    clock = FakeClock()
    rates = Rates(clock, per_s=2, burst=3)
    for _ in range(3):
        rates.take("one")
    with pytest.raises(TooManyRequests) as refused:
        rates.take("one")
    assert refused.value.data == {"retry_after_s": pytest.approx(0.5)}
    clock.advance(seconds=0.5)
    rates.take("one")
    with pytest.raises(TooManyRequests):
        rates.take("one")


def test_nobody_is_slowed_down_by_another() -> None:
    rates = Rates(FakeClock(), per_s=1, burst=1)
    rates.take("one")
    rates.take("two")
    with pytest.raises(TooManyRequests):
        rates.take("one")


def test_a_rest_gives_no_more_than_there_was_at_first() -> None:
    clock = FakeClock()
    rates = Rates(clock, per_s=10, burst=2)
    rates.take("one")
    clock.advance(hours=1)
    rates.take("one")
    rates.take("one")
    with pytest.raises(TooManyRequests):
        rates.take("one")


def test_no_more_are_remembered_than_may_be_and_the_busy_ones_longest() -> None:
    rates = Rates(FakeClock(), per_s=1, burst=1, most=2)
    rates.take("busy")
    for stranger in range(100):
        rates.take(stranger)
        with pytest.raises(TooManyRequests):
            rates.take("busy")
    assert len(rates._allowances) == 2
