"""Player lists and their files are one; a running game is told by its own commands."""

import asyncio
import json
from datetime import timedelta
from uuid import UUID

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.files.errors import ConfigIsUnreadable
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.players.errors import (
    ListChangeWasNotTaken,
    NoSuchPlayerList,
    PlayerIsUnknown,
    PlayerNameIsInvalid,
    TooManyEntries,
)
from innkeeper.core.players.profiles import offline_uuid
from innkeeper.core.players.service import MAX_ENTRIES, PlayerListService
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import (
    ConsoleIsNotRead,
    NoSuchServer,
    ServerIsBusy,
    ServerIsNotRunning,
    ServerIsSuspended,
)
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Server, ServerChanges
from innkeeper.testing.games import taking_list_commands
from innkeeper.testing.products import House

JEB = UUID("853c80ef-3c37-49fd-aa49-938b674adae6")


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server(package="minecraft")


@pytest.fixture
async def running(house: House) -> Record:
    """Return a server whose game takes its lists' commands."""
    record = await house.server(package="minecraft", start=True)
    assert record.live.state is State.RUNNING
    lists = house.product.catalog.get("minecraft").player_lists
    house.gateway.game = taking_list_commands(house.gateway, lists, house.tasks, refuses=frozenset({"Nobody"}))
    return record


def quick(
    house: House, *, profiles: "Directory | None" = None, patience: timedelta = timedelta(seconds=0.3)
) -> PlayerListService:
    product = house.product
    return PlayerListService(
        works=house.database.works,
        gateway=house.gateway,
        servers=product.directory,
        catalog=product.catalog,
        activity=product.activity,
        profiles=profiles,
        patience=patience,
    )


class Directory:
    """Knows one account."""

    async def find(self, name: str) -> UUID | None:
        return JEB if name.lower() == "jeb_" else None


async def names(house: House, record: Record, name: str = "whitelist") -> list[str]:
    return [entry.name for entry in await house.product.players.entries(house.actor(house.root), record, name)]


def in_file(house: House, record: Record, path: str) -> list[dict[str, object]]:
    return json.loads(house.gateway.trees[record.server.uuid][path] or b"[]")  # type: ignore[no-any-return]


async def test_a_game_has_the_lists_of_its_package(house: House, server: Record) -> None:
    root = house.actor(house.root)
    assert house.product.players.names(root, server) == ["whitelist", "ops", "banned-players", "banned-ips"]
    assert house.product.players.names(root, await house.server(name="other")) == []
    for verb in ("entries", "add", "remove"):
        with pytest.raises(NoSuchPlayerList):
            arguments = [] if verb == "entries" else [["A"]]
            await getattr(house.product.players, verb)(root, server, "friends", *arguments)


async def test_of_a_stopped_server_the_file_is_changed(house: House, server: Record) -> None:
    root, players = house.actor(house.root), house.product.players
    listed = await players.add(root, server, "ops", ["Anna", "Bob", "anna"])
    assert [(entry.name, entry.uuid) for entry in listed] == [
        ("Anna", offline_uuid("Anna")),
        ("Bob", offline_uuid("Bob")),
    ]
    assert in_file(house, server, "ops.json")[0] == {
        "uuid": str(offline_uuid("Anna")),
        "name": "Anna",
        "level": 4,
        "bypassesPlayerLimit": False,
    }
    assert [entry.name for entry in await players.remove(root, server, "ops", ["ANNA", "Zoe"])] == ["Bob"]
    assert house.gateway.console(server.server.uuid).typed == []
    actions = (await house.product.activity.of_server(server.server.id, None, 2)).items
    assert [(entry.action, entry.data) for entry in actions] == [
        ("players.unlisted", {"list": "ops", "entries": ["ANNA"]}),
        ("players.listed", {"list": "ops", "entries": ["Anna", "Bob"]}),
    ]


async def test_a_ban_has_the_time_and_a_reason_as_the_game_writes_them(house: House, server: Record) -> None:
    root, players = house.actor(house.root), house.product.players
    await players.add(root, server, "banned-ips", ["192.0.2.7"])
    assert in_file(house, server, "banned-ips.json") == [
        {
            "ip": "192.0.2.7",
            "created": "2026-11-21 12:00:00 +0000",
            "source": "Server",
            "expires": "forever",
            "reason": "Banned by an operator.",
        }
    ]


