"""Failed sign-ins are counted for all panels together, outlive a restart, and never fill the database."""

import pytest
from sqlalchemy import func, select, text

from innkeeper.core.accounts import guesses
from innkeeper.core.accounts.errors import TooManyAttempts, WrongCredentials
from innkeeper.core.accounts.service import AccountService
from innkeeper.storage.schema import failed_sign_ins
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock, restarted


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


async def counted(house: House) -> int:
    async with house.database._engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(failed_sign_ins))).scalar_one()


async def fail(house: House, name: str, times: int = 1, address: str | None = None) -> None:
    for _ in range(times):
        with pytest.raises(WrongCredentials):
            await house.product.accounts.sign_in(name, "wrong", address)


async def test_a_restart_forgets_no_failure(house: House) -> None:
    await fail(house, "root", 10)
    again = await restarted(house)
    with pytest.raises(TooManyAttempts):
        await again.product.accounts.sign_in("root", PASSWORD, None)


async def test_two_panels_answer_ten_guesses_and_not_twenty(house: House) -> None:
    other = await restarted(house)
    await fail(house, "root", 5)
    await fail(other, "ROOT", 5)
    for panel in (house, other):
        with pytest.raises(TooManyAttempts):
            await panel.product.accounts.sign_in("root", PASSWORD, None)


async def test_who_signs_in_leaves_nothing_counted_under_the_name_but_the_address(house: House) -> None:
    await house.product.accounts.sign_in("root", PASSWORD, "10.0.0.1")
    assert await counted(house) == 0
    await fail(house, "root", address="10.0.0.1")
    assert await counted(house) == 2
    await house.product.accounts.sign_in("root", PASSWORD, "10.0.0.1")
    assert await counted(house) == 1


async def test_what_has_ended_is_deleted_by_the_next_failure(house: House, clock: FakeClock) -> None:
    for number in range(5):
        await fail(house, f"name{number}", address=f"10.0.0.{number}")
    assert await counted(house) == 10
    clock.advance(minutes=10)
    await fail(house, "root")
    assert await counted(house) == 1


async def test_there_are_so_many_counts_and_the_locked_ones_outlast_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesses, "_MOST_COUNTED", 6)
    await fail(house, "root", 10)
    for number in range(12):
        await fail(house, f"name{number}", address=f"10.0.0.{number}")
        assert await counted(house) <= 6
    with pytest.raises(TooManyAttempts):
        await house.product.accounts.sign_in("root", PASSWORD, None)


async def test_what_was_typed_as_a_name_is_not_kept(house: House) -> None:
    await fail(house, "my secret password", address="192.0.2.7")
    async with house.database._engine.connect() as connection:
        names = (await connection.execute(text("SELECT name FROM failed_sign_ins"))).scalars().all()
    assert len(names) == 2
    assert not any("secret" in name or "192.0.2.7" in name for name in names)


async def test_a_refused_attempt_is_not_counted_and_makes_nobody_wait_longer(
    house: House, accounts: AccountService, clock: FakeClock
) -> None:
    await fail(house, "root", 10)
    clock.advance(minutes=9)
    for _ in range(5):
        with pytest.raises(TooManyAttempts) as refused:
            await accounts.sign_in("root", "wrong", None)
    assert refused.value.data["retry_after_s"] <= 61
    clock.advance(seconds=refused.value.data["retry_after_s"])
    await accounts.sign_in("root", PASSWORD, None)
