"""The dialect's socket, message by message: what each page is told, and who is told nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from innkeeper.core.access.model import Actor
from innkeeper.core.backups.model import Backup, JobProgress
from innkeeper.core.house.model import HouseChanges
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, OnlinePlayer, Usage
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.crafty.app import crafty_application
from innkeeper.panel.dialects.crafty.masks import on_server
from innkeeper.panel.http.serving import HttpServer
from tests.dialects.crafty.served import NOTHING, Served, host_told

PATIENCE_S = 5.0
ROUNDS = 300
"""Of lines, of 20 kB each: far more than what is on its way at once."""
TERMINAL, BACKUP, LOGS = "01000000", "00001000", "00100000"
DASHBOARD, DETAIL = "/panel/dashboard", "/panel/server_detail"


class Socket:
    """The client's end of a socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def message(self) -> tuple[str, Any]:
        """Return event and data of the next message."""
        async with asyncio.timeout(PATIENCE_S):
            found = json.loads(await self.connection.recv())
        assert set(found) == {"event", "data"}
        return found["event"], found["data"]

    async def told(self, event: str) -> Any:
        """Return the data of the next message of an event, whatever comes before it."""
        while True:
            name, data = await self.message()
            if name == event:
                return data

    async def until(self, event: str) -> dict[str, list[Any]]:
        """Return what is told up to the first message of an event, by event."""
        found: dict[str, list[Any]] = {}
        while event not in found:
            name, data = await self.message()
            found.setdefault(name, []).append(data)
        return found

    async def last(self, event: str) -> Any:
        """Return the data of the last message of an event before the socket is closed, None where there is none."""
        found = None
        with suppress(ConnectionClosed):
            while True:
                found = await self.told(event)
        return found

    async def closed(self) -> int | None:
        """Return the code of the close that follows, whatever comes before it."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                async for _ in self.connection:
                    pass
        return self.connection.close_code


class Sockets:
    """Where sockets are opened: the dialect, told to tell figures often."""

    def __init__(self, served: Served, url: str) -> None:
        self.served = served
        self.url = url

    @asynccontextmanager
    async def open(
        self, query: str, *, token: str | None = None, headers: dict[str, str] | None = None
    ) -> AsyncIterator[Socket]:
        """Open a socket as the superuser, or by whoever's token it is."""
        shown = headers or {"Cookie": f"token={token or await self.served.token('root')}"}
        async with connect(
            f"ws{self.url.removeprefix('http')}/ws{query}", additional_headers=shown, proxy=None
        ) as connection:
            yield Socket(connection)

    def dashboard(self, token: str | None = None) -> Any:
        """Open a socket on the dashboard."""
        return self.open(f"?page={DASHBOARD}&page_query_params=", token=token)

    def detail(self, record: Record | None = None, token: str | None = None) -> Any:
        """Open a socket on a server's page, the example's if none is given."""
        of = record or self.served.example
        return self.open(f"?page={DETAIL.replace('/', '%2F')}&page_query_params=id%3D{of.server.id}", token=token)


@pytest.fixture
async def sockets(served: Served) -> AsyncIterator[Sockets]:
    """The dialect's socket."""
    tasks = TaskSet("sockets for tests").start_set()
    server = HttpServer(crafty_application(served.house.product, every_s=0.1, most_sockets=5), tasks)
    try:
        await server.open("127.0.0.1", 0)
        yield Sockets(served, server.url)
    finally:
        await server.close()
        await tasks.aclose()


async def see(served: Served, state: State, record: Record | None = None, **more: Any) -> None:
    """Have the node report a state of the example, or of another server."""
    live = msgspec.structs.replace(served.house.gateway.live(state), **more)
    await served.house.gateway.see((record or served.example).server.uuid, live)


def say(served: Served, *lines: str) -> None:
    """Have the example print."""
    served.house.gateway.say(served.example.server.uuid, *lines)


