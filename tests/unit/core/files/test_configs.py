"""Config files as typed options; what they say of the server's properties is taken over, however they were changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.files.configs import ConfigService, OptionValue
from innkeeper.core.files.errors import (
    ConfigIsUnreadable,
    FileNotFound,
    NoSuchConfigFile,
    OptionIsInvalid,
    OptionIsUnknown,
)
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import ServerIsSuspended
from innkeeper.core.servers.model import ServerChanges
from innkeeper.testing.products import House

PROPERTIES = b"""#Minecraft server properties
strange-key=007
ratio=1.5
hardcore=false
gamemode=creative
max-players=30
server-port=25570
flag=true
empty=
motd=hello
count=12
"""


@pytest.fixture
def configs(house: House) -> ConfigService:
    return house.product.configs


@pytest.fixture
async def server(house: House) -> Record:
    record = await house.server(package="minecraft")
    house.gateway.trees[record.server.uuid] = {"server.properties": PROPERTIES}
    return record


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


def text(house: House, record: Record, path: str = "server.properties") -> str:
    return (house.gateway.trees[record.server.uuid][path] or b"").decode()


def properties(house: House, record: Record) -> dict[str, Any]:
    return house.now(record).server.properties


def by_key(options: list[OptionValue]) -> dict[str, OptionValue]:
    return {option.key: option for option in options}


async def test_options_are_described_and_typed_whatever_the_file_holds(
    house: House, configs: ConfigService, server: Record
) -> None:
    options = await configs.options(house.actor(house.root), server, "/server.properties")
    found = by_key(options)
    gamemode = found["gamemode"]
    assert (gamemode.label, gamemode.type, gamemode.value) == ("Gamemode", "select", "creative")
    assert gamemode.choices == ("survival", "creative", "adventure", "spectator")
    shown = {key: (found[key].type, found[key].value) for key in found}
    assert shown["max-players"] == ("integer", 30)
    assert shown["hardcore"] == ("boolean", False)
    assert shown["strange-key"] == ("string", "007")
    assert (shown["ratio"], shown["flag"], shown["count"]) == (("float", 1.5), ("boolean", True), ("integer", 12))
    assert shown["empty"] == ("string", "")
    assert found["strange-key"].label == "Strange key"
    assert found["hardcore"].choices is None
    # A property that the file lacks is shown as the server has it; an option that it lacks is not shown.
    assert shown["view-distance"] == ("integer", 10)
    assert "pvp" not in found
    keys = [option.key for option in options]
    assert keys.index("motd") < keys.index("hardcore") < keys.index("server-port") < keys.index("strange-key")
    assert keys[-5:] == ["strange-key", "ratio", "flag", "empty", "count"]


async def test_a_value_that_is_not_as_described_is_shown_as_it_is(
    house: House, configs: ConfigService, server: Record
) -> None:
    house.gateway.trees[server.server.uuid]["server.properties"] = b"gamemode=3\nhardcore=maybe\nmax-players=many\n"
    found = by_key(await configs.options(house.actor(house.root), server, "server.properties"))
    assert {key: (found[key].type, found[key].value) for key in ("gamemode", "hardcore", "max-players")} == {
        "gamemode": ("integer", 3),
        "hardcore": ("string", "maybe"),
        "max-players": ("string", "many"),
    }
    assert found["gamemode"].choices is None
    assert properties(house, server)["gamemode"] == "survival"


async def test_set_values_are_in_the_file_and_in_the_server_and_nothing_else_changes(
    house: House, configs: ConfigService, server: Record
) -> None:
    root = house.actor(house.root)
    values = {"max-players": "40", "hardcore": "true", "motd": "new", "count": 13, "pvp": False}
    found = by_key(await configs.set(root, server, "server.properties", values))
    assert (found["max-players"].value, found["hardcore"].value, found["pvp"].value) == (40, True, False)
    expected = PROPERTIES.decode().replace("players=30", "players=40").replace("hardcore=false", "hardcore=true")
    expected = expected.replace("motd=hello", "motd=new").replace("count=12", "count=13")
    assert text(house, server) == expected + "pvp=false\n"
    now = properties(house, server)
    assert (now["max-players"], now["motd"], now["gamemode"]) == (40, "new", "creative")
    assert house.gateway.desired[server.server.uuid].server.properties == now
    noted = [entry.action for entry in (await house.product.activity.of_server(server.server.id, None, 2)).items]
    assert noted == ["server.followed_file", "config.changed"]


async def test_what_stands_already_is_written_nowhere(house: House, configs: ConfigService, server: Record) -> None:
    await configs.options(house.actor(house.root), server, "server.properties")
    before = house.now(server).server.generation
    await configs.set(house.actor(house.root), server, "server.properties", {"max-players": "30", "server-port": 25570})
    assert house.now(server).server.generation == before
    assert house.gateway.configs.get(server.server.uuid) is None


REFUSED: list[tuple[str, Any, str]] = [
    ("max-players", "many", "whole number"),
    ("max-players", 0, "from 1"),
    ("max-players", 10**400, "from 1"),
    ("max-players", 1.5, "whole number"),
    ("max-players", True, "whole number"),
    ("max-players", None, "whole number"),
    ("hardcore", "yes", "true or false"),
    ("hardcore", 1, "true or false"),
    ("gamemode", "god", "one of"),
    ("gamemode", ["creative"], "text"),
    ("motd", "a\nop=everybody", "control characters"),
    ("motd", "x" * 257, "characters"),
    ("motd", {}, "text"),
    ("spawn-protection", -1, "from 0"),
    ("ratio", "nan", "number"),
    ("ratio", float("inf"), "number"),
    ("count", "twelve", "whole number"),
    ("empty", "a\u2028b", "control characters"),
    ("initial-enabled-packs", 5, "list"),
    ("initial-enabled-packs", ["a\n"], "control characters"),
    ("level-name", "", "required"),
    ("server-port", 25571, "set by the house"),
    ("server-ip", "0.0.0.0", "set by the house"),
]


@pytest.mark.parametrize(("key", "value", "reason"), REFUSED)
async def test_a_bad_value_is_refused_with_key_and_reason_and_nothing_is_written(
    house: House, configs: ConfigService, server: Record, key: str, value: Any, reason: str
) -> None:
    with pytest.raises(OptionIsInvalid, match=reason) as refused:
        await configs.set(house.actor(house.root), server, "server.properties", {"hardcore": True, key: value})
    assert refused.value.data["key"] == key
    assert reason in refused.value.data["reason"]
    assert text(house, server) == PROPERTIES.decode()


async def test_a_key_that_nobody_knows_is_refused(house: House, configs: ConfigService, server: Record) -> None:
    with pytest.raises(OptionIsUnknown) as refused:
        await configs.set(house.actor(house.root), server, "server.properties", {"no-such-key": "1"})
    assert refused.value.data == {"key": "no-such-key"}


async def test_a_file_written_by_the_file_api_or_renamed_there_is_followed(
    house: House, configs: ConfigService, server: Record
) -> None:
    root, files = house.actor(house.root), house.product.files
    await files.write(root, server, "./server.properties", chunks(b"motd=by file\nmax-players=0\ndifficulty=hard\n"))
    now = properties(house, server)
    assert (now["motd"], now["difficulty"]) == ("by file", "hard")
    assert now["max-players"] == 20, "0 is no value that it may have"
    await files.write(root, server, "other.properties", chunks(b"motd=elsewhere\n"))
    assert properties(house, server)["motd"] == "by file"
    await files.delete(root, server, "server.properties")
    await files.rename(root, server, "other.properties", "server.properties")
    assert properties(house, server)["motd"] == "elsewhere"
    assert house.product.catalog.motd(house.now(server).server) == "elsewhere"


async def test_a_file_changed_by_hand_is_followed_when_it_is_looked_at(
    house: House, configs: ConfigService, server: Record
) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, "server.view", "files.read")
    assert properties(house, server)["gamemode"] == "survival"
    await configs.options(house.actor(guest), server, "server.properties")
    assert properties(house, server)["gamemode"] == "creative"
    [entry] = (await house.product.activity.of_server(server.server.id, None, 1)).items
    assert (entry.action, entry.account_id) == ("server.followed_file", None)
    assert entry.data["path"] == "server.properties"
    assert "gamemode" in entry.data["properties"]


async def test_a_damaged_file_is_said_to_be_so_and_writing_one_is_no_error(
    house: House, configs: ConfigService, server: Record
) -> None:
    root = house.actor(house.root)
    await house.product.files.make_directory(root, server, "config")
    await house.product.files.write(root, server, "config/paper-global.yml", chunks(b"a: [1\nb: }"))
    for attempt in (
        configs.options(root, server, "config/paper-global.yml"),
        configs.set(root, server, "config/paper-global.yml", {"a": 1}),
    ):
        with pytest.raises(ConfigIsUnreadable):
            await attempt


async def test_two_who_set_at_once_lose_nothing(house: House, configs: ConfigService, server: Record) -> None:
    root = house.actor(house.root)
    changes = [{"max-players": 50}, {"motd": "both"}, {"hardcore": True}, {"count": 99}]
    await asyncio.gather(
        house.product.servers.change(root, server, ServerChanges(properties={"difficulty": "hard"})),
        *(configs.set(root, server, "server.properties", one) for one in changes),
    )
    found = by_key(await configs.options(root, server, "server.properties"))
    assert [found[key].value for key in ("max-players", "motd", "hardcore", "count", "difficulty")] == [
        50,
        "both",
        True,
        99,
        "hard",
    ]
    now = properties(house, server)
    assert (now["max-players"], now["motd"], now["difficulty"]) == (50, "both", "hard")


async def test_nested_files_have_keys_with_dots_and_values_of_their_own_types(
    house: House, configs: ConfigService, server: Record
) -> None:
    root = house.actor(house.root)
    tree = house.gateway.trees[server.server.uuid]
    tree["bukkit.yml"] = b"# by hand\nsettings:\n  allow-end: true\n  version: '1.20'\nworlds:\n  - a\n  - b\n"
    found = by_key(await configs.options(root, server, "bukkit.yml"))
    assert (found["settings.allow-end"].label, found["settings.allow-end"].value) == ("Allow End", True)
    assert (found["settings.version"].type, found["settings.version"].value) == ("string", "1.20")
    assert (found["worlds"].type, found["worlds"].value, found["worlds"].choices) == (
        "multiselect",
        ["a", "b"],
        ("a", "b"),
    )
    changes = {"settings.allow-end": "false", "worlds": ["a", "c"], "settings.version": "1.21"}
    await configs.set(root, server, "bukkit.yml", changes)
    written = text(house, server, "bukkit.yml")
    assert written.startswith("# by hand\n") and "allow-end: false" in written
    found = by_key(await configs.options(root, server, "bukkit.yml"))
    assert (found["worlds"].value, found["settings.version"].value) == (["a", "c"], "1.21")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("server.properties", True),
        ("/server.properties", True),
        ("./server.properties", True),
        ("Server.properties", False),
        ("world/server.properties", False),
        ("config/paper-global.yml", True),
        ("config/mod.toml", True),
        ("config/deep/er/mod.json", True),
        ("config/mod.TOML", False),
        ("config/../server.properties", False),
        ("../config/mod.toml", False),
        ("velocity.toml", True),
        ("whitelist.json", False),
        ("ops.json", False),
        ("world/level.dat", False),
        ("", False),
        ("config", False),
        ("config/", False),
    ],
)
async def test_which_files_are_config_files(
    house: House, configs: ConfigService, server: Record, path: str, expected: bool
) -> None:
    assert configs.is_config(server, path) is expected
    if not expected:
        for attempt in (
            configs.options(house.actor(house.root), server, path),
            configs.set(house.actor(house.root), server, path, {}),
        ):
            with pytest.raises(NoSuchConfigFile):
                await attempt


async def test_of_a_program_nothing_is_known_but_its_settings_are_shown(house: House, configs: ConfigService) -> None:
    server = await house.server()
    house.gateway.trees[server.server.uuid] = {"game.ini": b"[net]\nport=7777\nname = Camp\n", "data.json": b"{}"}
    found = by_key(await configs.options(house.actor(house.root), server, "game.ini"))
    assert {key: (option.type, option.value) for key, option in found.items()} == {
        "net.port": ("integer", 7777),
        "net.name": ("string", "Camp"),
    }
    assert not configs.is_config(server, "data.json")


async def test_a_file_that_is_missing_is_not_found(house: House, configs: ConfigService, server: Record) -> None:
    for attempt in (
        configs.options(house.actor(house.root), server, "spigot.yml"),
        configs.set(house.actor(house.root), server, "spigot.yml", {"settings.bungeecord": True}),
    ):
        with pytest.raises(FileNotFound):
            await attempt


async def test_reading_and_setting_need_the_rights_to_files(
    house: House, configs: ConfigService, server: Record
) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, "server.view", "files.write")
    with pytest.raises(PermissionIsMissing):
        await configs.options(house.actor(guest), server, "server.properties")
    await configs.set(house.actor(guest), server, "server.properties", {"motd": "mine"})
    assert properties(house, server)["motd"] == "mine"
    await house.share(server, guest, "server.view", "files.read")
    with pytest.raises(PermissionIsMissing):
        await configs.set(house.actor(guest), server, "server.properties", {"motd": "mine"})
    await house.product.servers.suspend(house.actor(house.root), server, "unpaid")
    with pytest.raises(ServerIsSuspended):
        await configs.options(house.actor(guest), house.now(server), "server.properties")
