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
[[runtimes]]
name = "vendor"
index = { uses = "mojang", url = "https://vendor.example/", options = { snapshots = "yes" } }
[[runtimes.install]]
uses = "release"
[runtimes.start]
command = ["{java}", "-jar", "{release.path}", "{release.build}"]
[[runtimes]]
name = "fork"
like = "vendor"
index = { uses = "papermc", url = "https://fork.example/" }
[[runtimes]]
name = "mods"
addon = true
install = [{ uses = "download", files = [{ url = "https://mods.example/{version}", path = "mods.zip" }] }]
versions = ["5"]
[[java]]
since = "1.17"
major = 17
[[plans]]
name = "g.small"
title = "Small"
resources = { memory_mib = 512, cpu_percent = 50, disk_mib = 1000 }
prices = [{ currency = "USD", hourly = "0.07", monthly = 7 }, { currency = "EUR", hourly = 0.0601, monthly = "6.50" }]
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
name = "eula"
type = "boolean"
required = true
must_be = true
runtimes = ["vendor", "fork"]
[[properties]]
name = "limit"
type = "integer"
default = 5
runtimes = ["vendor"]
[[properties]]
name = "limit"
default = "five"
runtimes = ["fork"]
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


def test_a_runtime_like_another_has_what_it_does_not_give_itself(folder: Path) -> None:
    _, vendor, fork, mods = load_package(write(folder, WHOLE)).runtimes
    assert fork.start == vendor.start and fork.install == vendor.install
    assert fork.index is not None and fork.index.uses == "papermc"
    assert mods.addon and mods.start is None


def test_a_runtime_may_need_more_than_its_package_says_and_hands_that_on(folder: Path) -> None:
    own = "resources = { memory_mib = 2048, minimum_memory_mib = 768 }"
    package = load_package(write(folder, WHOLE.replace('name = "vendor"', f'name = "vendor"\n{own}')))
    found = [package.resources_of(name) for name in ("main", "vendor", "fork", "gone")]
    assert [needs.memory_mib for needs in found] == [512, 2048, 2048, 512]
    assert [needs.minimum_memory_mib for needs in found] == [64, 768, 768, 64]


def test_prices_are_kept_in_micro_units_however_they_are_written(folder: Path) -> None:
    [plan] = load_package(write(folder, WHOLE)).plans
    assert [(price.currency, price.hourly, price.monthly) for price in plan.prices] == [
        ("USD", 70_000, 7_000_000),
        ("EUR", 60_100, 6_500_000),
    ]
    assert plan.resources.backups_mib == 0


def test_a_property_is_another_for_another_runtime(folder: Path) -> None:
    package = load_package(write(folder, WHOLE))
    for runtime, kind in (("vendor", "integer"), ("fork", "string")):
        found = package.property_named("LIMIT", [runtime])
        assert found is not None and found.type == kind
    assert package.property_named("limit", ["main"]) is None
    assert [item.name for item in package.properties_of(["fork", "mods"])] == ["motd", "eula", "limit", "mode"]


