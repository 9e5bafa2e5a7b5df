"""Making and changing servers: ports, limits, properties, and who else does so at the same time."""

import asyncio
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchRuntime, NoSuchVersion
from innkeeper.core.nodes.errors import NodeIsOffline, NoNodeIsOnline, NoSuchNode
from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.errors import (
    LimitIsInvalid,
    NoPortIsFree,
    PortIsInvalid,
    PortIsTaken,
    PropertyIsInvalid,
    ServerChangedMeanwhile,
    ServerIsDeleted,
    ServerNameIsInvalid,
)
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Limits, ServerChanges, ServerDraft
from innkeeper.kit.ids import uuid7
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals
from tests.unit.core.conftest import second_node

DRAFT = ServerDraft(name="camp", package="custom", properties={"command": "sleep 1"})


def draft(**fields: Any) -> ServerDraft:
    return msgspec.structs.replace(DRAFT, **fields)


async def narrow(house: House, first: int, last: int) -> None:
    await house.product.nodes.change(house.actor(house.root), house.node.uuid, first_port=first, last_port=last)


# -- making ---------------------------------------------------------------------------------------------------------


async def test_a_server_is_kept_with_its_installation_and_a_note_of_who_made_it(house: House) -> None:
    root = house.actor(house.root)
    server, operation = await house.product.servers.create(root, DRAFT)
    assert (server.state, server.power, server.order_id) == (State.INSTALLING, "off", operation.uuid)
    assert (operation.verb, operation.server_id, operation.account_id) == ("install", server.id, house.root.id)
    assert server.limits.memory_mib == house.product.catalog.get("custom").resources.memory_mib
    await house.settle()
    assert house.product.directory.get(server.id).live.state is State.STOPPED
    assert (await house.product.operations.get(operation.uuid)).state is OperationState.DONE
    [entry] = (await house.product.activity.of_server(server.id, None, 10)).items
    assert (entry.action, entry.account_id, entry.data["name"]) == ("server.created", house.root.id, "camp")


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"name": ""}, ServerNameIsInvalid),
        ({"name": " "}, ServerNameIsInvalid),
        ({"name": "a\nb"}, ServerNameIsInvalid),
        ({"name": "x" * 101}, ServerNameIsInvalid),
        ({"package": "doom"}, NoSuchPackage),
        ({"runtime": "paper"}, NoSuchRuntime),
        ({"version": "1"}, NoSuchVersion),
        ({"properties": {}}, PropertyIsInvalid),
        ({"port": 0}, PortIsInvalid),
        ({"port": 65536}, PortIsInvalid),
        ({"node": uuid7()}, NoSuchNode),
        ({"owner": uuid7()}, NoSuchAccount),
        ({"limits": Limits(memory_mib=0)}, LimitIsInvalid),
        ({"limits": Limits(cpu_percent=-1)}, LimitIsInvalid),
        ({"limits": Limits(disk_mib=1 << 40)}, LimitIsInvalid),
    ],
)
async def test_a_draft_that_makes_no_sense_makes_nothing(
    house: House, fields: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await house.product.servers.create(house.actor(house.root), draft(**fields))
    assert list(house.product.directory.present()) == []
    assert not house.gateway.desired


async def test_making_servers_is_a_permission_and_making_them_for_others_another(house: House) -> None:
    guest, other = await house.account("guest"), await house.account("other")
    with pytest.raises(PermissionIsMissing):
        await house.product.servers.create(house.actor(guest), DRAFT)
    await house.product.access.create_role(
        house.actor(house.root), name="makers", permissions=frozenset({"servers.create"}), members=frozenset({guest.id})
    )
    server, _ = await house.product.servers.create(house.actor(guest), draft(owner=guest.uuid))
    assert server.owner_id == guest.id
    with pytest.raises(PermissionIsMissing):
        await house.product.servers.create(house.actor(guest), draft(owner=other.uuid))


async def test_a_server_goes_where_there_is_a_node_and_the_fewest_servers(house: House) -> None:
    far = await second_node(house)
    root, servers = house.actor(house.root), house.product.servers
    nodes = [(await servers.create(root, draft(name=f"{number}")))[0].node_id for number in range(4)]
    assert nodes == [house.node.id, far, house.node.id, far]
    house.product.nodes.lost(house.node.id)
    assert (await servers.create(root, DRAFT))[0].node_id == far
    with pytest.raises(NodeIsOffline):
        await servers.create(root, draft(node=house.node.uuid))
    house.product.nodes.lost(far)
    with pytest.raises(NoNodeIsOnline):
        await servers.create(root, DRAFT)


# -- ports ----------------------------------------------------------------------------------------------------------


async def test_the_games_own_port_is_tried_first_then_the_nodes_range(house: House) -> None:
    await narrow(house, 25560, 25570)
    ports = [(await house.server(name=f"{number}")).server.port for number in range(3)]
    assert ports == [25565, 25560, 25561]


async def test_a_port_outside_the_nodes_range_is_not_given_out(house: House) -> None:
    await narrow(house, 30000, 30001)
    assert [(await house.server(name=f"{number}")).server.port for number in range(2)] == [30000, 30001]
    with pytest.raises(NoPortIsFree):
        await house.server(name="one too many")


async def test_a_port_that_another_program_holds_is_passed_over(house: House) -> None:
    await narrow(house, 25565, 25700)
    house.gateway.ports_taken = set(range(25565, 25650))
    assert (await house.server()).server.port == 25650
    house.gateway.ports_taken = set(range(25565, 25701))
    with pytest.raises(NoPortIsFree):
        await house.server(name="none left")


async def test_a_port_that_is_asked_for_is_given_or_refused(house: House) -> None:
    assert (await house.server(port=4000)).server.port == 4000
    with pytest.raises(PortIsTaken) as refused:
        await house.server(name="late", port=4000)
    assert refused.value.data["port"] == 4000


async def test_the_port_of_a_deleted_server_is_free_again(house: House) -> None:
    server = await house.server(port=4000)
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    assert (await house.server(name="next", port=4000)).server.port == 4000


async def test_twenty_servers_made_at_once_get_twenty_ports(house: House) -> None:
    root = house.actor(house.root)
    made = await asyncio.gather(*(house.product.servers.create(root, draft(name=f"{number}")) for number in range(20)))
    await house.settle()
    assert len({server.port for server, _ in made}) == 20


async def test_of_two_who_ask_for_the_same_port_at_once_one_gets_it(house: House) -> None:
    root = house.actor(house.root)
    assert (
        await refusals(*(house.product.servers.create(root, draft(port=4000)) for _ in range(3))) == [PortIsTaken] * 2
    )


async def test_a_port_that_another_panel_took_meanwhile_is_replaced_by_the_next(house: House) -> None:
    await narrow(house, 25565, 25600)
    first = await house.server()
    chosen: list[int] = []
    find = house.gateway.find_port

    async def find_and_be_overtaken(*asked: Any) -> int | None:
        port = await find(*asked)
        assert port is not None
        chosen.append(port)
        if len(chosen) == 1:
            async with house.database.works() as work:
                await work.servers.add(msgspec.structs.replace(first.server, uuid=uuid7(), port=port))
        return port

    house.gateway.find_port = find_and_be_overtaken  # type: ignore[assignment,method-assign]
    assert (await house.server(name="late")).server.port == chosen[1] != chosen[0]


# -- changing -------------------------------------------------------------------------------------------------------


async def test_what_is_changed_is_kept_told_and_noted_and_the_rest_stays(house: House) -> None:
    server = await house.server(description="old")
    changed = await house.product.servers.change(
        house.actor(house.root), server, ServerChanges(name="new", autostart=False)
    )
    now = house.now(server).server
    assert changed == now == house.gateway.desired[now.uuid].server
    assert (now.name, now.autostart, now.description, now.generation) == (
        "new",
        False,
        "old",
        server.server.generation + 1,
    )
    newest = (await house.product.activity.of_server(now.id, None, 1)).items[0]
    assert (newest.action, newest.data) == ("server.changed", {"changed": ["autostart", "name"]})


async def test_a_property_of_the_games_files_is_written_there_at_once(house: House) -> None:
    server = await house.server(package="minecraft")
    await house.product.servers.change(house.actor(house.root), server, ServerChanges(properties={"MOTD": "{port}"}))
    assert house.gateway.configs[server.server.uuid] == {"server.properties": {"motd": "{port}"}}
    assert house.now(server).server.properties["motd"] == "{port}"


async def test_a_property_whose_file_cannot_be_written_stays_as_it_was(house: House) -> None:
    server = await house.server(package="minecraft")
    house.gateway.offline = True
    with pytest.raises(NodeIsOffline):
        await house.product.servers.change(house.actor(house.root), server, ServerChanges(properties={"motd": "new"}))
    assert house.now(server).server == server.server


async def test_two_properties_changed_at_the_same_time_are_both_changed(house: House) -> None:
    server, root = await house.server(package="minecraft"), house.actor(house.root)
    changes = ({"motd": "new"}, {"max-players": 5}, {"difficulty": "hard"})
    await asyncio.gather(
        *(house.product.servers.change(root, server, ServerChanges(properties=one)) for one in changes)
    )
    now = house.now(server).server.properties
    assert (now["motd"], now["max-players"], now["difficulty"]) == ("new", 5, "hard")
    assert house.gateway.configs[server.server.uuid]["server.properties"] == {
        "motd": "new",
        "max-players": 5,
        "difficulty": "hard",
    }


async def test_taking_a_limit_back_leaves_the_memory_that_the_game_needs(house: House) -> None:
    server = await house.server(package="minecraft", limits=Limits(memory_mib=2048, cpu_percent=50))
    changed = await house.product.servers.change(house.actor(house.root), server, ServerChanges(limits=Limits()))
    assert changed.limits == Limits(memory_mib=512)


async def test_nobody_gives_a_server_less_memory_than_its_runtime_needs(house: House) -> None:
    root, packages = house.actor(house.root), house.product.catalog
    least = packages.get("minecraft").resources_of("flying-squid").minimum_memory_mib
    wanted = draft(package="minecraft", properties={}, limits=Limits(memory_mib=least - 1))
    with pytest.raises(LimitIsInvalid, match=f"at least {least}"):
        await house.product.servers.create(root, wanted)
    server = await house.server(package="minecraft", limits=Limits(memory_mib=least))
    with pytest.raises(LimitIsInvalid, match=f"at least {least}"):
        await house.product.servers.change(root, server, ServerChanges(limits=Limits(memory_mib=least - 1)))
    assert house.now(server).server.limits == Limits(memory_mib=least)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        (ServerChanges(name=" "), ServerNameIsInvalid),
        (ServerChanges(port=0), PortIsInvalid),
        (ServerChanges(limits=Limits(memory_mib=-5)), LimitIsInvalid),
        (ServerChanges(properties={"command": ""}), PropertyIsInvalid),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    house: House, changes: ServerChanges, refusal: type[Exception]
) -> None:
    server = await house.server()
    with pytest.raises(refusal):
        await house.product.servers.change(house.actor(house.root), server, changes)
    assert house.now(server) == server


