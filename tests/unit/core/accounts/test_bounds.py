"""What signing in may cost: so many sessions, and of an IPv6 household all addresses together."""

import pytest

from innkeeper.core.access.errors import KeyIsUnknown
from innkeeper.core.accounts.errors import TooManyAttempts, WrongCredentials
from innkeeper.testing.products import PASSWORD, House


async def test_an_account_has_so_many_sessions_and_one_more_ends_its_oldest(house: House) -> None:
    secrets = [(await house.product.accounts.sign_in("root", PASSWORD, None))[1] for _ in range(52)]
    for secret in secrets[:2]:
        with pytest.raises(KeyIsUnknown):
            house.product.authority.authenticate(secret, "api")
    for secret in secrets[2:]:
        house.product.authority.authenticate(secret, "api")


async def test_addresses_of_one_ipv6_network_are_counted_as_one(house: House) -> None:
    for number in range(10):
        with pytest.raises(WrongCredentials):
            await house.product.accounts.sign_in(f"name{number}", "wrong", f"2001:db8:0:1::{number + 1:x}")
    with pytest.raises(TooManyAttempts):
        await house.product.accounts.sign_in("root", PASSWORD, "2001:db8:0:1:ffff::1")
    await house.product.accounts.sign_in("root", PASSWORD, "2001:db8:0:2::1")


async def test_an_ipv4_address_is_the_same_however_it_is_written(house: House) -> None:
    for number in range(10):
        with pytest.raises(WrongCredentials):
            await house.product.accounts.sign_in(f"name{number}", "wrong", "203.0.113.5")
    with pytest.raises(TooManyAttempts):
        await house.product.accounts.sign_in("root", PASSWORD, "::ffff:203.0.113.5")
