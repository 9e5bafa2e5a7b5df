"""What a person meets who runs the commands: what is printed, what the ready file says, how it ends."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from innkeeper.testing.postgres import PostgresServer
from tests.acceptance.innkeepers import Embedded, Innkeeper, Separate, admin
from tests.acceptance.looking import eventually, is_alive
from tests.clients.bots import Bot

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"


def ready_file(inn: Embedded) -> dict[str, Any]:
    """Return what the ready file says, which is for its owner's eyes only."""
    path = inn.commands["serve"].ready_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def test_an_empty_install_says_how_to_get_in_and_has_a_server_to_play_on(
    tmp_path: Path, shared_games: Path
) -> None:
    async with Embedded(tmp_path, shared=shared_games, arguments=()) as inn:
        first = ready_file(inn)
        assert set(first) == {"url", "admin", "api_key"}
        assert set(first["admin"]) == {"username", "password"}
        signed_in = await inn.api.ask("POST", "/sessions", json=first["admin"])
        assert signed_in["account"]["username"] == "admin"
        [view] = (await inn.api.ask("GET", "/servers"))["items"]
        assert view["name"] == "welcome"
        for text in (first["url"], "admin", first["admin"]["password"], first["api_key"], f"127.0.0.1:{view['port']} "):
            assert text in inn.output
        for private in ("first-key", "innkeeper.db"):
            assert stat.S_IMODE((inn.data / private).stat().st_mode) == 0o600
        await eventually(lambda: "welcome: running" in inn.output, "the sample to run", within=150)

        async with Bot("127.0.0.1", view["port"], "Alice") as alice:
            await alice.join()
            await inn.stop()
            assert "1 game server(s) go on running: welcome" in inn.output
            assert f"innkeeper admin stop-servers --data {inn.data}" in inn.output
            await inn.start()
            again = ready_file(inn)
            assert again == {**first, "admin": {**first["admin"], "password": None}}
            [view] = (await inn.api.ask("GET", "/servers"))["items"]
            assert (view["state"], view["players"]["online"]) == ("running", 1)
            assert not [event for event in alice.events if event["event"] in ("end", "kicked", "error")]
            await alice.leave()


async def test_game_servers_stopped_at_the_end_come_back_with_the_next_start(tmp_path: Path) -> None:
    async with Embedded(tmp_path, arguments=("--no-sample", "--stop-servers-on-exit")) as inn:
        server = await inn.api.program(COUNTER, "20")
        pid = (await server.view())["pid"]
        await inn.stop()
        assert not is_alive(pid)
        assert "Stopping 1 game server(s): inn" in inn.output
        assert "All game servers have stopped." in inn.output
        await inn.start()
        view = await server.another_run(pid)
        assert (view["last_exit"]["code"], view["last_exit"]["clean"]) == (0, True)
        assert await server.printed("last ") < await server.printed("ready", last=True)


async def test_a_node_by_itself_stops_its_game_servers_only_where_that_is_asked(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with Separate(tmp_path, postgres_server) as inn:
        server = await inn.api.program(COUNTER, "20")
        pid, node = (await server.view())["pid"], inn.commands["node"]
        assert await node.end() == 0
        assert "1 game server(s) go on running" in node.output
        assert is_alive(pid)
        await node.start("--stop-servers-on-exit")
        assert await node.end() == 0
        assert not is_alive(pid)
        await inn.start()
        assert (await server.another_run(pid))["last_exit"]["clean"]


async def test_game_servers_can_be_stopped_with_everything_dead(innkeeper: Innkeeper) -> None:
    servers = [await innkeeper.api.program(COUNTER, "20", name=name) for name in ("one", "two")]
    pids = [(await server.view())["pid"] for server in servers]
    await innkeeper.kill()
    assert all(map(is_alive, pids))
    assert await admin("stop-servers", "--data", str(innkeeper.node_data)) == "No game server is running.\n"
    assert not any(map(is_alive, pids))
    assert json.loads(await admin("stop-servers", "--data", str(innkeeper.node_data), "--json")) == {"left": []}
    await innkeeper.start()
    for server in servers:
        assert (await server.until("stopped"))["last_exit"]["code"] == 0
        assert (await server.lines())[-1][1].startswith("last ")
        await server.order("start")
