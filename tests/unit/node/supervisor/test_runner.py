"""One server's runner with a real keeper and a real (scripted) game beneath it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from innkeeper.contracts.game import GameSilent, GameStatus, Query
from innkeeper.contracts.installer import Installer, InstallFailed, Place
from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.node.files.jail import Jail
from innkeeper.node.keeper.client import KeeperLink, NotRunning, Running, Zygote, inspect
from innkeeper.node.supervisor.place import Kept, ServerPlace, load_kept, save
from innkeeper.node.supervisor.runner import BadLine, ServerRunner
from innkeeper.testing.runtimes import JOIN_PATTERN, LEAVE_PATTERN, READY_PATTERN, ScriptedRuntime, scripted_game
from innkeeper.wire.messages import (
    Block,
    ConfigWrite,
    CrashRule,
    DesiredServer,
    ObservedServer,
    Order,
    OrderReport,
    Patterns,
    StopRule,
    Verb,
)

DEADLINE = 20.0
PATTERNS = Patterns(ready=READY_PATTERN, join=JOIN_PATTERN, leave=LEAVE_PATTERN, saving="^Saving")


class Turns:
    """Slots that are given when the test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked_at: float | None = None

    async def acquire(self, order_key: int) -> None:
        self.asked_at = time.monotonic()
        await self.open.wait()


class Node:
    """One life of a node with one server; `fall` ends it as a SIGKILL would, as far as others can see."""

    def __init__(self, root: Path, zygote: Zygote, **parts: Any) -> None:
        self.place = ServerPlace(root=root / "server", shared=root / "shared")
        for path in (self.place.files, self.place.keeper, self.place.journal, self.place.shared):
            path.mkdir(parents=True, exist_ok=True)
        self.changes: list[ObservedServer] = []
        self.blocks: list[Block] = []
        self.turns = Turns()
        self.written: list[ConfigWrite] = []
        self._news = asyncio.Event()
        self.runtime = ScriptedRuntime()
        self.tasks = TaskSet("node").start_set()
        self.runner = ServerRunner(
            uuid=UUID(int=7),
            place=self.place,
            zygote=zygote,
            clock=SystemClock(),
            tasks=self.tasks,
            slots=self.turns,
            on_change=self._changed,
            on_blocks=self._printed,
            **{
                "runtime": self.runtime,
                "installers": {},
                "queries": {},
                "make_place": no_place,
                "write_config": lambda jail, write: self.written.append(write),
            }
            | parts,
        )

    def _changed(self, observed: ObservedServer) -> None:
        self.changes.append(observed)
        self._news.set()

    def _printed(self, uuid: UUID, blocks: list[Block]) -> None:
        self.blocks += blocks
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"not reached: {self.runner.observed}\n{self.console!r}")

    async def reaches(self, phase: str) -> ObservedServer:
        await self.until(lambda: self.runner.observed.phase == phase)
        return self.runner.observed

    async def order(self, verb: Verb, desired: DesiredServer | None = None) -> OrderReport:
        """Give an order and return how it ended."""
        id = uuid4()
        known = desired or self.runner.desired
        assert known is not None
        await self.runner.apply(msgspec.structs.replace(known, order=Order(id=id, verb=verb)))
        return await self.end_of(id)

    async def end_of(self, id: UUID) -> OrderReport:
        def ends() -> list[OrderReport]:
            orders = [change.order for change in self.changes if change.order is not None]
            return [order for order in orders if order.id == id and order.state in ("done", "failed")]

        await self.until(lambda: bool(ends()))
        return ends()[0]

    @property
    def console(self) -> bytes:
        return b"".join(block.payload for block in self.blocks)

    async def prints(self, text: bytes) -> None:
        await self.until(lambda: text in self.console)

    async def fall(self) -> None:
        await self.runner.close()
        await self.tasks.aclose()


def no_place(*_: object) -> Place:
    raise AssertionError("nothing is to be installed here")


def desired(argv: list[str] | None = None, **fields: Any) -> DesiredServer:
    return DesiredServer(
        **{
            "uuid": UUID(int=7),
            "number": 7,
            "generation": 1,
            "name": "test",
            "running": True,
            "argv": argv if argv is not None else scripted_game(),
            "patterns": PATTERNS,
            "stop": StopRule(command="stop", timeout_s=10),
        }
        | fields
    )


