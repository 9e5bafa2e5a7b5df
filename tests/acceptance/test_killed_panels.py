"""Panels killed between claiming and doing: messages arrive all the same; what is due is done once, or said not to be.

Real commands, in both forms. Nothing here waits for less than a lease, after which another panel takes over.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.receivers import NEVER, Message, Receiver
from tests.acceptance.asking import Api, Server
from tests.acceptance.innkeepers import Embedded, Innkeeper, Separate
from tests.acceptance.looking import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WRITER = Path(__file__).parent / "games" / "writer.py"
LOOPBACK_ALLOWED = ("--webhook-private-networks", "127.0.0.0/8")
SCHEDULES = 60
LEASE_S = 150.0
"""A lease, twice the time in which panels look, and a start on a busy host."""


@asynccontextmanager
async def both(folder: Path, postgres: PostgresServer, shared: Path) -> AsyncIterator[list[Innkeeper]]:
    """An Innkeeper in each form, whose webhooks may reach this host."""
    forms: list[Innkeeper] = [
        Embedded(folder / "embedded", shared=shared),
        Separate(folder / "separate", postgres, shared=shared),
    ]
    async with forms[0], forms[1]:
        for inn in forms:
            await end_panel(inn)
            await inn.start(*LOOPBACK_ALLOWED)
        yield forms


async def end_panel(inn: Innkeeper) -> None:
    """Kill the process that is the panel; the node goes on where it is another."""
    await inn.kill_part("panel" if "panel" in inn.parts else "serve")


@contextmanager
def deaf_port() -> Iterator[int]:
    """Give a port at which connections are neither made nor refused: the host's queue for it is full."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


async def deliveries(api: Api, server: Server, hook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.ask("GET", f"/servers/{server.id}/webhooks/{hook['id']}/deliveries"))[
        "items"
    ]
    return found


async def a_hook(server: Server, api: Api, name: str, url: str) -> dict[str, Any]:
    wanted = {"name": name, "kind": "json", "url": url, "triggers": ["command_sent"]}
    made: dict[str, Any] = await api.ask("POST", f"/servers/{server.id}/webhooks", json=wanted)
    return made


async def test_messages_claimed_by_a_panel_that_is_killed_are_sent_by_the_next(
    tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> None:
    async with both(tmp_path, postgres_server, shared_games) as forms:
        await asyncio.gather(*(_kill_while_sending(inn) for inn in forms))


async def _kill_while_sending(inn: Innkeeper) -> None:
    server = await inn.api.program(WRITER)
    async with Receiver.open() as taking:
        taking.answers = [NEVER]
        with deaf_port() as port:
            unsent = await a_hook(server, inn.api, "not sent", f"http://127.0.0.1:{port}/hook")
            unrecorded = await a_hook(server, inn.api, "not recorded", taking.url)
            await inn.api.ask("POST", f"/servers/{server.id}/command", json={"command": "say hello"})

            async def are_claimed() -> bool:
                found = [await deliveries(inn.api, server, hook) for hook in (unsent, unrecorded)]
                return bool(taking.taken) and [[one["attempts"] for one in some] for some in found] == [[1], [1]]

            await eventually(are_claimed, "both messages to be claimed")
            await end_panel(inn)
        async with Receiver.open(port) as late:
            await inn.start(*LOOPBACK_ALLOWED)
            first, again = await taking.wait_for(2, LEASE_S)
            [only] = await late.wait_for(1, LEASE_S)

            async def are_recorded() -> bool:
                found = [await deliveries(inn.api, server, hook) for hook in (unsent, unrecorded)]
                return [[one["state"] for one in some] for some in found] == [["done"], ["done"]]

            await eventually(are_recorded, "both to be recorded")
            for hook, message in ((unsent, only), (unrecorded, again)):
                [one] = await deliveries(inn.api, server, hook)
                assert (one["attempts"], one["status"], one["event"]) == (2, 204, event_of(message))
            assert event_of(first) == event_of(again)


def event_of(message: Message) -> str:
    return message.headers["innkeeper-event"]


async def test_what_a_killed_panel_had_claimed_is_done_once_or_said_to_be_interrupted(
    tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> None:
    async with both(tmp_path, postgres_server, shared_games) as forms:
        await asyncio.gather(*(_kill_while_acting(inn) for inn in forms))


async def _kill_while_acting(inn: Innkeeper) -> None:
    typed, restarted = [await inn.api.program(WRITER, name=name) for name in ("typed", "restarted")]
    written = inn.node_data / "servers" / typed.id / "files" / "typed.txt"
    due = datetime.now(UTC) + timedelta(seconds=30)
    acts = [(typed, {"kind": "command", "command": f"say {number}"}) for number in range(SCHEDULES)]
    acts.append((restarted, {"kind": "restart"}))
    schedules = [await _a_schedule(inn.api, server, due, act) for server, act in acts]
    assert datetime.now(UTC) < due, "the schedules were not made in time"
    await eventually(lambda: written.stat().st_size > 0, "the first line to be typed")
    await end_panel(inn)
    await inn.start(*LOOPBACK_ALLOWED)
    runs: list[dict[str, Any]] = []

    async def have_ended() -> bool:
        runs[:] = [run for path in schedules for run in (await inn.api.ask("GET", f"{path}/runs"))["items"]]
        return all(run["state"] in ("done", "failed") for run in runs)

    await eventually(have_ended, "every run to end", within=LEASE_S, otherwise=lambda: str(runs[:3]))
    assert [datetime.fromisoformat(run["due_at"]) for run in runs] == [due] * len(schedules), "each has one run"
    lines = Counter(written.read_text().splitlines())
    for run in runs[:SCHEDULES]:
        count = lines[run["act"]["command"]]
        assert count == 1 if run["state"] == "done" else count <= 1, run
    interrupted = [run for run in runs if run["state"] == "failed"]
    assert interrupted, "it was killed too late"
    assert all("interrupted" in run["reason"] for run in interrupted)
    assert all(run["act"]["kind"] == "command" or run["reason"] for run in interrupted)
    began = [text for _, text in await restarted.lines()].count("ready")
    assert began == 2 if runs[-1]["state"] == "done" else began <= 2
    print(f"{len(runs) - len(interrupted)} done, {len(interrupted)} interrupted, of these {sum(lines.values())} typed")


async def _a_schedule(api: Api, server: Server, due: datetime, act: dict[str, str]) -> str:
    """Make a schedule and return its path."""
    wanted = {"name": "some", "trigger": {"kind": "once", "at": due.isoformat()}, "act": act}
    made = await api.ask("POST", f"/servers/{server.id}/schedules", json=wanted)
    return f"/servers/{server.id}/schedules/{made['id']}"
