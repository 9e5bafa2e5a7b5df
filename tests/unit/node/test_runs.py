"""What money is counted by: each run of a game is told with its birth and its end, until a panel has taken it in."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.keeper.state import read_json
from innkeeper.node.lifesigns import LifeSigns
from innkeeper.node.main import stop_all_servers
from innkeeper.node.service import NodeService
from innkeeper.node.supervisor.place import Kept
from innkeeper.wire import messages as wire
from tests.unit.node.fakes import FakePanel
from tests.unit.node.test_node import SERVER, Inn, desired, lives

LATER = wire.Refusal(code="not_now", message="not now")


class Told(Inn):
    """A node, and every run that its panel has heard of."""

    @property
    def runs(self) -> dict[str, wire.RunReport]:
        found: dict[str, wire.RunReport] = {}
        for run in (run for report in self.panel.reports for seen in report.servers for run in seen.runs):
            assert found.setdefault(run.run_id, run) == run, "told in two ways"
        return found

    @property
    def place(self) -> Path:
        return self.data / "servers" / str(SERVER)

    @property
    def kept(self) -> Kept:
        return msgspec.json.decode((self.place / "memory.json").read_bytes(), type=Kept)

    async def start(self) -> wire.ObservedServer:
        return await self.order("start")

    async def forgotten(self) -> None:
        """Wait until nothing is owed to the panel any more."""
        await self.until(lambda: self.kept.machine.runs == [])

    async def after_reboot(self) -> NodeService:
        """Open the node as after a boot of the host: what it kept is of another one."""
        kept = self.kept
        kept.boot_id = "another"
        (self.place / "memory.json").write_bytes(msgspec.json.encode(kept))
        return await self.open()

    def kill_all(self) -> None:
        """End keeper and game as a host that goes down does: nobody records anything."""
        state = read_json(str(self.place / "keeper"), "state.json")
        assert state is not None
        for pid in (state["keeper_pid"], state["pid"]):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[Told]:
    inn = Told(bus, panel, tmp_path / "data")
    await inn.listen()
    await inn.open()
    yield inn
    panel.refusing = None
    await inn.close()
    assert await stop_all_servers(inn.data) == []


def now_us() -> int:
    return time.time_ns() // 1000


async def test_a_run_is_told_from_the_birth_of_its_process_to_its_end(inn: Told) -> None:
    before = now_us()
    born = await inn.start()
    assert inn.runs == {}
    await inn.order("stop")
    await inn.forgotten()
    (run,) = inn.runs.values()
    assert (run.run_id, run.started_us) == (born.run_id, born.started_us)
    assert before <= run.started_us < run.ended_us <= now_us()


async def test_every_run_of_a_server_is_told_and_then_no_more(inn: Told) -> None:
    ids = []
    for verb in ("start", "restart", "restart"):
        ids.append((await inn.order(verb)).run_id)
    await inn.done(wire.SendLine(server=SERVER, line="crash"))
    await inn.panel.until(lambda: inn.seen.phase == "crashed")
    await inn.forgotten()
    assert list(inn.runs) == ids
    told = len(inn.panel.reports)
    await inn.done(wire.Announce())
    await inn.panel.until(lambda: len(inn.panel.reports) > told and inn.panel.reports[-1].complete)
    assert inn.seen.runs == []


async def test_a_run_is_told_again_until_a_panel_takes_it_in(inn: Told) -> None:
    await inn.start()
    inn.panel.refusing = LATER
    await inn.done(wire.Apply(servers=[desired(order=wire.Order(id=UUID(int=9), verb="stop"))]))
    await inn.panel.until(lambda: len(inn.runs) == 1)
    await inn.close()
    assert len(inn.kept.machine.runs) == 1
    told = len(inn.panel.reports)
    inn.panel.refusing = None
    await inn.open()
    await inn.panel.until(lambda: any(seen.runs for report in inn.panel.reports[told:] for seen in report.servers))
    await inn.forgotten()
    assert len(inn.runs) == 1


async def test_an_end_that_nobody_saw_is_told_as_the_keeper_saw_it(inn: Told) -> None:
    pid = (await inn.start()).pid
    assert pid is not None
    await inn.close()
    os.kill(pid, signal.SIGKILL)
    await inn.until(lambda: not lives(pid))
    state = str(inn.place / "keeper")
    await inn.until(lambda: (read_json(state, "state.json") or {})["state"] == "exited")
    await inn.open()
    await inn.panel.until(lambda: len(inn.runs) == 1)
    (run,) = inn.runs.values()
    assert run.ended_us == (read_json(state, "state.json") or {})["exit"]["at_us"]


async def test_after_a_crash_of_the_host_a_run_ended_when_it_was_seen_alive_last(inn: Told) -> None:
    born = await inn.start()
    assert born.started_us is not None and born.run_id is not None
    await inn.done(wire.SendLine(server=SERVER, line="hello"))
    await inn.until(lambda: b"heard hello\n" in inn.output)
    printed = inn.console[-1].time_us
    await inn.close()
    inn.kill_all()
    await inn.after_reboot()
    await inn.panel.until(lambda: len(inn.runs) == 1)
    (run,) = inn.runs.values()
    assert (run.run_id, run.started_us, run.ended_us) == (born.run_id, born.started_us, printed)
    await inn.panel.until(lambda: inn.seen.phase == "running")  # it is brought back
    assert inn.seen.run_id != born.run_id


async def test_a_silent_games_life_signs_say_until_when_it_ran(inn: Told) -> None:
    born = await inn.start()
    assert born.run_id is not None and inn.node is not None
    await inn.node._note_lifesigns()
    noted = now_us()
    signs = LifeSigns(inn.data / "alive.json")
    signs.load()
    at_us = signs.of(SERVER, born.run_id)
    assert at_us is not None and noted - 5_000_000 < at_us <= noted
    await inn.close()
    inn.kill_all()
    await inn.after_reboot()
    await inn.panel.until(lambda: len(inn.runs) == 1)
    assert next(iter(inn.runs.values())).ended_us == at_us
    await inn.panel.until(lambda: inn.seen.phase == "running")


async def test_a_run_whose_memory_was_lost_is_told_all_the_same_and_not_twice(inn: Told) -> None:
    born = await inn.start()
    await inn.close()
    (inn.place / "memory.json").unlink()
    inn.kill_all()
    await inn.until(lambda: born.pid is not None and not lives(born.pid))
    await inn.open()
    await inn.panel.until(lambda: list(inn.runs) == [born.run_id])
    await inn.forgotten()
    told = len(inn.panel.reports)
    await inn.close()
    await inn.open()
    await inn.panel.until(lambda: len(inn.panel.reports) > told)
    assert not any(seen.runs for report in inn.panel.reports[told:] for seen in report.servers)


async def test_a_server_is_deleted_once_the_panel_knows_its_last_run(inn: Told) -> None:
    born = await inn.start()
    inn.panel.refusing = LATER
    removing = asyncio.ensure_future(inn.ask(wire.Remove(server=SERVER)))
    await inn.panel.until(lambda: list(inn.runs) == [born.run_id])
    assert not removing.done() and inn.place.is_dir()
    inn.panel.refusing = None
    assert isinstance(await removing, wire.Done)
    assert not inn.place.exists()


async def test_life_signs_keep_what_they_know_of_servers_not_asked_about(tmp_path: Path) -> None:
    one, two = UUID(int=1), UUID(int=2)
    signs = LifeSigns(tmp_path / "alive.json")
    signs.load()
    await signs.note({one: "a", two: "b"}, 10)
    again = LifeSigns(tmp_path / "alive.json")
    again.load()
    await again.note({one: None}, 20)
    again.load()
    assert (again.of(one, "a"), again.of(two, "b"), again.of(two, "a")) == (None, 10, None)
    (tmp_path / "alive.json").write_bytes(b"{")
    again.load()
    assert again.of(two, "b") is None
