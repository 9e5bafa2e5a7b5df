"""Ends: whole process trees die, nothing survives its keeper, and what became of a run can be told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from innkeeper.node.keeper.client import Ended, Lost, inspect, kill_lost
from tests.unit.node.keeper.conftest import is_dead, until

STUBBORN = """
def stubborn(depth):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.write(1, b"pid %d\\n" % os.getpid())
    if depth < 4:
        for _ in range(2):
            if os.fork() == 0:
                if os.fork() == 0:
                    stubborn(depth + 1)
                os._exit(0)
    while True:
        time.sleep(1)
"""


def pids_in(server) -> list[int]:
    return [int(line.split()[1]) for line in server.output().splitlines() if line.startswith(b"pid ")]


async def test_kill_ends_a_stubborn_tree_of_detached_processes_wholly(server):
    await server.python(STUBBORN + "stubborn(0)")
    await until(lambda: len(pids_in(server)) == 31)
    link = await server.link()
    await link.kill()
    assert [pid for pid in pids_in(server) if not is_dead(pid)] == []
    link.close()
    assert (await server.exited()).signal == signal.SIGKILL


async def test_what_a_game_leaves_behind_on_its_own_exit_dies_too(server):
    await server.python(STUBBORN + "if os.fork() == 0:\n stubborn(3)\nsys.stdin.readline(); os._exit(5)")
    await until(lambda: len(pids_in(server)) == 3)
    link = await server.link()
    await link.send(b"\n")
    link.close()
    assert (await server.exited()).code == 5
    assert [pid for pid in pids_in(server) if not is_dead(pid)] == []


async def test_the_game_dies_with_its_keeper_and_the_run_is_lost(server):
    await server.start(["sleep", "1000"])
    state = server.state
    os.kill(state["keeper_pid"], signal.SIGKILL)
    await until(lambda: is_dead(state["pid"]))
    await until(lambda: isinstance(inspect(server.keep), Lost))
    assert inspect(server.keep).leftovers == []


async def test_what_a_lost_run_left_is_found_and_killed(server):
    await server.python(STUBBORN + "stubborn(3)")
    await until(lambda: len(pids_in(server)) == 3)
    state = server.state
    os.kill(state["keeper_pid"], signal.SIGKILL)
    await until(lambda: is_dead(state["pid"]) and is_dead(state["keeper_pid"]))
    lost = inspect(server.keep)
    assert isinstance(lost, Lost)
    assert sorted(lost.leftovers) == sorted(set(pids_in(server)) - {state["pid"]})
    assert kill_lost(lost) == []
    assert all(is_dead(pid) for pid in pids_in(server))


async def test_the_next_keeper_first_ends_what_a_lost_run_left(server):
    await server.python(STUBBORN + "stubborn(3)")
    await until(lambda: len(pids_in(server)) == 3)
    before, state = pids_in(server), server.state
    os.kill(state["keeper_pid"], signal.SIGKILL)
    await until(lambda: is_dead(state["keeper_pid"]))
    await server.start(["cat"], run_id="run-2")
    assert all(is_dead(pid) for pid in before)
    assert server.state["run_id"] == "run-2"


async def test_a_keeper_ignores_polite_signals(server):
    await server.start(["cat"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(server.state["keeper_pid"], number)
    link = await server.link()
    await link.send(b"alive\n")
    await server.printed(b"alive\n")
    link.close()


async def test_the_end_is_recorded_before_it_is_told(server):
    await server.start(["sh", "-c", "read x; exit 9"])
    link = await server.link()
    await link.send(b"\n")
    async for _ in link.blocks:
        found = inspect(server.keep)
    assert isinstance(found, Ended) and found.exit.code == 9
    link.close()


async def test_the_game_inherits_nothing_but_its_terminal(server):
    program = """
for fd in sorted(os.listdir("/proc/self/fd"), key=int):
    try: print(fd, os.readlink("/proc/self/fd/" + fd).startswith("/dev/pts/"))
    except OSError: pass
print(sorted(os.environ), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp(), os.get_terminal_size(0))
"""
    await server.python(program)
    await server.exited()
    *descriptors, rest = server.output().decode().splitlines()
    assert descriptors == ["0 True", "1 True", "2 True"]
    assert "['INNKEEPER_RUN_MARK', 'LANG', 'PATH']" in rest
    assert "True True os.terminal_size(columns=200, lines=40)" in rest


async def test_no_new_privileges_limits_and_signals_of_the_game(server):
    await server.start(
        ["sh", "-c", "grep -E '^(NoNewPrivs|SigIgn|SigBlk|CapInh)' /proc/self/status; ulimit -n; umask"],
        rlimits={"NOFILE": [123, 456]},
        umask=0o077,
    )
    await server.exited()
    told = dict(line.split(":", 1) for line in server.output().decode().splitlines() if ":" in line)
    assert told["NoNewPrivs"].strip() == "1"
    # Signals 32 and 33 are the C library's own: what we inherited of them nobody can reset through it.
    ours = ~(0b11 << 31)
    assert int(told["SigIgn"], 16) & ours == int(told["SigBlk"], 16) & ours == 0
    assert server.output().decode().splitlines()[-2:] == ["123", "0077"]


async def test_a_limit_that_cannot_be_raised_is_noted(server):
    await server.start(["cat"], rlimits={"NOSUCH": [1, 1]})
    assert server.state["notes"] == ["the limit NOSUCH is unknown here"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_the_game_is_its_own_user_without_groups(server):
    await server.start(
        ["sh", "-c", "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status; echo err >/dev/stderr"],
        uid=65001,
        gid=65002,
    )
    await server.exited()
    told = server.output().decode()
    assert "Uid:\t65001\t65001\t65001\t65001" in told and "Gid:\t65002\t65002\t65002\t65002" in told
    assert "CapEff:\t0000000000000000" in told and "Groups:\t \n" in told and told.endswith("err\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_game_of_another_user_dies_with_its_keeper_too(server):
    await server.start(["sleep", "1000"], uid=65001, gid=65001)
    state = server.state
    os.kill(state["keeper_pid"], signal.SIGKILL)
    await until(lambda: is_dead(state["pid"]))


async def test_a_record_torn_by_a_crash_is_not_believed(server):
    (server.keep / "lock").touch()
    (server.keep / "state.json").write_bytes(b'{"run_id": "x')
    assert type(inspect(server.keep)).__name__ == "Never"
    await server.start(["true"])
    assert (await server.exited()).code == 0


async def test_a_run_cut_off_by_a_machine_that_went_down_is_lost(server):
    (server.keep / "lock").touch()
    record = {"run_id": "x", "mark": "m", "keeper_pid": 1, "pid": 1, "pid_starttime": 12345678901, "started_us": 1}
    record |= {"state": "running", "exit": None, "error": None, "notes": []}
    Path(server.keep / "state.json").write_bytes(msgspec.json.encode(record))
    found = inspect(server.keep)
    assert isinstance(found, Lost) and found.leftovers == []
