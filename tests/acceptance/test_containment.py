"""Games that take more than they may end, shown as what they are; their neighbours and the node notice nothing.

Memory, processes and disk of a real node are asked for by real games, through the whole product.
"""

from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Embedded, Innkeeper
from tests.acceptance.looking import eventually, programs_in
from tests.unit.node.limits.conftest import needs_groups

pytestmark = [pytest.mark.slow, needs_groups]

GREEDY = Path(__file__).parent / "games" / "greedy.py"
NO_RESTART = {"restart": False}


async def make(inn: Innkeeper, name: str, **limits: int) -> Server:
    return await inn.api.program(GREEDY, name=name, limits=limits, crash=NO_RESTART)


class Neighbour:
    """A server that must notice nothing."""

    def __init__(self, server: Server, pid: int) -> None:
        self._server = server
        self._pid = pid
        self._said = 0

    @classmethod
    async def of(cls, inn: Innkeeper) -> "Neighbour":
        server = await make(inn, "neighbour", memory_mib=64)
        return cls(server, (await server.view())["pid"])

    async def is_well(self) -> None:
        """Check that it runs as the same process and answers."""
        self._said += 1
        await self._server.command(f"hello {self._said}")
        await self._server.printed(f"heard hello {self._said}")
        assert (await self._server.until("running"))["pid"] == self._pid


async def test_a_game_that_takes_too_much_memory_is_killed_by_its_own_limit(innkeeper: Innkeeper) -> None:
    neighbour = await Neighbour.of(innkeeper)
    server = await make(innkeeper, "greedy", memory_mib=96)
    assert (await server.view())["notes"] == []
    await server.command("eat")
    view = await server.until("crashed", pid=None)
    assert view["reason"].startswith("out of memory (the limit is 96 MiB)")
    assert (view["last_exit"]["signal"], view["last_exit"]["reason"]) == (9, "out of memory (the limit is 96 MiB)")
    await neighbour.is_well()
    await server.order("start")
    await server.until("running")


async def test_a_fork_bomb_is_contained_and_ends_wholly_when_it_is_killed(embedded: Embedded) -> None:
    neighbour = await Neighbour.of(embedded)
    # Room enough for a thousand copies of Python: not memory, but the number of processes is what ends them here.
    server = await make(embedded, "bomb", memory_mib=4096)
    files = embedded.node_data / "servers" / server.id / "files"
    before = len(psutil.pids())
    await server.command("fork")
    await eventually(lambda: len(programs_in(files)) > 500, "the bomb to go off")
    assert len(psutil.pids()) < before + 2000
    await neighbour.is_well()
    await server.order("kill")
    assert programs_in(files) == []
    await neighbour.is_well()


async def test_a_game_that_fills_its_disk_is_ended_and_not_started_until_there_is_room(embedded: Embedded) -> None:
    neighbour = await Neighbour.of(embedded)
    server = await make(embedded, "filler", disk_mib=64)
    await server.command("fill")
    view = await server.until("stopped", pid=None)
    assert view["reason"].startswith("out of storage: ")
    assert view["reason"].endswith(" of 64 MiB")
    await neighbour.is_well()
    files = embedded.node_data / "servers" / server.id / "files"
    refused = await embedded.api.ask("POST", f"/servers/{server.id}/start", params={"wait": 20})
    assert refused["state"] == "failed"
    assert refused["reason"].startswith("out of storage: ")
    for path in files.glob("*.bin"):
        await embedded.api.ask("DELETE", f"/servers/{server.id}/files", params={"path": path.name})
    await server.order("start")
    await server.until("running")


async def test_an_upload_beyond_the_storage_is_refused_with_the_reason(embedded: Embedded) -> None:
    server = await make(embedded, "small", disk_mib=4)
    await server.upload("a", bytes(2 << 20))
    await embedded.api.ask(
        *("PUT", f"/servers/{server.id}/files/content"),
        params={"path": "b"},
        content=bytes(4 << 20),
        status=507,
    )


async def test_how_limits_are_kept_is_told(embedded: Embedded) -> None:
    (node,) = (await embedded.api.ask("GET", "/nodes"))["items"]
    told: list[Any] = node["facts"]["isolation"]
    assert any(line.startswith("Limited by control groups (cgroup v") for line in told)
    assert any(line.startswith("Storage is limited by") for line in told)
