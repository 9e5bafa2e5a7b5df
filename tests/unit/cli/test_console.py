"""Being at a console: on a terminal, and in a pipe."""

import asyncio
import json
import stat
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import TaskSet
from tests.unit.cli.conftest import COMMAND, Inn, Ran
from tests.unit.cli.terminals import Person


@asynccontextmanager
async def at_the_console(inn: Inn, *words: str) -> AsyncIterator[Person]:
    async with Person([*COMMAND, "servers", "console", "camp", *words], inn.environment()) as person:
        yield person


async def piped(inn: Inn, *words: str, typed: str | None = None) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "servers", *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=inn.environment()
    )
    async with asyncio.timeout(40):
        out, err = await process.communicate(typed.encode() if typed is not None else b"")
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def watched(inn: Inn, record: Record) -> None:
    """Return once somebody follows the console."""
    async with asyncio.timeout(30):
        while not inn.house.gateway.console(record.server.uuid).watchers:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def typed(inn: Inn, record: Record, count: int) -> list[str]:
    """Return what the game was told, once it was told so many lines."""
    found = inn.house.gateway.console(record.server.uuid).typed
    async with asyncio.timeout(30):
        while len(found) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def test_lines_scroll_above_the_input_and_commands_reach_the_game(inn: Inn, tmp_path: Path) -> None:
    record = await inn.house.server(name="camp", start=True)
    inn.house.gateway.say(record.server.uuid, "said before")
    async with at_the_console(inn) as person:
        await person.sees("said before")
        await person.sees("Ctrl-D leaves")
        inn.house.gateway.say(record.server.uuid, "\x1b[32mgreen\x1b[0m words \x1b]0;owned\x07end")
        await person.sees("green words end")
        assert "\x1b[32mgreen" in person.raw
        assert "owned" not in person.raw
        person.type("say hello\r")
        assert await typed(inn, record, 1) == ["say hello"]
        person.type("\x04")
        assert await person.leaves() == 0
    assert inn.house.now(record).live.state == "running", "leaving does not touch the server"
    history = tmp_path / "config" / "innkeeper" / "history" / str(record.server.uuid)
    assert "say hello" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


async def test_ctrl_c_leaves_and_the_server_goes_on(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    async with at_the_console(inn) as person:
        await person.sees("Ctrl-D leaves")
        person.type("half a comm\x03")
        assert await person.leaves() == 0
    assert inn.house.now(record).live.state == "running"
    assert inn.house.gateway.console(record.server.uuid).typed == []


async def test_states_and_refused_commands_are_shown(inn: Inn) -> None:
    await inn.house.server(name="camp", start=True)
    async with at_the_console(inn) as person:
        await person.sees("Ctrl-D leaves")
        await inn.run("servers", "stop", "camp")
        await person.sees("camp is stopped")
        person.type("say nobody hears\r")
        await person.sees("The server is not running.")
        person.type("\x04")
        assert await person.leaves() == 0


async def test_a_lost_connection_is_taken_up_again_without_losing_or_repeating_a_line(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    server, port = record.server.uuid, int(inn.url.rpartition(":")[2])
    inn.house.gateway.say(server, "line 1")
    tasks = TaskSet("http again").start_set()
    try:
        async with at_the_console(inn) as person:
            await person.sees("line 1")
            inn.house.gateway.say(server, "line 2")
            await person.sees("line 2")
            await inn.http.close()
            await person.sees("connection lost")
            inn.house.gateway.say(server, "line 3", "line 4")
            person.type("say lost\r")
            await person.sees("was not typed")
            await inn.serve(inn.house, tasks, port)
            await person.sees("connected again")
            inn.house.gateway.say(server, "line 5")
            await person.sees("line 5")
            person.type("say found\r")
            assert await typed(inn, record, 1) == ["say found"]
            for number in range(1, 6):
                assert person.shown.count(f"line {number}") == 1
            person.type("\x04")
            assert await person.leaves() == 0
    finally:
        await inn.http.close()
        await tasks.aclose()


async def test_a_right_that_ends_ends_the_console_with_its_reason(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    guest = await inn.house.account("guest")
    await inn.house.share(record, guest, "server.view", "console.read")
    key = await inn.house.key(guest)
    async with Person([*COMMAND, "servers", "console", "camp"], inn.environment(INNKEEPER_KEY=key)) as person:
        await person.sees("Ctrl-D leaves")
        await watched(inn, record)
        await inn.run("servers", "unshare", "camp", "guest")
        assert await person.leaves() == 1
        await person.sees("innkeeper: ")


async def test_a_pipe_types_its_lines_and_ends_when_the_game_is_quiet(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    inn.house.gateway.say(record.server.uuid, "of before")
    ran = await piped(inn, "console", "camp", typed="list\n\nsay hi\n")
    assert ran.code == 0, ran.err
    assert inn.house.gateway.console(record.server.uuid).typed == ["list", "say hi"]
    assert "of before" not in ran.out


async def test_a_pipe_waits_for_the_text_it_was_told_to_wait_for(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    inn.house.gateway.say(record.server.uuid, "done", "of before")
    waiting = asyncio.get_running_loop().create_task(
        piped(inn, "console", "camp", "--tail", "2", "--until", "done", "--json")
    )
    await watched(inn, record)
    inn.house.gateway.say(record.server.uuid, "not yet", "\x1b[1mdone\x1b[0m now", "after")
    ran = await waiting
    assert ran.code == 0, ran.err
    texts = [json.loads(line)["text"] for line in ran.out.splitlines()]
    assert texts == ["done", "of before", "not yet", "\x1b[1mdone\x1b[0m now"]


async def test_text_that_never_comes_fails_in_time(inn: Inn) -> None:
    await inn.house.server(name="camp", start=True)
    ran = await piped(inn, "console", "camp", "--until", "never", "--timeout", "0.5")
    assert ran.code == 1
    assert "in time" in ran.err


async def test_a_command_that_is_refused_fails_the_pipe(inn: Inn) -> None:
    await inn.house.server(name="camp")
    ran = await piped(inn, "console", "camp", typed="list\n")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "innkeeper: The server is not running.\n"


async def test_logs_can_be_followed(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    inn.house.gateway.say(record.server.uuid, "before")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "servers", "logs", "camp", "-f", stdin=PIPE, stdout=PIPE, env=inn.environment()
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"before\n"
            inn.house.gateway.say(record.server.uuid, "after")
            assert await process.stdout.readline() == b"after\n"
    finally:
        process.terminate()
        await process.communicate()
