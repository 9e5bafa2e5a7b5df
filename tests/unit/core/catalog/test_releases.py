"""Servers whose versions a vendor tells: install steps and commands by the pinned release, addons, Java, agreements."""

from typing import Any

import msgspec
import pytest

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.model import Property, Runtime
from innkeeper.core.catalog.options import described
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.servers.errors import PropertyIsInvalid, PropertyIsUnknown
from innkeeper.core.servers.model import Download, Release, Server
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.testing.store_samples import a_server

CATALOG = Catalog(load_packages(SHIPPED))
MINECRAFT, CSGO = CATALOG.get("minecraft"), CATALOG.get("csgo")
JAVA_RUNTIMES = ("vanilla", "paper", "spigot", "fabric", "forge")
SERVER_JAR = Download(url="https://vendor.example/server.jar", path="server.jar", algorithm="sha1", digest="ab", size=9)


def release(version: str, *downloads: Download, game: str = "", java: int | None = None, **facts: str) -> Release:
    return Release(version=version, game_version=game, downloads=downloads or (SERVER_JAR,), java=java, facts=facts)


def of(
    package: str,
    runtime: str,
    pinned: Release | None,
    *,
    addons: dict[str, Release] | None = None,
    **given: Any,
) -> Server:
    """Return a server of that package and release, with the values that the catalogue makes of `given`."""
    extra = addons or {}
    values = CATALOG.check_properties(
        CATALOG.get(package),
        {name.replace("_", "-"): value for name, value in given.items()},
        current=None,
        runtimes=[runtime, *extra],
    )
    return a_server(
        1,
        1,
        package=package,
        runtime=runtime,
        version=pinned.version if pinned else "",
        addons={name: one.version for name, one in extra.items()},
        releases={**({runtime: pinned} if pinned else {}), **extra},
        properties=values,
    )


# -- install steps and commands -------------------------------------------------------------------------------------


def test_a_release_becomes_a_download_of_exactly_what_was_pinned() -> None:
    blueprint = CATALOG.blueprint(of("minecraft", "vanilla", release("1.20.4", java=17), eula=True))
    assert blueprint.install == [
        {
            "uses": "download",
            "files": [
                {
                    "url": "https://vendor.example/server.jar",
                    "path": "server.jar",
                    "algorithm": "sha1",
                    "digest": "ab",
                    "size": 9,
                }
            ],
        }
    ]
    assert blueprint.argv[0] == "{java}" and blueprint.argv[-3:] == ["-jar", "server.jar", "nogui"]
    assert "-XX:MaxRAM={memory_mib}m" in blueprint.argv
    assert blueprint.java == 17


def test_what_a_vendor_does_not_say_of_a_file_is_not_said() -> None:
    bare = Download(url="https://vendor.example/server.jar", path="server.jar")
    [step] = CATALOG.blueprint(of("minecraft", "fabric", release("1.20.4", bare), eula=True)).install
    assert step["files"] == [{"url": "https://vendor.example/server.jar", "path": "server.jar"}]


def test_spigot_is_built_and_forge_installed_by_their_vendors_own_programs() -> None:
    tools = Download(url="https://spigot.example/BuildTools.jar", path="BuildTools.jar")
    spigot = CATALOG.blueprint(of("minecraft", "spigot", release("1.20.4", tools, rev="1.20.4"), eula=True))
    assert [step["uses"] for step in spigot.install] == ["download", "java"]
    assert spigot.install[1]["arguments"] == ["--rev", "1.20.4"]
    assert spigot.argv[-2:] == ["spigot-1.20.4.jar", "nogui"]

    installer = Download(url="https://forge.example/x.jar", path="forge-installer.jar")
    new = release("49.0.3", installer, game="1.20.4", start="@libraries/forge/unix_args.txt")
    blueprint = CATALOG.blueprint(of("minecraft", "forge", new, eula=True))
    assert blueprint.install[1]["jar"] == "forge-installer.jar"
    assert blueprint.install[1]["remove"] == ["forge-installer.jar", "forge-installer.jar.log"]
    assert blueprint.argv[-2:] == ["@libraries/forge/unix_args.txt", "nogui"]
    old = release("14.23.5.2859", installer, game="1.12.2", start="-jar forge-1.12.2.jar")
    assert CATALOG.blueprint(of("minecraft", "forge", old, eula=True)).argv[-3:] == [
        "-jar",
        "forge-1.12.2.jar",
        "nogui",
    ]


