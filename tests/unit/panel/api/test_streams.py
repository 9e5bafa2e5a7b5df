"""Console streams over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from innkeeper.core.access.permissions import ALL, ServerPermission
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.api import streams
from innkeeper.panel.api.app import api_application
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import serving

DEADLINE_S = 10


@asynccontextmanager
async def stream(url: str, server: Record, key: str | None, query: str = "") -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    address = f"{url.replace('http', 'ws', 1)}/servers/{server.server.uuid}/console/stream{query}"
    async with connect(address, additional_headers=headers, max_size=None, proxy=None) as socket:
        yield socket


async def frame(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """Return the next frame (of a kind: others are passed over)."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if kind is None or found["type"] == kind:
                return found


async def lines(socket: ClientConnection, count: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while len(found) < count:
        for block in (await frame(socket, "lines"))["blocks"]:
            found.extend(enumerate(block["lines"], block["seq"]))
    return found


async def closing(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    rcvd = closed.value.rcvd
    assert rcvd is not None
    return rcvd.code, rcvd.reason


async def nobody_watches(house: House, server: Record) -> None:
    """Wait until the server side of every stream has ended."""
    async with asyncio.timeout(DEADLINE_S):
        while house.gateway.console(server.server.uuid).watchers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server(start=True)


@pytest.fixture
async def key(house: House) -> str:
    return await house.key(house.root)


async def test_a_viewer_sees_the_tail_and_every_line_after_it_once(
    house: House, url: str, server: Record, key: str
) -> None:
    uuid = server.server.uuid
    house.gateway.say(uuid, *(f"old {number}" for number in range(1, 11)))
    async with stream(url, server, key, "?tail=3") as socket:
        assert await frame(socket) == {"type": "ready", "server": str(uuid), "state": "running"}
        assert await lines(socket, 3) == [(8, "old 8"), (9, "old 9"), (10, "old 10")]
        house.gateway.say(uuid, "new", "§c<red>")
        house.gateway.say(uuid, "newer")
        assert await lines(socket, 3) == [(11, "new"), (12, "§c<red>"), (13, "newer")]


async def test_a_viewer_that_comes_back_gets_what_it_missed(house: House, url: str, server: Record, key: str) -> None:
    uuid = server.server.uuid
    house.gateway.say(uuid, *(f"line {number}" for number in range(1, 21)))
    async with stream(url, server, key, "?resume_from=17") as socket:
        assert await lines(socket, 3) == [(18, "line 18"), (19, "line 19"), (20, "line 20")]


async def test_lines_that_are_kept_no_more_are_said_to_be_skipped(
    house: House, url: str, server: Record, key: str
) -> None:
    uuid = server.server.uuid
    house.gateway.say(uuid, *(f"line {number}" for number in range(1, 21)))
    house.gateway.console(uuid).forget(16)
    async with stream(url, server, key, "?resume_from=5") as socket:
        await frame(socket, "ready")
        assert await frame(socket) == {"type": "skipped", "count": 10}
        assert (await lines(socket, 5))[0] == (16, "line 16")


async def test_many_lines_come_in_few_frames_and_all_of_them(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key, "?tail=0") as socket:
        await frame(socket, "ready")
        for number in range(100):
            house.gateway.say(server.server.uuid, *(f"{number} {'x' * 90}" for _ in range(100)))
        found = await lines(socket, 10_000)
        assert [seq for seq, _ in found] == list(range(1, 10_001))


async def test_a_frame_ends_near_its_bound() -> None:
    block = streams.RingBlock(streams.Block(1, 0, b"x" * 99_000 + b"\n"))
    made = list(streams.frames([block] * 10))
    assert len(made) == 5
    assert all(len(text) < streams.MAX_FRAME for text in made)


async def test_state_changes_are_told(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key) as socket:
        await frame(socket, "ready")
        await house.product.servers.stop(house.actor(house.root), house.now(server))
        states = [(await frame(socket, "state"))["server"]["state"]]
        while states[-1] != "stopped":
            states.append((await frame(socket, "state"))["server"]["state"])
        assert set(states) <= {"stopping", "stopped"}
        await house.settle()


async def test_a_command_is_typed_and_confirmed(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key) as socket:
        await socket.send('{"type":"command","command":"say hi","id":"a"}')
        assert await frame(socket, "done") == {"type": "done", "id": "a"}
        assert house.gateway.console(server.server.uuid).typed == ["say hi"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "frame_is_invalid"),
        ('{"type":"else"}', "frame_is_invalid"),
        (b"\xff", "frame_is_invalid"),
        ("[" * 10_000, "frame_is_invalid"),
        ("x" * 20_000, "frame_is_invalid"),
        ('{"type":"command","command":"two\\nlines"}', "command_is_invalid"),
        ('{"type":"command","command":""}', "command_is_invalid"),
    ],
)
async def test_a_message_that_makes_no_sense_is_refused_and_the_stream_goes_on(
    house: House, url: str, server: Record, key: str, message: str | bytes, code: str
) -> None:
    async with stream(url, server, key) as socket:
        await socket.send(message)
        assert (await frame(socket, "error"))["error"]["code"] == code
        await socket.send('{"type":"command","command":"list","id":1}')
        assert await frame(socket, "done") == {"type": "done", "id": 1}


