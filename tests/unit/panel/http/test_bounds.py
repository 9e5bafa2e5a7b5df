"""What one customer may ask at once, and in a while."""

from pathlib import Path

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.console.errors import TooManyStreams
from innkeeper.panel.http.bounds import Allowance, Places
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock

BURST, MESSAGES_PER_S = 50, 20.0


async def test_a_place_is_free_again_whatever_ended_it(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        actor = house.actor(house.root)
    places = Places(1)
    for _ in range(3):
        with pytest.raises(PermissionIsMissing), places.place(actor):
            with pytest.raises(TooManyStreams), places.place(actor):
                pass
            raise PermissionIsMissing


def test_who_sends_faster_is_read_no_faster() -> None:
    clock = FakeClock()
    allowance = Allowance(clock, burst=BURST, per_s=MESSAGES_PER_S)
    assert [allowance.take() for _ in range(BURST)] == [0.0] * BURST
    waited = 0.0
    for _ in range(100):
        wait_s = allowance.take()
        clock.advance(seconds=wait_s)
        waited += wait_s
    assert waited == pytest.approx(100 / MESSAGES_PER_S)
    clock.advance(seconds=1000)
    assert [allowance.take() for _ in range(BURST)] == [0.0] * BURST
    assert allowance.take() > 0


def test_who_may_not_wait_is_told_when_to_come_again() -> None:
    clock = FakeClock()
    allowance = Allowance(clock, burst=2, per_s=4)
    assert [allowance.try_take() for _ in range(4)] == [0, 0, 0.25, 0.25]
    clock.advance(seconds=0.25)
    assert [allowance.try_take() for _ in range(2)] == [0, 0.25]
