"""Games and what they are installed from are trusted with nothing."""

import io
import json
import os
import re
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.hostile.house import API, Game, House, until

AS_ROOT = os.geteuid() == 0


def seen(house: House, game: Game) -> dict[str, Any]:
    """Return what the game sees of the world."""
    after = game.last()
    game.type(f"look {house.data}")
    found: dict[str, Any] = json.loads(game.printed("seen ", after).removeprefix("seen "))
    return found


@pytest.mark.skipif(not AS_ROOT, reason="without root a game runs as the node's own user, and the node says so")
def test_a_game_sees_nothing_of_the_house(house: House, game: Game, victim: Game) -> None:
    world = seen(house, game)
    uid = world["uid"][0]
    assert uid >= 1_900_000_000 and world["uid"] == [uid] * 3 and world["gid"] == [uid] * 3 and world["groups"] == []
    for what in ("database", "key", "shadow", "outside", "parent"):
        assert world[what].startswith("refused"), f"{what}: {world[what]}"
    for what in ("data", "node", "servers"):
        assert "innkeeper.db" not in world[what] and victim.id not in world[what], f"{what}: {world[what]}"
    assert world["new_privs"] == "1" and int(world["caps"], 16) == 0


def test_a_game_inherits_nothing(house: House, game: Game) -> None:
    world = seen(house, game)
    assert [fd for fd in world["fds"] if "/proc/" not in fd and "status" not in fd and "refused" not in fd] == []
    told = json.dumps(world["env"])
    for secret in (house.key, house.password, "INNKEEPER_TEST", "VIRTUAL_ENV", "PYTEST", "SSH_", "DATABASE"):
        assert secret not in told, secret
    assert set(world["env"]) <= {
        "PATH",
        "HOME",
        "LANG",
        "TERM",
        "USER",
        "LOGNAME",
        "SERVER_PORT",
        "SERVER_ADDRESS",
        "SERVER_MEMORY_MIB",
        "INNKEEPER_RUN",
        "LC_CTYPE",
        *(name for name in world["env"] if re.fullmatch(r"INNKEEPER_\w*(RUN|MARK)\w*", name)),
    }


@pytest.mark.skipif(not AS_ROOT, reason="without root everything runs as one user")
def test_a_game_cannot_reach_its_keeper_or_the_zygote(house: House, game: Game) -> None:
    uid = seen(house, game)["uid"][0]
    sockets = [*(house.data / "node").rglob("*.sock")]
    assert sockets
    program = (
        "import os,socket,sys\n"
        f"os.setgroups([]);os.setresgid({uid},{uid},{uid});os.setresuid({uid},{uid},{uid})\n"
        "for path in sys.argv[1:]:\n"
        "    try: socket.socket(socket.AF_UNIX).connect(path); print('reached', path)\n"
        "    except OSError: pass\n"
    )
    tried = subprocess.run(
        ["/usr/bin/env", "python3", "-c", program, *map(str, sockets)], capture_output=True, text=True, check=False
    )
    assert "reached" not in tried.stdout, tried.stdout


def test_a_games_processes_end_with_it(house: House) -> None:
    doomed = house.game("short-lived")
    pid = doomed.view()["pid"]
    doomed.delete()
    assert not psutil.pid_exists(pid)
    assert not list((house.data / "node").rglob(doomed.id))


# -- installing -------------------------------------------------------------------------------------------------------


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    """Return a zip of (name, content, mode)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def tarred(*members: tuple[str, bytes, str, bytes]) -> bytes:
    """Return a tar of (name, type, link, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind, link, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            info.devmajor = info.devminor = 1
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


ARCHIVES: dict[str, bytes] = {
    "slip.zip": zipped(("../../../slipped", b"x", 0o644)),
    "absolute.zip": zipped(("/tmp/innkeeper-slipped", b"x", 0o644)),
    "link.zip": zipped(("out", b"/etc", stat.S_IFLNK | 0o777), ("out/innkeeper-slipped", b"x", 0o644)),
    "bomb.zip": zipped(*((f"{number}", bytes(50_000_000), 0o644) for number in range(6))),
    "slip.tar": tarred(("../../../slipped", tarfile.REGTYPE, "", b"x")),
    "link.tar": tarred(("out", tarfile.SYMTYPE, "/etc", b""), ("out/innkeeper-slipped", tarfile.REGTYPE, "", b"x")),
    "hard.tar": tarred(("passwd", tarfile.LNKTYPE, "/etc/passwd", b"")),
    "device.tar": tarred(("memory", tarfile.CHRTYPE, "", b"")),
    "pipe.tar": tarred(("pipe", tarfile.FIFOTYPE, "", b"")),
    "nonsense.zip": b"PK\x03\x04" + b"\xff" * 5000,
    "cut.zip": zipped(("whole", b"x" * 100_000, 0o644))[:-40],
    "empty.tar": b"",
    "deep.tar": tarred(("d/" * 2000 + "x", tarfile.REGTYPE, "", b"x")),
}


@pytest.fixture(scope="module")
def crafty(house: House) -> Iterator[httpx.Client]:
    """The administrator, by Crafty's dialect."""
    with httpx.Client(base_url=f"{house.url}/api/v2", trust_env=False, timeout=60) as client:
        signed_in = client.post("/auth/login", json={"username": "admin", "password": house.password})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['data']['token']}"
        yield client


