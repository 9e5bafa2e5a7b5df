"""A game server for tests that serves Minecraft's Management Server Protocol (JSON-RPC 2.0 over WebSocket).

It knows a part of the methods of Minecraft 1.21.9, and reads where to serve them from server.properties of its working
directory. On its console: help, list, say TEXT, join NAME, leave NAME, stop.

ref: https://minecraft.wiki/w/Minecraft_Server_Management_Protocol
"""

import asyncio
import contextlib
import hashlib
import hmac
import http
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

STARTED = time.monotonic()
VERSION = {"name": "1.21.9", "protocol": 773}
NOTE = "minecraft:notification/"


class Refusal(Exception):
    """A request cannot be answered: the code and the message of a JSON-RPC error, and what exactly is wrong."""

    def __init__(self, code: int, message: str, data: str) -> None:
        super().__init__(data)
        self.error = {"code": code, "message": message, "data": data}


def wrong(data: str) -> Refusal:
    return Refusal(-32602, "Invalid params", data)


class Game:
    """Who plays, who may, and who listens to what happens."""

    def __init__(self) -> None:
        self.players: dict[str, dict[str, str]] = {}
        self.allowed: dict[str, dict[str, str]] = {}
        self.listeners: set[ServerConnection] = set()
        self.ending = asyncio.Event()
        self.methods: dict[str, tuple[str | None, Callable[..., Any]]] = {
            "rpc.discover": (None, self.discover),
            "minecraft:players": (None, lambda: list(self.players.values())),
            "minecraft:players/kick": ("kick", self.kick),
            "minecraft:allowlist": (None, lambda: list(self.allowed.values())),
            "minecraft:allowlist/add": ("add", self.allow),
            "minecraft:allowlist/remove": ("remove", self.forbid),
            "minecraft:server/status": (None, self.status),
            "minecraft:server/save": ("flush", self.save),
            "minecraft:server/stop": (None, self.stop),
            "minecraft:server/system_message": ("message", self.announce),
        }
        """The name of the one parameter that each takes, and what answers it."""

    def discover(self) -> dict[str, Any]:
        return {
            "openrpc": "1.3.2",
            "info": {"title": "Minecraft Server JSON-RPC", "version": "1.1.0"},
            "methods": [
                {"name": name, "params": [{"name": parameter, "required": True}] if parameter else []}
                for name, (parameter, _) in self.methods.items()
            ],
        }

    def status(self) -> dict[str, Any]:
        return {"started": True, "players": list(self.players.values()), "version": VERSION}

    def kick(self, kick: Any) -> list[dict[str, str]]:
        theirs = [player_of(one.get("player")) for one in listed(kick)]
        gone = [player for player in theirs if player["name"] in self.players]
        for player in gone:
            self.leave(player["name"])
        return gone

    def allow(self, add: Any) -> list[dict[str, str]]:
        for player in map(player_of, listed(add)):
            if self.allowed.setdefault(player["name"], player) is player:
                self.notify("allowlist/added", player)
        return list(self.allowed.values())

    def forbid(self, remove: Any) -> list[dict[str, str]]:
        for player in map(player_of, listed(remove)):
            if self.allowed.pop(player["name"], None):
                self.notify("allowlist/removed", player)
        return list(self.allowed.values())

    def save(self, flush: Any) -> bool:
        if not isinstance(flush, bool):
            raise wrong("flush is true or false")
        self.notify("server/saving")
        self.notify("server/saved")
        return True

    def announce(self, message: Any) -> bool:
        text = message.get("message", {}).get("literal") if isinstance(message, dict) else None
        if not isinstance(text, str):
            raise wrong("there is no message")
        print(text)
        return True

    def stop(self) -> bool:
        self.ending.set()
        return True

    def join(self, name: str) -> None:
        if self.players.setdefault(name, player := player_of({"name": name})) is player:
            print(f"{name} joined the game")
            self.notify("players/joined", player)

    def leave(self, name: str) -> None:
        if player := self.players.pop(name, None):
            print(f"{name} left the game")
            self.notify("players/left", player)

    def notify(self, what: str, *params: Any) -> None:
        """Tell everybody who listens."""
        note = {"jsonrpc": "2.0", "method": NOTE + what} | ({"params": list(params)} if params else {})
        broadcast(self.listeners, json.dumps(note))

    def obey(self, line: str) -> None:
        """Do what a line of the console says."""
        verb, _, rest = line.partition(" ")
        if verb == "stop":
            self.ending.set()
        elif verb == "say":
            print(f"[Server] {rest}")
        elif verb == "list":
            print(f"There are {len(self.players)} of a max of 20 players online: {', '.join(self.players)}")
        elif verb in ("join", "leave") and re.fullmatch(r"[A-Za-z0-9_]{1,16}", rest):
            (self.join if verb == "join" else self.leave)(rest)
        elif verb == "help":
            print("Commands: help, list, say, join, leave, stop")
        elif verb:
            print("Unknown or incomplete command")

    async def attend(self, connection: ServerConnection) -> None:
        """Answer one client until it goes."""
        self.listeners.add(connection)
        try:
            async for message in connection:
                answer = self.answer(message)
                if answer is not None:
                    await connection.send(json.dumps(answer))
        finally:
            self.listeners.discard(connection)

    def answer(self, message: str | bytes) -> Any:
        """Return the answer to a message: one request, or an array of them."""
        try:
            asked = json.loads(message)
        except ValueError as error:
            return refused(None, Refusal(-32700, "Parse error", str(error)))
        if isinstance(asked, list) and asked:
            return [answer for one in asked if (answer := self.answer_one(one)) is not None] or None
        return self.answer_one(asked)

    def answer_one(self, request: Any) -> dict[str, Any] | None:
        """Return the answer to a request; None: it wants none."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return refused(None, Refusal(-32600, "Invalid Request", "this is no request"))
        try:
            result = self.call(request["method"], request.get("params", []))
        except Refusal as refusal:
            return refused(request["id"], refusal) if "id" in request else None
        return {"jsonrpc": "2.0", "id": request["id"], "result": result} if "id" in request else None

    def call(self, name: str, params: Any) -> Any:
        if name not in self.methods:
            raise Refusal(-32601, "Method not found", f"Method not found: {name}")
        parameter, method = self.methods[name]
        values = [params.get(parameter)] if parameter and isinstance(params, dict) else list(params or [])
        if len(values) != (1 if parameter else 0):
            raise wrong(f"{name} takes {parameter or 'no parameters'}")
        return method(*values)


def refused(number: Any, refusal: Refusal) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": refusal.error}


def listed(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise wrong("this is no list of objects")
    return value


def player_of(value: Any) -> dict[str, str]:
    """Return the player that an object with a `name` means."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise wrong("a player has a name")
    digest = hashlib.md5(f"OfflinePlayer:{value['name']}".encode(), usedforsecurity=False).digest()
    return {"id": str(uuid.UUID(bytes=digest, version=3)), "name": value["name"]}


