"""What every keeper of core's stores must hold to, as test classes to derive from.

A test module gives a fixture `stores` (see `store_samples.Stores`) on an empty database, and derives a `Test…` class
from each class here and in `server_store_suite`. Core's docstrings are the promise; here each of their sentences is
tried. Knows no database.
"""

import asyncio

import pytest
from msgspec.structs import replace

from innkeeper.core.access.errors import NoSuchRole, RoleNameIsTaken
from innkeeper.core.accounts.errors import AccountOwnsServers, NoSuchAccount, UsernameIsTaken
from innkeeper.core.accounts.model import Account, SecondFactor
from innkeeper.core.nodes.errors import NodeHasServers, NodeNameIsTaken, NoSuchNode
from innkeeper.core.nodes.model import EnrolmentToken
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.work import Changed
from innkeeper.testing.store_samples import (
    NOON,
    SECOND,
    TICK,
    GivenUp,
    Stores,
    a_grant,
    a_key,
    a_node,
    a_role,
    a_token,
    an_account,
    keep_account,
    keep_server,
    refusals,
)


class TransactionPromises:
    """A block is one transaction, announced when it is kept."""

    async def test_leaving_the_block_keeps_what_was_written(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
        async with stores.works() as work:
            assert await work.accounts.get(account.id) == account

    async def test_an_exception_keeps_nothing_and_comes_out_as_it_was(self, stores: Stores) -> None:
        async with stores.rolled_back() as work:
            account = await keep_account(work)
        with pytest.raises(GivenUp):
            async with stores.works() as work:
                await keep_account(work, username=account.username)
                raise GivenUp
        async with stores.works() as work:
            assert await work.accounts.all() == []

    async def test_a_cancelled_block_keeps_nothing_and_the_next_one_works(self, stores: Stores) -> None:
        inside = asyncio.Event()

        async def never_ends() -> None:
            async with stores.works() as work:
                await keep_account(work)
                inside.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(never_ends())
            await inside.wait()
            task.cancel()
        async with stores.works() as work:
            assert await work.accounts.all() == []

    async def test_changes_are_announced_once_in_order_and_together(self, stores: Stores) -> None:
        async with stores.works() as work:
            work.changed("server", 2)
            work.changed("account", 1)
            work.changed("server", 2)
            assert stores.announced == []
        assert stores.announced == [[Changed("server", 2), Changed("account", 1)]]

    async def test_a_block_without_changes_announces_nothing(self, stores: Stores) -> None:
        async with stores.works() as work:
            await keep_account(work)
        assert stores.announced == []

    async def test_what_is_rolled_back_is_not_announced(self, stores: Stores) -> None:
        async with stores.rolled_back() as work:
            work.changed("server", 1)
        assert stores.announced == []

    async def test_a_refused_statement_leaves_the_rest_of_the_block_whole(self, stores: Stores) -> None:
        async with stores.works() as work:
            first = await keep_account(work)
            with pytest.raises(UsernameIsTaken):
                await keep_account(work, username=first.username)
            second = await keep_account(work)
        async with stores.works() as work:
            assert await work.accounts.all() == [first, second]

    async def test_many_blocks_at_once_all_get_their_turn(self, stores: Stores) -> None:
        async def one(number: int) -> str:
            async with stores.works() as work:
                return await work.settings.put_if_absent(f"number {number}", str(number))

        assert await asyncio.gather(*(one(number) for number in range(50))) == [str(number) for number in range(50)]


class AccountPromises:
    """`core.accounts.store`."""

    async def test_an_account_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            full = await work.accounts.add(an_account())
            bare = await work.accounts.add(
                an_account(email="", email_verified=False, password_hash="", superuser=False, disabled=False)
            )
        async with stores.works() as work:
            assert await work.accounts.get(full.id) == full
            assert await work.accounts.get(bare.id) == bare
            assert await work.accounts.all() == [full, bare]
            assert await work.accounts.get(bare.id + 1) is None

    async def test_of_superusers_who_are_demoted_at_once_the_second_sees_the_first(self, stores: Stores) -> None:
        async with stores.works() as work:
            both = [await work.accounts.add(an_account(superuser=True)) for _ in range(2)]
        left: list[int] = []

        async def demote(account: Account) -> None:
            async with stores.works() as work:
                await work.accounts.lock_superusers()
                locked = await work.accounts.lock(account.id)
                assert locked is not None
                left.append(sum(one.superuser for one in await work.accounts.all()))
                await work.accounts.update(replace(locked, superuser=False))

        await asyncio.gather(*(demote(account) for account in reversed(both)))
        assert left == [2, 1]

    async def test_an_id_given_in_is_ignored(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await work.accounts.add(an_account(id=4711))
            assert account.id != 4711
            assert await work.accounts.get(4711) is None

    async def test_ids_are_never_given_out_again(self, stores: Stores) -> None:
        async with stores.works() as work:
            first = await keep_account(work)
        async with stores.works() as work:
            await work.accounts.delete(first.id)
        async with stores.works() as work:
            assert (await keep_account(work)).id > first.id

    @pytest.mark.parametrize("asked", ["Wirtin", "wirtin", "WIRTIN"])
    async def test_a_username_is_found_and_taken_in_any_case(self, stores: Stores, asked: str) -> None:
        async with stores.works() as work:
            account = await keep_account(work, username="Wirtin")
            other = await keep_account(work)
        async with stores.works() as work:
            assert await work.accounts.find(asked) == account
            assert await work.accounts.find(asked + "x") is None
            with pytest.raises(UsernameIsTaken):
                await keep_account(work, username=asked)
            with pytest.raises(UsernameIsTaken):
                await work.accounts.update(replace(other, username=asked))

    async def test_an_update_replaces_every_field(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            changed = an_account(id=account.id, email="b@example.org", superuser=False, created_at=NOON + SECOND)
            await work.accounts.update(changed)
            await work.accounts.update(changed)
            assert await work.accounts.all() == [changed]
            assert await work.accounts.find(account.username) is None
            with pytest.raises(NoSuchAccount):
                await work.accounts.update(an_account(id=account.id + 1))

    async def test_an_account_may_change_the_case_of_its_own_name(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = replace(await keep_account(work, username="wirtin"), username="Wirtin")
            await work.accounts.update(account)
            assert await work.accounts.find("wirtin") == account

    async def test_deleting_takes_keys_grants_and_memberships_along(self, stores: Stores) -> None:
        async with stores.works() as work:
            account, other = await keep_account(work), await keep_account(work)
            server = await keep_server(work)
            kept = await work.access.add_key(a_key(other.id))
            await work.access.add_key(a_key(account.id))
            await work.access.put_grant(a_grant(account.id, server.id))
            role = await work.access.add_role(a_role(members=frozenset({account.id, other.id})))
            await work.nodes.add_token(a_token("mine", account.id, NOON + SECOND))
            await work.accounts.delete(account.id)
        async with stores.works() as work:
            assert await work.accounts.get(account.id) is None
            assert await work.access.all_keys() == [kept]
            assert await work.access.all_grants() == []
            assert await work.access.all_roles() == [replace(role, members=frozenset({other.id}))]
            assert await work.nodes.take_token("mine", NOON) is None

    async def test_an_owner_is_deleted_only_after_the_servers(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            with pytest.raises(AccountOwnsServers):
                await work.accounts.delete(server.owner_id)
            gone = replace(server, generation=2, deleted_at=NOON, purge_at=None)
            await work.servers.update(gone)
            await work.accounts.delete(server.owner_id)
        async with stores.works() as work:
            assert await work.servers.get(server.id) == gone

    async def test_of_two_who_take_one_name_one_gets_it(self, stores: Stores) -> None:
        async def take(username: str) -> object:
            async with stores.works() as work:
                return await keep_account(work, username=username)

        assert await refusals(take("wirt"), take("WIRT")) == [UsernameIsTaken]


class AccessPromises:
    """`core.access.store`."""

    async def test_a_key_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            full = await work.access.add_key(a_key(account.id))
            none = await work.access.add_key(a_key(account.id, permissions=frozenset()))
            bare = await work.access.add_key(
                a_key(account.id, kind="key", permissions=None, networks=(), expires_at=None, last_used_at=None)
            )
        async with stores.works() as work:
            assert await work.access.get_key(full.id) == full
            assert await work.access.all_keys() == [full, none, bare]
            assert await work.access.get_key(bare.id + 1) is None
            with pytest.raises(NoSuchAccount):
                await work.access.add_key(a_key(account.id + 1))

    async def test_a_key_is_touched_and_deleted(self, stores: Stores) -> None:
        async with stores.works() as work:
            key = await work.access.add_key(a_key((await keep_account(work)).id))
            await work.access.touch_key(key.id, NOON + SECOND)
            assert await work.access.get_key(key.id) == replace(key, last_used_at=NOON + SECOND)
            await work.access.delete_key(key.id)
            assert await work.access.all_keys() == []
            await work.access.touch_key(key.id, NOON)
            await work.access.delete_key(key.id)

    async def test_only_keys_that_ended_before_are_swept_out(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            await work.access.add_key(a_key(account.id, expires_at=NOON - TICK))
            ends_now = await work.access.add_key(a_key(account.id, expires_at=NOON))
            endless = await work.access.add_key(a_key(account.id, expires_at=None))
            assert await work.access.delete_expired_keys(NOON) == 1
            assert await work.access.delete_expired_keys(NOON) == 0
            assert await work.access.all_keys() == [ends_now, endless]

    async def test_a_role_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            servers = {
                (await keep_server(work)).id: frozenset({"server.view", "power.start"}),
                (await keep_server(work)).id: frozenset[str](),
            }
            members = frozenset({(await keep_account(work)).id, (await keep_account(work)).id})
            full = await work.access.add_role(a_role(servers=servers, members=members, all_servers=False))
            bare = await work.access.add_role(a_role(permissions=frozenset()))
        async with stores.works() as work:
            assert await work.access.get_role(full.id) == full
            assert await work.access.get_role(bare.id) == bare
            assert await work.access.all_roles() == [full, bare]
            assert await work.access.get_role(bare.id + 1) is None

    async def test_a_role_is_replaced_wholly(self, stores: Stores) -> None:
        async with stores.works() as work:
            first, second = await keep_server(work), await keep_server(work)
            role = await work.access.add_role(
                a_role(
                    servers={first.id: frozenset({"server.view"})}, members=frozenset({first.owner_id, second.owner_id})
                )
            )
            changed = a_role(
                id=role.id,
                servers={second.id: frozenset({"files.read"})},
                members=frozenset({first.owner_id}),
                all_servers=False,
            )
            await work.access.update_role(changed)
        async with stores.works() as work:
            assert await work.access.all_roles() == [changed]
            await work.access.delete_role(role.id)
            assert await work.access.all_roles() == []
            assert await work.access.get_role(role.id) is None

    async def test_a_refused_role_changes_nothing(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            taken = await work.access.add_role(a_role())
            role = await work.access.add_role(a_role(servers={server.id: frozenset({"server.view"})}))
        async with stores.works() as work:
            with pytest.raises(RoleNameIsTaken):
                await work.access.add_role(a_role(name=taken.name.upper()))
            with pytest.raises(RoleNameIsTaken):
                await work.access.update_role(replace(role, name=taken.name, servers={}))
            with pytest.raises(NoSuchServer):
                others = {server.id: frozenset[str](), server.id + 1: frozenset[str]()}
                await work.access.update_role(replace(role, name="new", servers=others))
            with pytest.raises(NoSuchAccount):
                await work.access.add_role(a_role(members=frozenset({server.owner_id + 1000})))
            with pytest.raises(NoSuchRole):
                await work.access.update_role(a_role(id=role.id + 1000))
        async with stores.works() as work:
            assert await work.access.all_roles() == [taken, role]

    async def test_roles_and_accounts_are_counted_by_who_made_them(self, stores: Stores) -> None:
        async with stores.works() as work:
            maker = await work.accounts.add(an_account(created_by=None))
            await work.accounts.add(an_account(created_by=maker.id))
            await work.access.add_role(a_role(created_by=maker.id))
            await work.access.add_role(a_role(created_by=maker.id))
            await work.access.add_role(a_role(created_by=None))
            assert await work.accounts.count_made_by(maker.id) == 1
            assert await work.access.count_roles_of(maker.id) == 2

    async def test_the_sessions_of_an_account_end_and_nothing_else(self, stores: Stores) -> None:
        async with stores.works() as work:
            account, other = await keep_account(work), await keep_account(work)
            first = await work.access.add_key(a_key(account.id))
            second = await work.access.add_key(a_key(account.id))
            kept = [
                await work.access.add_key(a_key(account.id, kind="key")),
                await work.access.add_key(a_key(other.id)),
            ]
            assert await work.access.delete_sessions(account.id) == [first.id, second.id]
            assert await work.access.all_keys() == kept

    async def test_a_sign_in_is_noted_without_touching_the_rest(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            await work.accounts.note_sign_in(account.id, NOON + SECOND, "192.0.2.1")
            found = await work.accounts.get(account.id)
            assert found == replace(account, last_login_at=NOON + SECOND, last_address="192.0.2.1")

    async def test_a_second_factor_comes_back_and_its_codes_count_once(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            factor = SecondFactor(account_id=account.id, secret="sealed", last_counter=7, created_at=NOON)
            await work.accounts.put_second_factor(factor)
            await work.accounts.put_recovery_codes(account.id, ["a", "b"])
        async with stores.works() as work:
            assert await work.accounts.second_factor(account.id) == factor
            assert [await work.accounts.spend_code(account.id, counter) for counter in (7, 8, 8, 6, 9)] == [
                False,
                True,
                False,
                False,
                True,
            ]
            assert await work.accounts.spend_recovery_code(account.id, "a")
            assert not await work.accounts.spend_recovery_code(account.id, "a")
            assert not await work.accounts.spend_recovery_code(account.id + 1, "b")
            assert await work.accounts.count_recovery_codes(account.id) == 1
            other = replace(factor, secret="another", confirmed=True)
            await work.accounts.put_second_factor(other)
            assert await work.accounts.second_factor(account.id) == other
            assert await work.accounts.count_recovery_codes(account.id) == 0
            await work.accounts.put_recovery_codes(account.id, ["c"])
            await work.accounts.delete_second_factor(account.id)
            assert await work.accounts.second_factor(account.id) is None
            assert not await work.accounts.spend_code(account.id, 99)

    async def test_of_two_who_use_one_code_at_once_one_is_told_true(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            await work.accounts.put_second_factor(SecondFactor(account_id=account.id, secret="s", created_at=NOON))
            await work.accounts.put_recovery_codes(account.id, ["a"])

        async def one_time() -> bool:
            async with stores.works() as work:
                return await work.accounts.spend_code(account.id, 8)

        async def recovery() -> bool:
            async with stores.works() as work:
                return await work.accounts.spend_recovery_code(account.id, "a")

        for spend in (one_time, recovery):
            assert sorted(await asyncio.gather(*(spend() for _ in range(5)))) == [False] * 4 + [True]

    async def test_a_second_factor_goes_with_its_account(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await work.accounts.add(an_account())
            await work.accounts.put_second_factor(SecondFactor(account_id=account.id, secret="s", created_at=NOON))
            await work.accounts.put_recovery_codes(account.id, ["a"])
            await work.accounts.delete(account.id)
            assert await work.accounts.second_factor(account.id) is None
            assert await work.accounts.count_recovery_codes(account.id) == 0
            with pytest.raises(NoSuchAccount):
                factor = SecondFactor(account_id=account.id, secret="s", created_at=NOON)
                await work.accounts.put_second_factor(factor)

    async def test_a_grant_is_put_in_place_of_the_one_before(self, stores: Stores) -> None:
        async with stores.works() as work:
            server, account = await keep_server(work), await keep_account(work)
            first = a_grant(account.id, server.id)
            await work.access.put_grant(first)
            other = a_grant(server.owner_id, server.id)
            await work.access.put_grant(other)
            changed = a_grant(account.id, server.id, permissions=frozenset({"files.read"}), created_at=NOON + TICK)
            await work.access.put_grant(changed)
        async with stores.works() as work:
            assert sorted(await work.access.all_grants(), key=lambda grant: grant.account_id) == sorted(
                [other, changed], key=lambda grant: grant.account_id
            )
            assert await work.access.delete_grant(account.id, server.id) is True
            assert await work.access.delete_grant(account.id, server.id) is False
            assert await work.access.all_grants() == [other]
            assert await work.access.grants_of(server.id) == [other]
            assert await work.access.grants_of(server.id + 1) == []

    async def test_a_grant_needs_its_account_and_its_server(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            with pytest.raises(NoSuchAccount):
                await work.access.put_grant(a_grant(server.owner_id + 1000, server.id))
            with pytest.raises(NoSuchServer):
                await work.access.put_grant(a_grant(server.owner_id, server.id + 1000))


class NodePromises:
    """`core.nodes.store`."""

    async def test_a_node_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            full = await work.nodes.add(a_node())
            bare = await work.nodes.add(a_node(last_seen_at=None, public_host=""))
        async with stores.works() as work:
            assert await work.nodes.get(full.id) == full
            assert await work.nodes.all() == [full, bare]
            assert await work.nodes.get(bare.id + 1) is None

    async def test_a_node_is_replaced_and_deleted(self, stores: Stores) -> None:
        async with stores.works() as work:
            node, other = await work.nodes.add(a_node()), await work.nodes.add(a_node())
            with pytest.raises(NodeNameIsTaken):
                await work.nodes.add(a_node(name=node.name))
            with pytest.raises(NodeNameIsTaken):
                await work.nodes.update(replace(other, name=node.name))
            changed = a_node(id=node.id, address="192.0.2.1", last_seen_at=NOON + SECOND)
            await work.nodes.update(changed)
            assert await work.nodes.all() == [changed, other]
            await work.nodes.delete(node.id)
            assert await work.nodes.all() == [other]
            with pytest.raises(NoSuchNode):
                await work.nodes.update(changed)

    async def test_a_node_is_deleted_only_after_its_servers(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            with pytest.raises(NodeHasServers):
                await work.nodes.delete(server.node_id)
            await work.servers.update(replace(server, generation=2, deleted_at=NOON, purge_at=None))
            await work.nodes.delete(server.node_id)
            assert await work.nodes.all() == []

    async def test_a_token_is_taken_once_and_until_it_ends(self, stores: Stores) -> None:
        async with stores.works() as work:
            account = await keep_account(work)
            good = a_token("good", account.id, NOON + TICK)
            await work.nodes.add_token(good)
            await work.nodes.add_token(a_token("late", None, NOON))
        async with stores.works() as work:
            assert await work.nodes.take_token("late", NOON) is None
            assert await work.nodes.take_token("bad", NOON) is None
            assert await work.nodes.take_token("good", NOON) == good
            assert await work.nodes.take_token("good", NOON) is None

    async def test_a_token_taken_in_a_block_that_fails_is_there_again(self, stores: Stores) -> None:
        token = a_token("token", None, NOON + SECOND)
        async with stores.works() as work:
            await work.nodes.add_token(token)
        async with stores.rolled_back() as work:
            assert await work.nodes.take_token("token", NOON) == token
        async with stores.works() as work:
            assert await work.nodes.take_token("token", NOON) == token

    async def test_of_two_who_take_one_token_one_gets_it(self, stores: Stores) -> None:
        async with stores.works() as work:
            await work.nodes.add_token(a_token("token", None, NOON + SECOND))

        async def take() -> EnrolmentToken | None:
            async with stores.works() as work:
                return await work.nodes.take_token("token", NOON)

        taken = await asyncio.gather(take(), take(), take())
        assert [token.digest for token in taken if token is not None] == ["token"]