async def test_a_reader_may_not_type(house: House, url: str, server: Record) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    async with stream(url, server, await house.key(guest)) as socket:
        await socket.send('{"type":"command","command":"op guest","id":"x"}')
        refused = await frame(socket, "error")
        assert (refused["id"], refused["error"]["code"]) == ("x", "permission_is_missing")
        assert house.gateway.console(server.server.uuid).typed == []


async def test_commands_that_come_too_fast_are_refused(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key) as socket:
        for _ in range(streams.COMMAND_BURST + 10):
            await socket.send('{"type":"nonsense"}')
        codes = [(await frame(socket, "error"))["error"]["code"] for _ in range(streams.COMMAND_BURST + 10)]
        assert codes[0] == "frame_is_invalid"
        assert "too_many_commands" in codes


@pytest.mark.parametrize(
    ("query", "with_key", "status"),
    [("", False, 401), ("?ticket=AAAA", False, 401), ("?tail=-1", True, 400), ("?resume_from=x", True, 400)],
)
async def test_a_handshake_is_refused_in_http(
    url: str, server: Record, key: str, query: str, with_key: bool, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with stream(url, server, key if with_key else None, query):
            pass
    assert refused.value.response.status_code == status
    assert set(json.loads(refused.value.response.body or b"")) == {"error"}


async def test_who_may_not_read_the_console_gets_no_stream(house: House, url: str, server: Record) -> None:
    guest, stranger = await house.account("guest"), await house.account("stranger")
    await house.share(server, guest, ServerPermission.VIEW)
    for account, status in ((guest, 403), (stranger, 404)):
        with pytest.raises(InvalidStatus) as refused:
            async with stream(url, server, await house.key(account)):
                pass
        assert refused.value.response.status_code == status


async def test_a_ticket_opens_one_stream_of_one_server(house: House, url: str, server: Record, key: str) -> None:
    other = await house.server(name="other")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as http:
        path = f"{url}/servers/{server.server.uuid}/console/tickets"
        ticket, second = [(await http.post(path)).json()["ticket"] for _ in range(2)]
    async with stream(url, server, None, f"?ticket={ticket}") as socket:
        await frame(socket, "ready")
    for where, query in ((server, f"?ticket={ticket}"), (other, f"?ticket={second}")):
        with pytest.raises(InvalidStatus) as refused:
            async with stream(url, where, None, query):
                pass
        assert refused.value.response.status_code == 401


async def test_a_stream_ends_with_the_right_to_it(house: House, url: str, server: Record) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    async with stream(url, server, await house.key(guest)) as socket:
        await frame(socket, "ready")
        await house.product.access.unshare(house.actor(house.root), server, guest.id)
        assert await closing(socket) == (4404, "no_such_server")


async def test_a_stream_ends_when_only_the_console_is_taken_away(house: House, url: str, server: Record) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    async with stream(url, server, await house.key(guest)) as socket:
        await frame(socket, "ready")
        await house.share(server, guest, ServerPermission.VIEW)
        assert await closing(socket) == (4403, "permission_is_missing")


async def test_a_stream_ends_with_its_key_its_account_and_its_server(house: House, url: str, server: Record) -> None:
    owner = await house.account("owner")
    product, actor = house.product, house.actor(owner)
    await house.share(server, owner, *ALL & {"server.view", "console.read"})
    async with stream(url, server, await house.key(owner)) as socket:
        await frame(socket, "ready")
        await product.access.revoke_key(actor, product.access.keys(actor)[0].uuid)
        assert await closing(socket) == (4401, "key_is_unknown")
    async with stream(url, server, await house.key(owner)) as socket:
        await frame(socket, "ready")
        await product.accounts.change(house.actor(house.root), owner.uuid, disabled=True)
        assert await closing(socket) == (4401, "account_is_disabled")
    async with stream(url, server, await house.key(house.root)) as socket:
        await frame(socket, "ready")
        await product.servers.delete(house.actor(house.root), house.now(server))
        assert await closing(socket) == (4410, "server_is_deleted")
    await house.settle()


async def test_an_account_has_so_many_streams_and_no_more(house: House, server: Record, key: str) -> None:
    async with serving(api_application(house.product, most_streams=2)) as url:
        await _fills_its_streams(house, url, server, key)


async def _fills_its_streams(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key) as first, stream(url, server, key) as second:
        await frame(first, "ready")
        await frame(second, "ready")
        with pytest.raises(InvalidStatus) as refused:
            async with stream(url, server, key):
                pass
        assert refused.value.response.status_code == 409
    await nobody_watches(house, server)
    async with stream(url, server, key) as socket:
        await frame(socket, "ready")


async def test_the_last_viewer_to_leave_ends_the_watch(house: House, url: str, server: Record, key: str) -> None:
    async with stream(url, server, key) as socket:
        await frame(socket, "ready")
        assert len(house.gateway.console(server.server.uuid).watchers) == 1
    await nobody_watches(house, server)
    assert house.now(server).live.state is State.RUNNING
