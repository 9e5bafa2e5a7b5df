"""Roles with permissions for each server, their managers and limits; keys that one account makes for another."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.access.errors import (
    CannotGiveMoreThanHeld,
    NoSuchKey,
    NoSuchRole,
    PermissionIsMissing,
    PermissionIsUnknown,
    RoleNameIsTaken,
    TooManyRoles,
)
from innkeeper.core.access.model import Actor, Role
from innkeeper.core.access.permissions import ALL, ALL_PRODUCT, ALL_SERVER
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.servers.directory import Record
from innkeeper.kit.ids import uuid7
from innkeeper.storage.columns import Json
from innkeeper.storage.schema import role_servers
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import NOON
from tests.unit.core.access.test_actor import OTHER, actor
from tests.unit.core.access.test_service import putting


@pytest.fixture
def access(house: House) -> AccessService:
    return house.product.access


def of(*permissions: str) -> frozenset[str]:
    return frozenset(permissions)


async def managed(house: House, boss: Account, *servers: Record) -> Role:
    """Return a role that gives a look at some servers, and that `boss` looks after."""
    return await house.product.access.create_role(
        house.actor(house.root),
        name="crew",
        servers={server.server.id: of("server.view") for server in servers},
        manager_id=boss.id,
    )


# -- a set for each server ---------------------------------------------------------------------------------------------


async def test_a_role_gives_on_each_server_what_it_says_there_and_after_a_restart_too(
    house: House, access: AccessService
) -> None:
    guest, first, second = await house.account("guest"), await house.server(), await house.server(name="second")
    role = await access.create_role(
        house.actor(house.root),
        name="crew",
        servers={first.server.id: of("server.view"), second.server.id: of("server.view", "power.start")},
        members=frozenset({guest.id}),
    )
    actor = house.actor(guest)
    assert actor.on(first.server.id, house.root.id) == {"server.view"}
    assert actor.on(second.server.id, house.root.id) == {"server.view", "power.start"}
    await house.product.authority.load()
    assert house.product.authority.roles[role.id] == role
    assert (role.created_by, role.created_at, role.changed_at) == (house.root.id, house.clock.now(), None)


async def test_nobody_gives_more_than_he_holds_on_any_of_the_servers(house: House, access: AccessService) -> None:
    me = await house.account("keeper")
    own, other = await house.server(owner=me), await house.server(name="other")
    await house.product.accounts.change(house.actor(house.root), me.uuid, permissions=of("roles.read", "roles.write"))
    await house.share(other, me, "server.view", "power.start")
    actor = house.actor(me)
    role = await access.create_role(
        actor, name="crew", servers={own.server.id: of("files.write"), other.server.id: of("power.start")}
    )
    for servers in (
        {other.server.id: of("power.start", "power.stop")},
        {own.server.id: of("server.suspend")},
        {own.server.id: of("files.write"), other.server.id: of("files.write")},
    ):
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.create_role(actor, name="more", servers=servers)
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.change_role(actor, role.uuid, putting(servers=servers))
    for unknown in ("nodes.read", "server.fly"):
        with pytest.raises(PermissionIsUnknown):
            await access.create_role(actor, name="x", servers={own.server.id: of(unknown)})


async def test_names_of_roles_are_unique_in_any_case(house: House, access: AccessService) -> None:
    root = house.actor(house.root)
    await access.create_role(root, name="Crew")
    other = await access.create_role(root, name="other")
    with pytest.raises(RoleNameIsTaken):
        await access.create_role(root, name="cREW")
    with pytest.raises(RoleNameIsTaken):
        await access.change_role(root, other.uuid, putting(name="CREW"))
    await access.change_role(root, other.uuid, putting(name="OTHER"))


@given(st.frozensets(st.sampled_from(sorted(ALL_SERVER))))
def test_what_a_role_gives_on_a_server_comes_back_from_its_column_as_it_was(permissions: frozenset[str]) -> None:
    column = role_servers.c.permissions.type
    assert isinstance(column, Json)
    kept = column.process_bind_param(permissions, None)  # type: ignore[arg-type]
    assert column.process_result_value(kept, None) == permissions  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(1, 4), st.frozensets(st.sampled_from(sorted(ALL_SERVER)))))
def test_a_role_amounts_to_what_it_says_of_each_server(servers: dict[int, frozenset[str]]) -> None:
    role = Role(
        id=1, uuid=uuid7(), name="r", permissions=of(), servers=servers, members=frozenset({7}), created_at=NOON
    )
    assert all(actor([role]).on(server, OTHER) == servers.get(server, of()) for server in range(1, 6))


# -- who looks after it ------------------------------------------------------------------------------------------------


async def test_a_manager_changes_its_role_within_what_it_holds_itself(house: House, access: AccessService) -> None:
    boss, guest = await house.account("boss"), await house.account("guest")
    own, other = await house.server(owner=boss), await house.server(name="other")
    role = await managed(house, boss, own)
    me = house.actor(boss)
    assert access.roles(me) == [role]
    assert access.role_by_id(me, role.id) == access.role(me, role.uuid) == role
    wider = putting(servers={own.server.id: of("server.view", "power.start")}, members=frozenset({guest.id}))
    changed = await access.change_role(me, role.uuid, wider)
    assert changed.changed_at == house.clock.now()
    assert house.actor(guest).on(own.server.id, boss.id) == {"server.view", "power.start"}
    for beyond in (
        putting(servers={other.server.id: of("server.view")}),
        putting(permissions=of("nodes.read")),
        putting(permissions=of("power.start"), all_servers=True),
    ):
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.change_role(me, role.uuid, beyond)
    for attempt in (
        access.change_role(me, role.uuid, putting(manager_id=guest.id)),
        access.change_role(me, role.uuid, putting(manager_id=None)),
        access.delete_role(me, role.uuid),
        access.create_role(me, name="another"),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt


async def test_a_manager_of_a_role_that_gives_more_than_it_holds_cannot_touch_it(
    house: House, access: AccessService
) -> None:
    boss, server = await house.account("boss"), await house.server()
    role = await managed(house, boss, server)
    for change in ({"members": frozenset({boss.id})}, {"servers": {}}, {"name": "mine"}):
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.change_role(house.actor(boss), role.uuid, putting(**change))


async def test_a_manager_sees_no_other_role_and_by_a_narrow_key_none(house: House, access: AccessService) -> None:
    boss = await house.account("boss")
    role = await managed(house, boss)
    other = await access.create_role(house.actor(house.root), name="other")
    with pytest.raises(NoSuchRole):
        access.role_by_id(house.actor(boss), other.id)
    narrow = house.product.authority.authenticate(await house.key(boss, "server.view"), "api")
    with pytest.raises(PermissionIsMissing):
        access.roles(narrow)
    reading = house.product.authority.authenticate(await house.key(boss, "roles.read"), "api")
    with pytest.raises(PermissionIsMissing):
        await access.change_role(reading, role.uuid, putting())
    with pytest.raises(NoSuchAccount):
        await access.create_role(house.actor(house.root), name="x", manager_id=999)


async def test_who_made_a_role_and_when_is_not_changed_with_it(house: House, access: AccessService) -> None:
    root = house.actor(house.root)
    role = await access.create_role(root, name="crew")
    changed = await access.change_role(root, role.uuid, putting(created_by=77, created_at=NOON, name="x", id=99))
    assert (changed.created_by, changed.created_at) == (role.created_by, role.created_at)
    assert house.product.authority.roles[role.id] == changed


async def test_an_account_makes_so_many_roles(house: House, access: AccessService) -> None:
    me = await house.account("keeper")
    await house.product.accounts.change(
        house.actor(house.root),
        me.uuid,
        permissions=of("roles.read", "roles.write"),
        limits={"roles.write": 2},
    )
    attempts = [access.create_role(house.actor(me), name=f"role {number}") for number in range(5)]
    found = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(one) for one in found].count(TooManyRoles) == 3
    assert house.product.accounts.counts(me)["roles.write"] == 2


# -- keys of others ----------------------------------------------------------------------------------------------------


async def test_a_superuser_makes_shows_and_ends_keys_of_others(house: House, access: AccessService) -> None:
    guest, root = await house.account("guest"), house.actor(house.root)
    key, secret = await access.create_key(root, account=guest, name="k")
    assert (key.account_id, key.permissions, key.carries_everything) == (guest.id, None, True)
    assert house.product.authority.authenticate(secret, "api").account.id == guest.id
    assert access.keys(root, guest) == access.keys(house.actor(guest)) == [key]
    assert access.key_by_id(root, key.id) == access.key_by_id(house.actor(guest), key.id) == key
    await access.revoke_key(root, key.uuid)
    with pytest.raises(NoSuchKey):
        access.key_by_id(root, key.id)


async def test_a_key_made_for_another_never_carries_more_than_both_hold(house: House, access: AccessService) -> None:
    me, guest = await house.account("keeper"), await house.account("guest")
    held = of("accounts.read", "accounts.write", "nodes.read")
    await house.product.accounts.change(house.actor(house.root), me.uuid, permissions=held)
    actor = house.actor(me)
    key, secret = await access.create_key(actor, account=guest, name="k")
    assert key.permissions == held
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_key(actor, account=guest, name="k", permissions=of("server.view"))
    server = await house.server(owner=guest)
    by_it = house.product.authority.authenticate(secret, "api")
    assert (by_it.product, by_it.on(server.server.id, guest.id)) == (set(), set())
    for whose in (guest, house.root, await house.account("boss", superuser=True)):
        with pytest.raises(PermissionIsMissing):
            await access.create_key(actor, account=whose, name="k")
    with pytest.raises(PermissionIsMissing):
        await access.create_key(house.actor(guest), account=me, name="k")


async def test_a_session_is_no_key_to_be_shown_or_ended(house: House, access: AccessService) -> None:
    session, _ = await house.product.accounts.sign_in("root", "correct horse battery", None)
    with pytest.raises(NoSuchKey):
        access.key_by_id(house.actor(house.root), session.id)
    with pytest.raises(NoSuchKey):
        await access.revoke_key(house.actor(house.root), session.uuid)


def test_every_permission_is_of_servers_or_of_the_product() -> None:
    assert ALL == ALL_SERVER | ALL_PRODUCT


async def test_accounts_that_enter_a_role_at_the_same_time_are_all_in_it(house: House, access: AccessService) -> None:
    root, people = house.actor(house.root), [await house.account(f"person-{number}") for number in range(5)]
    role = await access.create_role(root, name="crew")

    await asyncio.gather(*(access.set_roles(root, person.id, frozenset({role.id})) for person in people))

    assert access.role_by_id(root, role.id).members == {person.id for person in people}


# -- several at once ---------------------------------------------------------------------------------------------------


async def test_two_who_change_a_role_at_once_do_not_undo_each_other(house: House, access: AccessService) -> None:
    root, guest, server = house.actor(house.root), await house.account("guest"), await house.server()
    role = await access.create_role(root, name="crew")

    await asyncio.gather(
        access.change_role(root, role.uuid, putting(name="team")),
        access.change_role(root, role.uuid, putting(members=of_ids(guest))),
        access.change_role(root, role.uuid, putting(servers={server.server.id: of("server.view")})),
        access.change_role(root, role.uuid, putting(permissions=of("nodes.read"))),
    )

    now = access.role(root, role.uuid)
    assert (now.name, now.members, now.permissions) == ("team", of_ids(guest), of("nodes.read"))
    assert now.servers == {server.server.id: of("server.view")}


async def test_each_of_many_servers_that_are_added_at_once_is_on_the_role(house: House, access: AccessService) -> None:
    root, role = house.actor(house.root), await access.create_role(house.actor(house.root), name="crew")
    servers = [(await house.server(name=f"server {number}")).server.id for number in range(4)]

    def adding(server_id: int) -> Callable[[Role], Role]:
        return lambda now: msgspec.structs.replace(now, servers=now.servers | {server_id: of("server.view")})

    await asyncio.gather(*(access.change_role(root, role.uuid, adding(server_id)) for server_id in servers))

    assert access.role(root, role.uuid).servers == {server_id: of("server.view") for server_id in servers}


async def test_a_role_that_was_made_stronger_is_not_changed_or_deleted_by_who_has_not_heard_of_it(
    house: House, access: AccessService
) -> None:
    me = await maker_of_roles(house)
    role = await access.create_role(me, name="crew")
    async with house.database.works() as work:  # as another panel does it
        await work.access.update_role(msgspec.structs.replace(role, permissions=of("nodes.write")))
    for attempt in (
        access.change_role(me, role.uuid, putting(name="mine")),
        access.change_role(me, role.uuid, putting(permissions=of())),
        access.set_roles(me, me.account.id, frozenset({role.id})),
        access.delete_role(me, role.uuid),
    ):
        with pytest.raises(CannotGiveMoreThanHeld):
            await attempt


async def test_a_role_that_is_gone_is_not_changed_and_a_change_that_fails_leaves_it(
    house: House, access: AccessService
) -> None:
    root = house.actor(house.root)
    role = await access.create_role(root, name="crew")
    for members in ({house.root.id, 999}, {-1}):
        with pytest.raises(NoSuchAccount):
            await access.change_role(root, role.uuid, putting(members=frozenset(members), name="other"))
    assert access.role(root, role.uuid) == role
    async with house.database.works() as work:
        await work.access.delete_role(role.id)
    for attempt in (
        access.change_role(root, role.uuid, putting(name="x")),
        access.set_roles(root, house.root.id, frozenset({role.id})),
        access.delete_role(root, role.uuid),
    ):
        with pytest.raises(NoSuchRole):
            await attempt


# -- the roles of an account -------------------------------------------------------------------------------------------


def of_ids(*accounts: Account) -> frozenset[int]:
    return frozenset(account.id for account in accounts)


async def maker_of_roles(house: House) -> Actor:
    """Return somebody who may make roles and see nodes."""
    made = await house.account("maker")
    held = of("roles.read", "roles.write", "nodes.read")
    await house.product.accounts.change(house.actor(house.root), made.uuid, permissions=held)
    return house.actor(made)


async def test_an_account_gets_and_leaves_roles_until_it_has_exactly_these(house: House, access: AccessService) -> None:
    root, guest, other = house.actor(house.root), await house.account("guest"), await house.account("other")
    first, second, third = [
        await access.create_role(root, name=name, members=of_ids(*people))
        for name, people in (("first", (guest, other)), ("second", (guest,)), ("third", ()))
    ]
    wanted = frozenset({second.id, third.id})
    assert access.check_roles(root, guest.id, wanted) == [first, third]
    await access.set_roles(root, guest.id, wanted)
    members = {role.name: role.members for role in access.roles(root)}
    assert members == {"first": of_ids(other), "second": of_ids(guest), "third": of_ids(guest)}
    assert access.check_roles(root, guest.id, wanted) == []
    await access.set_roles(root, guest.id, frozenset())
    assert [role.members for role in access.roles(root)] == [of_ids(other), of_ids(), of_ids()]


async def test_a_new_account_enters_what_it_is_given_and_leaves_nothing(house: House, access: AccessService) -> None:
    root = house.actor(house.root)
    first, _ = await access.create_role(root, name="first"), await access.create_role(root, name="second")
    assert access.check_roles(root, None, frozenset()) == []
    assert access.check_roles(root, None, frozenset({first.id})) == [first]


async def test_roles_or_accounts_that_there_are_not_are_refused_and_change_nothing(
    house: House, access: AccessService
) -> None:
    root, guest = house.actor(house.root), await house.account("guest")
    role = await access.create_role(root, name="crew")
    with pytest.raises(NoSuchRole):
        await access.set_roles(root, guest.id, frozenset({role.id, 999}))
    with pytest.raises(NoSuchRole):
        access.check_roles(root, None, frozenset({999}))
    with pytest.raises(NoSuchAccount):
        await access.set_roles(root, 999, frozenset({role.id}))
    assert access.roles(root) == [role]


async def test_nobody_gives_or_takes_roles_that_give_more_than_they_hold(house: House, access: AccessService) -> None:
    me, guest, server = await maker_of_roles(house), await house.account("guest"), await house.server()
    root = house.actor(house.root)
    weak = await access.create_role(root, name="weak", permissions=of("nodes.read"))
    for beyond in (
        await access.create_role(root, name="product", permissions=of("nodes.write")),
        await access.create_role(root, name="one", servers={server.server.id: of("server.view")}),
        await access.create_role(root, name="all", permissions=of("server.view"), all_servers=True),
    ):
        for account_id in (guest.id, me.account.id):
            with pytest.raises(CannotGiveMoreThanHeld):
                await access.set_roles(me, account_id, frozenset({beyond.id, weak.id}))
        with pytest.raises(CannotGiveMoreThanHeld):
            access.check_roles(me, None, frozenset({beyond.id}))
        await access.set_roles(root, guest.id, frozenset({beyond.id}))
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.set_roles(me, guest.id, frozenset())
        await access.set_roles(root, guest.id, frozenset())
    assert access.role(root, weak.uuid).members == frozenset(), "all of it or nothing"
    await access.set_roles(me, guest.id, frozenset({weak.id}))
    assert house.actor(guest).product == {"nodes.read"}


async def test_roles_are_given_with_roles_write_or_by_their_manager(house: House, access: AccessService) -> None:
    boss, guest = await house.account("boss"), await house.account("guest")
    role, other = await managed(house, boss), await access.create_role(house.actor(house.root), name="other")
    await access.set_roles(house.actor(boss), guest.id, frozenset({role.id}))
    assert house.product.authority.roles[role.id].members == of_ids(guest)
    narrow = house.product.authority.authenticate(await house.key(boss, "roles.read"), "api")
    for who, wanted in ((house.actor(boss), {role.id, other.id}), (house.actor(guest), set()), (narrow, set())):
        with pytest.raises(PermissionIsMissing):
            await access.set_roles(who, guest.id, frozenset(wanted))
