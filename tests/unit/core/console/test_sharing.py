"""A log shared: what is in it, once for all who ask, for those who may."""

import asyncio

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.errors import LogIsEmpty, LogServiceFailed, LogSharingIsOff
from innkeeper.core.console.redaction import IPV4
from innkeeper.core.console.sharing import MAX_BYTES, MAX_LINES, LogSharing, LogUploader, SharedLog
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock


class Pastes:
    """Keeps what it is given, when it is let."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fails = False
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def upload(self, text: str) -> SharedLog:
        self.texts.append(text)
        self.asked.set()
        await self.open.wait()
        if self.fails:
            raise LogServiceFailed
        name = f"log{len(self.texts)}"
        return SharedLog(name, f"https://logs.example/{name}", f"https://logs.example/raw/{name}")


@pytest.fixture
def pastes() -> Pastes:
    return Pastes()


def sharing_with(house: House, uploader: LogUploader | None) -> LogSharing:
    return LogSharing(
        works=house.database.works,
        clock=house.clock,
        console=house.product.console,
        servers=house.product.directory,
        activity=house.product.activity,
        uploader=uploader,
    )


@pytest.fixture
def sharing(house: House, pastes: Pastes) -> LogSharing:
    return sharing_with(house, pastes)


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server(start=True)


async def test_the_log_is_shared_without_colours_and_addresses(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record
) -> None:
    house.gateway.say(server.server.uuid, "\x1b[32mAlice[/203.0.113.\x1b[1m7:51234] came\x1b[0m", "ü")
    shared = await sharing.share(house.actor(house.root), server)
    assert pastes.texts == [f"Alice[/{IPV4}:51234] came\nü\n"]
    assert shared == SharedLog("log1", "https://logs.example/log1", "https://logs.example/raw/log1")
    [entry, *_] = (await house.product.activity.of_server(server.server.id, None, 10)).items
    assert (entry.action, entry.data) == ("console.shared", {"id": "log1", "url": "https://logs.example/log1"})


async def test_what_has_not_changed_is_uploaded_once_for_all_who_ask_at_once(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record
) -> None:
    house.gateway.say(server.server.uuid, "first")
    pastes.open.clear()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(sharing.share(house.actor(house.root), server)) for _ in range(10)]
        await pastes.asked.wait()
        pastes.open.set()
    assert {task.result().id for task in asking} == {"log1"}
    assert (await sharing.share(house.actor(house.root), server)).id == "log1"
    house.gateway.say(server.server.uuid, "second")
    assert (await sharing.share(house.actor(house.root), server)).id == "log2"
    assert pastes.texts == ["first\n", "first\nsecond\n"]


async def test_a_log_of_yesterday_is_uploaded_again(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record, clock: FakeClock
) -> None:
    house.gateway.say(server.server.uuid, "words")
    await sharing.share(house.actor(house.root), server)
    clock.advance(hours=23)
    assert (await sharing.share(house.actor(house.root), server)).id == "log1"
    clock.advance(hours=2)
    assert (await sharing.share(house.actor(house.root), server)).id == "log2"


async def test_what_failed_is_tried_again(house: House, sharing: LogSharing, pastes: Pastes, server: Record) -> None:
    house.gateway.say(server.server.uuid, "words")
    pastes.fails = True
    with pytest.raises(LogServiceFailed):
        await sharing.share(house.actor(house.root), server)
    pastes.fails = False
    assert (await sharing.share(house.actor(house.root), server)).id == "log2"


async def test_of_a_long_log_the_newest_lines_are_shared(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record
) -> None:
    for start in range(0, MAX_LINES + 3000, 1000):
        house.gateway.say(server.server.uuid, *(f"line {number}" for number in range(start, start + 1000)))
    await sharing.share(house.actor(house.root), server)
    lines = pastes.texts[0].splitlines()
    assert (len(lines), lines[0], lines[-1]) == (MAX_LINES, "line 3000", f"line {MAX_LINES + 2999}")


async def test_of_a_large_log_the_newest_part_is_shared(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record
) -> None:
    for number in range(1500):
        house.gateway.say(server.server.uuid, f"{number} " + "word " * 2000)
    await sharing.share(house.actor(house.root), server)
    [text] = pastes.texts
    assert MAX_BYTES * 0.99 < len(text.encode()) <= MAX_BYTES
    assert text.splitlines()[-1].startswith("1499 ")


async def test_nothing_to_share(house: House, sharing: LogSharing, pastes: Pastes, server: Record) -> None:
    with pytest.raises(LogIsEmpty):
        await sharing.share(house.actor(house.root), server)
    house.gateway.say(server.server.uuid, "", "\x1b[0m")
    with pytest.raises(LogIsEmpty):
        await sharing.share(house.actor(house.root), server)
    assert pastes.texts == []


async def test_a_house_that_shares_nothing_says_so(house: House, server: Record) -> None:
    house.gateway.say(server.server.uuid, "words")
    with pytest.raises(LogSharingIsOff):
        await sharing_with(house, None).share(house.actor(house.root), server)


async def test_who_may_not_read_the_console_shares_nothing(
    house: House, sharing: LogSharing, pastes: Pastes, server: Record
) -> None:
    house.gateway.say(server.server.uuid, "words")
    guest = await house.account("guest")
    with pytest.raises(NoSuchServer):
        await sharing.share(house.actor(guest), server)
    await house.share(server, guest, ServerPermission.VIEW)
    with pytest.raises(PermissionIsMissing):
        await sharing.share(house.actor(guest), server)
    assert pastes.texts == []


async def test_a_node_that_is_away_has_no_log(house: House, sharing: LogSharing, server: Record) -> None:
    house.gateway.offline = True
    with pytest.raises(NodeIsOffline):
        await sharing.share(house.actor(house.root), server)
