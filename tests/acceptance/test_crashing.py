"""Games that crash, are killed, or go down with their host: what is seen of it, and what comes back by itself."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Embedded, Innkeeper, admin
from tests.acceptance.looking import eventually, is_alive, keeper_of, programs_in
from tests.clients.exaroton_python import ExarotonPython

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"
FRAGILE = Path(__file__).parent / "games" / "fragile.py"


async def reasons(server: Server, last: str) -> list[str]:
    """Return every reason that is given for a crash, in order, up to the one that begins with `last`."""
    seen: list[str] = []

    async def over() -> bool:
        view = await server.view()
        if view["state"] == "crashed" and view["reason"] not in seen:
            seen.append(view["reason"])
        return bool(seen) and last in seen[-1]

    await eventually(over, f"a crash with {last!r}", otherwise=lambda: str(seen))
    return seen


async def test_a_game_that_always_crashes_is_started_again_ever_later_and_then_given_up(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.program(FRAGILE, start=False, crash={"limit": 2})
    await server.order("start")
    assert await reasons(server, "gave up") == [
        "ended with code 1; waits 2 s after crash 1 of 2",
        "ended with code 1; waits 4 s after crash 2 of 2",
        "ended with code 1; gave up after 3 crashes within 600 s",
    ]
    view = await server.view()
    assert (view["last_exit"]["code"], view["last_exit"]["clean"], view["pid"]) == (1, False, None)
    assert [text for _, text in await server.lines()] == ["ready"] * 3
    done = (await innkeeper.api.ask("GET", f"/servers/{server.id}/activity"))["items"]
    assert [item["data"]["code"] for item in done if item["action"] == "server.crashed"] == [1, 1, 1]
    async with ExarotonPython(innkeeper.exaroton_url, innkeeper.api_key) as client:
        assert (await client.call("get_server", server.exaroton_id)).status == "Crashed"

    await server.upload(FRAGILE.name, COUNTER.read_bytes().replace(b"sys.argv[1]", b"20"))
    await server.order("start")
    assert (await server.until("running"))["reason"] is None


async def test_a_stop_ends_the_wait_for_the_next_start(embedded: Embedded) -> None:
    server = await embedded.api.program(FRAGILE, start=False)
    await server.order("start")
    await server.until("crashed")
    await server.order("stop")
    view = await server.until("stopped")
    assert view["power"] == "off"


async def test_a_killed_game_comes_back_but_not_one_whose_kill_was_ordered(
    embedded: Embedded,
) -> None:
    server = await embedded.api.program(COUNTER, "20")
    pid = (await server.view())["pid"]
    os.kill(pid, signal.SIGKILL)
    view = await server.another_run(pid)
    assert (view["last_exit"]["signal"], view["last_exit"]["clean"]) == (9, False)

    await server.order("kill")
    view = await server.until("stopped", pid=None)
    assert (view["power"], view["reason"]) == ("off", "killed on request")
    assert not is_alive(pid)


async def test_a_killed_keeper_takes_its_game_along_and_the_server_can_be_started_again(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.program(COUNTER, "20", crash={"restart": False})
    pid = (await server.view())["pid"]
    keeper_of(pid).kill()
    view = await server.until("crashed", pid=None)
    assert "keeper was killed" in view["reason"]
    assert not is_alive(pid)
    await server.order("start")
    view = await server.until("running")
    assert programs_in(innkeeper.node_data / "servers" / server.id / "files") == [view["pid"]]


async def test_after_a_boot_of_the_host_what_ran_runs_again_where_that_is_wanted(innkeeper: Innkeeper) -> None:
    ran = await innkeeper.api.program(COUNTER, "20", name="ran")
    by_hand = await innkeeper.api.program(COUNTER, "20", name="by hand", autostart=False)
    stopped = await innkeeper.api.program(COUNTER, "20", name="stopped", start=False)
    pids = [(await server.view())["pid"] for server in (ran, by_hand)]
    await innkeeper.kill()
    await _lose_power(innkeeper.node_data, pids)
    await innkeeper.start()
    view = await ran.another_run(pids[0])
    assert view["last_exit"]["reason"] == "the host was restarted"
    assert (await by_hand.until("stopped"))["reason"] == "the host was restarted"
    assert (await stopped.until("stopped"))["last_exit"] is None
    assert [text for _, text in await ran.lines()].count("ready") == 2


async def _lose_power(data: Path, games: list[int]) -> None:
    """End all processes of a node without a word, and have its files say that they are of an earlier boot."""
    keepers = [keeper_of(pid) for pid in games]
    for process in [*keepers, *map(psutil.Process, games)]:
        process.kill()
    await eventually(lambda: not any(map(is_alive, games)), "the games to be gone")
    await admin("stop-servers", "--data", str(data))  # what is left is the process that keepers are made from
    for path in data.glob("servers/*/memory.json"):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"boot_id": "of an earlier boot"}))
