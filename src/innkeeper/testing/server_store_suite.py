"""What every keeper of core's stores must hold to about servers and what happens to them.

The other half of `store_suite`, used in the same way.
"""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from innkeeper.core.accounts.errors import AccountOwnsServers, NoSuchAccount
from innkeeper.core.nodes.errors import NodeHasServers, NoSuchNode
from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.errors import NoSuchServer, PortIsTaken, ServerChangedMeanwhile
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import CrashPolicy, Limits, Server
from innkeeper.testing.store_samples import (
    NOON,
    SECOND,
    TICK,
    Stores,
    a_node,
    a_server,
    an_entry,
    an_operation,
    keep_account,
    keep_server,
    refusals,
)


class ServerPromises:
    """`core.servers.store`."""

    async def test_a_server_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            full = await keep_server(work)
            bare = await keep_server(
                work,
                owner_id=full.owner_id,
                node_id=full.node_id,
                description="",
                properties={},
                port=None,
                limits=Limits(),
                crash=CrashPolicy(),
                autostart=True,
                power="off",
                suspended=False,
                suspended_reason=None,
                state=State.CREATED,
                order_id=None,
            )
            gone = await keep_server(work, deleted_at=NOON + TICK, state=State.DELETED)
        async with stores.works() as work:
            assert await work.servers.get(full.id) == full
            assert await work.servers.all() == [full, bare, gone]
            assert await work.servers.get(gone.id + 1) is None
            kept = await work.servers.get(full.id)
            assert kept is not None
            assert [type(value) for value in kept.properties.values()] == [str, int, float, bool]

    @pytest.mark.parametrize(
        "moment",
        [
            datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
            datetime(2038, 1, 19, 3, 14, 8, 1, UTC),
            datetime(2040, 7, 1, 12, 30, 59, 999_999, UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        ],
    )
    async def test_moments_are_exact(self, stores: Stores, moment: datetime) -> None:
        async with stores.works() as work:
            server = await keep_server(work, created_at=moment)
        async with stores.works() as work:
            kept = await work.servers.get(server.id)
            assert kept is not None
            assert (kept.created_at, kept.created_at.tzinfo) == (moment, UTC)

    async def test_an_update_replaces_every_field(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            other = await keep_server(work)
            changed = a_server(
                other.owner_id,
                other.node_id,
                id=server.id,
                uuid=server.uuid,
                generation=2,
                protocol="tcp",
                suspended=False,
                power="off",
                state=State.CRASHED,
                properties={"seed": "1"},
                autostart=True,
            )
            await work.servers.update(changed)
        async with stores.works() as work:
            assert await work.servers.all() == [changed, other]

    @pytest.mark.parametrize("generation", [0, 1, 3])
    async def test_an_update_of_another_generation_is_refused(self, stores: Stores, generation: int) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            with pytest.raises(ServerChangedMeanwhile):
                await work.servers.update(replace(server, name="late", generation=generation))
            with pytest.raises(ServerChangedMeanwhile):
                await work.servers.update(replace(server, id=server.id + 1, generation=2, port=None))
            assert await work.servers.all() == [server]

    async def test_a_state_is_noted_beside_the_generation(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            await work.servers.note_state(server.id, State.CRASHED, None)
            assert await work.servers.get(server.id) == replace(server, state=State.CRASHED)
            await work.servers.note_state(server.id, State.STOPPED, "off")
            assert await work.servers.get(server.id) == replace(server, state=State.STOPPED, power="off")
            with pytest.raises(NoSuchServer):
                await work.servers.note_state(server.id + 1, State.STOPPED, None)

    async def test_a_port_is_taken_once_by_node_and_protocol(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work, protocol="tcp", port=25565)
            same = {"owner_id": server.owner_id, "node_id": server.node_id}
            with pytest.raises(PortIsTaken):
                await keep_server(work, **same, protocol="tcp", port=25565)
            other = await keep_server(work, **same, protocol="tcp", port=25566)
            with pytest.raises(PortIsTaken):
                await work.servers.update(replace(other, port=25565, generation=2))
            await keep_server(work, **same, protocol="udp", port=25565)
            await keep_server(work, owner_id=server.owner_id, protocol="tcp", port=25565)
            for _ in range(2):
                await keep_server(work, **same, protocol="tcp", port=None)
            assert await work.servers.taken_ports(server.node_id, "tcp") == {25565, 25566}
            assert await work.servers.taken_ports(server.node_id, "udp") == {25565}
            assert await work.servers.taken_ports(server.node_id + 1000, "tcp") == set()

    async def test_a_deleted_server_lets_its_port_go(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work, protocol="tcp", port=25565)
            await work.servers.update(replace(server, deleted_at=NOON, purge_at=None, generation=2))
            assert await work.servers.taken_ports(server.node_id, "tcp") == set()
            for _ in range(2):
                heir = await keep_server(work, node_id=server.node_id, protocol="tcp", port=25565)
                await work.servers.update(replace(heir, deleted_at=NOON, purge_at=None, generation=2))

    async def test_a_deleted_server_that_is_kept_has_its_port_its_owner_and_its_node(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work, protocol="tcp", port=25565)
            kept = replace(server, state=State.DELETED, deleted_at=NOON, purge_at=NOON + TICK, generation=2)
            await work.servers.update(kept)
            assert await work.servers.get(server.id) == kept
            assert await work.servers.taken_ports(server.node_id, "tcp") == {25565}
            with pytest.raises(PortIsTaken):
                await keep_server(work, node_id=server.node_id, protocol="tcp", port=25565)
            with pytest.raises(AccountOwnsServers):
                await work.accounts.delete(server.owner_id)
            with pytest.raises(NodeHasServers):
                await work.nodes.delete(server.node_id)
            await work.servers.update(replace(kept, purge_at=None, generation=3))
            heir = await keep_server(work, node_id=server.node_id, protocol="tcp", port=25565)
            with pytest.raises(PortIsTaken):
                await work.servers.update(replace(kept, generation=4))
            await work.servers.update(replace(heir, deleted_at=NOON, purge_at=None, generation=2))
            await work.accounts.delete(server.owner_id)
            await work.nodes.delete(server.node_id)

    async def test_a_server_needs_its_owner_and_its_node(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            with pytest.raises(NoSuchAccount):
                await work.servers.add(a_server(server.owner_id + 1000, server.node_id))
            with pytest.raises(NoSuchNode):
                await work.servers.add(a_server(server.owner_id, server.node_id + 1000))
            with pytest.raises(NoSuchAccount):
                await work.servers.update(replace(server, owner_id=server.owner_id + 1000, generation=2))

    async def test_of_two_updates_of_one_generation_one_is_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)

        async def update(name: str) -> None:
            async with stores.works() as work:
                seen = await work.servers.get(server.id)
                assert seen is not None
                await work.servers.update(replace(server, name=name, generation=2))

        assert await refusals(update("one"), update("two"), update("three")) == [ServerChangedMeanwhile] * 2
        async with stores.works() as work:
            kept = await work.servers.get(server.id)
            assert kept is not None
            assert kept.name in {"one", "two", "three"}

    async def test_of_two_servers_added_to_one_port_one_gets_it(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner, node = await keep_account(work), await work.nodes.add(a_node())

        async def add() -> Server:
            async with stores.works() as work:
                return await work.servers.add(a_server(owner.id, node.id, protocol="tcp", port=25565))

        assert await refusals(add(), add(), add()) == [PortIsTaken] * 2
        async with stores.works() as work:
            assert len(await work.servers.all()) == 1

    async def test_an_owner_deleted_while_a_server_is_added_is_refused_to_one_of_them(self, stores: Stores) -> None:
        async with stores.works() as work:
            owner, node = await keep_account(work), await work.nodes.add(a_node())

        async def add() -> None:
            async with stores.works() as work:
                await work.servers.add(a_server(owner.id, node.id))

        async def delete() -> None:
            async with stores.works() as work:
                await work.accounts.delete(owner.id)

        assert len(await refusals(add(), delete())) == 1


class OperationPromises:
    """`core.operations.store`."""

    async def test_an_operation_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            full = await work.operations.add(an_operation(server.id))
            bare = await work.operations.add(
                an_operation(
                    server.id,
                    reason=None,
                    steps=(),
                    fraction=None,
                    account_id=None,
                    started_at=None,
                    finished_at=None,
                )
            )
        async with stores.works() as work:
            assert await work.operations.get(full.id) == full
            assert await work.operations.find(full.uuid) == full
            assert await work.operations.get(bare.id) == bare
            assert await work.operations.get(bare.id + 1) is None
            assert await work.operations.find(uuid4()) is None
            with pytest.raises(NoSuchServer):
                await work.operations.add(an_operation(server.id + 1))

    async def test_an_update_replaces_every_field(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            first = await work.operations.add(an_operation(server.id))
            changed = an_operation(
                server.id,
                id=first.id,
                verb="stop",
                state=OperationState.FAILED,
                reason="refused",
                steps=(),
                fraction=1.0,
                account_id=None,
                via="system",
                started_at=None,
                finished_at=NOON,
            )
            await work.operations.update(changed)
            assert await work.operations.get(first.id) == changed
            with pytest.raises(NoSuchOperation):
                await work.operations.update(replace(changed, id=first.id + 1))

    async def test_what_is_unfinished_comes_oldest_first(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            kept = [await work.operations.add(an_operation(server.id, state=state)) for state in OperationState]
            again = await work.operations.add(an_operation(server.id, state=OperationState.CREATED))
            unfinished = [operation for operation in [*kept, again] if not operation.ended]
            assert len(unfinished) == 3
            assert await work.operations.unfinished() == unfinished
            other = await work.operations.add(an_operation((await keep_server(work)).id))
            assert await work.operations.unfinished(server.id) == unfinished
            assert await work.operations.unfinished(other.server_id) == [other]
            assert await work.operations.unfinished(other.server_id + 1) == []

    async def test_a_servers_operations_come_newest_first_in_pages(self, stores: Stores) -> None:
        async with stores.works() as work:
            server, other = await keep_server(work), await keep_server(work)
            kept = []
            for _ in range(5):
                kept.append(await work.operations.add(an_operation(server.id)))
                await work.operations.add(an_operation(other.id))
            kept.reverse()
            assert await work.operations.of_server(server.id, None, 100) == kept
            assert await work.operations.of_server(server.id, None, 2) == kept[:2]
            assert await work.operations.of_server(server.id, kept[1].id, 2) == kept[2:4]
            assert await work.operations.of_server(server.id, kept[-1].id, 2) == []


class ActivityPromises:
    """`core.activity.store`."""

    async def test_an_entry_comes_back_as_it_was_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            full = await work.activity.add(an_entry())
            bare = await work.activity.add(an_entry(account_id=None, server_id=None, data={}, address=None))
        async with stores.works() as work:
            found = await work.activity.recent(server_id=None, account_id=None, before_id=None, limit=10)
            assert found == [bare, full]

    async def test_entries_come_newest_first_by_server_and_account(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = [
                await work.activity.add(an_entry(server_id=server_id, account_id=account_id))
                for server_id, account_id in [(1, 1), (1, 2), (2, 1), (1, 1), (None, 1)]
            ]
            for server_id, account_id, before, expected in [
                (None, None, None, [4, 3, 2, 1, 0]),
                (1, None, None, [3, 1, 0]),
                (None, 1, None, [4, 3, 2, 0]),
                (1, 1, None, [3, 0]),
                (1, 1, 3, [0]),
                (None, None, 2, [1, 0]),
                (9, None, None, []),
            ]:
                before_id = None if before is None else kept[before].id
                arguments = {"server_id": server_id, "account_id": account_id, "before_id": before_id}
                assert await work.activity.recent(**arguments, limit=10) == [kept[number] for number in expected]
            newest = await work.activity.recent(server_id=None, account_id=None, before_id=None, limit=2)
            assert newest == [kept[4], kept[3]]

    async def test_what_is_older_is_deleted(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = [await work.activity.add(an_entry(at=NOON + number * SECOND)) for number in range(4)]
            assert await work.activity.delete_before(NOON + 2 * SECOND) == 2
            assert await work.activity.delete_before(NOON + 2 * SECOND) == 0
            found = await work.activity.recent(server_id=None, account_id=None, before_id=None, limit=10)
            assert found == [kept[3], kept[2]]

    async def test_all_but_the_newest_are_deleted_so_many_at_once(self, stores: Stores) -> None:
        async with stores.works() as work:
            kept = [await work.activity.add(an_entry(at=NOON + number * SECOND)) for number in range(9)]
            assert await work.activity.delete_beyond(9, most=5) == 0
            assert [await work.activity.delete_beyond(4, most=3) for _ in range(3)] == [3, 2, 0]
            assert await work.activity.delete_before(NOON + 8 * SECOND, most=2) == 2
            found = await work.activity.recent(server_id=None, account_id=None, before_id=None, limit=10)
            assert found == [kept[8], kept[7]]


class SettingPromises:
    """`core.work.SettingStore`."""

    async def test_the_first_value_stays(self, stores: Stores) -> None:
        async with stores.works() as work:
            assert await work.settings.get("secret") is None
            assert await work.settings.put_if_absent("secret", "one") == "one"
            assert await work.settings.put_if_absent("secret", "two") == "one"
        async with stores.works() as work:
            assert await work.settings.get("secret") == "one"

    async def test_a_value_is_put_in_place_of_another(self, stores: Stores) -> None:
        for value in ("one", "two", ""):
            async with stores.works() as work:
                await work.settings.put("switch", value)
            async with stores.works() as work:
                assert await work.settings.get("switch") == value

    async def test_values_are_found_by_how_their_names_begin(self, stores: Stores) -> None:
        async with stores.works() as work:
            for name in ("house.a", "house.b", "houseXc", "other", "house%", "_ouse.d"):
                await work.settings.put(name, name)
            assert set(await work.settings.starting("house.")) == {"house.a", "house.b"}
            assert await work.settings.starting("_ouse.") == {"_ouse.d": "_ouse.d"}

    async def test_of_two_writers_both_get_the_value_of_the_first(self, stores: Stores) -> None:
        async def put(value: str) -> str:
            async with stores.works() as work:
                return await work.settings.put_if_absent("secret", value)

        assert len(set(await asyncio.gather(put("one"), put("two"), put("three")))) == 1
