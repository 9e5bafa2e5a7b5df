"""Games that take more than they may, with real processes, keepers and control groups: they end, and only they."""

import asyncio
import os
import signal
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from innkeeper.node.keeper import groups
from innkeeper.node.keeper.state import read_json
from innkeeper.wire import messages as wire
from tests.unit.node.limits.conftest import NEIGHBOUR, House, needs_groups
from tests.unit.node.test_node import SERVER, lives

pytestmark = needs_groups


def members(folders: list[str]) -> list[int]:
    return groups.members(folders)


async def test_a_game_beyond_its_memory_is_killed_by_its_own_limit_and_nobody_else_notices(house: House) -> None:
    neighbour = await house.start(NEIGHBOUR, 8, memory_mib=64)
    seen = await house.start(memory_mib=64)
    assert seen.notes == []
    await house.tell("eat 200")
    seen = await house.reaches("crashed")
    assert seen.last_exit is not None
    assert (seen.last_exit.signal, seen.last_exit.reason) == (9, "out of memory (the limit is 64 MiB)")
    assert seen.reason is not None and seen.reason.startswith("out of memory (the limit is 64 MiB)")
    assert house.of(NEIGHBOUR).pid == neighbour.pid
    await house.tell("eat 1", NEIGHBOUR)
    assert all(not Path(folder).exists() for folder in house.groups())


async def test_memory_within_the_limit_is_given(house: House) -> None:
    await house.start(memory_mib=128)
    await house.tell("eat 64")
    await house.until(lambda: b"ate\n" in house.output)
    assert (await house.order("stop")).phase == "stopped"


async def test_an_end_for_memory_is_told_by_the_next_life_of_the_node(house: House) -> None:
    pid = (await house.start(memory_mib=64)).pid
    assert pid is not None and house.node is not None
    await house.tell("eat 30")
    await house.until(lambda: b"ate\n" in house.output)
    link = house.data / "servers" / str(SERVER) / "keeper"
    await house.tell("eat 200")
    await house.close()
    await house.until(lambda: (read_json(str(link), "state.json") or {})["state"] == "exited")
    await house.open()
    seen = await house.reaches("crashed")
    assert seen.last_exit is not None and seen.last_exit.reason == "out of memory (the limit is 64 MiB)"


async def test_a_child_killed_for_memory_is_noted_while_the_game_lives_on(house: House) -> None:
    pid = (await house.start(memory_mib=64)).pid
    await house.tell("eat_in_a_child 200")
    await house.until(lambda: b"child -9\n" in house.output)
    note = "out of memory: one of its processes was killed, and the game lives on"
    await house.panel.until(lambda: note in house.seen.notes)
    assert (house.seen.phase, house.seen.pid) == ("running", pid)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_fork_bomb_is_contained_and_wholly_ended(house: House, how: wire.Verb) -> None:
    await house.start(NEIGHBOUR, 8)
    await house.start(processes=50)
    folders = house.groups()
    await house.tell("bomb")
    await house.until(lambda: len(members(folders)) >= 50)
    assert len(members(folders)) == 50
    victims = members(folders)
    await house.tell("eat 1", NEIGHBOUR)
    began = time.monotonic()
    wanted = house.wanted(processes=50, stop=wire.StopRule(command="stop", timeout_s=0.5))
    order = wire.Order(id=NEIGHBOUR, verb=how)
    await house.done(wire.Apply(servers=[msgspec.structs.replace(wanted, order=order)]))
    await house.reaches("stopped")
    assert time.monotonic() - began < 5
    assert members(folders) == []
    assert not any(map(is_running, victims))
    assert all(not Path(folder).exists() for folder in folders)
    assert house.of(NEIGHBOUR).phase == "running"


async def test_what_a_bomb_left_of_a_killed_keeper_is_ended_too(house: House) -> None:
    await house.start(processes=50)
    folders = house.groups()
    await house.tell("bomb")
    await house.until(lambda: len(members(folders)) >= 50)
    state = read_json(str(house.data / "servers" / str(SERVER) / "keeper"), "state.json")
    assert state is not None
    os.kill(state["keeper_pid"], signal.SIGKILL)
    await house.reaches("crashed")
    assert members(folders) == []
    assert all(not Path(folder).exists() for folder in folders)


async def test_a_game_gets_the_share_of_a_processor_that_it_may_have(house: House) -> None:
    pid = (await house.start(cpu_percent=20)).pid
    assert pid is not None
    await house.tell("spin")
    await house.until(lambda: b"spin\n" in house.output)
    process = psutil.Process(pid)
    before, began = process.cpu_times().user, time.monotonic()
    await house.until(lambda: process.cpu_times().user - before > 0.3)
    share = (process.cpu_times().user - before) / (time.monotonic() - began)
    assert share < 0.4


async def test_the_groups_of_the_dead_are_removed_at_a_start_and_those_of_the_living_are_not(house: House) -> None:
    pid = (await house.start(memory_mib=64)).pid
    folders = house.groups()
    await house.close()
    stray = [Path(folder).parent / f"{NEIGHBOUR}.{'0' * 32}" for folder in folders]
    for folder in stray:
        folder.mkdir()
    sleeper = await asyncio.create_subprocess_exec("sleep", "1000")
    (stray[0] / "cgroup.procs").write_text(str(sleeper.pid))
    await house.open()
    assert await sleeper.wait() == -9
    assert not any(folder.exists() for folder in stray)
    assert pid in members(folders)
    await house.panel.until(lambda: house.seen.pid == pid)


async def test_the_groups_of_a_removed_server_go_with_it(house: House) -> None:
    pid = (await house.start(memory_mib=64)).pid
    folders = house.groups()
    await house.done(wire.Remove(server=SERVER))
    assert pid is not None and not lives(pid)
    assert not any(Path(folder).exists() for folder in folders)


async def test_a_limit_that_the_kernel_does_not_take_is_noted_and_the_server_runs(house: House) -> None:
    seen = await house.start(cpu_percent=10**15)
    assert len(seen.notes) == 1
    assert "cpu limit could not be set" in seen.notes[0]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
