"""What an account may of itself and how often, who says so, and who looks after it."""

import asyncio

import pytest

from innkeeper.core.access.errors import CannotGiveMoreThanHeld, PermissionIsMissing, PermissionIsUnknown
from innkeeper.core.accounts.errors import (
    AttributesAreInvalid,
    LanguageIsInvalid,
    NoSuchAccount,
    ThemeIsInvalid,
    TooManyAccounts,
    UsernameIsTaken,
    WrongCredentials,
)
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.service import AccountService
from innkeeper.core.servers.errors import LimitIsInvalid, TooManyServers
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock

KEEPS = frozenset({"accounts.read", "accounts.write", "servers.create"})


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


async def keeper(house: House, **changes: object) -> Account:
    made = await house.account("keeper")
    wanted = {"permissions": KEEPS} | changes
    return await house.product.accounts.change(house.actor(house.root), made.uuid, **wanted)  # type: ignore[arg-type]


# -- permissions of its own --------------------------------------------------------------------------------------------


async def test_permissions_given_to_an_account_hold_without_a_role(house: House) -> None:
    guest = await house.account("guest")
    assert not house.actor(guest).may("nodes.read")
    root = house.actor(house.root)
    await house.product.accounts.change(root, guest.uuid, permissions=frozenset({"nodes.read"}))
    assert house.actor(guest).product == {"nodes.read"}
    await house.product.accounts.change(root, guest.uuid, permissions=frozenset())
    assert house.actor(guest).product == set()


async def test_nobody_gives_or_takes_permissions_that_he_does_not_hold(house: House, accounts: AccountService) -> None:
    actor = house.actor(await keeper(house))
    guest = await house.account("guest")
    given = await accounts.change(actor, guest.uuid, permissions=frozenset({"accounts.read"}))
    assert given.permissions == {"accounts.read"}
    for attempt in (
        accounts.change(actor, guest.uuid, permissions=frozenset({"nodes.read"})),
        accounts.create(actor, username="friend", password=PASSWORD, permissions=frozenset({"nodes.read"})),
    ):
        with pytest.raises(CannotGiveMoreThanHeld):
            await attempt
    await accounts.change(house.actor(house.root), guest.uuid, permissions=frozenset({"nodes.read"}))
    with pytest.raises(PermissionIsMissing):
        await accounts.change(actor, guest.uuid, permissions=frozenset())
    with pytest.raises(PermissionIsUnknown):
        await accounts.change(house.actor(house.root), guest.uuid, permissions=frozenset({"server.view"}))


