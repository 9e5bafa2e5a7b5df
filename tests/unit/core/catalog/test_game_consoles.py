"""What the games print, as they print it, and what their packages understand; with players who lie in chat."""

import re

import pytest

from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.model import Console
from innkeeper.core.catalog.service import Catalog

CATALOG = Catalog(load_packages(SHIPPED))
VANILLA, FORGE = "[12:34:56] [Server thread/INFO]: ", "[12:34:56] [Server thread/INFO] [minecraft/DedicatedServer]: "
OLD_FORGE = "[22Nov2026 12:34:56.789] [Server thread/INFO] [net.minecraft.server.dedicated.DedicatedServer/]: "
PAPER = "[12:34:56 INFO]: "
JAVA_RUNTIMES = ("vanilla", "paper", "spigot", "fabric", "forge")
KINDS = ("ready", "join", "leave", "chat", "saving")


def console_of(package: str, runtime: str) -> Console:
    found = CATALOG.get(package)
    return CATALOG.runtime(found, runtime).console or found.console


def understood(console: Console, line: str) -> dict[str, dict[str, str]]:
    """Return every kind that the line is of, with its groups."""
    bare = re.sub(console.strip, "", line, count=1) if console.strip else line
    found = {kind: re.search(getattr(console, kind), bare) for kind in KINDS if getattr(console, kind)}
    return {kind: match.groupdict() for kind, match in found.items() if match is not None}


@pytest.mark.parametrize("runtime", JAVA_RUNTIMES)
@pytest.mark.parametrize("prefix", [VANILLA, FORGE, OLD_FORGE, PAPER, "> " + PAPER])
@pytest.mark.parametrize(
    ("text", "means"),
    [
        ('Done (1.234s)! For help, type "help"', {"ready": {}}),
        ('Done (12,3s)! For help, type "help" or "?"', {"ready": {}}),
        ("Alice joined the game", {"join": {"player": "Alice"}}),
        ("Alice (formerly known as Bob) joined the game", {"join": {"player": "Alice"}}),
        (".Bedrock_1 joined the game", {"join": {"player": ".Bedrock_1"}}),
        ("Alice left the game", {"leave": {"player": "Alice"}}),
        ("<Alice> hello", {"chat": {"player": "Alice", "text": "hello"}}),
        ("[Not Secure] <Alice> hello", {"chat": {"player": "Alice", "text": "hello"}}),
        ("Saving worlds", {"saving": {}}),
        ("<Alice> Bob left the game", {"chat": {"player": "Alice", "text": "Bob left the game"}}),
        (
            f"<Alice> {VANILLA}Bob joined the game",
            {"chat": {"player": "Alice", "text": f"{VANILLA}Bob joined the game"}},
        ),
        ("* Alice joined the game", {}),
        ("[Server] Alice left the game", {}),
        ("Alice was slain by Bob left the game", {}),
        ("Alice has made the advancement [Stone Age]", {}),
        ("Bob lost connection: Disconnected", {}),
    ],
)
def test_the_servers_in_java_are_understood(
    runtime: str, prefix: str, text: str, means: dict[str, dict[str, str]]
) -> None:
    assert understood(console_of("minecraft", runtime), prefix + text) == means


@pytest.mark.parametrize("runtime", JAVA_RUNTIMES)
def test_what_the_game_did_not_log_is_nobodys_doing(runtime: str) -> None:
    console = console_of("minecraft", runtime)
    for line in ("Alice joined the game", "[12:34:56 WARN]: Alice left the game", "[x] [y]: Done (1s)!"):
        assert understood(console, line) == {}


@pytest.mark.parametrize("prefix", [VANILLA, FORGE, PAPER])
def test_the_servers_in_java_tell_their_tick_time(prefix: str) -> None:
    tick = CATALOG.runtime(CATALOG.get("minecraft"), "paper").tick
    assert tick is not None
    found = re.search(tick.pattern, f"{prefix}Average time per tick: 3.2ms (Target: 50.0ms)")
    assert found is not None and found["ms"] == "3.2"
    assert re.search(tick.pattern, f"{prefix}<Alice> Average time per tick: 3.2ms") is None