@pytest.fixture
async def zygote(tmp_path: Path) -> AsyncIterator[Zygote]:
    zygote = Zygote(tmp_path / "zygote")
    yield zygote
    await zygote.quit()


@pytest.fixture
async def lives(tmp_path: Path, zygote: Zygote) -> AsyncIterator[Callable[..., Node]]:
    """Begins lives of one and the same node; the last one's server is removed in the end."""
    begun: list[Node] = []

    def begin(**parts: Any) -> Node:
        begun.append(Node(tmp_path, zygote, **parts))
        return begun[-1]

    yield begin
    for node in begun[:-1]:
        await node.fall()
    if begun:
        await begun[-1].runner.remove()
        await begun[-1].tasks.aclose()


Begin = Callable[..., Node]


async def test_a_server_is_started_and_stopped(lives: Begin) -> None:
    node = lives()
    started = await node.order("start", desired())
    assert started.state == "done"
    observed = node.runner.observed
    assert observed.phase == "running"
    assert observed.pid is not None
    assert isinstance(inspect(node.place.keeper), Running)
    stopped = await node.order("stop")
    assert stopped.steps[0] == "asked to stop with the command 'stop'"
    observed = await node.reaches("stopped")
    assert observed.last_exit is not None
    assert (observed.last_exit.code, observed.last_exit.clean) == (0, True)
    phases = [change.phase for change in node.changes]
    for phase in ("preparing", "starting", "running", "stopping", "saving", "stopped"):
        assert phase in phases
    assert node.console.endswith(b"Saving the world\n")


async def test_a_restart_shows_itself_and_is_another_run(lives: Begin) -> None:
    node = lives()
    await node.order("start", desired())
    first = node.runner.observed.run_id
    assert (await node.order("restart")).state == "done"
    assert node.runner.observed.run_id not in (first, None)
    assert "restarting" in [change.phase for change in node.changes]
    assert node.console.count(b"Ready to play") == 2


async def test_a_stubborn_server_is_killed_when_its_time_is_over(lives: Begin) -> None:
    node = lives()
    rule = StopRule(signal="SIGTERM", timeout_s=0.3)
    await node.order("start", desired(scripted_game(stubborn=True), stop=rule))
    report = await node.order("stop")
    assert report.state == "done"
    assert "killed after 0.3 s" in report.steps
    assert b"signal 15" in node.console
    assert (await node.reaches("stopped")).crashes == 0


async def test_a_kill_is_no_crash(lives: Begin) -> None:
    node = lives()
    await node.order("start", desired(scripted_game(stubborn=True)))
    assert (await node.order("kill")).state == "done"
    assert (await node.reaches("stopped")).reason == "killed on request"


async def test_a_crashing_server_is_started_again_until_it_is_given_up(lives: Begin) -> None:
    node = lives()
    rule = CrashRule(limit=2, window_s=60, first_delay_s=0.05, longest_delay_s=0.1)
    await node.order("start", desired(scripted_game(run_for_s=0.05, exit_code=3), crash=rule))
    await node.until(lambda: "gave up" in (node.runner.observed.reason or ""))
    assert node.runner.observed.phase == "crashed"
    assert node.runner.observed.crashes == 3
    assert node.console.count(b"Ready to play") == 3


async def test_what_cannot_be_executed_says_why(lives: Begin) -> None:
    node = lives()
    report = await node.order("start", desired(["/nowhere/game"]))
    assert report.state == "failed"
    assert "/nowhere/game" in (report.reason or "")
    assert node.runner.observed.phase == "crashed"


async def test_a_held_port_is_told_before_anything_is_launched(lives: Begin) -> None:
    node = lives()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        report = await node.order("start", desired(port=port))
        assert report.reason == f"port {port}/tcp is held by another program"
        assert node.runtime.launches == []
    assert (await node.order("start")).state == "done"