async def test_nobody_says_for_himself_what_he_may_or_who_looks_after_him(
    house: House, accounts: AccountService
) -> None:
    me = await keeper(house)
    for changes in ({"permissions": KEEPS}, {"limits": {}}, {"manager_id": None}):
        with pytest.raises(PermissionIsMissing, match="for themselves"):
            await accounts.change(house.actor(me), me.uuid, **changes)  # type: ignore[arg-type]


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_an_account_makes_so_many_others(house: House, accounts: AccountService) -> None:
    me = await keeper(house, limits={"accounts.write": 2})
    attempts = [accounts.create(house.actor(me), username=f"guest{number}", password=PASSWORD) for number in range(6)]
    found = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [one for one in found if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [TooManyAccounts] * 4
    assert accounts.counts(me)["accounts.write"] == 2
    made = next(one for one in found if isinstance(one, Account))
    assert made.created_by == me.id
    await accounts.delete(house.actor(me), made.uuid)
    await accounts.create(house.actor(me), username="another", password=PASSWORD)


async def test_the_limit_of_servers_is_the_number_it_may_own(house: House, accounts: AccountService) -> None:
    guest = await house.account("guest")
    changed = await accounts.change(house.actor(house.root), guest.uuid, limits={"servers.create": 1})
    assert changed.most_servers == 1
    await house.server(owner=guest)
    assert accounts.counts(guest) == {"servers.create": 1, "accounts.write": 0, "roles.write": 0}
    with pytest.raises(TooManyServers):
        await house.server(owner=guest, name="second")
    changed = await accounts.change(house.actor(house.root), guest.uuid, most_servers=2)
    assert changed.limits == {"servers.create": 2}


@pytest.mark.parametrize("limits", [{"servers.create": -1}, {"servers.create": 1 << 31}, {"nodes.write": 1}])
async def test_a_limit_that_makes_no_sense_is_refused(
    house: House, accounts: AccountService, limits: dict[str, int]
) -> None:
    with pytest.raises(LimitIsInvalid):
        await accounts.create(None, username="guest", password=PASSWORD, limits=limits)


async def test_who_is_limited_makes_nobody_freer(house: House, accounts: AccountService) -> None:
    me = house.actor(await keeper(house, limits={"servers.create": 2, "accounts.write": 9}))
    made = await accounts.create(me, username="friend", password=PASSWORD)
    assert made.limits == {"servers.create": 2, "accounts.write": 9}
    for limits in ({"servers.create": 3}, {"accounts.write": 10}, {}):
        with pytest.raises(CannotGiveMoreThanHeld):
            await accounts.change(me, made.uuid, limits=limits)
    with pytest.raises(CannotGiveMoreThanHeld):
        await accounts.create(me, username="third", password=PASSWORD, most_servers=3)
    less = await accounts.change(me, made.uuid, limits={"servers.create": 1, "accounts.write": 0})
    assert less.limits == {"servers.create": 1, "accounts.write": 0}
    free = await house.account("free")
    assert (await accounts.change(me, free.uuid, limits={"roles.write": 1})).limits == {"roles.write": 1}


# -- managers ----------------------------------------------------------------------------------------------------------


async def test_a_manager_sees_and_changes_particulars_and_nothing_to_sign_in_by(
    house: House, accounts: AccountService
) -> None:
    boss, stranger = await house.account("boss"), await house.account("stranger")
    guest = await accounts.create(house.actor(house.root), username="guest", password=PASSWORD, manager_id=boss.id)
    me = house.actor(boss)
    assert [account.username for account in accounts.visible(me)] == ["boss", "guest"]
    assert accounts.by_id(me, guest.id) == accounts.get(me, guest.uuid) == guest
    for hidden in (accounts.get, accounts.by_id):
        with pytest.raises(NoSuchAccount):
            hidden(house.actor(stranger), guest.uuid if hidden == accounts.get else guest.id)  # type: ignore[arg-type]
    changed = await accounts.change(me, guest.uuid, language="de_CH", given_name="Anna", disabled=True)
    assert (changed.language, changed.given_name, changed.disabled) == ("de_CH", "Anna", True)
    for changes in (
        {"password": "quite another passphrase"},
        {"username": "mine"},
        {"superuser": True},
        {"permissions": frozenset({"nodes.read"})},
        {"limits": {}},
        {"manager_id": None},
        {"disabled": False, "most_servers": 3},
    ):
        with pytest.raises(PermissionIsMissing):
            await accounts.change(me, guest.uuid, **changes)  # type: ignore[arg-type]
    for attempt in (
        accounts.delete(me, guest.uuid),
        accounts.second_factors.reset(me, guest.uuid),
        accounts.invalidate_tokens(me, guest.id),
        house.product.access.create_key(me, account=guest, name="k"),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt


async def test_a_manager_by_a_narrow_key_is_none(house: House, accounts: AccountService) -> None:
    boss = await house.account("boss")
    guest = await accounts.create(house.actor(house.root), username="guest", password=PASSWORD, manager_id=boss.id)
    narrow = house.product.authority.authenticate(await house.key(boss, "server.view"), "api")
    with pytest.raises(NoSuchAccount):
        accounts.get(narrow, guest.uuid)
    reading = house.product.authority.authenticate(await house.key(boss, "accounts.read"), "api")
    with pytest.raises(PermissionIsMissing):
        await accounts.change(reading, guest.uuid, language="de")


async def test_a_superuser_is_changed_by_no_manager(house: House, accounts: AccountService) -> None:
    boss = await house.account("boss")
    await accounts.change(house.actor(house.root), house.root.uuid, manager_id=boss.id)
    with pytest.raises(PermissionIsMissing):
        await accounts.change(house.actor(boss), house.root.uuid, disabled=True)
    with pytest.raises(NoSuchAccount):
        await accounts.change(house.actor(house.root), boss.uuid, manager_id=999)


# -- particulars -------------------------------------------------------------------------------------------------------


async def test_what_pages_and_dialects_remember_of_an_account(
    house: House, accounts: AccountService, clock: FakeClock
) -> None:
    guest = await house.account("guest")
    clock.advance(seconds=5)
    changed = await accounts.change(
        house.actor(guest), guest.uuid, language="en_EN", theme="dark", hints=False, attributes={"a": "1"}
    )
    assert (changed.language, changed.theme, changed.hints, changed.attributes) == ("en_EN", "dark", False, {"a": "1"})
    assert changed.changed_at == clock.now()
    for wrong, refusal in (
        ({"language": "english please"}, LanguageIsInvalid),
        ({"theme": "<script>"}, ThemeIsInvalid),
        ({"attributes": {"a": "x" * 1025}}, AttributesAreInvalid),
        ({"attributes": {str(number): "" for number in range(33)}}, AttributesAreInvalid),
    ):
        with pytest.raises(refusal):
            await accounts.change(house.actor(guest), guest.uuid, **wrong)  # type: ignore[arg-type]


async def test_another_username_is_for_who_may_change_accounts(house: House, accounts: AccountService) -> None:
    guest, root = await house.account("guest"), house.actor(house.root)
    with pytest.raises(PermissionIsMissing):
        await accounts.change(house.actor(guest), guest.uuid, username="visitor")
    with pytest.raises(UsernameIsTaken):
        await accounts.change(root, guest.uuid, username="ROOT")
    await accounts.change(root, guest.uuid, username="visitor")
    await accounts.sign_in("visitor", PASSWORD, None)
    with pytest.raises(WrongCredentials):
        await accounts.sign_in("guest", PASSWORD, None)


async def test_when_and_from_where_somebody_last_signed_in_is_remembered(
    house: House, accounts: AccountService, clock: FakeClock
) -> None:
    guest = await house.account("guest")
    assert (guest.last_login_at, guest.last_address) == (None, None)
    clock.advance(minutes=1)
    await accounts.sign_in("guest", PASSWORD, "192.0.2.7")
    now = house.product.authority.accounts[guest.id]
    assert (now.last_login_at, now.last_address, now.changed_at) == (clock.now(), "192.0.2.7", None)
