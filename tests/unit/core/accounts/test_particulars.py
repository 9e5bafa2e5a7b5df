"""Who somebody is, where, what they pay in, and who brought them."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import (
    CountryIsUnknown,
    CurrencyIsUnknown,
    NoSuchAccount,
    PersonNameIsInvalid,
    ReferralIsUnknown,
)
from innkeeper.core.accounts.service import AccountService
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import restarted


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


async def test_particulars_are_kept_with_their_codes_in_capitals(house: House, accounts: AccountService) -> None:
    made = await accounts.create(
        None,
        username="anna",
        password=PASSWORD,
        given_name=" Änne ",
        family_name="van der Berg",
        country="de",
        currency="eur",
    )
    assert (made.given_name, made.family_name, made.country, made.currency) == ("Änne", "van der Berg", "DE", "EUR")
    again = await restarted(house)
    assert again.product.authority.accounts[made.id] == made
    bare = await accounts.create(None, username="bert", password=PASSWORD)
    assert (bare.given_name, bare.country, bare.currency, bare.referred_by) == ("", "", "", None)


@pytest.mark.parametrize(
    ("field", "value", "refusal"),
    [
        ("given_name", "x" * 101, PersonNameIsInvalid),
        ("family_name", "a\nb", PersonNameIsInvalid),
        *[("country", code, CountryIsUnknown) for code in ("D", "DEU", "ZZ", "dé", "  ")],
        *[("currency", code, CurrencyIsUnknown) for code in ("E", "EURO", "ZZZ", "€")],
    ],
)
async def test_what_is_no_name_and_no_code_is_refused_when_made_and_when_changed(
    house: House, accounts: AccountService, field: str, value: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await accounts.create(None, username="anna", password=PASSWORD, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(refusal):
        await accounts.change(house.actor(house.root), house.root.uuid, **{field: value})  # type: ignore[arg-type]


async def test_one_changes_ones_own_particulars_and_nobody_elses(house: House, accounts: AccountService) -> None:
    anna, bert = await house.account("anna"), await house.account("bert")
    changed = await accounts.change(house.actor(anna), anna.uuid, given_name="Anna", country="fr", currency="chf")
    assert (changed.given_name, changed.country, changed.currency) == ("Anna", "FR", "CHF")
    changed = await accounts.change(house.actor(anna), anna.uuid, country="", currency="")
    assert (changed.given_name, changed.country, changed.currency) == ("Anna", "", "")
    with pytest.raises(NoSuchAccount):
        await accounts.change(house.actor(anna), bert.uuid, given_name="Bertha")
    key = await house.key(anna, "server.view")
    with pytest.raises(PermissionIsMissing):
        await accounts.change(house.product.authority.authenticate(key, "api"), anna.uuid, given_name="Other")
    await accounts.change(house.actor(house.root), bert.uuid, family_name="Berg")


async def test_who_brought_an_account_is_kept_and_counted(house: House, accounts: AccountService) -> None:
    anna = await house.account("Anna-2")
    for number, token in enumerate((anna.referral_token, anna.referral_token.upper())):
        made = await accounts.create(None, username=f"guest{number}", password=PASSWORD, referral=token)
        assert made.referred_by == anna.id
    assert (accounts.referrals(anna.id), accounts.referrals(house.root.id)) == (2, 0)
    wrong = ("anna-2", f"root-{anna.id}", f"anna-2-{anna.id + 100}", "-", "²", f"-{anna.id}", "9" * 50, "x-" + "9" * 50)
    for token in wrong:
        with pytest.raises(ReferralIsUnknown):
            await accounts.create(None, username="guest9", password=PASSWORD, referral=token)
    assert house.product.authority.by_username("guest9") is None