async def test_a_port_of_another_server_cannot_be_taken_by_a_change(house: House) -> None:
    first, second = await house.server(port=4000), await house.server(name="second", port=4001)
    with pytest.raises(PortIsTaken):
        await house.product.servers.change(house.actor(house.root), second, ServerChanges(port=first.server.port))
    assert house.now(second).server.port == 4001


async def test_a_change_on_top_of_an_unseen_one_is_refused(house: House) -> None:
    server = await house.server()
    async with house.database.works() as work:  # another panel, whose note has not come yet
        await work.servers.update(
            msgspec.structs.replace(server.server, name="theirs", generation=server.server.generation + 1)
        )
    with pytest.raises(ServerChangedMeanwhile):
        await house.product.servers.change(house.actor(house.root), server, ServerChanges(name="ours"))
    await house.product.directory.reload(server.server.id)
    await house.product.servers.change(house.actor(house.root), server, ServerChanges(name="ours"))
    assert house.now(server).server.name == "ours"


async def test_a_deleted_server_cannot_be_changed_by_who_still_has_it_before_him(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    await house.product.servers.delete(root, server)
    with pytest.raises(ServerIsDeleted):
        await house.product.servers.change(root, server, ServerChanges(name="new"))
    with pytest.raises(ServerIsDeleted):
        await house.product.servers.suspend(root, server, "late")
    await house.settle()
