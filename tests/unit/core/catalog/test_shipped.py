"""What the shipped packages say beside the console: tick times, announcements, player lists, settings."""

import re

import pytest

from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.servers.model import Server
from innkeeper.testing.store_samples import a_server

CATALOG = Catalog(load_packages(SHIPPED))
MINECRAFT, CUSTOM = CATALOG.get("minecraft"), CATALOG.get("custom")
STAMP = "November 21st 2026, 19:48:17 [INFO]: "


def custom(**given: str) -> Server:
    values = CATALOG.check_properties(CUSTOM, {"command": "true", **given}, current=None)
    return a_server(1, 1, package="custom", runtime="custom", version="", addons={}, releases={}, properties=values)


@pytest.mark.parametrize(
    ("line", "ms"),
    [
        (f"{STAMP}Average time per tick: 1.2ms (Target: 50.0ms)", "1.2"),
        ("Average time per tick: 50ms (Target: 50.0ms)", "50"),
        (f"{STAMP}<Alice> Average time per tick: 1.2ms", None),
        ("<Alice> Average time per tick: 1.2ms", None),
        (f"{STAMP}<Alice> {STAMP}Average time per tick: 1.2ms", None),
        (f"{STAMP}Target tick rate: 20.0 per second", None),
    ],
)
def test_the_tick_time_is_the_games_own_word(line: str, ms: str | None) -> None:
    assert MINECRAFT.tick is not None
    assert MINECRAFT.tick.command == "tick query"
    found = re.search(MINECRAFT.tick.pattern, line)
    assert (found["ms"] if found else None) == ms


def test_a_program_says_its_tick_time_after_the_words_that_its_user_gives() -> None:
    assert CATALOG.blueprint(custom()).tick is None
    assert CATALOG.blueprint(custom(**{"tick-command": "tps"})).tick is None
    tick = CATALOG.blueprint(custom(**{"tick-command": "tps {x}", "tick-text": "(mean tick)"})).tick
    assert tick is not None
    assert tick.command == "tps {x}"
    found = re.search(tick.pattern, "12:00 (mean tick): 3.25 ms of 50")
    assert found is not None and found["ms"] == "3.25"
    assert re.search(tick.pattern, "mean tick: 3.25") is None


def test_an_announcement_keeps_its_place_for_the_text() -> None:
    assert CATALOG.blueprint(custom()).console.announce == ""
    assert CATALOG.blueprint(custom(announce="broadcast {text} {x}")).console.announce == "broadcast {text} {x}"
    assert MINECRAFT.console.announce == "say {text}"


def test_the_lists_of_minecraft_are_called_as_their_files_and_take_the_games_commands() -> None:
    assert {one.name: (one.path, one.add, one.remove) for one in MINECRAFT.player_lists} == {
        "whitelist": ("whitelist.json", "whitelist add {entry}", "whitelist remove {entry}"),
        "ops": ("ops.json", "op {entry}", "deop {entry}"),
        "banned-players": ("banned-players.json", "ban {entry}", "pardon {entry}"),
        "banned-ips": ("banned-ips.json", "ban-ip {entry}", "pardon-ip {entry}"),
    }


def test_no_key_of_a_config_file_is_described_by_a_property_and_an_option() -> None:
    for package in CATALOG.all():
        kept = {(item.writes.file, item.writes.key) for item in package.properties if item.writes}
        described = {(file.path, option.key) for file in package.config_files for option in file.options}
        assert not kept & described


def test_a_node_is_told_only_of_files_in_which_something_is_to_be_written() -> None:
    assert CATALOG.blueprint(custom()).config == []
    values = CATALOG.check_properties(MINECRAFT, {}, current=None)
    server = a_server(
        1, 1, package="minecraft", runtime="flying-squid", version="1.21.4", addons={}, releases={}, properties=values
    )
    [file] = CATALOG.blueprint(server).config
    assert (file.path, file.options) == ("server.properties", ())
    assert file.initial["max-players"] == 20
