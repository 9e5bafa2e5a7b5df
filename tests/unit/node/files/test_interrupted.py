"""Uploads whose process is killed: the file is the old one whole or the new one whole, and what is left is swept."""

import os
import random
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from innkeeper.node.files.jail import Jail
from innkeeper.node.files.opening import is_hidden
from innkeeper.node.files.resolve import Resolver
from tests.unit.node.files import writer

KILLS = 15
"""For each way of resolving, at least: on it goes until enough of them have fallen into the middle of an upload."""
MOST_KILLS = 20 * KILLS


@pytest.mark.slow
def test_an_upload_killed_anywhere_leaves_a_whole_file_and_nothing_that_is_not_swept(
    jail: Jail, root: Path, resolver: Resolver
) -> None:
    chance = random.Random(type(resolver).__name__)
    jail.make_directory("world")
    jail.write(writer.NAME, writer.content(0))
    version, swept = 0, 0
    with jail.begin_write("world/other.dat") as alive:
        alive.write(b"of a living process")
        for kills in range(1, MOST_KILLS + 1):
            told = _killed(root, resolver, version + 1, chance)
            found = (root / writer.NAME).read_bytes()
            committed = max([version, *(number for what, number in told if what == "committed")])
            begun = max([version, *(number for _, number in told)])
            whole = [number for number in (committed, begun) if found == writer.content(number)]
            assert whole, f"{len(found)} bytes that are no version"
            version = whole[0]
            left = [name for name in os.listdir(root / "world") if is_hidden(name)]
            assert jail.sweep() == len(left) - 1, "all but that of the living process"
            swept += len(left) - 1
            assert jail.sweep() == 0
            assert [entry.name for entry in jail.list("world", 10)] == ["level.dat"]
            if kills >= KILLS and swept > KILLS // 3:
                break
        alive.commit()
    assert jail.read("world/other.dat", 0, 100) == b"of a living process"
    assert sorted(os.listdir(root / "world")) == ["level.dat", "other.dat"]
    assert version > 0 and swept > KILLS // 3, "the kills fall into the middle of uploads"


def _killed(root: Path, resolver: Resolver, first: int, chance: random.Random) -> list[tuple[str, int]]:
    """Let a process write, kill it somewhere; return all that it said."""
    command = [sys.executable, "-m", writer.__name__, str(root), type(resolver).__name__, str(first)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(chance.randrange(1, 40))]
        end = perf_counter() + chance.random() * 0.001
        while perf_counter() < end:
            pass
        process.kill()
        told += process.stdout.readlines()
    return [(what, int(number)) for what, number in (line.decode().split() for line in told)]
