"""A whole Innkeeper for hostile tests: `innkeeper serve` as a process of its own, a game, and raw ways to reach both.

Everything here waits in the calling thread: a hostile client is simplest to read where it does one thing after another.
Knows the command line, our own API and exaroton's dialect; nothing of what is behind them.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import psutil
from websockets.sync.client import ClientConnection, connect

T = TypeVar("T")

API = "/api/innkeeper/v1"
GAME = Path(__file__).with_name("game.py")
START_S = 120.0
PATIENCE_S = 60.0
_LOOK_S = 0.02


class House:
    """One embedded installation that serves on a port of the system's choice."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._arguments = arguments
        self._log_file = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.key = ""
        self.password = ""
        self.client: httpx.Client

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and return once it serves."""
        ready = self.folder / "ready.json"
        command = [sys.executable, "-m", "innkeeper", "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--no-sample", "--ready-file", str(ready), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: self._is_ready(ready), "the house to serve", within=START_S)
        told = json.loads(ready.read_text())
        self.url, self.key, self.password = told["url"], told["api_key"], told["admin"]["password"]
        self.client = self.as_key(self.key)

    def _is_ready(self, ready: Path) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-4000:]
        return ready.exists()

    def close(self) -> None:
        """End it and its games; nothing of it may live on."""
        if self._process is not None:
            self.client.close()
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
        command = [sys.executable, "-m", "innkeeper", "admin", "stop-servers", "--data", str(self.data)]
        subprocess.run(command, check=False, timeout=60, capture_output=True)
        for process in self._zygotes():
            process.kill()
            psutil.wait_procs([process], timeout=5)

    def _zygotes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.data) in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:  # it has just ended
                continue
        return found

    # -- looking at it ----------------------------------------------------------------------------------------------

    @property
    def process(self) -> psutil.Process:
        """The one process of panel and node."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def log(self) -> str:
        """All it has printed and logged."""
        return self._log_file.read_text(errors="replace")

    @property
    def rss_mib(self) -> float:
        """The memory of its process."""
        return float(self.process.memory_info().rss) / (1 << 20)

    @property
    def descriptors(self) -> list[str]:
        """What its open descriptors are, connections left out."""
        found = []
        for entry in os.scandir(f"/proc/{self.process.pid}/fd"):
            try:
                target = str(Path(entry.path).readlink())
            except OSError:  # closed meanwhile
                continue
            if not target.startswith(("socket:", "anon_inode:")):
                found.append(target)
        return sorted(found)

    def alive(self) -> None:
        """Assert that it lives and answers."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended with {self._process.returncode}:\n{self.log[-4000:]}"
        assert self.client.get(f"{API}/status", timeout=10).status_code == 200

    # -- reaching it ------------------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        parts = urlsplit(self.url)
        assert parts.hostname and parts.port
        return parts.hostname, parts.port

    def as_key(self, key: str | None) -> httpx.Client:
        """Return a client that sends `key`; whoever asked for it closes it."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, *, status: int | None = None, **more: Any) -> Any:
        """Return the JSON of a reply to the administrator, which must be a success or of `status`."""
        reply = self.client.request(method, f"{API}{path}", **more)
        well = reply.is_success if status is None else reply.status_code == status
        assert well, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    @contextmanager
    def raw(self, timeout: float = 20) -> Iterator[socket.socket]:
        """Give a bare connection."""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            yield connection

    def say(self, data: bytes, *, patience: float = 20) -> bytes:
        """Send bytes as they are on a fresh connection; return what comes until it closes or is silent so long."""
        with self.raw(patience) as connection:
            with suppress(OSError):  # it may hang up while we are talking
                connection.sendall(data)
            return heard(connection)

    def socket(self, path: str, key: str | None = None, **more: Any) -> ClientConnection:
        """Open a WebSocket."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return connect(
            f"{self.url.replace('http', 'ws', 1)}{path}",
            additional_headers=headers,
            open_timeout=20,
            close_timeout=5,
            max_size=None,
            proxy=None,
            **more,
        )

    # -- games ------------------------------------------------------------------------------------------------------

    def game(self, name: str, *, start: bool = True) -> Game:
        """Make a server of the game beside this file; it is running (or installed) when this returns."""
        # The game's user may not read where the tests lie: the program is its own argument, in one line.
        packed = base64.b64encode(zlib.compress(GAME.read_bytes())).decode()
        program = f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'
        properties = {
            "command": f"{sys.executable} -u -c '{program}'",
            "ready-when": "pattern",
            "ready-text": "ready to play",
            "stop-command": "stop",
        }
        made = self.ask(
            "POST",
            "/servers",
            status=201,
            json={"name": name, "package": "custom", "properties": properties, "start": start},
        )
        game = Game(self, made["server"])
        game.until("running" if start else "stopped")
        return game


class Game:
    """One server, as its administrator sees it."""

    def __init__(self, house: House, view: dict[str, Any]) -> None:
        self.house = house
        self.id: str = view["id"]
        self.exaroton: str = view["dialect_ids"]["exaroton"]
        self.crafty = str(view["dialect_ids"]["crafty"])

    @property
    def path(self) -> str:
        """Its path in our own API."""
        return f"{API}/servers/{self.id}"

    @property
    def folder(self) -> Path:
        """Where its files are on this host."""
        return next(path / "files" for path in (self.house.data / "node").rglob(self.id) if (path / "files").is_dir())

    def view(self) -> dict[str, Any]:
        """Return how it is now."""
        found: dict[str, Any] = self.house.ask("GET", f"/servers/{self.id}")
        return found

    def until(self, state: str, within: float = PATIENCE_S) -> dict[str, Any]:
        """Return how it is once it is in `state`."""
        seen: dict[str, Any] = {}

        def look() -> bool:
            seen.update(self.view())
            return bool(seen["state"] == state)

        until(look, f"the game to be {state}", within=within, otherwise=lambda: str(seen))
        return seen

    def order(self, verb: str) -> dict[str, Any]:
        """Order something; return the operation once it has ended."""
        done: dict[str, Any] = self.house.ask("POST", f"/servers/{self.id}/{verb}", params={"wait": 40})
        return done

    def type(self, line: str) -> None:
        """Type a line on its console."""
        self.house.ask("POST", f"/servers/{self.id}/command", json={"command": line})

    def lines(self, after: int = 0) -> list[tuple[int, str]]:
        """Return its console's lines after a number."""
        found: list[tuple[int, str]] = []
        while True:
            page = self.house.ask("GET", f"/servers/{self.id}/console", params={"after": after, "limit": 5000})
            found += [(line["seq"], line["text"]) for line in page["items"]]
            if page["next"] is None:
                return found
            after = page["next"]

    def last(self) -> int:
        """Return the number of its last line."""
        items = self.house.ask("GET", f"/servers/{self.id}/console", params={"tail": 1})["items"]
        return items[-1]["seq"] if items else 0

    def printed(self, text: str, after: int = 0, within: float = PATIENCE_S) -> str:
        """Return the first line after a number that holds `text`, once there is one."""
        seen: list[tuple[int, str]] = []

        def look() -> bool:
            seen[:] = self.lines(after)
            return any(text in line for _, line in seen)

        until(look, f"a line with {text!r}", within=within, otherwise=lambda: str(seen[-5:])[:2000])
        return next(line for _, line in seen if text in line)

    def done(self, line: str) -> None:
        """Type a line and return once the game has done what it says."""
        after = self.last()
        self.type(line)
        self.printed("done", after)

    def delete(self) -> None:
        """Delete it with its files."""
        self.house.ask("DELETE", f"/servers/{self.id}", params={"wait": 40, "purge": "true"})


def heard(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes or falls silent for as long as the connection waits."""
    found = b""
    while True:
        try:
            part = connection.recv(65536)
        except OSError:
            return found
        if not part:
            return found
        found += part


def until(
    look: Callable[[], bool], what: str, *, within: float = PATIENCE_S, otherwise: Callable[[], str] = lambda: ""
) -> None:
    """Return once `look` says yes; raise AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, f"waited {within} s for {what}; {otherwise()}"
        time.sleep(_LOOK_S)
