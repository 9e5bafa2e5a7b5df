"""A deleted server is gone and kept, whatever is killed meanwhile; and then it is really gone, and its port is free."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Innkeeper
from tests.acceptance.looking import eventually, is_alive

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"


async def deleted(innkeeper: Innkeeper) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await innkeeper.api.ask("GET", "/servers/deleted"))["items"]
    return found


async def delete(server: Server, innkeeper: Innkeeper) -> int:
    """Have a running server deleted, and everything but its game killed before anybody can see to it."""
    pid: int = (await server.view())["pid"]
    await innkeeper.api.ask("DELETE", f"/servers/{server.id}")
    await innkeeper.kill()
    await innkeeper.start()
    return pid


async def test_a_deleted_server_ends_and_comes_back_with_its_files(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.program(COUNTER, "5")
    await server.upload("notes.txt", b"much work")
    before = await server.view()
    pid = await delete(server, innkeeper)
    await eventually(lambda: not is_alive(pid), "the game to end")
    await innkeeper.api.ask("GET", f"/servers/{server.id}", status=410)
    (kept,) = await deleted(innkeeper)
    assert (kept["id"], kept["name"]) == (server.id, before["name"])
    await innkeeper.api.ask("POST", f"/servers/{server.id}/restore")
    await server.until("stopped", power="off")
    assert (await server.view())["port"] == before["port"]
    files = (await innkeeper.api.ask("GET", f"/servers/{server.id}/files?path="))["items"]
    assert "notes.txt" in {file["name"] for file in files}
    await server.order("start")
    await server.until("running")


async def test_after_its_time_a_deleted_server_is_gone_with_its_files(innkeeper: Innkeeper) -> None:
    await innkeeper.kill()
    await innkeeper.start("--deletion-grace", "0.0005")
    server = await innkeeper.api.program(COUNTER, "5")
    folder = innkeeper.node_data / "servers" / server.id
    assert folder.is_dir()
    pid = await delete(server, innkeeper)
    await eventually(lambda: not folder.exists(), "its files to be gone")
    assert not is_alive(pid)
    assert await deleted(innkeeper) == []
    await innkeeper.api.ask("POST", f"/servers/{server.id}/restore", status=409)