async def test_a_list_and_its_file_are_one(house: House, server: Record) -> None:
    root, uuid = house.actor(house.root), server.server.uuid
    house.gateway.trees[uuid] = {"whitelist.json": b'[{"name": "Anna"}]'}
    assert await names(house, server) == ["Anna"]
    house.gateway.trees[uuid]["whitelist.json"] = b'[{"name": '
    with pytest.raises(ConfigIsUnreadable):
        await names(house, server)
    with pytest.raises(ConfigIsUnreadable):
        await house.product.players.add(root, server, "whitelist", ["Bob"])
    assert house.gateway.trees[uuid]["whitelist.json"] == b'[{"name": '


async def test_a_running_game_is_told_and_the_list_returned_once_it_shows(house: House, running: Record) -> None:
    root, players = house.actor(house.root), house.product.players
    assert [entry.name for entry in await players.add(root, running, "whitelist", ["Anna", "Bob"])] == ["Anna", "Bob"]
    assert [entry.name for entry in await players.add(root, running, "whitelist", ["anna"])] == ["Anna", "Bob"]
    assert [entry.name for entry in await players.remove(root, running, "whitelist", ["Anna", "Zoe"])] == ["Bob"]
    await players.add(root, running, "banned-ips", ["2001:DB8::0001"])
    assert house.gateway.console(running.server.uuid).typed == [
        "whitelist add Anna",
        "whitelist add Bob",
        "whitelist remove Anna",
        "ban-ip 2001:db8::1",
    ]


async def test_what_the_game_does_not_take_is_said_by_name(house: House, running: Record) -> None:
    with pytest.raises(ListChangeWasNotTaken) as refused:
        await quick(house).add(house.actor(house.root), running, "whitelist", ["Nobody"])
    assert refused.value.data == {"entries": ["Nobody"]}
    with pytest.raises(ListChangeWasNotTaken) as refused:
        await quick(house).add(house.actor(house.root), running, "whitelist", ["Anna", "Nobody"])
    assert refused.value.data == {"entries": ["Nobody"]}
    [entry] = (await house.product.activity.of_server(running.server.id, None, 1)).items
    assert (entry.action, entry.data) == ("players.listed", {"list": "whitelist", "entries": ["Anna"]})
    house.gateway.deaf = True
    with pytest.raises(ConsoleIsNotRead):
        await house.product.players.add(house.actor(house.root), running, "ops", ["Anna"])


async def test_a_game_that_has_just_ended_leaves_the_file_to_be_changed(house: House, running: Record) -> None:
    async def ended(server: Server, line: str) -> None:
        raise ServerIsNotRunning

    house.gateway.send_line = ended  # type: ignore[method-assign]
    await house.product.players.add(house.actor(house.root), running, "ops", ["Anna"])
    assert await names(house, running, "ops") == ["Anna"]


@pytest.mark.parametrize("state", [State.STARTING, State.STOPPING, State.SAVING, State.RESTARTING])
async def test_while_the_game_starts_or_stops_nothing_is_changed_behind_its_back(
    house: House, running: Record, state: State
) -> None:
    await house.gateway.see(running.server.uuid, house.gateway.live(state))
    with pytest.raises(ServerIsBusy):
        await house.product.players.add(house.actor(house.root), running, "ops", ["Anna"])
    assert await names(house, running, "ops") == []


async def test_changes_at_the_same_time_are_all_kept(house: House, server: Record) -> None:
    root, players = house.actor(house.root), house.product.players
    people = [f"player{number}" for number in range(20)]
    await asyncio.gather(*(players.add(root, server, "whitelist", [name]) for name in people))
    assert sorted(await names(house, server)) == sorted(people)


HOSTILE = [
    "a\nstop",
    "a\rstop",
    "../../x",
    "a b",
    "@a",
    "",
    "a" * 17,
    "a" * 5000,
    "a\0",
    "a\u2028b",
    "ä",
    "a\ud800",
    "a\n",
]