def test_an_archive_of_a_vendor_is_unpacked_and_factorio_makes_its_map_once() -> None:
    archive = Download(url="https://f.example/1.tar.xz", path="f.tar.xz", algorithm="sha256", digest="cd")
    plain = CATALOG.blueprint(of("factorio", "factorio", release("1.1.110", archive)))
    assert plain.install[0] == {
        "uses": "archive",
        "url": "https://f.example/1.tar.xz",
        "algorithm": "sha256",
        "digest": "cd",
    }
    [make] = plain.install[1:]
    assert make["argv"] == ["./bin/x64/factorio", "--create", "saves/world.zip", "--preset", "default"]
    assert make["unless_exists"] == "saves/world.zip"
    given = {"map_seed": 7, "map_preset": "rail-world"}
    seeded = a_server(
        1,
        1,
        package="factorio",
        runtime="factorio",
        version="1.1.110",
        addons={},
        releases={"factorio": release("1.1.110", archive)},
        properties=CATALOG.check_properties(CATALOG.get("factorio"), given, current=None),
    )
    first, second = CATALOG.blueprint(seeded).install[1:]
    assert first["argv"][-3:] == ["rail-world", "--map-gen-seed", "7"]
    assert "--map-gen-seed" not in second["argv"]
    assert first["unless_exists"] == second["unless_exists"]


def test_the_steps_of_an_addon_follow_with_its_own_release() -> None:
    archives = [Download(url=f"https://sm.example/{name}.tar.gz", path=name) for name in ("sourcemod", "metamod")]
    addons = {"sourcemod": release("1.12-7000", *archives)}
    blueprint = CATALOG.blueprint(of("csgo", "csgo", None, addons=addons, gslt="T"))
    assert [step["uses"] for step in blueprint.install] == ["steamcmd", "files", "archive", "archive"]
    assert blueprint.install[0]["app"] == "740"
    assert [step["url"] for step in blueprint.install[2:]] == [one.url for one in archives]
    assert {(step["into"], step["strip"]) for step in blueprint.install[2:]} == {("csgo", 0)}
    assert CATALOG.blueprint(of("csgo", "csgo", None, gslt="T")).install == blueprint.install[:2]


def test_a_users_value_is_one_word_of_a_command_whatever_it_holds() -> None:
    argv = CATALOG.blueprint(of("csgo", "csgo", None, gslt="T", hostname="A 24/7 [EU] {port} | x")).argv
    assert argv[argv.index("+hostname") + 1] == "A 24/7 [EU] {{port}} | x"


@pytest.mark.parametrize(
    "given",
    [
        *({"map": text} for text in ("-binary", "+quit", "de_dust2 +quit", "de_dust2;quit", "../../cfg", "de_*")),
        *({"hostname": text} for text in ("+quit", "-x", "A +quit", "A -insecure", 'A";quit', "A;quit", "*", " A")),
        *({"password": text} for text in ("-x", "+quit", "a b", "a;quit", 'a"')),
        *({"rcon_password": text} for text in ("-x", "+quit", "a b", "a;quit", 'a"')),
        *({"gslt": text} for text in ("-x", "+quit", "a +quit", "a;quit")),
    ],
)
def test_what_a_game_would_take_for_an_option_or_a_command_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(PropertyIsInvalid, match="cannot be that: "):
        of("csgo", "csgo", None, **{"gslt": "T", **given})


@pytest.mark.parametrize(("package", "runtime"), [("minecraft", "flying-squid"), ("minecraft-bedrock", "bedrock")])
def test_a_world_is_below_the_servers_folder(package: str, runtime: str) -> None:
    def check(name: str) -> None:
        given = {"level-name": name, **({"eula": True} if runtime == "bedrock" else {})}
        CATALOG.check_properties(CATALOG.get(package), given, current=None, runtimes=[runtime])

    for name in ("world", "My World 2", "worlds/one", "..a", "a..", "Spaß"):
        check(name)
    for name in ("/etc", "..", ".", "../other", "a/../../other", "a/..", "./a", "..\\other"):
        with pytest.raises(PropertyIsInvalid, match="level-name cannot be that"):
            check(name)


