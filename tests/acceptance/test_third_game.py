"""A game that nobody has heard of, added by a folder with a TOML file and the game itself: it is everywhere at once."""

from pathlib import Path

import pytest

from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually, free_port

pytestmark = pytest.mark.slow

PACKAGE = r"""
name = "parrot"
title = "Parrot"
description = "Says what it is told."

[[runtimes]]
name = "parrot"
default = true
requires = ["python3"]
versions = ["2", "1"]
aliases = { latest = "2", steady = "1" }

[[runtimes]]
name = "whistle"
title = "Whistling"
addon = true
versions = ["7"]
aliases = { latest = "7" }

[[runtimes.install]]
uses = "files"
files = { "whistle.txt" = "whistle.txt" }

[[install]]
uses = "files"
files = { "parrot.py" = "parrot.py" }

[start]
command = ["python3", "-u", "parrot.py", "{version}", "{memory_mib}"]
timeout_s = 20

[stop]
command = "hush"
timeout_s = 10

[console]
ready = '^Parrot \d+ is awake'
join = '^\+(?P<player>\w+)$'
leave = '^-(?P<player>\w+)$'

[[ports]]
name = "game"
default = 4000

[[config_files]]
path = "parrot.ini"
format = "ini"

[[properties]]
name = "cage-rules"
type = "boolean"
required = true
must_be = true
description = "You have to feed it."
category = "Permissions"

[[properties]]
name = "word"
type = "select"
choices = ["hello", "ahoy"]
default = "hello"
category = "Game"
writes = { file = "parrot.ini", key = "voice.word" }

[[properties]]
name = "tune"
required = true
runtimes = ["whistle"]

[[plans]]
name = "parrot.small"
title = "Small"
resources = { memory_mib = 128, cpu_percent = 100, disk_mib = 500, backups_mib = 500 }
prices = [{ currency = "USD", hourly = "0.01", monthly = "1.00" }]
"""
PARROT = """
import pathlib, sys
word = next(line.split("=")[1].strip() for line in open("parrot.ini") if line.startswith("word"))
extra = pathlib.Path("whistle.txt").read_text().strip() if pathlib.Path("whistle.txt").exists() else "nothing"
print(f"Parrot {sys.argv[1]} is awake with {sys.argv[2]} MiB, says {word}, whistles {extra}")
for line in sys.stdin:
    if line.strip() == "hush":
        break
    print(line.strip())
"""


@pytest.fixture
def games(tmp_path: Path) -> Path:
    folder = tmp_path / "games" / "parrot"
    folder.mkdir(parents=True)
    (folder / "package.toml").write_text(PACKAGE)
    (folder / "parrot.py").write_text(PARROT)
    (folder / "whistle.txt").write_text("a tune\n")
    return folder.parent


async def is_alone(server: Server, name: str) -> bool:
    """Say whether that one plays and nobody else."""
    return await server.players() == [name]


async def test_a_folder_is_all_that_a_new_game_needs(tmp_path: Path, games: Path) -> None:
    async with Embedded(tmp_path / "data", arguments=("--no-sample", "--packages", str(games))) as inn:
        listed = await inn.api.ask("GET", "/packages")
        assert {"parrot", "minecraft", "luanti"} <= {package["name"] for package in listed["items"]}
        package = await inn.api.ask("GET", "/packages/parrot")
        assert package["plans"] == ["parrot.small"]
        base, addon = package["runtimes"]
        assert (base["versions"], base["aliases"], base["addon"]) == (["2", "1"], {"latest": "2", "steady": "1"}, False)
        assert (addon["name"], addon["addon"]) == ("whistle", True)
        assert [item["name"] for item in package["properties"]] == ["cage-rules", "word", "tune"]

        draft = {"name": "polly", "package": "parrot", "port": free_port(), "plan": "parrot.small", "version": "steady"}
        draft |= {"addons": {"whistle": None}}
        for properties, complaint in (
            ({"tune": "x"}, "cage-rules must be true: You have to feed it."),
            ({"tune": "x", "cage-rules": False}, "cage-rules must be true: You have to feed it."),
            ({"cage-rules": True}, "tune is required."),
            ({"cage-rules": True, "tune": "x", "word": "boo"}, "word is one of hello, ahoy."),
            ({"cage-rules": True, "tune": "x", "wings": 2}, "parrot has no property 'wings'."),
        ):
            refused = await inn.api.ask("POST", "/servers", status=422, json={**draft, "properties": properties})
            assert complaint in str(refused), refused

        given = {"Cage-Rules": True, "tune": "x", "word": "ahoy"}
        server = await inn.api.create(**{**draft, "properties": given})
        view = await server.view()
        assert (view["version"], view["plan"], view["limits"]["memory_mib"]) == ("1", "parrot.small", 128)
        await server.printed("Parrot 1 is awake with 128 MiB, says ahoy, whistles a tune")
        await server.command("+Alice")
        await eventually(lambda: is_alone(server, "Alice"), "Alice to be there")
        options = await inn.api.ask("GET", f"/servers/{server.id}/config", params={"path": "parrot.ini"})
        assert [(option["key"], option["value"]) for option in options["items"]] == [("voice.word", "ahoy")]
        await server.order("stop")
        assert (await server.view())["last_exit"]["clean"]