@pytest.fixture(scope="module")
def vessel(house: House) -> Iterator[Game]:
    vessel = house.game("vessel", start=False)
    yield vessel
    vessel.delete()


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_ends_in_a_failed_installation_that_says_why(house: House, vessel: Game, name: str) -> None:
    before = house.rss_mib
    assert house.client.put(f"{vessel.path}/archive", params={"name": name}, content=ARCHIVES[name]).status_code == 204
    house.ask("PATCH", f"/servers/{vessel.id}", json={"properties": {"archive": name}})
    done = vessel.order("reinstall")
    assert done["state"] == "failed" and done["reason"], done
    assert "Traceback" not in done["reason"] and str(house.folder) not in done["reason"], done["reason"]
    for path in (Path("/etc/innkeeper-slipped"), Path("/tmp/innkeeper-slipped"), *house.data.rglob("slipped")):
        assert not path.exists(), path
    assert house.rss_mib - before < 100


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_server_of_crafty_s_that_is_brought_along_in_a_hostile_archive_comes_to_nothing(
    house: House, imports: Path, crafty: httpx.Client, name: str
) -> None:
    before, packed = house.rss_mib, imports / name
    packed.write_bytes(ARCHIVES[name])
    looked = crafty.post("/import/file/unzip", json={"page": "import", "folder": str(packed)})
    assert looked.status_code in (200, 400), looked.text
    brought = {"zip_path": str(packed), "zip_root": "/", "command": "./run"}
    made = crafty.post(
        "/servers",
        json={
            "name": "hostile",
            "monitoring_type": "none",
            "create_type": "custom",
            "custom_create_data": {"create_type": "import_zip", "import_zip_create_data": brought},
        },
    )
    assert made.status_code == 201, made.text
    game = Game(house, house.ask("GET", f"/servers/{made.json()['data']['new_server_uuid']}"))
    installed: dict[str, Any] = {}

    def ended() -> bool:
        installed.update(house.ask("GET", f"/servers/{game.id}/operations")["items"][-1])
        return installed["state"] in ("done", "failed")

    until(ended, "the installation to end", within=120)
    reason = installed["reason"]
    assert installed["state"] == "failed" and reason and "Traceback" not in reason and str(house.folder) not in reason
    assert not list(game.folder.iterdir())
    for path in (Path("/etc/innkeeper-slipped"), Path("/tmp/innkeeper-slipped"), *house.data.rglob("slipped")):
        assert not path.exists(), path
    assert house.rss_mib - before < 100
    assert crafty.delete(f"/servers/{made.json()['data']['new_server_id']}?files=true").status_code == 200


@pytest.mark.parametrize(
    "folder",
    ["/etc", "/", "/root", "..", "{imports}/..", "{imports}2", "{data}", "{imports}/link", "{imports}/link/passwd"],
)
def test_only_what_was_opened_to_imports_is_looked_at(
    house: House, imports: Path, crafty: httpx.Client, folder: str
) -> None:
    link = imports / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    place = folder.format(imports=imports, data=house.data)
    reply = crafty.post("/import/file/unzip", json={"folder": place, "unzip": False})
    assert reply.status_code == 400, reply.text
    assert "data" not in reply.json()


@pytest.mark.parametrize(
    "folder",
    [
        "/etc",
        "/",
        "/root",
        "..",
        "../..",
        "{imports}/..",
        "{imports}/../../",
        "{imports}2",
        "{data}",
        "{data}/node",
        "world",
        "{imports}/link",
        "/proc/self",
        "\\\\host\\share",
        "{imports}/world/../../..",
    ],
)
def test_only_what_was_opened_to_imports_is_imported(house: House, imports: Path, vessel: Game, folder: str) -> None:
    link = imports / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    place = folder.format(imports=imports, data=house.data)
    properties = {"archive": "", "import-folder": place}
    reply = house.client.patch(f"{API}/servers/{vessel.id}", json={"properties": properties})
    if reply.status_code == 422:
        return
    done = vessel.order("reinstall")
    assert done["state"] == "failed", done
    assert not [
        path for path in vessel.folder.rglob("*") if path.name in ("passwd", "shadow", "innkeeper.db", "identity.json")
    ]


def test_what_was_opened_is_imported(house: House, imports: Path, vessel: Game) -> None:
    properties = {"archive": "", "import-folder": str(imports / "world")}
    house.ask("PATCH", f"/servers/{vessel.id}", json={"properties": properties})
    assert vessel.order("reinstall")["state"] == "done"
    assert (vessel.folder / "level.dat").read_bytes() == b"a world"