def test_csgo_brings_steamcmd_along_for_nodes_that_lack_it() -> None:
    step = CATALOG.blueprint(of("csgo", "csgo", None, gslt="T")).install[0]
    assert step["archive_url"].startswith("https://")


def test_csgos_secrets_are_in_a_file_that_it_reads_and_not_in_its_command_line() -> None:
    secrets = {"gslt": "TOKEN1", "password": "TOKEN2", "rcon_password": "TOKEN3"}
    blueprint = CATALOG.blueprint(of("csgo", "csgo", None, **secrets))
    assert not any("TOKEN" in word for word in blueprint.argv)
    [laid] = [step["files"] for step in blueprint.install if step["uses"] == "files"]
    [file] = blueprint.config
    assert list(laid) == [file.path]
    values = {key: str(value) for key, value in file.values.items()}
    edited = Properties().edit(laid[file.path].encode(), values)
    assert edited == b"rcon_password TOKEN3\nsv_password TOKEN2\nsv_setsteamaccount TOKEN1\n"
    assert (
        Properties().edit(edited, dict.fromkeys(values, "")) == b"rcon_password \nsv_password \nsv_setsteamaccount \n"
    )


@pytest.mark.parametrize("facts", ["{port}", "{{", "{properties.motd}"])
def test_what_a_vendor_says_is_no_placeholder(facts: str) -> None:
    blueprint = CATALOG.blueprint(of("minecraft", "forge", release("1", game="1.20", start=f"-jar {facts}"), eula=True))
    assert blueprint.argv[-2] == facts.replace("{", "{{").replace("}", "}}")


def test_a_server_whose_release_nobody_pinned_is_refused_and_so_is_one_of_a_runtime_that_is_gone() -> None:
    server = of("minecraft", "vanilla", release("1.20.4"), eula=True)
    for changes in ({"releases": {}}, {"runtime": "gone"}, {"addons": {"gone": "1"}}):
        with pytest.raises(PackageIsBroken):
            CATALOG.blueprint(msgspec.structs.replace(server, **changes))


def test_no_addon_runs_a_game_by_default() -> None:
    addon = msgspec.structs.replace(MINECRAFT.runtimes[0], name="first", addon=True, default=False, install=())
    package = msgspec.structs.replace(MINECRAFT, runtimes=(addon, Runtime(name="second")))
    assert CATALOG.runtime(package, None).name == "second"


# -- Java -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "major"),
    [
        ("1.7.10", 8),
        ("1.16.5", 8),
        ("1.17", 17),
        ("1.17.1", 17),
        ("1.20.4", 17),
        ("1.20.5", 21),
        ("1.20.10", 21),
        ("1.21.4", 21),
        ("26.1", 25),
        ("26.1.2-pre1", 25),
        ("a new one", 25),
    ],
)
def test_versions_are_compared_by_their_numbers_where_the_vendor_says_nothing_of_java(version: str, major: int) -> None:
    assert CATALOG.java(MINECRAFT, release(version), version) == major
    assert CATALOG.java(MINECRAFT, release("47.2.0", game=version), "47.2.0") == major


def test_the_vendors_word_goes_before_the_packages() -> None:
    assert CATALOG.java(MINECRAFT, release("1.17", java=16), "1.17") == 16


def test_what_is_not_written_in_java_needs_none() -> None:
    assert CATALOG.java(CATALOG.get("factorio"), release("1.1.110"), "1.1.110") is None
    assert CATALOG.java(MINECRAFT, None, "1.21.4") is None
    runtimes = {runtime.name: runtime for runtime in MINECRAFT.runtimes}
    assert CATALOG.java(MINECRAFT, None, "1.21.4", runtime=runtimes["flying-squid"]) is None
    assert CATALOG.java(MINECRAFT, None, "1.21.4", runtime=runtimes["vanilla"]) == 21
    assert CATALOG.blueprint(of("minecraft", "flying-squid", None)).java is None


