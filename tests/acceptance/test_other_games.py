"""Games of the catalogue beside Minecraft, installed from Debian and really run: ready, played, stopped, played on."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="this host is no Debian"),
]


@asynccontextmanager
async def openttd_player(tree: Path, folder: Path, port: int, name: str) -> AsyncIterator[None]:
    """Have the game itself play, without a window, for as long as this is open."""
    folder.mkdir()
    (folder / "openttd.cfg").write_text(f"[network]\nclient_name = {name}\n")
    libraries = f"{tree}/lib/x86_64-linux-gnu:{tree}/usr/lib/x86_64-linux-gnu"
    process = await asyncio.create_subprocess_exec(
        *(str(tree / "usr/games/openttd"), "-c", str(folder / "openttd.cfg")),
        *("-v", "sdl", "-s", "null", "-m", "null", "-p", "choo-choo", "-n", f"127.0.0.1:{port}#255"),
        cwd=folder,
        env={"HOME": str(folder), "SDL_VIDEODRIVER": "dummy", "LD_LIBRARY_PATH": libraries},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()  # at anything less it asks whether it should really end
        async with asyncio.timeout(20):
            await process.wait()


async def are_there(server: Server, *names: str) -> bool:
    """Say whether exactly these play."""
    return await server.players() == list(names)


async def test_openttd_is_installed_joined_left_saved_and_played_on(embedded: Embedded, tmp_path: Path) -> None:
    given = {"server-name": "The Line", "password": "choo-choo", "map-size": 6, "map-height": 6}
    server = await embedded.api.create(package="openttd", port=free_port(), properties=given)
    [tree] = (embedded.node_data / "shared" / "debian").glob("openttd-*")
    await server.printed("The game has started.")

    async with openttd_player(tree, tmp_path / "player", server.port, "Bob"):
        await eventually(lambda: are_there(server, "Bob"), "Bob to be there")
        await server.command('say "all aboard"')
        await server.printed("Server: all aboard")
    await eventually(lambda: are_there(server), "Bob to be gone")

    await server.order("stop")
    stopped = await server.view()
    assert stopped["last_exit"]["clean"], stopped
    assert await embedded.api.ask("GET", f"/servers/{server.id}/files", params={"path": "save/autosave"})

    await server.order("start")
    await server.until("running")
    texts = [text for _, text in await server.lines()]
    assert sum("The game has started." in text for text in texts) == 2
    assert sum("Generating map" in text for text in texts) == 1, "it played on from what it had saved"
    await server.order("stop")


async def test_luanti_is_installed_runs_and_stops_in_order(embedded: Embedded) -> None:
    server = await embedded.api.create(package="luanti", port=free_port(), properties={"motd": "Dig in"})
    await server.printed("listening on 127.0.0.1")
    await server.order("stop")
    stopped = await server.view()
    assert stopped["last_exit"]["clean"], stopped
    config = await embedded.api.ask("GET", f"/servers/{server.id}/config", params={"path": "minetest.conf"})
    assert {option["key"]: option["value"] for option in config["items"]}["motd"] == "Dig in"
    await embedded.api.ask("GET", f"/servers/{server.id}/files", params={"path": "worlds/world"})
