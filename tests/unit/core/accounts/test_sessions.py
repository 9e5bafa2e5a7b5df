"""Sessions: keys that signing in gives, and that end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from innkeeper.core.access.errors import AccountIsDisabled, KeyHasExpired, KeyIsUnknown
from innkeeper.core.accounts.errors import TooManyAttempts, WrongCredentials
from innkeeper.testing.products import PASSWORD, House


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    async with House.open(tmp_path, clock=clock) as opened:
        yield opened


async def test_signing_in_gives_a_key_that_ends_by_itself(house: House, clock: HandClock) -> None:
    _, secret = await house.product.accounts.sign_in("root", PASSWORD, "127.0.0.1")
    assert house.product.authority.authenticate(secret, "api").account.username == "root"
    life = timedelta(days=house.settings.get().session_days)
    clock.passed = life - timedelta(seconds=1)
    house.product.authority.authenticate(secret, "api")
    clock.passed = life
    with pytest.raises(KeyHasExpired):
        house.product.authority.authenticate(secret, "api")


async def test_signing_out_ends_the_session_and_no_other(house: House) -> None:
    _, here = await house.product.accounts.sign_in("root", PASSWORD, None)
    _, there = await house.product.accounts.sign_in("root", PASSWORD, None)
    await house.product.accounts.sign_out(house.product.authority.authenticate(here, "api"))
    with pytest.raises(KeyIsUnknown):
        house.product.authority.authenticate(here, "api")
    house.product.authority.authenticate(there, "api")


async def test_a_new_password_ends_every_session_and_leaves_api_keys(house: House) -> None:
    key = await house.key(house.root)
    _, session = await house.product.accounts.sign_in("root", PASSWORD, None)
    await house.product.accounts.set_password("root", "another good password")
    with pytest.raises(KeyIsUnknown):
        house.product.authority.authenticate(session, "api")
    house.product.authority.authenticate(key, "api")
    with pytest.raises(WrongCredentials):
        await house.product.accounts.sign_in("root", PASSWORD, None)


async def test_a_disabled_account_is_out_at_once(house: House) -> None:
    guest = await house.account("guest")
    _, session = await house.product.accounts.sign_in("guest", PASSWORD, None)
    await house.product.accounts.change(house.actor(house.root), guest.uuid, disabled=True)
    with pytest.raises(AccountIsDisabled):
        house.product.authority.authenticate(session, "api")


async def test_after_ten_wrong_passwords_one_waits(house: House, clock: HandClock) -> None:
    for _ in range(10):
        with pytest.raises(WrongCredentials):
            await house.product.accounts.sign_in("root", "wrong", "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        await house.product.accounts.sign_in("root", PASSWORD, "10.0.0.2")
    with pytest.raises(TooManyAttempts):
        await house.product.accounts.sign_in("somebody", "wrong", "10.0.0.1")
    clock.passed = timedelta(minutes=10, seconds=1)
    await house.product.accounts.sign_in("root", PASSWORD, "10.0.0.1")