@pytest.mark.parametrize("entry", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("power", ["on", "off"])
async def test_no_entry_is_anything_but_one_name(house: House, server: Record, entry: str, power: str) -> None:
    if power == "on":
        await house.product.servers.start(house.actor(house.root), server)
        await house.settle()
    for name in ("whitelist", "ops", "banned-players", "banned-ips"):
        for change in (house.product.players.add, house.product.players.remove):
            with pytest.raises(PlayerNameIsInvalid):
                await change(house.actor(house.root), server, name, ["Fine" if name != "banned-ips" else "::1", entry])
        assert await names(house, server, name) == []
    assert house.gateway.console(server.server.uuid).typed == []


@pytest.mark.parametrize("address", ["192.0.2.256", "1.2.3", "fe80::1%eth0", ":::", "Anna"])
async def test_an_address_is_an_address(house: House, server: Record, address: str) -> None:
    with pytest.raises(PlayerNameIsInvalid):
        await house.product.players.add(house.actor(house.root), server, "banned-ips", [address])


async def test_so_many_at_once_and_no_more(house: House, server: Record) -> None:
    root, people = house.actor(house.root), [f"p{number}" for number in range(MAX_ENTRIES + 1)]
    with pytest.raises(TooManyEntries):
        await house.product.players.add(root, server, "ops", people)
    assert len(await house.product.players.add(root, server, "ops", people[1:])) == MAX_ENTRIES


async def test_where_accounts_are_verified_the_service_knows_the_uuid(house: House, server: Record) -> None:
    root, players = house.actor(house.root), quick(house, profiles=Directory())
    await players.add(root, server, "ops", ["Jeb_"])
    assert in_file(house, server, "ops.json")[0]["uuid"] == str(offline_uuid("Jeb_"))
    await house.product.servers.change(root, server, ServerChanges(properties={"online-mode": True}))
    server = house.now(server)
    await players.add(root, server, "whitelist", ["jeb_"])
    assert in_file(house, server, "whitelist.json")[0]["uuid"] == str(JEB)
    with pytest.raises(PlayerIsUnknown):
        await players.add(root, server, "whitelist", ["Anna"])
    await players.remove(root, server, "whitelist", ["Anna"])
    await house.product.players.add(root, server, "whitelist", ["Anna"])
    assert in_file(house, server, "whitelist.json")[1]["uuid"] == str(offline_uuid("Anna"))


async def test_each_verb_needs_its_permission(house: House, server: Record) -> None:
    guest, players = await house.account("guest"), house.product.players
    with pytest.raises(NoSuchServer):
        players.names(house.actor(guest), server)
    await house.share(server, guest, "server.view", "players.read")
    assert await players.entries(house.actor(guest), server, "ops") == []
    for change in (players.add, players.remove):
        with pytest.raises(PermissionIsMissing):
            await change(house.actor(guest), server, "ops", ["Anna"])
    await house.share(server, guest, "server.view", "players.write")
    await players.add(house.actor(guest), server, "ops", ["Anna"])
    with pytest.raises(PermissionIsMissing):
        await players.entries(house.actor(guest), server, "ops")


async def test_of_a_suspended_server_and_of_one_whose_node_is_away_nothing_is_changed(house: House) -> None:
    guest = await house.account("guest")
    server = await house.server(owner=guest, package="minecraft")
    await house.product.servers.suspend(house.actor(house.root), server, "unpaid")
    with pytest.raises(ServerIsSuspended):
        await house.product.players.add(house.actor(guest), house.now(server), "ops", ["Anna"])
    house.gateway.offline = True
    with pytest.raises(NodeIsOffline):
        await house.product.players.add(house.actor(house.root), house.now(server), "ops", ["Anna"])


@pytest.mark.parametrize(
    ("name", "uuid"),
    [("Notch", "b50ad385-829d-3141-a216-7e7d7539ba7f"), ("jeb_", "a762f560-4fce-3236-812a-b80efff0b62b")],
)
def test_the_uuid_of_a_name_that_nobody_verifies_is_the_games_own(name: str, uuid: str) -> None:
    assert offline_uuid(name) == UUID(uuid)