def role_of(served: Served, name: str) -> int:
    """Return the id of an account's role."""
    roles, account = served.house.product.authority.roles.values(), served.account(name)
    return next(role.id for role in roles if account.id in role.members)


async def take_role(served: Served, name: str) -> None:
    """Take its role from an account."""
    await served.data("DELETE", f"/roles/{role_of(served, name)}")


async def change_role(served: Served, name: str, mask: str) -> None:
    """Have an account's role on the example be of another mask."""
    held = [{"server_id": served.example.server.id, "permissions": mask}]
    await served.data("PATCH", f"/roles/{role_of(served, name)}", json={"servers": held})


# -- the dashboard ----------------------------------------------------------------------------------------------------


async def test_the_dashboard_shows_every_server_at_first_in_real_booleans(served: Served, sockets: Sockets) -> None:
    async with sockets.dashboard() as socket:
        rows = await socket.told("update_server_status")
    assert [row["id"] for row in rows] == [served.example.server.id, served.foreign.server.id]
    assert rows[0] == {
        "id": served.example.server.id,
        "started": False,
        "running": False,
        "cpu": 0.0,
        "mem": 0.0,
        "mem_percent": 0.0,
        "world_name": "example",
        "world_size": "0.0B",
        "server_port": served.example.server.port or 0,
        "int_ping_results": False,
        "online": False,
        "max": False,
        "players": False,
        "desc": False,
        "version": False,
        "icon": None,
        "crashed": False,
        "count_players": True,
    }


async def test_what_changes_is_told_and_nothing_else(served: Served, sockets: Sockets) -> None:
    async with sockets.dashboard() as socket:
        assert len(await socket.told("update_server_status")) == 2
        await see(served, State.RUNNING, players=(OnlinePlayer(name="Alice", since=served.house.clock.now()),))
        (row,) = await socket.told("update_server_status")
        assert (row["id"], row["running"], row["int_ping_results"]) == (served.example.server.id, True, True)
        assert (row["online"], row["players"]) == (1, ["Alice"])
        directory = served.house.product.directory
        usage = Usage(
            at=served.house.clock.now(), cpu_percent=64.0, memory_bytes=1 << 30, disk_bytes=1 << 20, players=1
        )
        live = msgspec.structs.replace(directory.get(served.example.server.id).live, usage=usage)
        directory.put_live(served.example.server.id, live)
        (row,) = await socket.told("update_server_status")
        assert (row["cpu"], row["mem"], row["world_size"]) == (1.0, "1.0GB", "1.0MB")


async def test_the_dashboard_shows_what_the_host_uses(served: Served, sockets: Sockets) -> None:
    async with sockets.dashboard() as socket:
        await host_told(served)
        told = await socket.told("update_host_stats")
    assert told["disk_usage"][0]["mount"] == "/"
    assert {name: told[name] for name in ("cpu_usage", "cpu_cores", "mem_percent", "mem_usage", "mounts")} == {
        "cpu_usage": 29.0,
        "cpu_cores": 2,
        "mem_percent": 25.0,
        "mem_usage": "4.0GB",
        "mounts": [],
    }


async def test_the_dashboard_knows_no_server_that_one_may_not_see(served: Served, sockets: Sockets) -> None:
    token = await served.with_role("helper", LOGS)
    async with sockets.dashboard(token) as socket:
        assert [row["id"] for row in await socket.told("update_server_status")] == [served.example.server.id]
        await see(served, State.RUNNING, served.foreign)
        await see(served, State.RUNNING)
        assert [row["id"] for row in await socket.told("update_server_status")] == [served.example.server.id]