def test_the_shipped_packages_are_whole() -> None:
    assert [package.name for package in load_packages(SHIPPED)] == [
        "csgo",
        "custom",
        "factorio",
        "luanti",
        "minecraft",
        "minecraft-bedrock",
        "openttd",
    ]


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
    "a runtime twice": ('name = "fork"', 'name = "main"'),
    "a runtime like none before it": ('like = "vendor"', 'like = "mods"'),
    "an index without an address": ('url = "https://fork.example/"', 'url = ""'),
    "an index at no address": ('url = "https://fork.example/"', 'url = "ftp://fork.example/"'),
    "an index without a driver": ('uses = "papermc"', 'uses = ""'),
    "an index and versions": ('like = "vendor"', 'like = "vendor"\nversions = ["1"]'),
    "a release of no index": ('uses = "files"', 'uses = "release"'),
    "an addon that is the default": ("addon = true", "addon = true\ndefault = true"),
    "an addon that says what a server needs": ("addon = true", "addon = true\nresources = { memory_mib = 99 }"),
    "less memory than the least": ('name = "fork"', 'name = "fork"\nresources = { memory_mib = 63 }'),
    "a least of no memory": ('name = "fork"', 'name = "fork"\nresources = { minimum_memory_mib = 0 }'),
    "an addon that is started": ("addon = true", 'addon = true\nstart = { command = ["x"] }'),
    "an addon of nothing": ('install = [{ uses = "download"', 'stop = {}\n# [{ uses = "download"'),
    "a Java rule of no version": ('since = "1.17"', 'since = "new"'),
    "a Java that is none": ("major = 17", "major = 0"),
    "a plan twice": (
        "[[install]]",
        '[[plans]]\nname="g.small"\ntitle=""\nresources={memory_mib=1,cpu_percent=1,disk_mib=1}\n[[install]]',
    ),
    "a plan of no name": ('name = "g.small"', 'name = "G small"'),
    "a plan without memory": ("memory_mib = 512", "memory_mib = 0"),
    "a plan with less than no backups": ("disk_mib = 1000", "disk_mib = 1000, backups_mib = -1"),
    "a plan with two prices in a currency": ('currency = "EUR"', 'currency = "USD"'),
    "a price in no currency": ('currency = "EUR"', 'currency = "euro"'),
    "a price that is none": ('hourly = "0.07"', 'hourly = "cheap"'),
    "a price too fine": ('hourly = "0.07"', 'hourly = "0.0000001"'),
    "a price that is true": ('hourly = "0.07"', "hourly = true"),
    "a price without end": ('hourly = "0.07"', 'hourly = "Infinity"'),
    "a price below nothing": ('hourly = "0.07"', 'hourly = "-0.07"'),
    "an hour dearer than a month": ('hourly = "0.07"', 'hourly = "7.01"'),
    "an agreement in advance": ("must_be = true", "must_be = true\ndefault = true"),
    "an agreement to something else": ("must_be = true", 'must_be = "often"'),
    "a property of no runtime": ('runtimes = ["fork"]', 'runtimes = ["spoon"]'),
    "a property twice for one runtime": ('runtimes = ["fork"]', 'runtimes = ["fork", "vendor"]'),
    "a property of an addon that the runtime has, too": ('runtimes = ["fork"]', 'runtimes = ["mods"]'),
    "two properties kept in one place": (
        'default = "five"',
        'default = "five"\nwrites = { file = "game.properties", key = "motd" }',
    ),
    "an alias of nothing": ('latest = "2"', 'latest = "3"'),
    "a property twice, in another case": ('name = "mode"', 'name = "MOTD"'),
    "a select without choices": ('choices = ["easy", { value = "hard", label = "Hard" }]', ""),
    "a default that is no choice": ('default = "easy"', 'default = "medium"'),
    "a default of the wrong type": ('default = "hi"', "default = 5"),
    "a pattern of no string": ('type = "select"', 'type = "select"\npattern = "easy"'),
    "a pattern that is none": ('default = "hi"', 'default = "hi"\npattern = "["'),
    "a default that does not match": ('default = "hi"', 'default = "hi"\npattern = "[0-9]"'),
    "a text that could be an option": ('["game", "{version}"', '["game", "{properties.motd}"'),
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
    "a placeholder nobody fills": ('"game", "{version}"', '"game", "{versoin}"'),
    "a placeholder nobody fills, in an addon": ("mods.example/{version}", "mods.example/{versoin}"),
    "a placeholder of no property": ('"game", "{version}"', '"game", "{properties.nothing}"'),
    "a placeholder of no property, in an addon": ("{version}", "{properties.nothing}"),
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


@pytest.mark.parametrize(("pattern", "refused"), [("[a-z+][a-z]*", True), ("[-a-z]+", True), ("[a-z][a-z-]*", False)])
@pytest.mark.parametrize("word", ["{properties.motd}", "{properties.motd}.x"])
def test_a_text_at_the_begin_of_a_word_of_a_command_line_may_not_be_an_option(
    folder: Path, word: str, pattern: str, refused: bool
) -> None:
    text = WHOLE.replace('["game", "{version}"', f'["game", "{word}"', 1)
    text = text.replace('default = "hi"', f'default = "hi"\npattern = "{pattern}"', 1)
    if refused:
        refuse(folder, text)
    else:
        (folder / "package.toml").write_text(text)
        load_package(folder)


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
