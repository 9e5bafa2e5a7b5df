"""Whole nodes with games that mean ill; what is made of control groups is gone afterwards, or the test fails."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.keeper import groups
from innkeeper.node.keeper.state import read_json
from innkeeper.node.limits.cgroups import detect
from innkeeper.node.main import stop_all_servers
from innkeeper.wire import messages as wire
from tests.unit.node.fakes import FakePanel
from tests.unit.node.test_node import SERVER, Inn, desired

PYTHON = os.path.realpath(sys.executable)
NEIGHBOUR = UUID("0198a000-0000-7000-8000-00000000000b")
GAME = """
import os, subprocess, sys, time
held = []
def eat(mib):
    for _ in range(int(mib)):
        held.append(bytearray(os.urandom(4096)) * 256)
    print("ate", flush=True)
def eat_in_a_child(mib):
    print("child", subprocess.run([sys.executable, "-c", f"x = [bytearray(b'x') * (1 << 20) for _ in range({mib})]"],
        check=False).returncode, flush=True)
def bomb():
    print("bomb", flush=True)
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
        except OSError:
            pass
def spin():
    print("spin", flush=True)
    while True:
        pass
def write(name, mib):
    with open(name, "ab") as file:
        for _ in range(int(mib)):
            file.write(bytes(1 << 20))
            file.flush()
    print("wrote", flush=True)
def fill(mib, pause="0"):
    for number in range(100000):
        with open(f"{number}.bin", "wb") as file:
            for _ in range(int(mib)):
                file.write(bytes(1 << 20))
        time.sleep(float(pause))
def stop():
    print("saving", flush=True)
    sys.exit(0)
print("opened", flush=True)
for line in sys.stdin:
    verb, *words = line.split()
    globals()[verb](*words)
"""


class House(Inn):
    """A node, its panel, and a server that does what it is told on its console."""

    async def start(self, uuid: UUID = SERVER, number: int = 7, **limits: Any) -> wire.ObservedServer:
        """Start a server with these limits."""
        wanted = self.wanted(uuid, number, **limits)
        order = wire.Order(id=uuid4(), verb="start")
        await self.done(wire.Apply(servers=[msgspec.structs.replace(wanted, order=order)]))
        await self.panel.until(lambda: self.of(uuid).phase == "running")
        return self.of(uuid)

    def wanted(self, uuid: UUID = SERVER, number: int = 7, **limits: Any) -> wire.DesiredServer:
        changes = {
            "argv": [PYTHON, "-I", "-S", "-c", GAME.replace("{", "{{").replace("}", "}}")],
            "number": number,
            **limits,
        }
        return desired(uuid, **changes)

    def of(self, uuid: UUID) -> wire.ObservedServer:
        return self.panel.servers.get(uuid) or wire.ObservedServer(uuid=uuid, generation=0, phase="created")

    async def tell(self, line: str, uuid: UUID = SERVER) -> None:
        await self.done(wire.SendLine(server=uuid, line=line))

    async def reaches(self, phase: str) -> wire.ObservedServer:
        await self.panel.until(lambda: self.seen.phase == phase)
        return self.seen

    def files(self, uuid: UUID = SERVER) -> Path:
        return self.data / "servers" / str(uuid) / "files"

    def groups(self, uuid: UUID = SERVER) -> list[str]:
        """The folders of the control groups of a server's last run."""
        state = read_json(str(self.data / "servers" / str(uuid) / "keeper"), "state.json")
        assert state is not None
        found: list[str] = state["cgroups"]
        return found


def may_make_groups() -> bool:
    """Tell whether this host lets us bound memory, cpu and processes."""
    found = detect(Path("/nonexistent/probe"))
    found.close()
    return len(found.bounds) == 3


needs_groups = pytest.mark.skipif(not may_make_groups(), reason="this host lets us make no control groups")


@pytest.fixture
async def house(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[House]:
    house = House(bus, panel, tmp_path / "data")
    await house.listen()
    await house.open()
    yield house
    await house.close()
    assert await stop_all_servers(house.data) == []
    left = detect(house.data)
    left.sweep(())
    left.close()
    assert left_of(house.data) == []


def left_of(data: Path) -> list[str]:
    """Return the folders of a node's control groups that are still there."""
    found = detect(data)
    places = [str(place) for place in found.places]
    found.close()
    return [place for place in places if groups.members([place]) or Path(place).exists()]