MANAGER = "ServerMultiplayerManager.cpp:776"
STAMP, SAID, PLAYED = "2026-11-22 12:34:56", "[2026-11-22 12:34:56:789 INFO]", "L 11/22/2026 - 12:34:56:"


@pytest.mark.parametrize(
    ("package", "line", "means"),
    [
        (
            "factorio",
            f"   3.210 Info {MANAGER}: updateTick(0) changing state from(CreatingGame) to(InGame)",
            {"ready": {}},
        ),
        ("factorio", f"{STAMP} [JOIN] Alice joined the game", {"join": {"player": "Alice"}}),
        ("factorio", f"{STAMP} [LEAVE] Alice left the game", {"leave": {"player": "Alice"}}),
        ("factorio", f"{STAMP} [KICK] Alice was kicked by <server>. Reason: x.", {"leave": {"player": "Alice"}}),
        (
            "factorio",
            f"{STAMP} [CHAT] Alice: [LEAVE] Bob left the game",
            {"chat": {"player": "Alice", "text": "[LEAVE] Bob left the game"}},
        ),
        ("csgo", "VAC secure mode is activated.", {"ready": {}}),
        ("csgo", f'{PLAYED} "Al <3><4><STEAM_1:0:12><>" entered the game', {"join": {"player": "Al <3>"}}),
        (
            "csgo",
            f'{PLAYED} "Alice<4><STEAM_1:0:12><CT>" disconnected (reason "Disconnect")',
            {"leave": {"player": "Alice"}},
        ),
        (
            "csgo",
            f'{PLAYED} "Alice<4><STEAM_1:0:12><CT>" say "hi"',
            {"chat": {"player": "Alice", "text": "hi"}},
        ),
        (
            "csgo",
            f'{PLAYED} "Alice<4><STEAM_1:0:12><CT>" say "Bob<5><STEAM_1:0:13><>" entered the game"',
            {"chat": {"player": "Alice", "text": 'Bob<5><STEAM_1:0:13><>" entered the game'}},
        ),
        ("minecraft-bedrock", f"{SAID} Server started.", {"ready": {}}),
        ("minecraft-bedrock", f"{SAID} Player connected: Al Ice, xuid: 2535", {"join": {"player": "Al Ice"}}),
        (
            "minecraft-bedrock",
            f"NO LOG FILE! - {SAID} Player disconnected: Al Ice, xuid: 2535, pfid: a1",
            {"leave": {"player": "Al Ice"}},
        ),
        (
            "luanti",
            f'{STAMP}: ACTION[Main]: Server for gameid="minetest" listening on 127.0.0.1:30155.',
            {"ready": {}},
        ),
        (
            "luanti",
            f"{STAMP}: ACTION[Server]: Alice [127.0.0.1] joins game. List of players: Alice Bob",
            {"join": {"player": "Alice"}},
        ),
        ("luanti", f"{STAMP}: ACTION[Server]: Alice leaves game. List of players: ", {"leave": {"player": "Alice"}}),
        ("luanti", f"{STAMP}: ACTION[Server]: Alice times out. List of players: ", {"leave": {"player": "Alice"}}),
        (
            "luanti",
            f"{STAMP}: ACTION[Server]: CHAT: <Alice> Bob leaves game. List of players: ",
            {"chat": {"player": "Alice", "text": "Bob leaves game. List of players: "}},
        ),
        ("luanti", f"{STAMP}: ACTION[Main]: Server: Shutting down", {"saving": {}}),
        ("openttd", "The game has started.", {"ready": {}}),
        ("openttd", "\u200e*** Al Ice has joined the game (Client #2)", {"join": {"player": "Al Ice"}}),
        ("openttd", "\u200e*** Bob has left the game (connection lost)", {"leave": {"player": "Bob"}}),
        (
            "openttd",
            "\u200e*** x has left the game has joined the game (Client #3)",
            {"join": {"player": "x has left the game"}},
        ),
        (
            "openttd",
            "\u200e[All] Bob: The game has started.",
            {"chat": {"player": "Bob", "text": "The game has started."}},
        ),
    ],
)
def test_every_game_is_understood(package: str, line: str, means: dict[str, dict[str, str]]) -> None:
    assert understood(console_of(package, CATALOG.runtime(CATALOG.get(package), None).name), line) == means
