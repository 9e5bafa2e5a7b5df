"""Keys, roles and grants: nobody gives, changes or takes more than he holds."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from innkeeper.core.access.errors import (
    CannotGiveMoreThanHeld,
    NameIsInvalid,
    NetworkIsInvalid,
    NoSuchGrant,
    NoSuchKey,
    NoSuchRole,
    OwnerNeedsNoGrant,
    PermissionIsMissing,
    PermissionIsUnknown,
    RoleNameIsTaken,
    TooManyKeys,
)
from innkeeper.core.access.model import Actor, Role
from innkeeper.core.access.permissions import ALL, ALL_SERVER
from innkeeper.core.access.service import MAX_KEYS, AccessService
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import FakeClock


@pytest.fixture
def access(house: House) -> AccessService:
    return house.product.access


def of(*permissions: str) -> frozenset[str]:
    return frozenset(permissions)


def putting(**fields: object) -> Callable[[Role], Role]:
    """Return a change of a role that puts these fields in place of what there is."""
    return lambda role: msgspec.structs.replace(role, **fields)


async def keeper(house: House, *permissions: str, all_servers: bool = False, name: str = "keeper") -> Account:
    """Return an account that holds permissions by a role, roles.write and roles.read always."""
    account = await house.account(name)
    await house.product.access.create_role(
        house.actor(house.root),
        name=f"of {name}",
        permissions=of(*permissions, "roles.read", "roles.write"),
        all_servers=all_servers,
        members=frozenset({account.id}),
    )
    return account


# -- keys -----------------------------------------------------------------------------------------------------------


async def test_a_keys_secret_is_told_once_and_kept_hashed(house: House, access: AccessService) -> None:
    key, secret = await access.create_key(house.actor(house.root), name="script")
    assert secret.startswith("ink_")
    assert secret not in str(msgspec.to_builtins(key))
    assert access.keys(house.actor(house.root)) == [key]


async def test_a_key_carries_no_more_than_the_key_that_makes_it(house: House, access: AccessService) -> None:
    narrow = house.product.authority.authenticate(await house.key(house.root, "server.view", "nodes.read"), "api")
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_key(narrow, name="wider", permissions=of("server.view", "power.start"))
    assert (await access.create_key(narrow, name="same"))[0].permissions == {"server.view", "nodes.read"}
    assert (await access.create_key(narrow, name="less", permissions=of("server.view")))[0].permissions == {
        "server.view"
    }
    assert (await access.create_key(narrow, name="none", permissions=of()))[0].permissions == of()
    assert (await access.create_key(house.actor(house.root), name="all"))[0].permissions is None


async def test_a_key_does_not_outgrow_the_networks_and_the_end_of_the_key_that_makes_it(
    house: House, access: AccessService, clock: FakeClock
) -> None:
    ends = clock.now() + timedelta(days=1)
    _, secret = await access.create_key(
        house.actor(house.root), name="bound", networks=("10.0.0.0/8", "::1"), expires_at=ends
    )
    bound = house.product.authority.authenticate(secret, "api", "10.0.0.1")
    heir, _ = await access.create_key(bound, name="heir")
    assert (heir.networks, heir.expires_at) == (("10.0.0.0/8", "::1"), ends)
    heir, _ = await access.create_key(bound, name="heir", networks=("::1",), expires_at=ends + timedelta(days=9))
    assert (heir.networks, heir.expires_at) == (("::1",), ends)
    heir, _ = await access.create_key(bound, name="heir", expires_at=ends - timedelta(hours=1))
    assert heir.expires_at == ends - timedelta(hours=1)
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_key(bound, name="elsewhere", networks=("::1", "192.168.0.0/16"))


async def test_who_signed_in_makes_keys_that_last(house: House, access: AccessService) -> None:
    _, secret = await house.product.accounts.sign_in("root", "correct horse battery", None)
    key, _ = await access.create_key(house.product.authority.authenticate(secret, "api"), name="lasting")
    assert key.expires_at is None
    assert [item.name for item in access.keys(house.actor(house.root))] == ["lasting"], "sessions are no keys"


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "\u200b\x00"])
async def test_a_key_has_a_name_to_read(house: House, access: AccessService, name: str) -> None:
    with pytest.raises(NameIsInvalid):
        await access.create_key(house.actor(house.root), name=name)


@pytest.mark.parametrize("network", ["", "10.0.0.0/33", "localhost", "10.0.0", "::g", "10.0.0.1:80"])
async def test_a_network_that_is_none_is_refused(house: House, access: AccessService, network: str) -> None:
    with pytest.raises(NetworkIsInvalid):
        await access.create_key(house.actor(house.root), name="k", networks=(network,))


async def test_permissions_that_there_are_not_are_refused_everywhere(house: House, access: AccessService) -> None:
    root, guest, server = house.actor(house.root), await house.account("guest"), await house.server()
    for attempt in (
        access.create_key(root, name="k", permissions=of("server.fly")),
        access.create_role(root, name="r", permissions=of("server.fly")),
        access.share(root, server, guest.id, of("server.fly")),
        access.share(root, server, guest.id, of("nodes.read")),
    ):
        with pytest.raises(PermissionIsUnknown):
            await attempt


async def test_an_account_has_so_many_keys_and_no_more_even_at_once(house: House, access: AccessService) -> None:
    guest, other = await house.account("guest"), await house.account("other")
    actor = house.actor(guest)
    refused = await refusals(*(access.create_key(actor, name=f"{number}") for number in range(MAX_KEYS + 5)))
    assert refused == [TooManyKeys] * 5
    assert len(access.keys(actor)) == MAX_KEYS
    await access.create_key(house.actor(other), name="mine")
    await access.revoke_key(actor, access.keys(actor)[0].uuid)
    await access.create_key(actor, name="room again")


async def test_only_ones_own_keys_are_seen_and_revoked(house: House, access: AccessService) -> None:
    guest, other = await house.account("guest"), await house.account("other")
    key, _ = await access.create_key(house.actor(guest), name="k")
    with pytest.raises(NoSuchKey):
        await access.revoke_key(house.actor(other), key.uuid)
    with pytest.raises(PermissionIsMissing):
        access.keys(house.actor(other), guest)
    assert access.keys(house.actor(other)) == []
    await access.revoke_key(house.actor(guest), key.uuid)
    with pytest.raises(NoSuchKey):
        await access.revoke_key(house.actor(guest), key.uuid)


# -- roles ----------------------------------------------------------------------------------------------------------


async def test_a_role_gives_to_its_members_and_to_nobody_else(house: House, access: AccessService) -> None:
    guest, other, server = await house.account("guest"), await house.account("other"), await house.server()
    role = await access.create_role(
        house.actor(house.root),
        name="r",
        permissions=of("nodes.read"),
        servers={server.server.id: of("server.view")},
        members=frozenset({guest.id}),
    )
    assert house.product.servers.list(house.actor(guest)) == [server]
    assert house.actor(guest).may("nodes.read")
    assert house.product.servers.list(house.actor(other)) == []
    await access.change_role(house.actor(house.root), role.uuid, putting(members=frozenset({other.id})))
    assert (house.product.servers.list(house.actor(guest)), house.product.servers.list(house.actor(other))) == (
        [],
        [server],
    )
    await access.delete_role(house.actor(house.root), role.uuid)
    assert house.product.servers.list(house.actor(other)) == []


@pytest.mark.parametrize(
    ("permissions", "all_servers", "on_server"),
    [
        (of("nodes.read"), False, False),
        (of("server.view"), True, False),
        (of("server.view"), False, True),
        (ALL, False, False),
    ],
)
async def test_nobody_makes_a_role_of_what_he_does_not_hold(
    house: House, access: AccessService, permissions: frozenset[str], all_servers: bool, on_server: bool
) -> None:
    server = await house.server()
    me = await keeper(house, "power.start", all_servers=True)
    servers = {server.server.id: permissions} if on_server else {}
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_role(
            house.actor(me),
            name="r",
            permissions=permissions,
            all_servers=all_servers,
            servers=servers,
            members=frozenset({me.id}),
        )
    assert len(access.roles(house.actor(me))) == 1


async def test_one_makes_roles_of_what_one_holds_and_on_ones_own_servers(house: House, access: AccessService) -> None:
    me = await keeper(house, "power.start", all_servers=True)
    own, other = await house.server(owner=me), await house.server(name="other")
    actor = house.actor(me)
    await access.create_role(actor, name="everywhere", permissions=of("power.start"), all_servers=True)
    await access.create_role(actor, name="own", servers={own.server.id: of("files.write")})
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_role(
            actor, name="both", servers={own.server.id: of("files.write"), other.server.id: of("files.write")}
        )


async def test_a_narrow_key_makes_no_wide_role(house: House, access: AccessService) -> None:
    secret = await house.key(house.root, "roles.write", "roles.read")
    narrow = house.product.authority.authenticate(secret, "api")
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.create_role(narrow, name="r", permissions=of("nodes.write"))
    await access.create_role(narrow, name="r", permissions=of("roles.read"))


async def test_a_role_that_gives_more_than_one_holds_cannot_be_changed_or_deleted_by_one(
    house: House, access: AccessService
) -> None:
    strong = await access.create_role(house.actor(house.root), name="strong", permissions=of("nodes.write"))
    me = await keeper(house, "nodes.read")
    for weaker in (putting(permissions=of()), putting(members=frozenset({me.id}))):
        with pytest.raises(CannotGiveMoreThanHeld):
            await access.change_role(house.actor(me), strong.uuid, weaker)
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.delete_role(house.actor(me), strong.uuid)
    weak = await access.create_role(house.actor(me), name="weak", permissions=of("nodes.read"))
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.change_role(house.actor(me), weak.uuid, putting(permissions=of("nodes.read", "nodes.write")))
    await access.delete_role(house.actor(me), weak.uuid)


async def test_roles_need_their_permissions(house: House, access: AccessService) -> None:
    guest = await house.account("guest")
    role = await access.create_role(house.actor(house.root), name="r", permissions=of())
    actor = house.actor(guest)
    with pytest.raises(PermissionIsMissing):
        access.roles(actor)
    for attempt in (
        access.create_role(actor, name="x", permissions=of()),
        access.change_role(actor, role.uuid, putting()),
        access.delete_role(actor, role.uuid),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt


async def test_a_role_of_unknown_members_servers_or_a_taken_name_is_refused(
    house: House, access: AccessService
) -> None:
    root = house.actor(house.root)
    role = await access.create_role(root, name="r", permissions=of())
    with pytest.raises(RoleNameIsTaken):
        await access.create_role(root, name="r", permissions=of())
    with pytest.raises(NoSuchAccount):
        await access.create_role(root, name="x", permissions=of(), members=frozenset({999}))
    with pytest.raises(NoSuchServer):
        await access.create_role(root, name="x", servers={999: of("server.view")})
    with pytest.raises(NameIsInvalid):
        await access.create_role(root, name=" ", permissions=of())
    await access.delete_role(root, role.uuid)
    with pytest.raises(NoSuchRole):
        await access.delete_role(root, role.uuid)


async def test_a_role_outlives_a_deleted_member_and_stays_changeable(house: House, access: AccessService) -> None:
    root, guest = house.actor(house.root), await house.account("guest")
    role = await access.create_role(root, name="r", permissions=of("nodes.read"), members=frozenset({guest.id}))
    await house.product.accounts.delete(root, guest.uuid)
    left: Role = access.role(root, role.uuid)
    assert left.members == frozenset()
    await access.change_role(root, left.uuid, putting(name="renamed"))
    await access.delete_role(root, role.uuid)


# -- grants ---------------------------------------------------------------------------------------------------------


async def sharer(house: House, *permissions: str) -> tuple[Actor, int]:
    account = await house.account("sharer")
    server = await house.server()
    await house.share(server, account, "server.view", *permissions)
    return house.actor(account), server.server.id


async def test_an_owner_shares_changes_and_takes_back(house: House, access: AccessService) -> None:
    owner, guest = await house.account("owner"), await house.account("guest")
    server, actor = await house.server(owner=owner), house.actor(owner)
    await access.share(actor, server, guest.id, of("server.view", "power.start"))
    assert house.actor(guest).on(server.server.id, owner.id) == {"server.view", "power.start"}
    await access.share(actor, server, guest.id, of("server.view"))
    assert [grant.permissions for grant in access.grants(server)] == [{"server.view"}]
    await access.unshare(actor, server, guest.id)
    assert access.grants(server) == []
    with pytest.raises(NoSuchGrant):
        await access.unshare(actor, server, guest.id)
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.share(actor, server, guest.id, ALL_SERVER)
    with pytest.raises(OwnerNeedsNoGrant):
        await access.share(actor, server, owner.id, of("server.view"))
    with pytest.raises(NoSuchAccount):
        await access.share(actor, server, 999, of("server.view"))


async def test_sharing_is_a_permission_of_its_own(house: House, access: AccessService) -> None:
    me, server_id = await sharer(house, "power.start")
    guest, server = await house.account("guest"), house.product.directory.get(server_id)
    await house.share(server, guest, "server.view")
    for attempt in (access.share(me, server, guest.id, of("power.start")), access.unshare(me, server, guest.id)):
        with pytest.raises(PermissionIsMissing):
            await attempt
    with pytest.raises(NoSuchServer):
        await access.share(house.actor(await house.account("stranger")), server, guest.id, of("server.view"))


async def test_who_may_share_gives_changes_and_takes_no_more_than_he_holds(house: House, access: AccessService) -> None:
    me, server_id = await sharer(house, "grants.write", "power.start")
    guest, server = await house.account("guest"), house.product.directory.get(server_id)
    await access.share(me, server, guest.id, of("server.view", "power.start"))
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.share(me, server, guest.id, of("server.view", "power.stop"))
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.share(me, server, me.account.id, ALL_SERVER)
    await house.share(server, guest, "server.view", "power.stop")
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.share(me, server, guest.id, of("server.view"))
    with pytest.raises(CannotGiveMoreThanHeld):
        await access.unshare(me, server, guest.id)


async def test_anybody_may_give_back_his_own_grant(house: House, access: AccessService) -> None:
    me, server_id = await sharer(house, "power.start")
    server = house.product.directory.get(server_id)
    await access.unshare(me, server, me.account.id)
    assert access.grants(server) == []


async def test_grants_given_at_the_same_time_all_stand(house: House, access: AccessService) -> None:
    server, root = await house.server(), house.actor(house.root)
    guests = [await house.account(f"guest{number}") for number in range(5)]
    await asyncio.gather(*(access.share(root, server, guest.id, of("server.view")) for guest in guests))
    assert [grant.account_id for grant in access.grants(server)] == [guest.id for guest in guests]
