"""Accounts: signing in without telling who there is, and changing without losing the last who may do everything."""

import asyncio

import pytest

from innkeeper.core.access.errors import AccountIsDisabled, KeyIsUnknown, PermissionIsMissing
from innkeeper.core.accounts.errors import (
    AccountOwnsServers,
    EmailIsInvalid,
    LastSuperuser,
    NoSuchAccount,
    PasswordIsTooLong,
    PasswordIsTooWeak,
    TooManyAttempts,
    UsernameIsInvalid,
    UsernameIsTaken,
    WrongCredentials,
)
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.service import AccountService
from innkeeper.panel.second_factors import SecretSealer, TotpCodes
from innkeeper.panel.tokens import JwtSigner
from innkeeper.testing.products import PASSWORD, SECRET, House, PlainHasher
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock

STRONG = "quite another passphrase"


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


class CountingHasher(PlainHasher):
    """Remembers what it was asked to verify."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def verify(self, digest: str, password: str) -> bool:
        self.asked.append((digest, password))
        return super().verify(digest, password)


def with_hasher(house: House, hasher: CountingHasher) -> AccountService:
    product = house.product
    return AccountService(
        works=house.database.works,
        clock=house.clock,
        hasher=hasher,
        signer=JwtSigner(SECRET),
        codes=TotpCodes(),
        sealer=SecretSealer(SECRET),
        access=product.authority,
        servers=product.directory,
        activity=product.activity,
        house=house.settings,
    )


async def manager(house: House, *permissions: str) -> Account:
    account = await house.account("manager")
    await house.product.access.create_role(
        house.actor(house.root),
        name="managers",
        permissions=frozenset({"accounts.read", "accounts.write", *permissions}),
        members=frozenset({account.id}),
    )
    return account


# -- signing in -----------------------------------------------------------------------------------------------------


async def test_names_are_taken_in_any_case_and_passwords_as_they_are(house: House, accounts: AccountService) -> None:
    await accounts.sign_in("ROOT", PASSWORD, None)
    for password in (PASSWORD.upper(), PASSWORD + " ", ""):
        with pytest.raises(WrongCredentials):
            await accounts.sign_in("root", password, None)


async def test_an_unknown_a_disabled_and_a_mistaken_account_are_told_apart_by_nothing(house: House) -> None:
    disabled = await house.account("disabled")
    await house.product.accounts.change(house.actor(house.root), disabled.uuid, disabled=True)
    hasher = CountingHasher()
    accounts = with_hasher(house, hasher)
    answers = []
    for name, password in (
        ("nobody", PASSWORD),
        ("disabled", "wrong"),
        ("root", "wrong"),
        ("", ""),
        ("no name at all!", "x"),
    ):
        with pytest.raises(WrongCredentials) as refused:
            await accounts.sign_in(name, password, None)
        answers.append((refused.value.code, refused.value.message, refused.value.data))
    assert len(set(map(str, answers))) == 1
    assert len(hasher.asked) == 5, "each costs one verification"
    assert [bool(digest) for digest, _ in hasher.asked] == [False, True, True, False, False]
    with pytest.raises(AccountIsDisabled):
        await accounts.sign_in("disabled", PASSWORD, None)  # whoever knows the password learns that alone


async def test_a_password_too_long_to_be_one_is_wrong_and_costs_nothing(house: House) -> None:
    hasher = CountingHasher()
    accounts = with_hasher(house, hasher)
    for name in ("root", "nobody"):
        with pytest.raises(WrongCredentials):
            await accounts.sign_in(name, "x" * 257, None)
    assert hasher.asked == []


@pytest.mark.parametrize("name", ["root", "nobody"])
async def test_after_ten_failures_a_name_is_locked_from_everywhere_whether_it_exists_or_not(
    house: House, accounts: AccountService, clock: FakeClock, name: str
) -> None:
    for number in range(10):
        with pytest.raises(WrongCredentials):
            await accounts.sign_in(name, "wrong", f"10.0.0.{number}")
    with pytest.raises(TooManyAttempts) as refused:
        await accounts.sign_in(name.upper(), PASSWORD, "10.9.9.9")
    assert 0 < refused.value.data["retry_after_s"] <= 601
    await house.account("other")
    await accounts.sign_in("other", PASSWORD, "10.0.0.1")
    clock.advance(seconds=refused.value.data["retry_after_s"])
    assert await refusals(accounts.sign_in(name, PASSWORD, "10.9.9.9")) == (
        [] if name == "root" else [WrongCredentials]
    )


async def test_after_ten_failures_an_address_is_locked_for_every_name(house: House, accounts: AccountService) -> None:
    for number in range(10):
        with pytest.raises(WrongCredentials):
            await accounts.sign_in(f"name{number}", "wrong", "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        await accounts.sign_in("root", PASSWORD, "10.0.0.1")
    await accounts.sign_in("root", PASSWORD, "10.0.0.2")


async def test_signing_in_forgives_the_name_its_failures(house: House, accounts: AccountService) -> None:
    for _round in range(3):
        for _ in range(9):
            with pytest.raises(WrongCredentials):
                await accounts.sign_in("root", "wrong", None)
        await accounts.sign_in("root", PASSWORD, None)


async def test_guesses_made_all_at_once_are_not_all_answered(house: House, accounts: AccountService) -> None:
    guesses = [accounts.sign_in("root", f"guess {number}", None) for number in range(40)]
    refused = await refusals(*guesses, accounts.sign_in("root", PASSWORD, None))
    assert refused.count(WrongCredentials) == 10
    assert refused.count(TooManyAttempts) == 31, "not even the right one"


async def test_sessions_that_have_ended_are_forgotten(house: House, accounts: AccountService, clock: FakeClock) -> None:
    _, old = await accounts.sign_in("root", PASSWORD, None)
    clock.advance(days=house.settings.get().session_days, seconds=1)
    await accounts.sign_in("root", PASSWORD, None)
    assert len(house.product.authority.keys) == 1
    with pytest.raises(KeyIsUnknown):
        house.product.authority.authenticate(old, "api")


async def test_an_api_key_is_not_ended_by_signing_out(house: House, accounts: AccountService) -> None:
    secret = await house.key(house.root)
    await accounts.sign_out(house.product.authority.authenticate(secret, "api"))
    await accounts.sign_out(house.actor(house.root))
    house.product.authority.authenticate(secret, "api")


# -- making and changing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        *[
            ({"username": name}, UsernameIsInvalid)
            for name in ("", "ab", "x" * 41, "-abc", "a b c", "änne", "abc\n", ".abc")
        ],
        ({"username": "ROOT"}, UsernameIsTaken),
        ({"password": "123456789"}, PasswordIsTooWeak),
        ({"password": ""}, PasswordIsTooWeak),
        ({"password": "x" * 257}, PasswordIsTooLong),
        *[({"email": email}, EmailIsInvalid) for email in ("x", "a@", "@b", "a b@c", "a@b@c", "a@b\n")],
    ],
)
async def test_an_account_that_makes_no_sense_is_not_made(
    house: House, accounts: AccountService, fields: dict[str, str], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await accounts.create(None, **({"username": "guest", "password": STRONG} | fields))  # type: ignore[arg-type]
    assert len(accounts.all(house.actor(house.root))) == 1


async def test_the_longest_and_the_shortest_password_work(house: House, accounts: AccountService) -> None:
    for number, password in enumerate(("1234567890", "x" * 256, "pässwörter 😀")):
        await accounts.create(None, username=f"guest{number}", password=password)
        await accounts.sign_in(f"guest{number}", password, None)


async def test_others_accounts_are_seen_by_permission_only(house: House, accounts: AccountService) -> None:
    guest = await house.account("guest")
    assert accounts.get(house.actor(guest), guest.uuid) == guest
    with pytest.raises(NoSuchAccount):
        accounts.get(house.actor(guest), house.root.uuid)
    with pytest.raises(PermissionIsMissing):
        accounts.all(house.actor(guest))
    with pytest.raises(PermissionIsMissing):
        await accounts.create(house.actor(guest), username="friend", password=STRONG)


async def test_one_changes_ones_own_password_with_the_present_one(house: House, accounts: AccountService) -> None:
    guest = await house.account("guest")
    for wrong in (None, "", "wrong"):
        with pytest.raises(WrongCredentials):
            await accounts.change(house.actor(guest), guest.uuid, password=STRONG, current_password=wrong)
    _, session = await accounts.sign_in("guest", PASSWORD, None)
    key = await house.key(guest)
    await accounts.change(house.actor(guest), guest.uuid, password=STRONG, current_password=PASSWORD)
    with pytest.raises(KeyIsUnknown):
        house.product.authority.authenticate(session, "api")
    house.product.authority.authenticate(key, "api")
    await accounts.sign_in("guest", STRONG, None)


async def test_another_e_mail_is_not_verified_and_ends_no_session(house: House, accounts: AccountService) -> None:
    guest = await house.account("guest")
    _, session = await accounts.sign_in("guest", PASSWORD, None)
    changed = await accounts.change(house.actor(guest), guest.uuid, email="guest@example.org")
    assert (changed.email, changed.email_verified) == ("guest@example.org", False)
    house.product.authority.authenticate(session, "api")
    with pytest.raises(EmailIsInvalid):
        await accounts.change(house.actor(guest), guest.uuid, email="nonsense")


async def test_nobody_makes_himself_more_than_he_is(house: House, accounts: AccountService) -> None:
    me, guest = await manager(house), await house.account("guest")
    actor = house.actor(me)
    for attempt in (
        accounts.create(actor, username="friend", password=STRONG, superuser=True),
        accounts.change(actor, me.uuid, superuser=True),
        accounts.change(actor, guest.uuid, superuser=True),
        accounts.change(actor, house.root.uuid, password=STRONG),
        accounts.change(actor, house.root.uuid, disabled=True),
        accounts.delete(actor, house.root.uuid),
        accounts.change(house.actor(guest), guest.uuid, disabled=False),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    await accounts.change(actor, guest.uuid, password=STRONG, disabled=True)


async def test_a_superusers_narrow_key_makes_no_superuser_and_changes_none(
    house: House, accounts: AccountService
) -> None:
    other = await house.account("other", superuser=True)
    secret = await house.key(house.root, "accounts.read", "accounts.write")
    narrow = house.product.authority.authenticate(secret, "api")
    for attempt in (
        accounts.create(narrow, username="friend", password=STRONG, superuser=True),
        accounts.change(narrow, other.uuid, password=STRONG),
        accounts.change(narrow, house.root.uuid, superuser=True),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    await accounts.create(narrow, username="friend", password=STRONG)


async def test_the_last_superuser_stays(house: House, accounts: AccountService) -> None:
    root = house.actor(house.root)
    for attempt in (
        accounts.change(root, house.root.uuid, superuser=False),
        accounts.change(root, house.root.uuid, disabled=True),
        accounts.delete(root, house.root.uuid),
    ):
        with pytest.raises(LastSuperuser):
            await attempt
    second = await house.account("second", superuser=True)
    await accounts.change(root, second.uuid, disabled=True)
    with pytest.raises(LastSuperuser):
        await accounts.change(root, house.root.uuid, superuser=False)
    await accounts.change(root, second.uuid, disabled=False)
    await accounts.change(root, house.root.uuid, superuser=False)


async def test_two_superusers_who_remove_each_other_at_once_leave_one(house: House, accounts: AccountService) -> None:
    second = await house.account("second", superuser=True)
    first, other = house.actor(house.root), house.actor(second)
    refused = await refusals(
        accounts.change(first, second.uuid, superuser=False), accounts.change(other, house.root.uuid, disabled=True)
    )
    assert refused == [LastSuperuser]


async def test_of_two_who_change_limits_at_once_neither_undoes_what_the_other_did(
    house: House, accounts: AccountService
) -> None:
    guest, root = await house.account("guest"), house.actor(house.root)
    await asyncio.gather(
        accounts.change(root, guest.uuid, limits={"roles.write": 2}),
        accounts.change(root, guest.uuid, most_servers=3),
    )
    assert house.product.authority.accounts[guest.id].limits == {"roles.write": 2, "servers.create": 3}


async def test_who_becomes_a_superuser_while_their_new_password_is_hashed_keeps_the_old_one(
    house: House, accounts: AccountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, root = await house.account("guest"), house.actor(house.root)
    made = await accounts.create(
        None,
        username="manager",
        password=STRONG,
        permissions=frozenset({"accounts.read", "accounts.write", "servers.create"}),
    )
    manager = house.actor(made)
    hashing = accounts._passwords.hash

    async def slowly(password: str) -> str:
        await accounts.change(root, guest.uuid, superuser=True)
        return await hashing(password)

    monkeypatch.setattr(accounts._passwords, "hash", slowly)
    with pytest.raises(PermissionIsMissing):
        await accounts.change(manager, guest.uuid, password=STRONG)
    assert house.product.authority.accounts[guest.id].password_hash == guest.password_hash


async def test_a_password_changed_while_the_account_is_disabled_does_not_enable_it(
    house: House, accounts: AccountService
) -> None:
    guest = await house.account("guest")
    await asyncio.gather(
        accounts.change(house.actor(guest), guest.uuid, password=STRONG, current_password=PASSWORD),
        accounts.change(house.actor(house.root), guest.uuid, disabled=True),
        accounts.change(house.actor(guest), guest.uuid, email="guest@example.org"),
    )
    now = house.product.authority.accounts[guest.id]
    assert (now.disabled, now.email, now.password_hash) == (True, "guest@example.org", f"plain:{STRONG}")


async def test_who_owns_servers_cannot_be_deleted_until_they_are_gone(house: House, accounts: AccountService) -> None:
    guest = await house.account("guest")
    server, root = await house.server(owner=guest), house.actor(house.root)
    with pytest.raises(AccountOwnsServers):
        await accounts.delete(root, guest.uuid)
    await house.product.servers.delete(root, server)
    await house.settle()
    await accounts.delete(root, guest.uuid)
    with pytest.raises(NoSuchAccount):
        accounts.get(root, guest.uuid)


async def test_the_house_itself_sets_a_password_by_name(house: House, accounts: AccountService) -> None:
    await accounts.set_password("Root", STRONG)
    await accounts.sign_in("root", STRONG, None)
    with pytest.raises(NoSuchAccount):
        await accounts.set_password("nobody", STRONG)
    with pytest.raises(PasswordIsTooWeak):
        await accounts.set_password("root", "short")
