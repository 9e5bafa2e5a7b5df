"""Power over an account: nobody becomes, by `accounts.write`, one who holds more than they do, wherever that is."""

from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ALL_SERVER, OWNER
from innkeeper.core.access.service import require_power_over
from innkeeper.core.accounts.errors import PasswordIsTooWeak, WrongCredentials
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.service import AccountService
from innkeeper.panel.product import Settings
from innkeeper.testing.products import PASSWORD, House

STRONG = "quite another passphrase"


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


@pytest.fixture
async def keeper(house: House) -> Account:
    """Return who may change accounts and holds nothing else."""
    return await given(house, await house.account("keeper"), "accounts.read", "accounts.write")


@pytest.fixture
async def guest(house: House) -> Account:
    return await house.account("guest")


async def given(house: House, account: Account, *permissions: str, **limits: int) -> Account:
    root = house.actor(house.root)
    return await house.product.accounts.change(
        root,
        account.uuid,
        permissions=frozenset(permissions),
        limits={name.replace("_", "."): most for name, most in limits.items()},
    )


def has_power(house: House, actor: Account, over: Account) -> bool:
    try:
        require_power_over(house.product.authority, house.product.directory, house.actor(actor), over)
    except PermissionIsMissing:
        return False
    return True


async def refused_to_become(house: House, keeper: Account, victim: Account) -> None:
    """Try all that lets somebody act as another."""
    actor, product = house.actor(keeper), house.product
    for attempt in (
        product.accounts.change(actor, victim.uuid, password=STRONG),
        product.accounts.change(actor, victim.uuid, password=STRONG, ask_current=False),
        product.accounts.change(actor, victim.uuid, username="mine"),
        product.accounts.change(actor, victim.uuid, superuser=True),
        product.accounts.second_factors.reset(actor, victim.uuid),
        product.access.create_key(actor, account=victim, name="k"),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    with pytest.raises(PermissionIsMissing):
        product.access.keys(actor, victim)


async def test_who_owns_a_server_is_not_taken_over_not_even_when_it_is_deleted_and_kept(tmp_path: Path) -> None:
    async with House.open(tmp_path, settings=Settings(deletion_grace=timedelta(hours=1))) as house:
        keeper = await given(house, await house.account("keeper"), "accounts.read", "accounts.write")
        guest = await house.account("guest")
        assert has_power(house, keeper, guest)
        server, root = await house.server(owner=guest), house.actor(house.root)
        await refused_to_become(house, keeper, guest)
        await house.product.servers.delete(root, server)
        await house.settle()
        assert house.now(server).server.kept
        await refused_to_become(house, keeper, guest)
        await house.product.servers.purge(root, server.server.uuid)
        await house.settle()
        assert has_power(house, keeper, guest)


async def test_who_has_a_grant_or_a_role_on_a_server_is_not_taken_over(
    house: House, keeper: Account, guest: Account
) -> None:
    server, root = await house.server(), house.actor(house.root)
    await house.share(server, guest, "server.view")
    await refused_to_become(house, keeper, guest)
    await house.product.access.unshare(root, server, guest.id)
    assert has_power(house, keeper, guest)
    await house.product.access.create_role(
        root, name="r", servers={server.server.id: frozenset({"server.view"})}, members=frozenset({guest.id})
    )
    await refused_to_become(house, keeper, guest)


async def test_who_holds_as_much_on_each_server_has_power_and_with_one_permission_less_has_none(
    house: House, keeper: Account, guest: Account
) -> None:
    own, shared = await house.server(owner=guest), await house.server(name="shared")
    await house.share(shared, guest, "server.view", "power.start")
    await house.share(own, keeper, *OWNER)
    await house.share(shared, keeper, "server.view")
    assert not has_power(house, keeper, guest)
    await house.share(shared, keeper, "server.view", "power.start", "power.stop")
    assert has_power(house, keeper, guest)
    await house.product.accounts.change(house.actor(keeper), guest.uuid, password=STRONG)
    await house.product.accounts.sign_in("guest", STRONG, None)
    await house.share(own, keeper, *(OWNER - {"files.delete"}))
    assert not has_power(house, keeper, guest)


async def test_who_holds_everything_on_every_server_has_power_over_their_owners(
    house: House, keeper: Account, guest: Account
) -> None:
    await house.server(owner=guest)
    await house.product.access.create_role(
        house.actor(house.root), name="all", permissions=ALL_SERVER, all_servers=True, members=frozenset({keeper.id})
    )
    assert has_power(house, keeper, guest)
    assert not has_power(house, guest, keeper)
    narrow = house.product.authority.authenticate(await house.key(keeper, "accounts.write", "accounts.read"), "api")
    with pytest.raises(PermissionIsMissing):
        await house.product.accounts.change(narrow, guest.uuid, password=STRONG)


async def test_who_is_limited_does_not_become_somebody_freer(house: House, keeper: Account, guest: Account) -> None:
    keeper = await given(house, keeper, "accounts.read", "accounts.write", "servers.create", servers_create=2)
    assert has_power(house, keeper, guest), "who may make no server is no freer in it"
    for limits, power in (({"servers_create": 3}, False), ({}, False), ({"servers_create": 2}, True)):
        guest = await given(house, guest, "servers.create", **limits)
        assert has_power(house, keeper, guest) is power


async def test_what_nobody_signs_in_by_is_changed_of_owners_too(
    house: House, accounts: AccountService, keeper: Account, guest: Account
) -> None:
    await house.server(owner=guest)
    actor = house.actor(keeper)
    changed = await accounts.change(actor, guest.uuid, disabled=True, language="de", limits={"servers.create": 1})
    assert (changed.disabled, changed.language, changed.limits) == (True, "de", {"servers.create": 1})
    await accounts.change(actor, guest.uuid, disabled=False)
    await accounts.invalidate_tokens(actor, guest.id)
    await accounts.sign_in("guest", PASSWORD, None)


async def test_a_manager_is_not_let_in_either(house: House, accounts: AccountService, guest: Account) -> None:
    boss = await given(house, await house.account("boss"), "accounts.read", "accounts.write")
    await house.server(owner=guest)
    guest = await accounts.change(house.actor(house.root), guest.uuid, manager_id=boss.id)
    await accounts.change(house.actor(boss), guest.uuid, disabled=False, given_name="Anna")
    await refused_to_become(house, boss, guest)


# -- one's own, asked for the password or not --------------------------------------------------------------------------


async def test_who_does_not_ask_for_the_present_password_still_wants_the_whole_account(
    house: House, accounts: AccountService, guest: Account
) -> None:
    narrow = house.product.authority.authenticate(await house.key(guest, "server.view"), "api")
    with pytest.raises(PermissionIsMissing):
        await accounts.change(narrow, guest.uuid, password=STRONG, ask_current=False)
    with pytest.raises(WrongCredentials):
        await accounts.change(house.actor(guest), guest.uuid, password=STRONG)
    await accounts.change(house.actor(guest), guest.uuid, password=STRONG, ask_current=False)
    await accounts.sign_in("guest", STRONG, None)


async def test_the_present_password_is_not_asked_for_by_who_has_power_over_another(
    house: House, accounts: AccountService, guest: Account
) -> None:
    for ask_current in (True, False):
        await accounts.change(
            house.actor(house.root), guest.uuid, password=STRONG, ask_current=ask_current, current_password="wrong"
        )
    await accounts.sign_in("guest", STRONG, None)


# -- how short a password may be ---------------------------------------------------------------------------------------


async def test_a_dialect_says_how_short_a_password_may_be_for_accounts_it_makes_and_changes(
    house: House, accounts: AccountService
) -> None:
    root = house.actor(house.root)
    with pytest.raises(PasswordIsTooWeak):
        await accounts.create(root, username="short", password="1234567", shortest_password=8)
    short = await accounts.create(root, username="short", password="12345678", shortest_password=8)
    await accounts.sign_in("short", "12345678", None)
    for actor in (root, house.actor(short)):
        for password, shortest in (("1234567", 8), ("12345678", 10)):
            with pytest.raises(PasswordIsTooWeak):
                await accounts.change(
                    actor, short.uuid, password=password, ask_current=False, shortest_password=shortest
                )
        await accounts.change(actor, short.uuid, password="87654321", ask_current=False, shortest_password=8)
        await accounts.sign_in("short", "87654321", None)


async def test_a_password_too_weak_costs_no_guess_at_the_present_one(
    house: House, accounts: AccountService, guest: Account
) -> None:
    for _ in range(12):
        with pytest.raises(PasswordIsTooWeak):
            await accounts.change(house.actor(guest), guest.uuid, password="short", current_password="wrong")
    await accounts.sign_in("guest", PASSWORD, None)
