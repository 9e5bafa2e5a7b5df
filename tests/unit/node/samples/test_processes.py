"""Trees of real processes are counted, whatever they fork and whatever is orphaned."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

from innkeeper.node.samples.processes import ProcessTable, Tree, Usage

GAME = """
import os, sys, time
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
end = time.process_time() + float(sys.argv[1])
while time.process_time() < end:
    pass
print("busy", flush=True)
sys.stdin.read()
"""

KEEPER = """
import ctypes, os, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
game = os.fork()
if game == 0:
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.wait()
    print(os.getpid(), flush=True)
    time.sleep(60)
os.waitpid(game, 0)
"""


@contextmanager
def started(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a session of its own and kill the whole session afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(found: Callable[[], Usage | None]) -> Usage:
    deadline = monotonic() + 10
    while monotonic() < deadline:
        if (usage := found()) is not None:
            return usage
        sleep(0.01)
    raise AssertionError("not seen in time")


def test_some_trees_are_read_alone_and_new_children_of_the_others_stay_theirs() -> None:
    with started(GAME, "0") as one, started(GAME, "0") as two:
        for game in (one, two):
            assert game.stdout is not None
            game.stdout.readline()
            game.stdout.readline()
        table: ProcessTable[str] = ProcessTable()
        trees = {"one": Tree(one.pid), "two": Tree(two.pid)}
        assert {key: usage.processes for key, usage in table.read(trees).items()} == {"one": 2, "two": 2}
        for _ in range(2):
            assert {key: usage.processes for key, usage in table.read(trees, ["two"]).items()} == {"two": 2}
        assert {key: usage.processes for key, usage in table.read(trees).items()} == {"one": 2, "two": 2}
        assert table.read({"two": trees["two"]}, ["one"]) == {}


def test_a_game_and_its_children_are_one_tree() -> None:
    with started(GAME, "0.3") as game:
        assert game.stdout is not None
        game.stdout.readline()
        table: ProcessTable[str] = ProcessTable()
        trees = {"a": Tree(game.pid)}
        assert table.read(trees)["a"].processes == 2
        game.stdout.readline()
        after = table.read(trees)["a"]
        assert 0.25 <= after.cpu_seconds < 5
        assert after.memory_bytes > 2 * 1024 * 1024


def test_what_a_game_left_orphaned_is_still_counted_and_its_keeper_is_not() -> None:
    with started(KEEPER) as keeper:
        assert keeper.stdout is not None
        game = int(keeper.stdout.readline())
        table: ProcessTable[str] = ProcessTable()
        assert table.read({"a": Tree(game, keeper.pid)})["a"].processes == 2
        assert table.read({"a": Tree(game)})["a"].processes == 1


def test_a_tree_met_late_is_found_though_it_was_looked_at_before() -> None:
    with started(GAME, "0") as first, started(GAME, "0") as second:
        for game in (first, second):
            assert game.stdout is not None
            game.stdout.readline()
        table: ProcessTable[str] = ProcessTable()
        assert table.read({"a": Tree(first.pid)}).keys() == {"a"}
        usages = table.read({"a": Tree(first.pid), "b": Tree(second.pid)})
        assert {key: usage.processes for key, usage in usages.items()} == {"a": 2, "b": 2}


def test_a_new_child_of_a_known_tree_is_found() -> None:
    script = "import os,sys,time\nprint(1,flush=True)\nsys.stdin.readline()\nos.fork()\ntime.sleep(60)"
    with started(script) as game:
        assert game.stdout is not None
        assert game.stdin is not None
        game.stdout.readline()
        table: ProcessTable[str] = ProcessTable()
        trees = {"a": Tree(game.pid)}
        assert table.read(trees)["a"].processes == 1
        game.stdin.write("\n")
        game.stdin.flush()
        until(lambda: usage if (usage := table.read(trees)["a"]).processes == 2 else None)


def test_an_ended_tree_is_left_out() -> None:
    with started("print(1, flush=True)") as game:
        game.wait()
        table: ProcessTable[str] = ProcessTable()
        assert table.read({"a": Tree(game.pid)}) == {}
        assert table.read({}) == {}