# -- properties -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", JAVA_RUNTIMES)
def test_nobody_gets_minecraft_without_having_accepted_its_licence_himself(runtime: str) -> None:
    for given in ({}, {"EULA": False}, {"eula": "false"}):
        with pytest.raises(PropertyIsInvalid, match=r"^eula must be true: You have to accept Minecraft's") as refused:
            CATALOG.check_properties(MINECRAFT, given, current=None, runtimes=[runtime])
        assert refused.value.data == {"property": "eula"}
    values = CATALOG.check_properties(MINECRAFT, {"EULA": True}, current=None, runtimes=[runtime])
    assert values["eula"] is True
    with pytest.raises(PropertyIsInvalid):
        CATALOG.check_properties(MINECRAFT, {"eula": False}, current=values, runtimes=[runtime])
    server = a_server(
        1, 1, package="minecraft", runtime=runtime, version="1", addons={}, releases={}, properties=values
    )
    server = msgspec.structs.replace(server, releases={runtime: release("1", rev="1", start="-jar x")})
    [file] = [file for file in CATALOG.blueprint(server).config if file.path == "eula.txt"]
    assert (file.initial, file.values) == ({"eula": True}, {})


def test_a_licence_that_is_not_the_runtimes_is_not_asked_for_and_not_written() -> None:
    values = CATALOG.check_properties(MINECRAFT, {}, current=None, runtimes=["flying-squid"])
    assert "eula" not in values
    told = CATALOG.check_properties(MINECRAFT, {"EULA": True}, current=None)  # as whoever reads the package would
    assert told == values
    with pytest.raises(PropertyIsUnknown, match="with flying-squid"):
        CATALOG.check_properties(MINECRAFT, {"eula": True}, current=values)


def test_the_file_of_an_agreement_never_takes_it_back_in_the_servers_properties() -> None:
    server = of("minecraft", "vanilla", release("1.20.4"), eula=True)
    file = CATALOG.config_file(server, "eula.txt")
    assert file is not None
    assert CATALOG.properties_in(server, file, {"eula": "false"}) == {}


def test_a_property_of_one_name_is_another_for_each_runtime() -> None:
    squid = CATALOG.check_properties(MINECRAFT, {}, current=None, runtimes=["flying-squid"])
    vanilla = CATALOG.check_properties(MINECRAFT, {"eula": True}, current=None, runtimes=["vanilla"])
    assert (squid["online-mode"], vanilla["online-mode"]) == (False, True)
    assert (squid["level-type"], vanilla["level-type"]) == ("superflat", "default")
    assert "max-entities" not in vanilla
    with pytest.raises(PropertyIsInvalid, match="superflat"):
        CATALOG.check_properties(MINECRAFT, {"level-type": "amplified"}, current=squid, runtimes=["flying-squid"])
    server = of("minecraft", "vanilla", release("1"), eula=True)
    known = CATALOG.config_file(server, "server.properties")
    assert known is not None
    choices = {
        runtime: {choice.value for choice in described(MINECRAFT, known, [runtime])["level-type"].option.choices}
        for runtime in ("vanilla", "flying-squid")
    }
    assert "amplified" in choices["vanilla"] and "superflat" in choices["flying-squid"]


def test_a_property_of_an_addon_counts_with_the_addon() -> None:
    item = Property(name="admins", required=True, runtimes=("sourcemod",))
    package = msgspec.structs.replace(CSGO, properties=(*CSGO.properties, item))
    catalog = Catalog([package])
    assert "admins" not in catalog.check_properties(package, {"gslt": "T"}, current=None, runtimes=["csgo"])
    with pytest.raises(PropertyIsInvalid, match="admins is required"):
        catalog.check_properties(package, {"gslt": "T"}, current=None, runtimes=["csgo", "sourcemod"])


def test_a_game_that_wants_a_token_is_refused_without() -> None:
    with pytest.raises(PropertyIsInvalid, match="gslt is required"):
        CATALOG.check_properties(CSGO, {}, current=None)
