"""The product as it is run, for benchmarks: the real `innkeeper serve`, in a folder of its own that is removed."""

import asyncio
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from innkeeper.core.servers.model import Server
from innkeeper.kit.ids import uuid7
from innkeeper.panel.api import PREFIX
from innkeeper.storage.database import Database

READY_S = 60.0
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As it is run where it is installed: the first start compiles, later ones do not."""
API = PREFIX
IDLER = ["/bin/bash", "-c", "echo $EPOCHREALTIME > started; echo up; exec sleep 100000"]
"""A game that writes down when it was executed, and then costs nothing."""


class Serve:
    """One installation. Use as a context manager: its games end with it, and its folder is removed."""

    def __init__(self, *command: str) -> None:
        self._command = command or (sys.executable, "-m", "innkeeper")
        # The game servers' users must come through.
        self.root = Path(tempfile.mkdtemp(prefix="innkeeper-bench-"))
        self.root.chmod(0o711)
        self.data = self.root / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self.key = ""
        self.host = ""
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None:
            sys.stderr.write(self.log(20))
        self.close()
        self.remove()

    # -- the process ------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The process id of `serve`."""
        assert self._process is not None
        return self._process.pid

    def open(self) -> float:
        """Start it; return the seconds until it was ready."""
        ready = self.root / "ready"
        ready.unlink(missing_ok=True)
        begun = time.monotonic()
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._command,
                    "serve",
                    "--data",
                    str(self.data),
                    "--listen",
                    "127.0.0.1:0",
                    "--ready-file",
                    str(ready),
                    "--no-sample",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
            )
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() - begun > READY_S:
                raise RuntimeError(f"serve did not come up:\n{self.log(40)}")
            time.sleep(0.005)
        seconds = time.monotonic() - begun
        told = msgspec.json.decode(ready.read_bytes())
        url = urlsplit(told["url"])
        self.key, self.host, self.port = told["api_key"], url.hostname or "", url.port or 0
        self._connection = None
        return seconds

    def close(self) -> None:
        """End it; games go on."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End the games and remove the folder."""
        if self.data.exists():
            subprocess.run(
                [*self._command, "admin", "stop-servers", "--data", str(self.data)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        shutil.rmtree(self.root, ignore_errors=True)

    def log(self, lines: int) -> str:
        """Return the end of what it said."""
        path = self.root / "log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) + "\n" if path.exists() else ""

    # -- its API ----------------------------------------------------------------------------------------------------

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs."""
        return {"Authorization": f"Bearer {self.key}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask our own API; return the answer, raise RuntimeError for one that is no success."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, self.port, timeout=90)
        content = msgspec.json.encode(body) if body is not None else None
        headers = {**self.headers, "Content-Type": "application/json"}
        self._connection.request(method, API + path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:500]}")
        return msgspec.json.decode(text) if text else None

    def another(self) -> "Serve":
        """Return the same with a connection of its own, for a thread of its own."""
        other = object.__new__(Serve)
        other.__dict__ |= self.__dict__ | {"_connection": None}
        return other

    def create(self, name: str, command: list[str] | None = None) -> dict[str, Any]:
        """Make a server that runs `command`, installed; return it."""
        properties = {"command": command or IDLER, "ready-when": "output"}
        made = self.call("POST", "/servers", {"name": name, "package": "custom", "properties": properties})
        self.finish(made["operation"])
        return dict(made["server"])

    def finish(self, operation: dict[str, Any]) -> None:
        """Wait for an operation's good end."""
        ended = self.call("GET", f"/operations/{operation['id']}?wait=60")
        if ended["state"] != "done":
            raise RuntimeError(f"{ended['verb']} {ended['state']}: {ended['reason']}")

    def start(self, server: dict[str, Any]) -> None:
        """Start a server; return when it runs."""
        self.finish(self.call("POST", f"/servers/{server['id']}/start"))

    def stop(self, server: dict[str, Any]) -> None:
        """Stop a server; return when it has ended."""
        self.finish(self.call("POST", f"/servers/{server['id']}/stop"))

    def command(self, server: dict[str, Any], line: str) -> None:
        """Type on a console."""
        self.call("POST", f"/servers/{server['id']}/command", {"command": line})

    def files(self, server: dict[str, Any]) -> Path:
        """Return where a server's files are."""
        return self.data / "node" / "servers" / server["id"] / "files"

    # -- round about ------------------------------------------------------------------------------------------------

    def insert(self, count: int) -> None:
        """Put stopped servers into the database, with the process ended meanwhile; games go on."""
        pattern = self.call("GET", "/servers?limit=1")["items"]
        if not pattern:
            self.create("pattern")
        self.close()
        asyncio.run(insert(f"sqlite:///{self.data / 'innkeeper.db'}", count))
        self.open()

    def keepers(self) -> list[int]:
        """Return the process ids of all keepers."""
        states = self.data.glob("node/servers/*/keeper/state.json")
        return [known["keeper_pid"] for path in states if (known := msgspec.json.decode(path.read_bytes()))["pid"]]

    @contextmanager
    def cpu(self, spent: list[float]) -> Iterator[None]:
        """Add to `spent` the cpu seconds that the process uses within the block."""
        before = cpu_seconds(self.pid)
        yield
        spent.append(cpu_seconds(self.pid) - before)


async def insert(url: str, count: int) -> None:
    """Put copies of the first server that was ever made into the database, stopped."""
    database = await Database.open(url)
    try:
        async with database.works() as work:
            first = (await work.servers.all())[0]
            for number in range(count):
                await work.servers.add(copy(first, number))
    finally:
        await database.aclose()


def copy(server: Server, number: int) -> Server:
    """Return another server like it."""
    return msgspec.structs.replace(
        server, id=0, uuid=uuid7(), name=f"server-{number}", port=40_000 + number, power="off", order_id=None
    )


def cpu_seconds(pid: int) -> float:
    """Return the cpu time that a process has used, in user space and kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> tuple[float, float]:
    """Return what a process has of the machine's memory, in MiB: its share, and what is its own alone."""
    share = own = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            share = int(line.split()[1])
        elif line.startswith("Private_"):
            own += int(line.split()[1])
    return share / 1024, own / 1024
