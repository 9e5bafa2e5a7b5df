"""Package files: what is refused, and that the refusal says where and why."""

from pathlib import Path

import pytest

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.loader import SHIPPED, load_package, load_packages

WHOLE = r"""
name = "game"
title = "Game"
[[runtimes]]
name = "main"
versions = ["2", "1"]
aliases = { latest = "2" }
[[install]]
key = "files"
uses = "files"
manifest_file = "side.txt"
files = { "a.txt" = "side.txt" }
[start]
command = ["game", "{version}", "{shared:files}/a.txt", "{port}"]
[tick]
command = "tick"
pattern = '(?P<ms>\d+) ms'
[[config_files]]
path = "game.properties"
format = "properties"
options = [{ key = "level", type = "select", choices = ["low", { value = "high", label = "High" }] }]
[[config_files]]
path = "mods/**/*.json"
format = "json"
[[player_lists]]
name = "whitelist"
path = "whitelist.txt"
format = "lines"
pattern = "[a-z]+"
add = "allow {entry}"
[[ports]]
name = "game"
default = 7000
[[properties]]
name = "motd"
default = "hi"
writes = { file = "game.properties", key = "motd" }
[[properties]]
name = "mode"
type = "select"
choices = ["easy", { value = "hard", label = "Hard" }]
default = "easy"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "game"
    folder.mkdir()
    (folder / "side.txt").write_text("beside")
    (tmp_path / "secret.txt").write_text("not yours")
    return folder


def write(folder: Path, text: str) -> Path:
    (folder / "package.toml").write_text(text)
    return folder


def test_a_whole_package_is_read_with_its_side_files(folder: Path) -> None:
    package = load_package(write(folder, WHOLE))
    assert package.install[0]["manifest"] == "beside"
    assert package.install[0]["files"] == {"a.txt": "beside"}
    mode = package.property_named("MODE")
    assert mode is not None
    assert [(choice.value, choice.label) for choice in mode.choices] == [("easy", "easy"), ("hard", "Hard")]
    [option] = package.config_files[0].options
    assert [(choice.value, choice.label) for choice in option.choices] == [("low", "low"), ("high", "High")]


def test_the_shipped_packages_are_whole() -> None:
    assert [package.name for package in load_packages(SHIPPED)] == ["custom", "minecraft"]


def test_packages_are_found_by_their_folders_and_others_passed_over(folder: Path) -> None:
    write(folder, WHOLE)
    (folder.parent / "empty").mkdir()
    assert [package.name for package in load_packages(folder.parent)] == ["game"]


BROKEN = {
    "no TOML": ('name = "game', ""),
    "no such table": ("[start]", "[starrt]"),
    "a misspelt key": ('title = "Game"', 'title = "Game"\ntitel = "Game"'),
    "a misspelt key within": ('format = "properties"', 'format = "properties"\ninital = {}'),
    "a missing title": ('title = "Game"', ""),
    "another name than its folder's": ('name = "game"\ntitle', 'name = "other"\ntitle'),
    "a number for a name": ('name = "game"\ntitle', "name = 5\ntitle"),
    "a runtime twice": ("[[install]]", '[[runtimes]]\nname = "main"\n[[install]]'),
    "an alias of nothing": ('latest = "2"', 'latest = "3"'),
    "a property twice, in another case": ('name = "mode"', 'name = "MOTD"'),
    "a select without choices": ('choices = ["easy", { value = "hard", label = "Hard" }]', ""),
    "a default that is no choice": ('default = "easy"', 'default = "medium"'),
    "a default of the wrong type": ('default = "hi"', "default = 5"),
    "an unknown type": ('type = "select"', 'type = "selection"'),
    "a notion that is no property": ('title = "Game"', 'title = "Game"\nmotd_property = "message"'),
    "a property kept in no config file": ('file = "game.properties"', 'file = "other.properties"'),
    "an unknown proof of readiness": ("[start]", '[start]\nready_when = "soon"'),
    "a regular expression that is none": ("[start]", '[console]\nready = "(["\n[start]'),
    "a signal that is none": ("[start]", '[stop]\nsignal = "SIGNOTHING"\n[start]'),
    "a tick time that nobody can find": ("(?P<ms>", "(?P<s>"),
    "a tick time whose expression is none": ("(?P<ms>", "((?P<ms>"),
    "a tick time that nobody asks for": ('command = "tick"', 'command = ""'),
    "a config file outside": ('path = "mods/**', 'path = "../mods/**'),
    "a config file by its full path": ('path = "mods/**', 'path = "/mods/**'),
    "a config file that is any folder": ('path = "mods/**/*.json"', 'path = "mods/**"'),
    "two stars that are no folder": ('path = "mods/**/*.json"', 'path = "mods/**.json"'),
    "a config file without a format": ('format = "json"', 'format = ""'),
    "values for any number of files": ('format = "json"', 'format = "json"\nvalues = { a = 1 }'),
    "initial values for any number of files": ('format = "json"', 'format = "json"\ninitial = { a = 1 }'),
    "an option that is a select without choices": ('choices = ["low", { value = "high", label = "High" }]', ""),
    "an option with choices that is no select": ('key = "level", type = "select"', 'key = "level"'),
    "an option of an unknown type": ('key = "level", type = "select"', 'key = "level", type = "choice"'),
    "an option without a key": ('key = "level"', 'key = ""'),
    "an option twice": ("options = [", 'options = [{ key = "level" }, '),
    "a player list whose pattern is none": ('pattern = "[a-z]+"', 'pattern = "["'),
    "a player list whose entries may be two lines": ('pattern = "[a-z]+"', 'pattern = "[^ ]+"'),
    "a player list outside": ('path = "whitelist.txt"', 'path = "../whitelist.txt"'),
    "a player list that is any file": ('path = "whitelist.txt"', 'path = "*.txt"'),
    "a player list without a format": ('format = "lines"', 'format = ""'),
    "a player list's command without an entry": ('add = "allow {entry}"', 'add = "allow"'),
    "a player list's field that is an entry's name": ('format = "lines"', 'format = "lines"\nfields = { name = 1 }'),
    "a player list twice": (
        "[[ports]]",
        '[[player_lists]]\nname = "whitelist"\npath = "b"\nformat = "lines"\n[[ports]]',
    ),
    "an unknown notion of verified": ('title = "Game"', 'title = "Game"\nverified_property = "online"'),
    "a port that is none": ("default = 7000", "default = 70000"),
    "a placeholder nobody fills": ("{version}", "{versoin}"),
    "a placeholder of no property": ("{version}", "{properties.nothing}"),
    "a shared folder of no step": ("{shared:files}", "{shared:nothing}"),
    "a placeholder only a node fills, in an installation": ('uses = "files"', 'uses = "files"\nurl = "{port}"'),
    "a side file that is missing": ('manifest_file = "side.txt"', 'manifest_file = "missing.txt"'),
    "a side file outside": ('manifest_file = "side.txt"', 'manifest_file = "../secret.txt"'),
    "a side file by its full path": ('manifest_file = "side.txt"', 'manifest_file = "/etc/hostname"'),
    "a laid file outside": ('"a.txt" = "side.txt"', '"a.txt" = "../secret.txt"'),
    "a side file that is a number": ('manifest_file = "side.txt"', "manifest_file = 5"),
    "files that are no table": ('files = { "a.txt" = "side.txt" }', 'files = "side.txt"'),
}
LEAST = 'name = "game"\ntitle = "Game"\nstart = { command = ["game"] }\n'
MISSHAPEN = {
    "no runtime": "runtimes = []",
    "runtimes that are a table": "runtimes = { main = 1 }",
    "properties that are no list": 'properties = 5\nruntimes = [{ name = "main" }]',
    "properties that are no tables": 'properties = ["motd"]\nruntimes = [{ name = "main" }]',
    "steps that are no tables": 'install = [5]\nruntimes = [{ name = "main" }]',
    "a stop that is no table": 'stop = "stop"\nruntimes = [{ name = "main" }]',
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_package_is_refused_with_its_file_and_the_reason(folder: Path, case: str) -> None:
    old, new = BROKEN[case]
    assert old in WHOLE
    refuse(folder, WHOLE.replace(old, new, 1))


@pytest.mark.parametrize("case", MISSHAPEN)
def test_a_misshapen_package_is_refused_likewise(folder: Path, case: str) -> None:
    load_package(write(folder, LEAST + 'runtimes = [{ name = "main" }]'))
    refuse(folder, LEAST + MISSHAPEN[case])


def refuse(folder: Path, text: str) -> None:
    with pytest.raises(PackageIsBroken) as refused:
        load_package(write(folder, text))
    where, _, why = refused.value.message.partition(": ")
    assert where == "package.toml of game"
    assert len(why) > 3
    assert refused.value.data == {"package": "game"}


@pytest.mark.parametrize("name", ["../secret.txt", "sub/../../secret.txt", "link.txt", "folder/secret.txt"])
def test_side_files_do_not_leave_the_folder_by_any_way(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "folder").symlink_to(folder.parent)
    with pytest.raises(PackageIsBroken, match="outside"):
        load_package(write(folder, WHOLE.replace('manifest_file = "side.txt"', f'manifest_file = "{name}"')))


def test_a_huge_side_file_is_refused_before_it_is_read(folder: Path) -> None:
    with (folder / "side.txt").open("wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(PackageIsBroken, match="too large"):
        load_package(write(folder, WHOLE))


@pytest.mark.parametrize("name", ["Game", "game_", "-game", "g" * 64])
def test_a_package_is_named_like_a_host(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "side.txt").touch()
    with pytest.raises(PackageIsBroken, match="lower-case"):
        load_package(write(folder, WHOLE.replace('name = "game"\ntitle', f'name = "{name}"\ntitle')))


def test_a_package_that_is_no_utf8_or_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(PackageIsBroken):
        load_package(folder)
    (folder / "package.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(PackageIsBroken):
        load_package(folder)
