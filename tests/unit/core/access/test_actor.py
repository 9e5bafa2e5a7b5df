"""The arithmetic of rights: what an account, its roles, grants and key amount to."""

from collections.abc import Sequence, Set

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.access.model import Actor, Grant, Role, actor_for
from innkeeper.core.access.permissions import ALL, ALL_PRODUCT, ALL_SERVER, OWNER
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, a_grant, an_account

OTHER = 8
SOME = st.frozensets(st.sampled_from(sorted(ALL)), max_size=6)


def role(*permissions: str, all_servers: bool = False, servers: Set[int] = frozenset()) -> Role:
    return Role(
        id=1,
        uuid=uuid7(),
        name="role",
        permissions=frozenset(permissions),
        all_servers=all_servers,
        servers={server: frozenset(permissions) & ALL_SERVER for server in servers},
        members=frozenset({7}),
        created_at=NOON,
    )


def actor(
    roles: Sequence[Role] = (),
    grants: Sequence[Grant] = (),
    scope: frozenset[str] | None = None,
    superuser: bool = False,
    own: frozenset[str] = frozenset(),
) -> Actor:
    account = an_account(id=7, superuser=superuser, permissions=own)
    return actor_for(account, list(roles), list(grants), scope=scope, owner=OWNER, via="api")


def test_an_account_of_its_own_may_nothing_but_with_its_own_servers() -> None:
    me = actor()
    assert (me.product, me.on(1, OTHER)) == (frozenset(), frozenset())
    assert me.on(1, 7) == OWNER
    assert not me.sees_all_servers


def test_an_owner_may_not_lift_a_suspension() -> None:
    assert {"server.suspend"} == ALL_SERVER - OWNER


def test_a_superuser_may_everything_everywhere() -> None:
    me = actor(superuser=True)
    assert (me.product, me.on(1, OTHER)) == (ALL_PRODUCT, ALL_SERVER)
    assert me.sees_all_servers
    assert me.is_superuser


def test_a_role_on_all_servers_holds_on_every_one_and_its_product_permissions_anywhere() -> None:
    me = actor([role("server.view", "nodes.read", all_servers=True)])
    assert (me.product, me.on(1, OTHER), me.on(2, OTHER)) == ({"nodes.read"}, {"server.view"}, {"server.view"})
    assert me.sees_all_servers


def test_a_role_on_some_servers_holds_on_those() -> None:
    me = actor([role("server.view", "accounts.read", servers={1, 2})])
    assert [me.on(number, OTHER) for number in (1, 2, 3)] == [{"server.view"}, {"server.view"}, set()]
    assert me.product == {"accounts.read"}, "product permissions know no servers"
    assert not me.sees_all_servers


def test_a_role_holds_on_each_server_as_it_says_there() -> None:
    both = msgspec.structs.replace(
        role("power.kill"), servers={1: frozenset({"server.view"}), 2: frozenset({"server.view", "power.start"})}
    )
    me = actor([both])
    assert [me.on(number, OTHER) for number in (1, 2, 3)] == [{"server.view"}, {"server.view", "power.start"}, set()]


def test_an_accounts_own_permissions_add_to_those_of_its_roles_and_are_of_the_product_alone() -> None:
    me = actor([role("nodes.read")], own=frozenset({"servers.create", "server.view"}))
    assert (me.product, me.everywhere) == ({"nodes.read", "servers.create"}, set())
    narrow = actor(scope=frozenset({"nodes.read"}), own=frozenset({"servers.create"}))
    assert narrow.product == set()


def test_server_permissions_of_a_role_without_servers_hold_nowhere() -> None:
    assert actor([role("server.view")]).on(1, OTHER) == set()


def test_roles_grants_and_ownership_add_up() -> None:
    me = actor(
        [role("server.view", all_servers=True), role("power.start", servers={1}), role("power.stop", servers={1, 2})],
        [a_grant(7, 1, permissions=frozenset({"files.read"}))],
    )
    assert me.on(1, OTHER) == {"server.view", "power.start", "power.stop", "files.read"}
    assert me.on(2, OTHER) == {"server.view", "power.stop"}
    assert me.on(3, 7) == OWNER


@given(SOME, SOME, SOME, SOME, st.booleans())
def test_a_key_lets_through_what_is_held_and_named_and_nothing_else(
    product: frozenset[str], some: frozenset[str], granted: frozenset[str], scope: frozenset[str], superuser: bool
) -> None:
    roles = [role(*product, all_servers=True), role(*some, servers={1})]
    grants = [Grant(account_id=7, server_id=2, permissions=granted & ALL_SERVER, created_at=NOON)]
    whole, narrow = actor(roles, grants, None, superuser), actor(roles, grants, scope, superuser)
    assert narrow.product == whole.product & scope
    for server, owner in ((1, OTHER), (2, OTHER), (3, OTHER), (4, 7)):
        assert narrow.on(server, owner) == whole.on(server, owner) & scope
    assert all(narrow.may(permission) == (permission in narrow.product) for permission in ALL)


def test_a_superusers_narrow_key_makes_no_superuser() -> None:
    assert not actor(superuser=True, scope=ALL - {"nodes.read"}).is_superuser
    assert actor(superuser=True, scope=ALL).is_superuser


def test_a_key_without_permissions_may_nothing() -> None:
    me = actor([role(*ALL, all_servers=True)], scope=frozenset(), superuser=True)
    assert (me.product, me.on(1, 7), me.sees_all_servers) == (set(), set(), False)


def test_no_name_means_two_permissions() -> None:
    assert not ALL_SERVER & ALL_PRODUCT
