"""The console commands that administrators of Minecraft know, in the game as its package installs it."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from innkeeper.contracts.installer import Place
from innkeeper.core.catalog.loader import SHIPPED, load_package
from innkeeper.drivers.installers.npm import NpmInstaller
from innkeeper.node.files.imports import ImportRoots
from innkeeper.node.files.jail import Jail
from innkeeper.node.installs.process import CommandRunner
from tests.acceptance.looking import eventually, free_port
from tests.clients.bots import Bot

pytestmark = pytest.mark.slow

SAID = re.compile(r"^[A-Z][a-z]+ \d{1,2}[a-z]{2} \d{4}, \d\d:\d\d:\d\d (?P<text>.*)$")
CREATED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$")
NOT_A_NAME = ("b@d", "seventeen_letters", "../../x", "é", "-")


class Console:
    """A flying-squid that runs in a folder of its own, and its console."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process = process

    async def ready(self) -> Self:
        """Return once it is up."""
        await self.until("Done (")
        return self

    async def until(self, text: str) -> list[str]:
        """Return what it says up to the first line with that text, without dates."""
        assert self._process.stdout is not None
        said: list[str] = []
        async with asyncio.timeout(20):
            while not said or text not in said[-1]:
                line = (await self._process.stdout.readline()).decode()
                assert line, f"it ended, after {said}"
                found = SAID.match(line)
                said.append(found["text"] if found else line.rstrip("\n"))
        return said

    def type(self, *lines: str) -> None:
        """Type lines, all at once."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def answers(self, *lines: str) -> list[str]:
        """Type lines and return all that is said until the last of them is answered."""
        self.type(*lines, "list")
        return [line.removeprefix("[INFO]: ") for line in (await self.until("of a max of"))[:-1]]

    def entries(self, name: str) -> list[dict[str, Any]]:
        """Return what a player list's file holds."""
        found: list[dict[str, Any]] = json.loads((self.folder / name).read_text())
        return found

    async def stop(self) -> None:
        """Have it stop, and see that it ends well."""
        self.type("stop")
        async with asyncio.timeout(10):
            await self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="session")