def read_properties(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


@contextlib.asynccontextmanager
async def management(game: Game, properties: dict[str, str]) -> Any:
    """Serve the protocol while open, if server.properties says so; exit where it says so wrongly, as Minecraft does."""
    if properties.get("management-server-enabled") != "true":
        yield
        return
    secret = properties.get("management-server-secret", "")
    if not re.fullmatch("[A-Za-z0-9]{40}", secret):
        sys.exit("management-server-secret has to be 40 letters and digits")
    if properties.get("management-server-tls-enabled", "true") != "false":
        sys.exit("management-server-tls-enabled needs a keystore, which this game cannot read")

    def guard(connection: ServerConnection, request: Request) -> Response | None:
        if hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {secret}".encode()):
            return None
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Unauthorized\n")

    host = properties.get("management-server-host", "localhost")
    port = int(properties.get("management-server-port", "0"))
    async with serve(game.attend, host, port, process_request=guard) as server:
        print(f"Json-RPC Management connection listening on {host}:{server.sockets[0].getsockname()[1]}")
        yield
        game.notify("server/stopping")


async def main() -> None:
    """Play until told to stop."""
    game = Game()
    typed = b""

    def read() -> None:
        nonlocal typed
        more = os.read(sys.stdin.fileno(), 4096)
        *lines, typed = (typed + more).split(b"\n")
        for line in lines:
            game.obey(line.decode(errors="replace").strip())
        if not more:
            game.ending.set()

    async with management(game, read_properties(Path("server.properties"))):
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
        print(f'Done ({time.monotonic() - STARTED:.1f}s)! For help, type "help"')
        game.notify("server/started")
        await game.ending.wait()
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        print("Stopping the server")


asyncio.run(main())