async def test_what_others_servers_do_costs_an_open_dashboard_nothing(
    served: Served, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, asked, token = served.house.product.directory, 0, await served.with_role("helper", NOTHING)
    visible = directory.visible

    def counted(actor: Actor) -> list[Record]:
        nonlocal asked
        asked += 1
        return visible(actor)

    async with sockets.dashboard(token) as socket:
        assert await socket.told("update_server_status") == []
        monkeypatch.setattr(directory, "visible", counted)
        changes, begun = 0, time.monotonic()
        while time.monotonic() - begun < 0.5:  # several times as long as a dashboard pauses here
            await see(served, State.RUNNING, served.foreign, reason=f"{changes}")
            await asyncio.sleep(0.001)  # the feed's turn
            changes += 1
    assert asked < changes


async def test_a_server_given_or_taken_while_the_dashboard_is_open_comes_and_goes(
    served: Served, sockets: Sockets
) -> None:
    token = await served.with_role("helper", NOTHING)
    house = served.house
    async with sockets.dashboard(token) as socket:
        assert await socket.told("update_server_status") == []
        await house.product.access.create_role(
            house.actor(house.root),
            name="role of helper",
            servers={served.example.server.id: on_server(LOGS)},
            members=frozenset({served.account("helper").id}),
        )
        assert [row["id"] for row in await socket.told("update_server_status")] == [served.example.server.id]
        await take_role(served, "helper")
        assert await socket.told("update_server_status") == []
        await see(served, State.RUNNING)
        await served.data("POST", "/auth/invalidate_tokens", token=token)
        assert await socket.last("update_server_status") is None


# -- a server's own page ----------------------------------------------------------------------------------------------


async def test_a_servers_page_shows_its_details_at_once_and_when_they_change(served: Served, sockets: Sockets) -> None:
    async with sockets.detail() as socket:
        event, data = await socket.message()
        assert event == "update_server_details"
        assert (data["id"], data["running"], data["players_cache"]) == (served.example.server.id, False, [])
        await see(served, State.RUNNING, players=(OnlinePlayer(name="Alice", since=served.house.clock.now()),))
        data = await socket.told("update_server_details")
        assert (data["running"], data["players"]) == (True, ["Alice"])
        assert [(player["name"], player["status"]) for player in data["players_cache"]] == [("Alice", "Online")]


async def test_lines_come_marked_up_and_harmless_one_a_message(served: Served, sockets: Sockets) -> None:
    house = served.house
    await house.product.house.change(house.actor(house.root), HouseChanges(keywords=("help",)))
    await see(served, State.RUNNING)
    say(served, "of the past")
    async with sockets.detail() as socket:
        await watched(served)
        say(served, "[18:27:58] [Server thread/INFO]: For \x1b[31mhelp\x1b[0m", "<script>")
        line = (await socket.told("vterm_new_line"))["line"]
        head = '<span class="mc-log-info"><span class="mc-log-time">[18:27:58]</span> [Server thread/INFO]</span>'
        assert line == f'{head}: For <span class="mc-log-keyword">help</span><br />'
        assert await socket.message() == ("vterm_new_line", {"line": "&lt;script&gt;<br />"})


async def watched(served: Served, yes: bool = True) -> None:
    """Return once somebody follows the example's console, or nobody does any more."""
    async with asyncio.timeout(PATIENCE_S):
        while bool(served.house.gateway.console(served.example.server.uuid).watchers) is not yes:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_lines_that_came_while_the_node_was_away_come_after_all(served: Served, sockets: Sockets) -> None:
    await see(served, State.RUNNING)
    gateway = served.house.gateway
    async with sockets.detail() as socket:
        await watched(served)
        say(served, "one")
        assert await socket.told("vterm_new_line") == {"line": "one<br />"}
        gateway.offline = True
        for watcher in list(gateway.console(served.example.server.uuid).watchers):
            watcher([])  # some may have been missed
        await watched(served, False)
        gateway.offline = False
        say(served, "two")
        assert await socket.told("vterm_new_line") == {"line": "two<br />"}


async def test_a_start_is_told_and_a_failed_one_why(served: Served, sockets: Sockets) -> None:
    async with sockets.detail() as socket:
        await socket.told("update_server_details")
        await see(served, State.PREPARING)
        await see(served, State.STOPPED, reason="port 25565 is in use")
        told = await socket.until("send_start_error")
        assert told["send_start_error"] == [{"error": "port 25565 is in use"}]
        assert "send_start_reload" not in told
        await see(served, State.PREPARING)
        await see(served, State.STARTING)
        assert await socket.told("send_start_reload") == {}


async def test_a_game_that_wants_its_licence_agreed_to_has_somebody_asked(served: Served, sockets: Sockets) -> None:
    house = served.house
    unagreed = await house.server(
        name="vanilla", package="minecraft", runtime="command", properties={"command": "true"}
    )
    ended = LastExit(code=0, signal=None, at=house.clock.now(), clean=False, reason="ended with code 0")
    async with sockets.detail(unagreed) as socket:
        await see(served, State.STARTING, unagreed)
        await see(served, State.CRASHED, unagreed, last_exit=ended, reason="ended with code 0 before it was ready")
        told = await socket.until("send_eula_bootbox")
        assert told["send_eula_bootbox"] == [{"id": unagreed.server.id}]
        assert "send_start_error" not in told


async def test_an_update_is_told_when_it_begins_and_when_it_ends(served: Served, sockets: Sockets) -> None:
    server_id, ended = (
        served.example.server.id,
        LastExit(code=0, signal=None, at=served.house.clock.now(), clean=True, reason=""),
    )
    await see(served, State.STOPPED, last_exit=ended)
    async with sockets.detail() as socket:
        await socket.told("update_server_details")
        await see(served, State.INSTALLING, last_exit=ended)
        told = await socket.told("update_button_status")
        assert (told["isUpdating"], told["server_id"], told["wasRunning"]) == (True, server_id, False)
        assert told["string"] == f'<a data-id="{server_id}" class="">UPDATING...</a>'
        await see(served, State.STOPPED, last_exit=ended)
        told = await socket.told("update_button_status")
        assert told == {"isUpdating": False, "server_id": server_id, "wasRunning": False}


async def test_a_backup_is_told_until_it_is_made_and_one_of_another_server_is_not(
    served: Served, sockets: Sockets
) -> None:
    house = served.house
    root, backups, gateway = house.actor(house.root), house.product.backups, house.gateway
    await backups.create(root, served.example)
    await house.settle()
    gateway.obeys = False
    async with sockets.detail() as socket:
        await listening(served)
        await backups.create(root, served.foreign)
        await backups.create(root, served.example)
        assert await socket.told("backup_status") == {"percent": 0, "total_files": 0}
        (job,) = gateway.desired[served.example.server.uuid].jobs
        half = JobProgress(id=job.id, state="running", fraction=0.5)
        live = house.now(served.example).live
        seen = Observation(
            uuid=served.example.server.uuid, live=live, generation=0, order_id=None, progress=None, jobs=(half,)
        )
        await gateway.observe(house.node.id, [seen])
        assert await socket.told("backup_status") == {"percent": 50, "total_files": 0}
        await gateway.do_job(served.example.server.uuid, job)
        assert await socket.told("backup_status") == {"percent": 100, "total_files": 0}


async def test_storage_is_asked_once_which_server_a_backup_of_another_is_of(
    served: Served, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = served.house
    root, backups = house.actor(house.root), house.product.backups
    foreign = await backups.create(root, served.foreign)
    await house.settle()
    house.gateway.obeys = False
    named, asked = backups.named, []

    async def noted(record: Record, which: UUID | int) -> Backup:
        asked.append(which)
        return await named(record, which)

    monkeypatch.setattr(backups, "named", noted)
    async with sockets.detail() as socket:
        await listening(served)
        for _ in range(20):
            backups.changes.tell(foreign.id)
        await backups.create(root, served.example)
        assert await socket.told("backup_status") == {"percent": 0, "total_files": 0}
    assert asked.count(foreign.id) == 1


async def listening(served: Served, yes: bool = True) -> None:
    """Return once somebody follows backups, or nobody does any more."""
    async with asyncio.timeout(PATIENCE_S):
        while bool(served.house.product.backups.changes.listeners) is not yes:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_each_feed_of_a_page_is_of_who_may(served: Served, sockets: Sockets) -> None:
    await see(served, State.RUNNING)
    token = await served.with_role("helper", BACKUP)
    async with sockets.detail(token=token) as socket:
        await listening(served)
        say(served, "secret")
        await watched(served, False)
        await change_role(served, "helper", TERMINAL)
        await watched(served)
        await listening(served, False)
        say(served, "shown")
        assert (await socket.until("vterm_new_line"))["vterm_new_line"] == [{"line": "shown<br />"}]
        await change_role(served, "helper", BACKUP)
        await watched(served, False)
        await listening(served)
        say(served, "secret again")
        await see(served, State.STOPPING)
        assert set(await socket.until("update_server_details")) == {"update_server_details"}


# -- who may not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", "token=", "token=ink_wrong", "token=a.b.c", "tokens=x"])
async def test_without_a_token_there_is_no_socket(sockets: Sockets, cookie: str) -> None:
    await refused(sockets.open(f"?page={DASHBOARD}&page_query_params=", headers={"Cookie": cookie}))


async def refused(opening: Any) -> None:
    """See that a socket is not opened."""
    with pytest.raises(InvalidStatus) as error:
        async with opening:
            pass
    assert error.value.response.status_code == 403


async def test_a_token_may_come_as_in_requests_too(served: Served, sockets: Sockets) -> None:
    token = await served.token("root")
    query = f"?page={DASHBOARD}&page_query_params="
    async with sockets.open(query, headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.told("update_server_status")
    async with sockets.open(f"{query}&token={token}", headers={"Cookie": "token=wrong"}) as socket:
        await socket.told("update_server_status")


@pytest.mark.parametrize("query", ["", f"?page={DASHBOARD}", "?page_query_params=id%3D1", "?page=&page_query_params="])
async def test_a_socket_that_does_not_say_where_it_is_is_closed(sockets: Sockets, query: str) -> None:
    async with sockets.open(query) as socket:
        assert await socket.closed() == 1008


@pytest.mark.parametrize("parameters", ["", "id%3D0", "id%3Dx", "id%3D987654321", "id%3D{foreign}", "name%3D1"])
async def test_a_server_that_one_may_not_see_has_no_page(served: Served, sockets: Sockets, parameters: str) -> None:
    token = await served.with_role("helper", "11111111")
    asked = parameters.format(foreign=served.foreign.server.id)
    await refused(sockets.open(f"?page={DETAIL}&page_query_params={asked}", token=token))


async def test_a_server_goes_by_its_uuid_and_a_query_by_its_mark_too(served: Served, sockets: Sockets) -> None:
    query = f"?page={DETAIL}&page_query_params=%3Fid%3D{served.example.server.uuid}%26subpage%3Dterm"
    async with sockets.open(query) as socket:
        assert (await socket.told("update_server_details"))["id"] == served.example.server.id


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", ""])
async def test_a_page_of_another_site_opens_no_socket(served: Served, sockets: Sockets, origin: str) -> None:
    headers = {"Cookie": f"token={await served.token('root')}", "Origin": origin}
    await refused(sockets.open(f"?page={DASHBOARD}&page_query_params=", headers=headers))


async def test_a_page_of_this_site_does(served: Served, sockets: Sockets) -> None:
    headers = {"Cookie": f"token={await served.token('root')}", "Origin": sockets.url}
    async with sockets.open(f"?page={DASHBOARD}&page_query_params=", headers=headers) as socket:
        await socket.told("update_server_status")


async def test_an_account_has_so_many_sockets_at_once(served: Served, sockets: Sockets) -> None:
    async with sockets.dashboard(), sockets.dashboard(), sockets.dashboard(), sockets.detail(), sockets.detail():
        await refused(sockets.dashboard())
        async with sockets.dashboard(await served.with_role("helper", LOGS)) as socket:
            await socket.told("update_server_status")


# -- while it is open -------------------------------------------------------------------------------------------------


async def test_a_role_taken_away_closes_the_servers_page(served: Served, sockets: Sockets) -> None:
    token = await served.with_role("helper", TERMINAL)
    async with sockets.detail(token=token) as socket:
        await watched(served)
        await take_role(served, "helper")
        assert await socket.closed() == 1008
    await watched(served, False)


async def test_tokens_made_void_close_their_sockets_and_no_others(served: Served, sockets: Sockets) -> None:
    token = await served.with_role("helper", TERMINAL)
    async with sockets.dashboard(token) as dashboard, sockets.detail(token=token) as detail, sockets.detail() as other:
        await dashboard.told("update_server_status")
        await served.data("POST", "/auth/invalidate_tokens", token=token)
        assert [await dashboard.closed(), await detail.closed()] == [1008, 1008]
        await other.told("update_server_details")
        await see(served, State.RUNNING)
        await other.told("update_server_details")


async def test_a_deleted_key_closes_its_sockets(served: Served, sockets: Sockets) -> None:
    await served.with_role("helper", TERMINAL)
    token = await served.key("helper", TERMINAL)
    key = next(key for key in served.house.product.authority.keys.values() if key.name == "a key")
    async with sockets.detail(token=token) as socket:
        await socket.told("update_server_details")
        await served.data("DELETE", f"/users/{key.account_id}/key/{key.id}", token=await served.token("helper"))
        assert await socket.closed() == 1008


async def test_a_key_for_logs_reads_no_console_whatever_its_account_may(served: Served, sockets: Sockets) -> None:
    await served.with_role("helper", "11111111")
    await see(served, State.RUNNING)
    async with sockets.detail(token=await served.key("helper", LOGS)) as socket:
        await socket.told("update_server_details")
        assert not served.house.gateway.console(served.example.server.uuid).watchers
        assert not served.house.product.backups.changes.listeners


async def test_a_deleted_server_closes_its_page(served: Served, sockets: Sockets) -> None:
    house = served.house
    async with sockets.detail() as socket:
        await socket.told("update_server_details")
        await house.product.servers.delete(house.actor(house.root), house.now(served.example))
        assert await socket.closed() == 1008


@pytest.mark.parametrize("said", ["", "{", "null", '{"event": "x", "data": 1}', b"\xff\x00", "x" * 100_000])
async def test_what_a_client_says_changes_nothing(served: Served, sockets: Sockets, said: str | bytes) -> None:
    async with sockets.detail() as socket:
        await socket.told("update_server_details")
        await socket.connection.send(said)
        await see(served, State.RUNNING)
        assert (await socket.told("update_server_details"))["running"] is True


async def test_a_page_that_nothing_is_told_of_is_silent_and_closes_with_its_token(
    served: Served, sockets: Sockets
) -> None:
    token = await served.with_role("helper", LOGS)
    async with sockets.open("?page=%2Fpanel%2Fpanel_config&page_query_params=", token=token) as socket:
        await see(served, State.RUNNING)
        await served.data("POST", "/auth/invalidate_tokens", token=token)
        with pytest.raises(ConnectionClosed):
            await socket.message()
        assert socket.connection.close_code == 1008


async def test_who_does_not_read_holds_nobody_up(served: Served, sockets: Sockets) -> None:
    await see(served, State.RUNNING)
    lines = [f"{number} {'x' * 1000}" for number in range(20)]
    async with sockets.detail() as idle, sockets.detail() as quick:
        await watched(served)
        idle.connection.transport.pause_reading()
        for _ in range(ROUNDS):
            say(served, *lines)
            for line in lines:
                assert (await quick.told("vterm_new_line"))["line"] == f"{line}<br />"
        idle.connection.transport.resume_reading()
        heard = [(await idle.told("vterm_new_line"))["line"] for _ in range(ROUNDS * len(lines))]
        assert heard == [f"{line}<br />" for line in lines] * ROUNDS
