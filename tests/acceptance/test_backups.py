"""Backups as users have them: of a game that runs, put back, cloned, downloaded, and by the command line."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.asking import Api, Server
from tests.acceptance.innkeepers import Embedded, Innkeeper, run
from tests.acceptance.looking import eventually

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"


async def finished(api: Api, server: Server, backup: dict[str, Any]) -> dict[str, Any]:
    """Return a backup once it is made."""
    last: dict[str, Any] = backup

    async def is_over() -> bool:
        nonlocal last
        last = await api.ask("GET", f"/servers/{server.id}/backups/{backup['id']}")
        return last["state"] in ("done", "failed")

    await eventually(is_over, "the backup to be made", otherwise=lambda: str(last))
    assert last["state"] == "done", last
    return last


async def made(api: Api, server: Server, name: str = "") -> dict[str, Any]:
    """Make a backup and return it."""
    begun = await api.ask("POST", f"/servers/{server.id}/backups", status=202, json={"name": name})
    return await finished(api, server, begun)


async def content(api: Api, server: Server, path: str) -> bytes:
    """Return one of its files."""
    reply = await api._client.get(f"/servers/{server.id}/files/content", params={"path": path})
    assert reply.is_success, reply.text
    return reply.content


def names_in(archive: bytes) -> list[str]:
    """Return the names in a compressed tar archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return [name.removeprefix("./") for name in opened.getnames()]


async def test_a_running_server_is_backed_up_griefed_restored_cloned_and_downloaded(innkeeper: Innkeeper) -> None:
    api = innkeeper.api
    server = await api.program(COUNTER, "5")
    await api.ask("POST", f"/servers/{server.id}/files/directory", json={"path": "world/region"})
    await server.upload("world/region/r.0.0", b"region" * 50_000)
    await server.upload("world/level", b"level")
    backup = await made(api, server, "before the party")
    assert (backup["files"], backup["cause"]) == (3, "asked")
    pid = (await server.view())["pid"]

    await server.upload("world/level", b"griefed")
    await server.upload("world/junk", b"junk")
    restore = f"/servers/{server.id}/backups/{backup['id']}/restore"
    done = await api.done(await api.ask("POST", restore, status=202, json={}))
    assert done["verb"] == "restore"
    await server.another_run(pid)
    assert await content(api, server, "world/level") == b"level"
    await api.ask("GET", f"/servers/{server.id}/files/content", params={"path": "world/junk"}, status=404)

    await server.upload("world/level", b"again")
    await api.done(await api.ask("POST", restore, status=202, json={"paths": ["world/level"]}))
    assert await content(api, server, "world/level") == b"level"
    assert (await server.view())["state"] == "running"
    listed = (await api.ask("GET", f"/servers/{server.id}/backups"))["items"]
    assert [one["cause"] for one in listed] == ["before_restore", "asked"]

    cloned = await api.ask("POST", f"/servers/{server.id}/clone", status=202, json={"name": "twin"})
    await api.done(cloned["operation"])
    twin = Server(api, await api.ask("GET", f"/servers/{cloned['server']}"))
    assert await content(api, twin, "world/region/r.0.0") == b"region" * 50_000
    await twin.order("start")
    await twin.until("running")

    for form in ("zip", "tar.gz"):
        where = f"/servers/{server.id}/backups/{backup['id']}/content"
        archive = (await api._client.get(where, params={"form": form})).content
        if form == "zip":
            names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
        else:
            names = names_in(archive)
        assert {"world/level", "counter.py"} <= {name.rstrip("/") for name in names}


async def test_the_panel_and_the_node_killed_meanwhile_change_nothing(embedded: Embedded) -> None:
    api = embedded.api
    server = await api.program(COUNTER, "5")
    for number in range(20):
        await server.upload(f"f{number}", str(number).encode() * 200_000)
    begun = await api.ask("POST", f"/servers/{server.id}/backups", status=202, json={})
    await embedded.kill()
    await embedded.start()
    backup = await finished(api, server, begun)
    assert backup["files"] == 21
    await server.upload("f7", b"")
    restore = f"/servers/{server.id}/backups/{backup['id']}/restore"
    operation = await api.ask("POST", restore, status=202, json={})
    await embedded.kill()
    await embedded.start()
    await embedded.node_is_online()

    async def is_over() -> bool:
        now = await api.ask("GET", f"/operations/{operation['id']}")
        assert now["state"] != "failed", now
        return bool(now["state"] == "done")

    await eventually(is_over, "the restore to end")
    await server.until("running")
    assert await content(api, server, "f7") == b"7" * 200_000


async def test_the_command_line_makes_lists_verifies_restores_and_keeps_by_rules(embedded: Embedded) -> None:
    server = await embedded.api.program(COUNTER, "5", name="camp")
    await server.upload("level", b"level")

    async def inn(*words: str) -> Any:
        status, output, events = await run(*words, "--data", str(embedded.data), "--json")
        assert status == 0, output + events
        return json.loads(output)

    first = await inn("backups", "create", "camp", "--name", "first")
    assert (first["state"], first["name"]) == ("done", "first")
    await server.upload("level", b"other")
    await inn("backups", "restore", "camp", "first", "--path", "level", "--yes")
    assert await content(embedded.api, server, "level") == b"level"
    assert (await inn("backups", "verify", "camp", "latest"))["verified"] is True
    target = embedded.folder / "first.tar.gz"
    await inn("backups", "get", "camp", "first", str(target))
    assert "level" in names_in(target.read_bytes())
    await inn("backups", "lock", "camp", "first")
    await inn("backups", "create", "camp", "--name", "second")
    await inn("backups", "create", "camp", "--name", "third")
    rules = await inn("backups", "policy", "set", "camp", "--keep-last", "1", "--exclude", "logs/")
    assert (rules["keep_last"], rules["exclusions"]) == (1, ["logs/"])
    assert [one["name"] for one in await inn("backups", "ls", "camp")] == ["third", "first"]
    status, output, _ = await run("backups", "rm", "camp", "first", "--yes", "--data", str(embedded.data))
    assert (status, "locked" in output + _) == (1, True)
    await inn("backups", "rm", "camp", "third", "--yes")
