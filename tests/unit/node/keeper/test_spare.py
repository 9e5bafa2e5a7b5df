"""The keeper forked in advance: taken by the next start, gone with its zygote, and never the reason for a lost game."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from innkeeper.node.keeper.client import LaunchFailed, Never, Running, inspect
from tests.unit.node.keeper.conftest import is_dead, until
from tests.unit.node.keeper.test_zygote import KIB_OF_ITS_OWN, zygotes_of

NODE = """
import asyncio, pathlib, sys, time
from innkeeper.node.keeper.client import Zygote
asyncio.run(Zygote(pathlib.Path(sys.argv[1])).ensure())
print("up", flush=True)
time.sleep(1000)
"""


def processes_of(directory: Path, name: str = "") -> set[int]:
    """Return what lives of a node folder's zygote and the keepers forked from it."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                called = (process / "comm").read_text().strip()
            except OSError:
                continue
            if str(directory).encode() in words and called.startswith(name) and not is_dead(int(process.name)):
                found.add(int(process.name))
    return found


async def spare_of(directory: Path, *keepers: int) -> int:
    """Wait until there is a spare beside these keepers; return its process."""
    await until(lambda: len(processes_of(directory, "innkeeper-keep") - set(keepers)) == 1)
    (pid,) = processes_of(directory, "innkeeper-keep") - set(keepers)
    await until(lambda: "anon_inode" in held_by(pid))
    return pid


def held_by(pid: int) -> list[str]:
    """Return what kinds of descriptors a process has."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(fd.readlink()).partition(":")[0])
        except FileNotFoundError:
            continue
    return sorted(found)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return tmp_path / "node"


async def test_the_next_start_takes_the_spare_and_another_one_follows(node, zygote, make_server):
    await zygote.ensure()
    keepers: list[int] = []
    for _ in range(3):
        spare = await spare_of(node, *keepers)
        server = make_server()
        await server.start(["cat"])
        assert server.state["keeper_pid"] == spare
        keepers.append(spare)
    await spare_of(node, *keepers)


async def test_a_spare_is_nobodys_child_and_holds_nothing_of_others(node, zygote, monkeypatch):
    monkeypatch.setenv("INNKEEPER_SECRET", "of-the-daemon")
    await zygote.ensure()
    spare, (zygote_pid,) = await spare_of(node), zygotes_of(node)
    fields = Path(f"/proc/{spare}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[1]) not in (zygote_pid, os.getpid())
    assert os.getsid(spare) not in (os.getsid(0), os.getsid(zygote_pid))
    assert b"SECRET" not in Path(f"/proc/{spare}/environ").read_bytes()
    null, log = "/dev/null", str(node / "zygote.log")
    await until(lambda: held_by(spare) == [null, null, log, "anon_inode", "pipe", "pipe", "socket"])


async def test_a_game_of_a_spare_inherits_nothing_but_its_terminal(node, zygote, server):
    await zygote.ensure()
    spare = await spare_of(node)
    program = """
for fd in sorted(os.listdir("/proc/self/fd"), key=int):
    try: print(fd, os.readlink("/proc/self/fd/" + fd).startswith("/dev/pts/"))
    except OSError: pass
print(sorted(os.environ))
ignored = next(line for line in open("/proc/self/status") if line.startswith("SigIgn")).split()[1]
print(int(ignored, 16) & ~(1 << 12 | 1 << 24 | 3 << 31))
"""
    await server.python(program)
    await server.exited()
    assert server.state["keeper_pid"] == spare
    *descriptors, environment, ignored = server.output().decode().splitlines()
    assert descriptors == ["0 True", "1 True", "2 True"]
    assert environment == "['INNKEEPER_RUN_MARK', 'LANG', 'PATH']"
    assert ignored == "0"  # but what Python ignores at its start, and the C library for itself


async def test_spare_and_its_keeper_have_little_memory_of_their_own(node, zygote, server):
    await zygote.ensure()
    spare = await spare_of(node)
    for _ in range(2):
        rollup = Path(f"/proc/{spare}/smaps_rollup").read_text()
        assert sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) < KIB_OF_ITS_OWN
        if not server.journal.exists():
            await server.start(["cat"])


async def test_a_spare_ends_with_a_zygote_that_is_told_to(node, zygote):
    await zygote.ensure()
    await spare_of(node)
    await zygote.quit()
    await until(lambda: not processes_of(node))


async def test_nothing_is_left_where_node_and_zygote_are_killed(node, zygote):
    with subprocess.Popen([sys.executable, "-c", NODE, str(node)], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert b"up\n" in iter(daemon.stdout.readline, b"")
        spare, (zygote_pid,) = await spare_of(node), zygotes_of(node)
        daemon.kill()
    assert not is_dead(spare), "it waits for the next daemon"
    os.kill(zygote_pid, signal.SIGKILL)
    await until(lambda: not processes_of(node))
    assert is_dead(spare)


async def test_a_spare_that_was_killed_is_not_missed(node, zygote, server):
    await zygote.ensure()
    spare = await spare_of(node)
    os.kill(spare, signal.SIGKILL)
    await until(lambda: is_dead(spare))
    await server.start(["cat"])
    assert server.state["keeper_pid"] != spare
    assert isinstance(inspect(server.keep), Running)


async def test_a_spare_killed_with_its_order_is_a_failed_launch(node, zygote, server):
    await zygote.ensure()
    spare = await spare_of(node)
    os.kill(spare, signal.SIGSTOP)
    starting = asyncio.ensure_future(server.start(["cat"]))
    await spare_of(node, spare)  # the next one: this one has its order
    os.kill(spare, signal.SIGKILL)
    with pytest.raises(LaunchFailed, match="the keeper died while starting"):
        await starting
    assert isinstance(inspect(server.keep), Never)
    await server.start(["cat"])
    assert isinstance(inspect(server.keep), Running)


async def test_a_spare_that_has_its_order_needs_no_zygote(node, zygote, server):
    await zygote.ensure()
    spare, (zygote_pid,) = await spare_of(node), zygotes_of(node)
    os.kill(spare, signal.SIGSTOP)
    starting = asyncio.ensure_future(server.start(["cat"]))
    await spare_of(node, spare)
    os.kill(zygote_pid, signal.SIGKILL)
    os.kill(spare, signal.SIGCONT)
    await starting
    assert server.state["keeper_pid"] == spare
    await until(lambda: processes_of(node) == {spare})


async def test_a_second_order_for_a_server_that_runs_is_refused_by_the_lock(node, zygote, server):
    await zygote.ensure()
    await spare_of(node)
    await server.start(["cat"])
    first = server.state
    await spare_of(node, first["keeper_pid"])
    with pytest.raises(LaunchFailed, match="it is running already"):
        await server.start(["cat"], run_id="run-2")
    assert server.state == first