def program(shared_games: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the game's program, installed as its package says."""
    [step] = load_package(SHIPPED / "minecraft").install
    empty = tmp_path_factory.mktemp("empty")
    exports: dict[str, str] = {}

    def report(text: str, fraction: float | None = None) -> None:
        pass

    async def nothing_foreign(*_: Any, **__: Any) -> int:
        raise AssertionError

    place = Place(
        folder=Jail(empty),
        shared=shared_games,
        uploads=Jail(empty),
        source=ImportRoots([]),
        run=CommandRunner(report, os.environ),
        report=report,
        tool=lambda name: Path(shutil.which(name) or name),
        home=empty,
        as_server=nothing_foreign,
        export=exports.__setitem__,
    )
    asyncio.run(NpmInstaller(os.environ).install(step, place))
    return Path(exports["flying-squid"]) / "server.js"


Start = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture
def start(program: Path, tmp_path: Path) -> Start:
    """Give what runs the game while open: `options` are Node's, `properties` more of server.properties."""

    @asynccontextmanager
    async def started(*options: str, properties: str = "") -> AsyncIterator[Console]:
        port = free_port()
        (tmp_path / "server.properties").write_text(f"server-port={port}\nserver-ip=127.0.0.1\n{properties}")
        process = await asyncio.create_subprocess_exec(
            *("node", *options, str(program), "1.21.4"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            console = await Console(tmp_path, process, port).ready()
            yield console
            await console.stop()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.communicate()

    return started


async def test_the_whitelist_is_kept_in_its_file(start: Start, tmp_path: Path) -> None:
    bob = {"uuid": "0bfccf2b-e4f4-381d-89f5-83e2edebe64e", "name": "Bob", "note": "ours"}
    (tmp_path / "whitelist.json").write_text(json.dumps([bob, "odd"]))
    async with start() as console:
        assert await console.answers("whitelist add Alice", "whitelist add ALICE", "whitelist add bob") == [
            "Added Alice to the whitelist",
            "Player is already whitelisted",
            "Player is already whitelisted",
        ]
        assert console.entries("whitelist.json") == [bob, "odd", {"uuid": offline("Alice"), "name": "Alice"}]
        assert await console.answers("whitelist list", "whitelist reload") == [
            "There are 2 whitelisted player(s): Bob, Alice",
            "Reloaded the whitelist",
        ]
        assert await console.answers("whitelist remove alice", "whitelist remove Alice", "whitelist remove Bob") == [
            "Removed Alice from the whitelist",
            "Player is not whitelisted",
            "Removed Bob from the whitelist",
        ]
        assert console.entries("whitelist.json") == ["odd"]
        assert await console.answers("whitelist list") == ["There are no whitelisted players"]


async def test_operators_are_kept_in_their_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ops.json").write_text('[{"name": "Root", "level": 2}]')
    async with start() as console:
        assert await console.answers("op Alice", "op Alice", "deop nobody") == [
            "Made Alice a server operator",
            "Nothing changed. The player already is an operator",
            "Nothing changed. The player is not an operator",
        ]
        assert console.entries("ops.json") == [
            {"name": "Root", "level": 2},
            {"uuid": offline("Alice"), "name": "Alice", "level": 4, "bypassesPlayerLimit": False},
        ]
        assert await console.answers("deop alice") == ["Made Alice no longer a server operator"]
        assert console.entries("ops.json") == [{"name": "Root", "level": 2}]


async def test_bans_are_kept_in_their_files(start: Start) -> None:
    async with start() as console:
        assert await console.answers("banlist", "ban Alice", "ban alice again", "ban Bob he cheats") == [
            "There are no bans",
            "Banned Alice: Banned by an operator.",
            "Nothing changed. The player is already banned",
            "Banned Bob: he cheats",
        ]
        first, second = console.entries("banned-players.json")
        assert CREATED.match(first.pop("created")) and CREATED.match(second.pop("created"))
        banned = {"source": "Server", "expires": "forever"}
        assert first == {"uuid": offline("Alice"), "name": "Alice", **banned, "reason": "Banned by an operator."}
        assert second == {"uuid": offline("Bob"), "name": "Bob", **banned, "reason": "he cheats"}
        assert await console.answers("ban-ip 192.0.2.7", "ban-ip ::ffff:192.0.2.7", "ban-ip 2001:DB8:0::1 spam") == [
            "Banned IP 192.0.2.7: Banned by an operator.",
            "Nothing changed. That IP is already banned",
            "Banned IP 2001:db8::1: spam",
        ]
        first, second = console.entries("banned-ips.json")
        assert CREATED.match(first.pop("created")) and CREATED.match(second.pop("created"))
        assert first == {"ip": "192.0.2.7", **banned, "reason": "Banned by an operator."}
        assert second == {"ip": "2001:db8::1", **banned, "reason": "spam"}
        addresses = [
            "192.0.2.7 was banned by Server: Banned by an operator.",
            "2001:db8::1 was banned by Server: spam",
        ]
        players = ["Alice was banned by Server: Banned by an operator.", "Bob was banned by Server: he cheats"]
        assert await console.answers("banlist ips") == ["There are 2 ban(s):", *addresses]
        assert await console.answers("banlist players") == ["There are 2 ban(s):", *players]
        assert await console.answers("banlist") == ["There are 4 ban(s):", *players, *addresses]
        assert await console.answers("pardon alice", "pardon Alice", "pardon-ip 2001:db8::1", "pardon-ip 10.0.0.1") == [
            "Unbanned Alice",
            "Nothing changed. The player isn't banned",
            "Unbanned IP 2001:db8::1",
            "Nothing changed. That IP isn't banned",
        ]
        assert [entry["name"] for entry in console.entries("banned-players.json")] == ["Bob"]
        assert [entry["ip"] for entry in console.entries("banned-ips.json")] == ["192.0.2.7"]
        assert not list(console.folder.glob(".*")), "drafts are left"


async def test_what_cannot_be_meant_is_refused_and_changes_nothing(start: Start) -> None:
    async with start() as console:
        verbs = ("whitelist add", "whitelist remove", "op", "deop", "ban", "pardon")
        typed = [f"{verb} {name}" for verb in verbs for name in NOT_A_NAME]
        assert await console.answers(*typed) == ["[ERROR]: That player does not exist"] * len(typed)
        for address in ("300.1.1.1", "1.2.3", "nobody", "::g", "1.2.3.4%eth0"):
            assert await console.answers(f"ban-ip {address}") == ["[ERROR]: Invalid IP address or unknown player"]
            assert await console.answers(f"pardon-ip {address}") == ["[ERROR]: Invalid IP address"]
        usage = {
            "/whitelist add|remove|list|on|off|reload [player]": ["", " add", " list x", " add a b", " toString"],
            "/op <player>": ["", " a b"],
            "/deop <player>": [""],
            "/ban <player> [reason]": [""],
            "/pardon <player>": ["", " a b"],
            "/ban-ip <address|player> [reason]": [""],
            "/pardon-ip <address>": [""],
            "/banlist [ips|players]": [" all"],
            "/tick query": ["", " rate 5"],
        }
        for text, endings in usage.items():
            base = text.removeprefix("/").split(" ", 1)[0]
            for ending in endings:
                assert await console.answers(base + ending) == [f"[ERROR]: Usage: {text}"], base + ending
        assert await console.answers("constructor") == ["[ERROR]: Command not found"]
        assert not list(console.folder.glob("*.json"))


async def test_a_list_that_cannot_be_read_is_not_written_over(start: Start) -> None:
    async with start() as console:
        for text in ('[{"name": "Al', '{"name": "Alice"}'):
            (console.folder / "ops.json").write_text(text)
            for command in ("op Bob", "deop Bob"):
                [said] = await console.answers(command)
                assert said.startswith("[ERROR]: ops.json cannot be read: "), said
            assert (console.folder / "ops.json").read_text() == text


async def test_the_whitelist_is_turned_on_for_good_and_at_once(start: Start) -> None:
    async with start(properties="# ours\r\nwhite-list = false\r\nmotd=x") as console:
        assert await console.answers("whitelist on", "whitelist on") == [
            "Whitelist is now turned on",
            "Whitelist is already turned on",
        ]
        written = (console.folder / "server.properties").read_bytes()
        assert written.endswith(b"# ours\r\nwhite-list = true\r\nmotd=x")
        async with Bot("127.0.0.1", console.port) as alice:
            await alice.order("join")
            await alice.wait_for("kicked", reason="You are not white-listed")
        await console.until("Refused")
        assert await console.answers("whitelist add Alice") == ["Added Alice to the whitelist"]
        async with Bot("127.0.0.1", console.port) as alice:
            await alice.join()
        assert (await console.answers("whitelist off", "whitelist off"))[-2:] == [
            "Whitelist is now turned off",
            "Whitelist is already turned off",
        ]


async def test_operators_may_use_the_commands_in_the_game_and_others_may_not(start: Start) -> None:
    async with start() as console, Bot("127.0.0.1", console.port) as alice:
        await alice.join()
        for command in ("/op Alice", "/whitelist add Eve", "/ban Bob", "/ban-ip 10.0.0.9", "/tick query", "/banlist"):
            await alice.chat(command)
            await alice.wait_for("chat", text="You do not have permission to use this command")
        assert not list(console.folder.glob("*.json"))

        assert "Made Alice a server operator" in await console.answers("op alice")
        [entry] = console.entries("ops.json")
        assert (entry["name"], entry["uuid"]) == ("Alice", offline("Alice"))
        await alice.chat("/ban Bob no more")
        await alice.wait_for("chat", text="Banned Bob: no more")
        assert (await console.until("Banned Bob"))[-1] == "[INFO]: [Alice: Banned Bob: no more]"
        assert console.entries("banned-players.json")[0]["source"] == "Alice"
        await alice.chat("/tick query")
        await alice.wait_for("chat", text="Average time per tick: ")

        assert "Made Alice no longer a server operator" in await console.answers("deop Alice")
        await alice.chat("/pardon Bob")
        await alice.wait_for("chat", text="You do not have permission to use this command")
        assert len(console.entries("banned-players.json")) == 1


async def test_a_ban_sends_the_player_away_until_it_is_lifted(start: Start) -> None:
    async with start() as console:
        async with Bot("127.0.0.1", console.port) as alice:
            await alice.join()
            console.type("ban alice bad")
            await alice.wait_for("kicked", reason="You are banned from this server: bad")
        await console.until("disconnected")
        async with Bot("127.0.0.1", console.port) as alice:
            await alice.order("join")
            await alice.wait_for("kicked", reason="You are banned from this server: bad")
        await console.until("Refused")
        assert await console.answers("pardon Alice") == ["Unbanned Alice"]
        async with Bot("127.0.0.1", console.port) as alice:
            await alice.join()
            console.type("ban-ip Alice worse")
            await alice.wait_for("kicked", reason="You are banned from this server: worse")
        assert [entry["ip"] for entry in console.entries("banned-ips.json")] == ["127.0.0.1"]


async def test_the_game_is_saved_when_told(start: Start) -> None:
    async with start() as console, Bot("127.0.0.1", console.port) as alice:
        await alice.join()
        said = await console.answers("save-all")
        assert said[-2:] == ["Saving the game (this may take a moment!)", "Saved the game"]
        world = console.folder / "world"
        assert (world / "playerdata" / f"{offline('Alice')}.dat").stat().st_size > 0
        assert list((world / "region").glob("*.mca"))


async def test_ticks_are_measured(start: Start) -> None:
    async with start() as console:
        said: list[str] = []

        async def measured() -> bool:
            nonlocal said
            said = await console.answers("tick query")
            return len(said) == 4 and int(said[3].rpartition(" ")[2]) >= 10

        await eventually(measured, "ten ticks", otherwise=lambda: str(said))
        assert said[:2] == ["The game is running normally", "Target tick rate: 20.0 per second (50.0 ms/tick)"]
        average = re.fullmatch(r"Average time per tick: (\d+\.\d)ms \(Target: 50\.0ms\)", said[2])
        assert average and float(average[1]) < 50
        figures = r"Percentiles: P50: (\d+\.\d)ms P95: (\d+\.\d)ms P99: (\d+\.\d)ms, sample: \d+"
        percentiles = re.fullmatch(figures, said[3])
        assert percentiles
        middle, high, highest = map(float, percentiles.groups())
        assert 0 <= middle <= high <= highest


async def test_a_busy_game_is_seen_to_be_busy(start: Start, tmp_path: Path) -> None:
    busy = tmp_path / "busy.js"
    busy.write_text("setInterval(() => { for (const until = Date.now() + 60; Date.now() < until;); }, 10)")
    async with start("--require", str(busy)) as console:

        async def lags() -> bool:
            said = await console.answers("tick query")
            return said[0] == "The game is running, but can't keep up with the target tick rate"

        await eventually(lags, "the game to lag")


async def test_with_verified_accounts_the_account_is_asked_for(start: Start, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.js"  # in place of the game's makers
    accounts.write_text("""globalThis.fetch = async url => {
      const name = url.split('/').pop().toLowerCase()
      await new Promise(resolve => setTimeout(resolve, 50))
      if (name === 'nobody') return { status: 404 }
      if (name === 'lost') throw new TypeError('fetch failed', { cause: new Error('no way there') })
      return { status: 200, json: async () => ({ id: '00112233445566778899aabbccddeeff', name: 'Alice' }) }
    }""")
    async with start("--require", str(accounts), properties="online-mode=true\n") as console:
        assert await console.answers("op alice", "deop ALICE", "whitelist add alice", "ban nobody", "op lost") == [
            "Made Alice a server operator",
            "Made Alice no longer a server operator",
            "Added Alice to the whitelist",
            "[ERROR]: That player does not exist",
            "[ERROR]: Nobody can be asked for the account lost: no way there",
        ]
        alice = {"uuid": "00112233-4455-6677-8899-aabbccddeeff", "name": "Alice"}
        assert console.entries("whitelist.json") == [alice]
        assert await console.answers("whitelist add Alicia") == ["Player is already whitelisted"]


def offline(name: str) -> str:
    """Return the UUID of a player whose account nobody verifies."""
    digest = hashlib.md5(f"OfflinePlayer:{name}".encode(), usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest, version=3))
