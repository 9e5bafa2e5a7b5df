"""The catalogue: choosing a version, checking values, and the blueprint that a node gets."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchRuntime, NoSuchVersion
from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.model import Choice, ConfigFile, Package, Property, Runtime, Start, WritesTo
from innkeeper.core.catalog.service import Catalog, check_value
from innkeeper.core.servers.errors import PropertyIsInvalid, PropertyIsUnknown
from innkeeper.core.servers.model import PropertyValue, Server
from innkeeper.testing.store_samples import a_server

CATALOG = Catalog(load_packages(SHIPPED))
MINECRAFT, CUSTOM = CATALOG.get("minecraft"), CATALOG.get("custom")


def of(package: Package, **given: Any) -> Server:
    """Return a server of that package with the values that the catalogue makes of `given`."""
    runtime, version = CATALOG.choose(package, None, None)
    values = CATALOG.check_properties(
        package, {name.replace("_", "-"): value for name, value in given.items()}, current=None
    )
    return a_server(
        1, 1, package=package.name, runtime=runtime.name, version=version, addons={}, releases={}, properties=values
    )


# -- choosing -------------------------------------------------------------------------------------------------------


def test_without_a_wish_the_default_runtime_and_the_recommended_version_are_chosen() -> None:
    runtime, version = CATALOG.choose(MINECRAFT, None, None)
    assert (runtime.name, version) == ("flying-squid", runtime.aliases["recommended"])


def test_an_alias_becomes_its_version_and_a_version_stays() -> None:
    assert CATALOG.choose(MINECRAFT, "flying-squid", "latest")[1] == MINECRAFT.runtimes[0].aliases["latest"]
    assert CATALOG.choose(MINECRAFT, "flying-squid", "1.8.8")[1] == "1.8.8"


def test_without_aliases_the_newest_version_is_chosen_and_the_default_runtime_need_not_be_the_first() -> None:
    runtimes = (Runtime(name="old", versions=("1",)), Runtime(name="new", default=True, versions=("9", "8")))
    package = Package(name="p", title="P", runtimes=runtimes, start=Start(command=("x",)))
    runtime, version = CATALOG.choose(package, None, None)
    assert (runtime.name, version) == ("new", "9")


def test_what_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(NoSuchPackage):
        CATALOG.get("doom")
    with pytest.raises(NoSuchRuntime):
        CATALOG.choose(MINECRAFT, "bukkit", None)
    with pytest.raises(NoSuchVersion) as refused:
        CATALOG.choose(MINECRAFT, None, "0.1")
    assert refused.value.data["versions"] == list(MINECRAFT.runtimes[0].versions)
    with pytest.raises(NoSuchVersion):
        CATALOG.choose(CUSTOM, None, "1")
    assert CATALOG.choose(CUSTOM, None, None)[1] == ""


# -- checking values ------------------------------------------------------------------------------------------------

NUMBER = Property(name="slots", type="integer", min=1, max=100)
REAL = Property(name="speed", type="float")
FLAG = Property(name="pvp", type="boolean")
MODE = Property(name="mode", type="select", choices=(Choice("easy", "Easy"),))
TEXT = Property(name="motd", min=2, max=5)
COMMAND = Property(name="command", type="command")


@pytest.mark.parametrize(
    ("item", "given_value", "kept"),
    [
        (NUMBER, 1, 1),
        (NUMBER, 100, 100),
        (REAL, 3, 3.0),
        (REAL, -0.5, -0.5),
        (FLAG, True, True),
        (FLAG, "false", False),
        (MODE, "easy", "easy"),
        (TEXT, "äöü😀", "äöü😀"),
        (COMMAND, "java -jar 'a b.jar'", "java -jar 'a b.jar'"),
        (COMMAND, ["java", "-jar", "a b.jar"], "java -jar 'a b.jar'"),
    ],
)
def test_a_fitting_value_is_kept_as_its_type(item: Property, given_value: Any, kept: PropertyValue) -> None:
    value = check_value(item, given_value)
    assert (value, type(value)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("item", "value"),
    [
        *[(NUMBER, value) for value in (0, 101, True, "5", 5.0, None, [5], 10**400)],
        *[(REAL, value) for value in (float("nan"), float("inf"), -float("inf"), 10**400, "1", True, 2.0**54)],
        *[(FLAG, value) for value in (1, 0, "True", "yes", None)],
        *[(MODE, value) for value in ("Easy", "", None, 1, ["easy"])],
        *[
            (TEXT, value)
            for value in ("a", "abcdef", 5, None, "a\nb", "a\x00b", "a\x7fb", "a\x85b", "a\u2028b", "a\ud800b", "a\tb")
        ],
        *[(COMMAND, value) for value in ("", "  ", "java 'unclosed", [], ["java", 5], ["java\n"], {"argv": []})],
        (Property(name="long"), "x" * 8193),
    ],
)
def test_an_unfitting_value_is_refused_naming_the_property(item: Property, value: Any) -> None:
    with pytest.raises(PropertyIsInvalid) as refused:
        check_value(item, value)
    assert refused.value.data == {"property": item.name}
    assert refused.value.message.startswith(item.name)


def test_names_are_taken_in_any_case_and_kept_in_the_packages() -> None:
    assert CATALOG.check_properties(MINECRAFT, {"MOTD": "hi", "Max-Players": 5}, current=None)["max-players"] == 5


def test_defaults_fill_a_new_server_and_current_values_stay_in_a_changed_one() -> None:
    first = CATALOG.check_properties(MINECRAFT, {"motd": "mine"}, current=None)
    assert (first["motd"], first["max-players"], first["difficulty"]) == ("mine", 20, "easy")
    second = CATALOG.check_properties(MINECRAFT, {"max-players": 3}, current=first)
    assert second == first | {"max-players": 3}


def test_unknown_and_missing_properties_are_refused() -> None:
    with pytest.raises(PropertyIsUnknown):
        CATALOG.check_properties(MINECRAFT, {"motdd": "hi"}, current=None)
    for given_values in ({}, {"command": ""}):
        with pytest.raises(PropertyIsInvalid, match="command"):
            CATALOG.check_properties(CUSTOM, given_values, current=None)
    with pytest.raises(PropertyIsInvalid, match="level-name"):
        CATALOG.check_properties(MINECRAFT, {"level-name": ""}, current={"level-name": "world"})


def test_what_belongs_to_the_creation_cannot_change_but_may_be_said_again() -> None:
    items = (Property(name="hardcore", type="boolean", default=False, at="creation"), Property(name="motd"))
    package = Package(name="p", title="P", runtimes=(Runtime(name="r"),), start=Start(command=("x",)), properties=items)
    values = CATALOG.check_properties(package, {"hardcore": "true"}, current=None)
    assert CATALOG.check_properties(package, {"HARDCORE": "true", "motd": "x"}, current=values)["hardcore"] is True
    with pytest.raises(PropertyIsInvalid, match="later"):
        CATALOG.check_properties(package, {"hardcore": False}, current=values)


# -- blueprints -----------------------------------------------------------------------------------------------------


def test_minecrafts_blueprint_is_filled_but_for_what_only_the_node_knows() -> None:
    blueprint = CATALOG.blueprint(of(MINECRAFT, motd="{port} {{ }} {properties.gamemode}"))
    assert blueprint.argv == ["node", "--max-old-space-size={heap_mib}", "{shared:flying-squid}/server.js", "1.21.4"]
    assert blueprint.environment == {"NODE_ENV": "production"}
    assert (blueprint.stop.command, blueprint.start.ready_when, blueprint.query) == (
        "stop",
        "pattern",
        "minecraft-java",
    )
    assert blueprint.stop.clean_exit == (0, 130, 143, -2, -15)
    [step] = blueprint.install
    assert (step["key"], step["uses"]) == ("flying-squid", "npm")
    assert "server.js" in step["files"]
    [config] = blueprint.config
    assert config.values == {"server-port": "{port}", "server-ip": "{address}"}
    assert config.initial["motd"] == "{{port}} {{{{ }}}} {{properties.gamemode}}"
    assert config.initial["white-list"] is False


def test_a_custom_servers_blueprint_is_what_its_user_said() -> None:
    server = of(
        CUSTOM,
        command='./run --port {port} \'{"a": {"b": 1}}\' {version} {properties.archive} x}}',
        ready_when="pattern",
        ready_text="Ready (50%)",
        stop_command="quit",
        stop_signal="SIGINT",
        archive="{version}.zip",
    )
    blueprint = CATALOG.blueprint(server)
    assert blueprint.argv[:4] == ["./run", "--port", "{port}", '{{"a": {{"b": 1}}}}']
    assert blueprint.argv[4:] == ["{{version}}", "{{properties.archive}}", "x}}}}"]
    assert (blueprint.stop.command, blueprint.stop.signal, blueprint.start.ready_when) == ("quit", "SIGINT", "pattern")
    assert blueprint.console.ready is not None
    assert re.search(blueprint.console.ready, "[INFO] Ready (50%)!")
    assert not re.search(blueprint.console.ready, "Ready 5")
    assert blueprint.console.ready_text is None
    assert [step["key"] for step in blueprint.install] == ["archive"]
    assert blueprint.install[0]["upload"] == "{version}.zip"
    assert "unless_empty" not in blueprint.install[0]


def test_a_custom_server_without_extras_has_none() -> None:
    blueprint = CATALOG.blueprint(of(CUSTOM, command="sleep 1"))
    assert blueprint.install == []
    assert blueprint.console.ready is None
    assert (blueprint.start.ready_when, blueprint.stop.signal, blueprint.query) == ("port", "SIGTERM", None)


def test_a_runtimes_own_tables_stand_in_place_of_the_packages() -> None:
    own = msgspec.structs.replace(MINECRAFT.runtimes[0], start=Start(command=("java", "{version}")), install=())
    catalog = Catalog([msgspec.structs.replace(MINECRAFT, runtimes=(own,))])
    blueprint = catalog.blueprint(of(MINECRAFT))
    assert blueprint.argv == ["java", "1.21.4"]
    assert blueprint.install == []
    assert blueprint.stop.command == "stop"


def test_lists_within_a_step_are_filled_too() -> None:
    step = {"key": "k", "uses": "u", "arguments": ["{version}", {"deep": "{properties.motd}"}], "count": 1}
    catalog = Catalog([msgspec.structs.replace(MINECRAFT, install=(step,))])
    [filled] = catalog.blueprint(of(MINECRAFT, motd="hi")).install
    assert filled == {"key": "k", "uses": "u", "arguments": ["1.21.4", {"deep": "hi"}], "count": 1}


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=200))
def test_whatever_a_value_is_it_reaches_the_config_file_as_text(motd: str) -> None:
    [config] = CATALOG.blueprint(of(MINECRAFT, motd=motd)).config
    assert config.initial["motd"].replace("{{", "{").replace("}}", "}") == motd


# -- config files ---------------------------------------------------------------------------------------------------


def test_only_changed_properties_are_written_and_as_they_are() -> None:
    before = of(MINECRAFT)
    values = CATALOG.check_properties(MINECRAFT, {"motd": "{port}", "white-list": True}, current=before.properties)
    after = msgspec.structs.replace(before, properties=values)
    changes = CATALOG.config_changes(after, before.properties)
    assert changes == [
        ConfigFile(path="server.properties", format="properties", values={"motd": "{port}", "white-list": True})
    ]
    assert CATALOG.config_changes(before, before.properties) == []


def test_a_property_kept_with_the_server_is_written_nowhere() -> None:
    before = of(CUSTOM, command="sleep 1")
    after = msgspec.structs.replace(before, properties=before.properties | {"command": "sleep 2"})
    assert CATALOG.config_changes(after, before.properties) == []


def test_what_the_package_says_of_a_key_goes_before_the_property() -> None:
    item = Property(name="motd", default="hi", writes=WritesTo("f", "motd"))
    file = ConfigFile(path="f", format="properties", initial={"motd": "fixed"})
    package = Package(
        name="p",
        title="P",
        runtimes=(Runtime(name="r"),),
        start=Start(command=("x",)),
        properties=(item,),
        config_files=(file,),
    )
    server = a_server(1, 1, package="p", runtime="r", version="", addons={}, releases={}, properties={"motd": "mine"})
    [config] = Catalog([package]).blueprint(server).config
    assert config.initial == {"motd": "fixed"}


def test_common_notions_are_read_from_the_packages_properties() -> None:
    server = of(MINECRAFT, motd="Welcome", max_players=7)
    assert (CATALOG.motd(server), CATALOG.max_players(server)) == ("Welcome", 7)
    other = msgspec.structs.replace(of(CUSTOM, command="x"), description="A description")
    assert (CATALOG.motd(other), CATALOG.max_players(other)) == ("A description", 0)
    gone = msgspec.structs.replace(other, package="no more")
    assert (CATALOG.motd(gone), CATALOG.max_players(gone)) == ("A description", 0)
