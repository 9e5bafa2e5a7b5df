"""The zygote: there when it is needed, replaced when it is old, missed by nobody when it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from innkeeper.node.keeper import client
from innkeeper.node.keeper import zygote as zygote_module
from innkeeper.node.keeper.client import LaunchFailed, Zygote
from tests.unit.node.keeper.conftest import PYTHON, is_dead, until

SOURCE = Path(zygote_module.__file__).parents[3]
KIB_OF_ITS_OWN = 3 * 1024


def zygotes_of(directory: Path) -> list[int]:
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                name = (process / "comm").read_text().strip()
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if name == "innkeeper-zyg" and str(directory).encode() in words:
                found[int(process.name)] = parent
    return [pid for pid, parent in found.items() if parent not in found]  # a keeper is the zygote's child at first


async def test_one_zygote_serves_daemon_after_daemon(tmp_path, zygote):
    await zygote.ensure()
    first = zygotes_of(tmp_path / "node")
    await Zygote(tmp_path / "node").ensure()
    assert zygotes_of(tmp_path / "node") == first and len(first) == 1
    assert os.getsid(first[0]) != os.getsid(0)
    assert Path(f"/proc/{first[0]}/environ").read_bytes() in (b"", b"LC_CTYPE=C.UTF-8\0")
    assert sorted(os.listdir(f"/proc/{first[0]}/fd"), key=int)[:3] == ["0", "1", "2"]
    assert (tmp_path / "node" / "zygote.sock").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700


async def test_a_dead_zygote_is_replaced_and_its_keepers_live_on(tmp_path, zygote, make_server):
    first, second = make_server(), make_server()
    await first.start(["cat"])
    (pid,) = zygotes_of(tmp_path / "node")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: is_dead(pid))
    await second.start(["cat"])
    for server in (first, second):
        link = await server.link()
        await link.send(b"here\n")
        await server.printed(b"here\n")
        link.close()


async def test_a_zygote_of_other_code_is_replaced(tmp_path, zygote):
    await zygote.ensure()
    (old,) = zygotes_of(tmp_path / "node")
    newer = Zygote(tmp_path / "node")
    newer._version = "another"
    with pytest.raises(client.KeeperError, match="does not stay up"):
        await newer.ensure()
    assert is_dead(old)
    await zygote.ensure()


async def test_two_daemons_that_start_one_at_once_share_it(tmp_path, zygote):
    await asyncio.gather(*(Zygote(tmp_path / "node").ensure() for _ in range(4)))
    await zygote.ensure()
    assert len(zygotes_of(tmp_path / "node")) == 1


async def test_twenty_servers_started_at_once(make_server):
    servers = [make_server() for _ in range(20)]
    await asyncio.gather(*(server.start(["cat"]) for server in servers))
    assert len({server.state["pid"] for server in servers}) == 20


async def test_a_keeper_that_cannot_even_begin_says_why(tmp_path, zygote):
    with pytest.raises(LaunchFailed):
        await zygote.spawn(tmp_path / "nowhere", tmp_path / "journal")
    (tmp_path / "keep").mkdir()
    with pytest.raises(LaunchFailed, match=r"spec\.json is missing or damaged"):
        await zygote.spawn(tmp_path / "keep", tmp_path / "journal")


async def test_nonsense_harms_no_zygote(tmp_path, zygote, server):
    await zygote.ensure()
    for nonsense in (b"\n", b"{}\n", b"[1]\n", b"\xff" * 100_000 + b"\n", b'{"spawn": 1}\n'):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "node" / "zygote.sock"))
        await reader.readline()
        writer.write(nonsense)
        await reader.read()
        writer.close()
    assert len(zygotes_of(tmp_path / "node")) == 1
    await server.start(["cat"])


async def test_a_keeper_has_little_memory_of_its_own(make_server):
    servers = [make_server() for _ in range(3)]
    for server in servers:
        await server.start(["cat"])
    for server in servers:
        rollup = Path(f"/proc/{server.state['keeper_pid']}/smaps_rollup").read_text()
        own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
        assert own <= KIB_OF_ITS_OWN


def test_a_keeper_imports_little():
    script = "import sys; sys.path.append(sys.argv[1]); import innkeeper.node.keeper.zygote; print(*sys.modules)"
    done = subprocess.run([PYTHON, "-I", "-S", "-c", script, str(SOURCE)], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"asyncio", "typing", "pathlib", "subprocess", "logging", "msgspec", "threading", "inspect"}
    assert {name for name in modules if name.startswith("innkeeper")} <= {
        "innkeeper",
        "innkeeper.node",
        "innkeeper.node.console",
        "innkeeper.node.console.record",
        "innkeeper.node.console.writer",
        "innkeeper.node.keeper",
        *(f"innkeeper.node.keeper.{path.stem}" for path in (SOURCE / "innkeeper/node/keeper").glob("*.py")),
    } - {"innkeeper.node.keeper.client"}