async def test_config_and_command_are_filled_for_this_node(lives: Begin) -> None:
    node = lives()
    write = ConfigWrite(path="server.properties", format="properties", values={"port": "{port}", "text": "{{x}}"})
    argv = [*scripted_game(), "folder={server}", "memory={memory_mib},{heap_mib}"]
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    environment = {"WHERE": "{address}:{port}"}
    await node.order("start", desired(argv, port=port, memory_mib=64, config=[write], environment=environment))
    assert node.written[0].values == {"port": str(port), "text": "{x}"}
    launch = node.runtime.launches[0]
    assert launch.argv[-2:] == [f"folder={node.place.files}", "memory=64,44"]
    assert launch.environment == {"WHERE": f"127.0.0.1:{port}"}
    report = await node.order("restart", desired(["{shared:npm}/x"], generation=2))
    assert "npm is not installed" in (report.reason or "")


async def test_nothing_of_ours_is_in_the_games_environment(lives: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNKEEPER_SECRET", "x")
    node = lives()
    await node.order("start", desired())
    await node.runner.send_line("env INNKEEPER_SECRET")
    await node.prints(b"env INNKEEPER_SECRET=None")
    await node.runner.send_line("env HOME")
    await node.prints(f"env HOME={node.place.files}".encode())


async def test_one_command_is_one_line(lives: Begin) -> None:
    node = lives()
    with pytest.raises(NotRunning):
        await node.runner.send_line("say x")
    await node.order("start", desired())
    for line in ("say a\nstop", "say a\rstop", "say \0", "say \x1b[1m", "say \x03", "x" * 4097, "\ud800", "a\u2028b"):
        with pytest.raises(BadLine):
            await node.runner.send_line(line)
    await node.runner.send_line("say grüße")
    await node.prints("grüße\n".encode())
    assert node.runner.observed.phase == "running"


async def test_players_are_seen_to_come_and_go(lives: Begin) -> None:
    node = lives()
    await node.order("start", desired())
    for line in ("say alice joined", "say bob joined", "say alice left"):
        await node.runner.send_line(line)
    await node.until(lambda: [player.name for player in node.runner.players] == ["bob"])
    await node.order("stop")
    assert node.runner.observed.players == []


async def test_a_fallen_node_finds_its_game_and_all_it_printed_meanwhile(lives: Begin) -> None:
    first = lives()
    await first.order("start", desired())
    await first.runner.send_line("say alice joined")
    await first.until(lambda: len(first.runner.players) == 1)
    before = first.runner.observed
    await first.runner.send_line("lines 3000")
    await first.fall()
    assert before.pid is not None
    os.kill(before.pid, 0)

    second = lives()
    await second.runner.adopt()
    await second.runner.send_line("say bob joined")
    await second.until(lambda: len(second.runner.players) == 2)
    after = second.runner.observed
    assert (after.phase, after.pid, after.run_id) == ("running", before.pid, before.run_id)
    assert (after.started_us, after.ready_us) == (before.started_us, before.ready_us)
    printed = _numbered(first.blocks) + _numbered(second.blocks)
    assert [number for number, _ in printed] == list(range(1, len(printed) + 1)), "a line was lost or came twice"
    assert sum(line.startswith(b"line ") for _, line in printed) == 3000
    assert (await second.order("stop")).state == "done"


async def test_a_game_that_became_ready_while_the_node_was_away_is_running(lives: Begin) -> None:
    first = lives()
    id = uuid4()
    await first.runner.apply(desired(scripted_game(ready_after_s=None), order=Order(id=id, verb="start")))
    await first.reaches("starting")
    await first.until(lambda: first.runner.observed.pid is not None)
    await first.runner.send_line("say Done! Ready to play.")
    await first.prints(b"Ready to play")
    await first.fall()
    # What the node knew is of a moment before that line: as if it had been killed first.
    kept = load_kept(first.place)
    assert kept is not None
    old = msgspec.json.decode(msgspec.json.encode(kept), type=Kept)
    old.seen_seq = old.announced_seq = 0
    old.machine.phase = "starting"
    save(first.place.memory, old)

    second = lives()
    await second.runner.adopt()
    assert second.runner.observed.phase == "running"


async def test_a_game_that_ended_while_the_node_was_away_ended(lives: Begin) -> None:
    first = lives()
    await first.order("start", desired(crash=CrashRule(restart=False)))
    await first.runner.send_line("say carol joined")
    await first.until(lambda: len(first.runner.players) == 1)
    pid = first.runner.observed.pid
    assert pid is not None
    await first.fall()
    os.kill(pid, signal.SIGSEGV)
    await _ends(first.place)

    second = lives()
    await second.runner.adopt()
    observed = second.runner.observed
    assert observed.phase == "crashed"
    assert observed.last_exit is not None
    assert observed.last_exit.signal == signal.SIGSEGV
    assert observed.players == []


async def test_a_killed_keeper_is_a_crash_and_leaves_no_second_game(lives: Begin) -> None:
    node = lives()
    rule = CrashRule(first_delay_s=0.05)
    await node.order("start", desired(crash=rule))
    game = node.runner.observed.pid
    keeper = int(msgspec.json.decode((node.place.keeper / "state.json").read_bytes())["keeper_pid"])
    os.kill(keeper, signal.SIGKILL)
    await node.until(lambda: node.runner.observed.phase == "running" and node.runner.observed.pid != game)
    assert node.runner.observed.crashes == 1
    last = node.runner.observed.last_exit
    assert last is not None
    assert "keeper was killed" in last.reason


async def test_an_order_is_performed_once_however_often_it_comes(lives: Begin) -> None:
    node = lives()
    wanted = desired(order=Order(id=uuid4(), verb="start"))
    for _ in range(5):
        await node.runner.apply(wanted)
    await node.reaches("running")
    run = node.runner.observed.run_id
    await node.runner.apply(wanted)
    await node.fall()
    again = lives()
    await again.runner.apply(wanted)
    await again.reaches("running")
    assert again.runner.observed.run_id == run
    assert len(node.runtime.launches) + len(again.runtime.launches) == 1


async def test_a_node_that_lost_its_memory_finds_the_run_and_not_the_past(lives: Begin) -> None:
    first = lives()
    await first.order("start", desired())
    await first.runner.send_line("say mallory joined")
    await first.until(lambda: len(first.runner.players) == 1)
    await first.order("restart")
    await first.runner.send_line("say alice joined")
    await first.until(lambda: [player.name for player in first.runner.players] == ["alice"])
    await first.fall()
    first.place.memory.write_bytes(b"{torn")

    second = lives()
    await second.runner.adopt()
    assert second.runner.observed.phase == "running"
    assert [player.name for player in second.runner.players] == ["alice"]
    assert second.console == b"Done! Ready to play.\nalice joined\n"


async def test_a_failed_reinstallation_leaves_a_server_that_can_be_started(lives: Begin) -> None:
    installer = Copies()
    installer.goes_on.set()
    node = lives(installers={"copies": installer}, make_place=place_of)
    wanted = desired([*scripted_game(), "at={shared:lib}"], install=[{"uses": "copies", "key": "lib"}])
    await node.order("install", wanted)
    broken = msgspec.structs.replace(wanted, generation=2, install=[{"uses": "copies", "key": "lib", "fails": True}])
    assert (await node.order("install", broken)).state == "failed"
    assert (await node.order("start")).state == "done"


async def test_an_older_generation_is_not_heard(lives: Begin) -> None:
    node = lives()
    await node.runner.apply(desired(generation=5, name="new"))
    await node.runner.apply(desired(generation=4, order=Order(id=uuid4(), verb="start")))
    assert node.runner.observed.phase == "created"
    assert node.runner.observed.generation == 5


async def test_the_power_intent_is_restored_after_a_boot_in_its_turn(lives: Begin) -> None:
    second = await after_a_boot(lives, desired())
    assert second.runner.observed.reason == "waits for its turn to start"
    second.turns.open.set()
    await second.reaches("running")


async def after_a_boot(lives: Begin, wanted: DesiredServer) -> Node:
    """Return the life of a node after its host has booted, in which a server was to run."""
    first = lives()
    await first.order("start", wanted)
    await first.order("stop")
    await first.fall()
    kept = load_kept(first.place)
    assert kept is not None
    kept.boot_id = "another"
    save(first.place.memory, kept)
    second = lives()
    await second.runner.adopt()
    return second


async def test_a_server_is_brought_back_after_a_boot_so_much_later_as_was_said(lives: Begin) -> None:
    late = 0.5
    node = await after_a_boot(lives, desired(autostart_delay_s=late))
    began = time.monotonic()
    node.turns.open.set()
    await node.until(lambda: node.turns.asked_at is not None)
    assert node.turns.asked_at - began >= late * 0.9, "its turn is not asked for, and kept from others, before"
    await node.reaches("running")


async def test_a_server_that_is_to_wait_after_a_boot_starts_at_once_when_it_is_told_to(lives: Begin) -> None:
    node = await after_a_boot(lives, desired(autostart_delay_s=3600))
    assert node.runner.observed.reason == "waits for its turn to start"
    assert (await node.order("start")).state == "done"
    await node.reaches("running")


async def test_a_server_that_answers_its_query_is_running(lives: Begin) -> None:
    asked: list[tuple[str, int, timedelta]] = []

    class Answers:
        name = "test"

        async def ask(self, host: str, port: int, timeout: timedelta) -> GameStatus:
            asked.append((host, port, timeout))
            if len(asked) == 1:
                raise GameSilent("not yet")
            return GameStatus(players_online=0, players_max=1)

    queries: dict[str, Query] = {"test": Answers()}
    node = lives(queries=queries)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    wanted = desired(scripted_game(ready_after_s=None), ready_when="query", query="test", port=port, address="0.0.0.0")
    assert (await node.order("start", wanted)).state == "done"
    assert [entry[:2] for entry in asked] == [("127.0.0.1", port)] * 2


async def test_any_output_is_enough_where_the_package_says_so(lives: Begin) -> None:
    node = lives()
    wanted = desired(scripted_game(lines=1, ready_after_s=None), ready_when="output")
    assert (await node.order("start", wanted)).state == "done"


async def test_a_bad_pattern_is_told_at_once_and_refuses_the_start(lives: Begin) -> None:
    node = lives()
    report = await node.order("start", desired(patterns=Patterns(ready="(")))
    assert "no regular expression" in (report.reason or "")
    assert "no regular expression" in node.runner.observed.notes[0]


class Copies:
    """An installer that writes a file, waits to be let go, and names a value."""

    name = "copies"

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.begun = 0
        self.cancelled = False

    async def install(self, step: Any, place: Place) -> None:
        self.begun += 1
        place.report("copying", 0.5)
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if step.get("fails"):
            raise InstallFailed("the archive is damaged")
        place.folder.write("world.txt", b"here")
        place.export(step.get("key", ""), "/shared/copies/1")


def place_of(desired: DesiredServer, jail: Jail, report: Any, export: Any) -> Place:
    def nothing(*_: Any, **__: Any) -> Any:
        raise AssertionError

    return Place(
        folder=jail,
        shared=Path("/"),
        uploads=jail,
        source=nothing,
        run=nothing,
        report=report,
        tool=nothing,
        home=jail.root,
        as_server=nothing,
        export=export,
    )


async def test_installing_steps_and_what_they_name(lives: Begin) -> None:
    installer = Copies()
    installers: dict[str, Installer] = {"copies": installer}
    node = lives(installers=installers, make_place=place_of)
    wanted = desired([*scripted_game(), "at={shared:lib}"], install=[{"uses": "copies", "key": "lib"}])
    assert (await node.order("start", wanted)).reason == "it is not installed"
    id = uuid4()
    await node.runner.apply(msgspec.structs.replace(wanted, order=Order(id=id, verb="install")))
    await node.until(lambda: node.runner.observed.order is not None and node.runner.observed.order.fraction == 0.5)
    starting = asyncio.get_running_loop().create_task(node.order("start"))
    await node.until(lambda: "installation is finished" in (getattr(node.runner.observed.order, "reason", "") or ""))
    installer.goes_on.set()
    assert (await starting).reason is None
    assert (await node.end_of(id)).steps[-1] == "installed"
    assert (node.place.files / "world.txt").read_bytes() == b"here"
    assert node.runtime.launches[0].argv[-1] == "at=/shared/copies/1"


async def test_an_installation_is_begun_again_by_the_nodes_next_life(lives: Begin) -> None:
    installers: dict[str, Installer] = {"copies": (one := Copies())}
    first = lives(installers=installers, make_place=place_of)
    id = uuid4()
    await first.runner.apply(desired(install=[{"uses": "copies"}], order=Order(id=id, verb="install")))
    await first.until(lambda: one.begun == 1)
    await first.fall()
    assert one.cancelled
    installers["copies"] = two = Copies()
    two.goes_on.set()
    second = lives(installers=installers, make_place=place_of)
    await second.runner.adopt()
    assert (await second.end_of(id)).state == "done"


class Reluctant(Copies):
    """One that has something to tidy up in the server's folder when it is cut short, and takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.tidied = False
        self.at_once = self.most_at_once = 0

    async def install(self, step: Any, place: Place) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await super().install(step, place)
        except asyncio.CancelledError:
            await in_thread(time.sleep, 0.2)
            place.folder.write("late.txt", b"half")
            self.tidied = True
            raise
        finally:
            self.at_once -= 1


async def test_an_installation_that_is_cut_short_has_ended_before_the_next_begins(lives: Begin) -> None:
    installer = Reluctant()
    node = lives(installers={"copies": installer}, make_place=place_of)
    wanted = desired(install=[{"uses": "copies"}], order=Order(id=uuid4(), verb="install"))
    await node.runner.apply(wanted)
    await node.until(lambda: installer.begun == 1)
    assert (await node.order("kill")).steps == ["cut the installation short"]
    installer.goes_on.set()
    assert (await node.order("install")).state == "done"
    assert (installer.begun, installer.most_at_once) == (2, 1)


async def test_a_server_is_deleted_once_its_installation_that_is_cut_short_has_ended(lives: Begin) -> None:
    installer = Reluctant()
    node = lives(installers={"copies": installer}, make_place=place_of)
    await node.runner.apply(desired(install=[{"uses": "copies"}], order=Order(id=uuid4(), verb="install")))
    await node.until(lambda: installer.begun == 1)
    await node.runner.remove()
    assert installer.tidied
    assert not node.place.root.exists()


async def test_a_failed_installation_and_an_unknown_installer_say_why(lives: Begin) -> None:
    installer = Copies()
    installer.goes_on.set()
    node = lives(installers={"copies": installer}, make_place=place_of)
    report = await node.order("install", desired(install=[{"uses": "copies", "fails": True}]))
    assert report.reason == "the archive is damaged"
    assert node.runner.observed.phase == "created"
    report = await node.order("install", desired(install=[{"uses": "magic"}], generation=2))
    assert report.reason == "this node knows no installer 'magic'"


async def test_a_removed_server_is_gone_with_its_game_and_files(lives: Begin) -> None:
    node = lives()
    await node.order("start", desired(scripted_game(stubborn=True)))
    (node.place.files / "world").mkdir()
    pid = node.runner.observed.pid
    assert pid is not None
    await node.runner.remove()
    await node.runner.remove()
    assert not node.place.root.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_flood_is_announced_whole_and_in_order(lives: Begin) -> None:
    node = lives()
    await node.order("start", desired())
    await node.runner.send_line("lines 50000")
    await node.prints(b"line 49999\n")
    printed = _numbered(node.blocks)
    assert [number for number, _ in printed] == list(range(1, len(printed) + 1))
    assert [line for _, line in printed if line.startswith(b"line")] == [b"line %d" % n for n in range(50000)]


def _numbered(blocks: list[Block]) -> list[tuple[int, bytes]]:
    return [
        (number, line)
        for block in blocks
        for number, line in enumerate(block.payload.removesuffix(b"\n").split(b"\n"), block.first_seq)
    ]


async def _ends(place: ServerPlace) -> None:
    """Wait until the keeper itself says that its game has ended."""
    try:
        link = await KeeperLink.connect(place.keeper)
    except NotRunning:
        return
    async with asyncio.timeout(DEADLINE):
        async for _ in link.blocks:
            pass
    link.close()
