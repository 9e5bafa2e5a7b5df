"""Whole Innkeepers for tests: the real commands, in the embedded and in the separate form, on folders of their own.

    async with Embedded(tmp_path / "data") as inn:
        server = await inn.api.create(package="custom", properties={…})
        await inn.kill()
        await inn.start()

Knows the command line, the files a person is told of and our own API; nothing of what is behind them. What a test
leaves running is stopped in order by `innkeeper admin stop-servers`, and whatever still lives then fails the test.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from innkeeper.testing.nats_server import NatsServer
from innkeeper.testing.postgres import PostgresServer

T = TypeVar("T")

START_S = 30.0
END_S = 40.0
_LOOK_S = 0.02


class Command:
    """One long-lived process of ours: `python -m innkeeper ARGUMENTS --ready-file F`. Its output is kept in a file."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        self.name = name
        self.arguments = arguments
        self.ready_file = folder / f"{name}.ready"
        self._log = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def output(self) -> str:
        """All it has printed, over all its lives."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._process is not None

    async def start(self, *more: str) -> dict[str, Any]:
        """Start it and return what its ready file says once it has written it."""
        await self.launch(*more)
        await eventually(self._ready, "it to be ready", within=START_S, otherwise=lambda: self.output[-4000:])
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    async def launch(self, *more: str) -> None:
        """Start it, and wait for nothing."""
        assert self._process is None, f"{self.name} runs already"
        self.ready_file.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "innkeeper", *self.arguments, *more, "--ready-file", str(self.ready_file)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt from the keyboard is for the tests
            )

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, f"{self.name} ended with {self._process.returncode}:\n{self.output}"
        return self.ready_file.exists()

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal; return its exit status once it is gone. Nothing happens where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(how)
        try:
            return await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{self.name} did not end within {END_S} s:\n{self.output}") from None


class Innkeeper:
    """One installation. `parts` are the names of its processes, in the order in which they are started."""

    parts: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, shared: Path | None = None) -> None:
        """`shared`: a folder for what installers make, used in place of this installation's own."""
        self.folder = folder
        self.shared = shared
        self.commands: dict[str, Command] = {}
        self.url = ""
        self.password: str | None = None
        self.api_key = ""
        self._api: Api | None = None

    @property
    def node_data(self) -> Path:
        """The data folder of the node."""
        raise NotImplementedError

    @property
    def panel_data(self) -> Path:
        """The data folder of the panel."""
        raise NotImplementedError

    @property
    def exaroton_url(self) -> str:
        """Base address of exaroton's dialect."""
        return f"{self.url}/v1"

    @property
    def api(self) -> "Api":
        """Our own API, asked as the administrator."""
        if self._api is None:
            self._api = Api(self.url, self.api_key)
        return self._api

    @property
    def output(self) -> str:
        """What the process printed that tells a person how to get in."""
        return self.commands[self._panel].output

    @property
    def _panel(self) -> str:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for command in self.commands.values():
                print(f"---- output of {command.name} ----\n{command.output[-20_000:]}")
        await self.close()

    async def start(self, *more: str) -> None:
        """Start whatever does not run. `more` are further arguments of the panel (or of `serve`)."""
        for part in self.parts:
            await self.start_part(part, *(more if part == self._panel else ()))

    async def start_part(self, part: str, *more: str) -> None:
        """Start one of the parts, if it does not run."""
        raise NotImplementedError

    async def launch(self) -> None:
        """Start anew whatever does not run, and wait for nothing; only after a first `start`."""
        for command in self.commands.values():
            if not command.runs:
                await command.launch(*(("--listen", self._listen) if command.name == self._panel else ()))

    async def kill_part(self, part: str) -> None:
        """End one of the parts with SIGKILL."""
        await self.commands[part].end(signal.SIGKILL)

    async def kill(self) -> None:
        """End everything of ours at once with SIGKILL; game servers go on."""
        await asyncio.gather(*(self.kill_part(part) for part in self.parts))

    async def stop(self) -> None:
        """End everything of ours with SIGTERM, the last started first, and see that it ended well."""
        for part in reversed(self.parts):
            if part in self.commands:
                status = await self.commands[part].end()
                assert status == 0, f"{part} ended with {status}:\n{self.commands[part].output[-8000:]}"

    async def close(self) -> None:
        """End everything, game servers too, and see that nothing is left."""
        if self._api is not None:
            await self._api.aclose()
            self._api = None
        try:
            await self.stop()
        finally:
            try:
                if self.node_data.exists():
                    await admin("stop-servers", "--data", str(self.node_data))
            finally:
                left = await _processes_of(self.folder)
                _end(left)
        assert not left, f"these live on: {[_told(process) for process in left]}"

    async def node_is_online(self) -> None:
        """Return once the panel knows that its node is there."""

        async def look() -> bool:
            return any(node["online"] for node in (await self.api.ask("GET", "/nodes"))["items"])

        await eventually(look, "a node to be online")

    def _use_shared(self) -> None:
        if self.shared is not None and not (self.node_data / "shared").exists():
            self.node_data.mkdir(parents=True, exist_ok=True)
            (self.node_data / "shared").symlink_to(self.shared)

    def _take(self, ready: dict[str, Any]) -> None:
        self.url, self.api_key = ready["url"], ready["api_key"]
        self.password = ready["admin"]["password"]

    @property
    def _listen(self) -> str:
        """Where to listen: the same place at every start, so that clients find it again."""
        return self.url.removeprefix("http://") or "127.0.0.1:0"


class Embedded(Innkeeper):
    """`innkeeper serve ARGUMENTS`: everything in one process and one folder."""

    parts = ("serve",)
    _panel = "serve"

    def __init__(
        self, folder: Path, *, shared: Path | None = None, arguments: tuple[str, ...] = ("--no-sample",)
    ) -> None:
        super().__init__(folder, shared=shared)
        self.arguments = arguments

    @property
    def data(self) -> Path:
        """The folder given to `serve`."""
        return self.folder / "data"

    @property
    def node_data(self) -> Path:
        return self.data / "node"

    @property
    def panel_data(self) -> Path:
        return self.data

    async def start_part(self, part: str, *more: str) -> None:
        command = self.commands.get(part)
        if command is not None and command.runs:
            return
        self._use_shared()
        if command is None:
            self.commands[part] = Command(part, self.folder, "serve", "--data", str(self.data), *self.arguments)
        self._take(await self.commands[part].start("--listen", self._listen, *more))


class Separate(Innkeeper):
    """`innkeeper panel` and `innkeeper node` over NATS, on PostgreSQL."""

    parts = ("nats", "panel", "node")
    _panel = "panel"

    def __init__(self, folder: Path, postgres: PostgresServer, *, shared: Path | None = None) -> None:
        super().__init__(folder, shared=shared)
        self._postgres = postgres
        self.database = postgres.create_database()
        self.nats = NatsServer()
        self._nats_runs = False

    @property
    def node_data(self) -> Path:
        return self.folder / "node-data"

    @property
    def panel_data(self) -> Path:
        return self.folder / "panel-data"

    async def start_part(self, part: str, *more: str) -> None:
        if part == "nats":
            await self._start_nats()
            return
        command = self.commands.get(part)
        if command is not None and command.runs:
            return
        if part == "panel":
            if command is None:
                where = ["--data", str(self.panel_data), "--database", self.database, "--bus", self.nats.url]
                command = self.commands[part] = Command(part, self.folder, "panel", *where, "--upgrade")
            self._take(await command.start("--listen", self._listen, *more))
            return
        if command is None:
            self._use_shared()
            where = ["--data", str(self.node_data), "--bus", self.nats.url]
            command = self.commands[part] = Command(part, self.folder, "node", *where, "--name", "far")
            told = await admin("enrol-node", "--data", str(self.panel_data), "--database", self.database, "--json")
            await command.start("--token", json.loads(told)["token"])
        else:
            await command.start()
        await self.node_is_online()

    async def _start_nats(self) -> None:
        if self.nats.port == 0:
            await self.nats.__aenter__()
        elif not self._nats_runs:
            await self.nats.restart()
        self._nats_runs = True

    async def kill_part(self, part: str) -> None:
        if part == "nats":
            await self.nats.kill()
            self._nats_runs = False
        else:
            await super().kill_part(part)

    async def kill(self) -> None:
        """End panel and node at once with SIGKILL."""
        await asyncio.gather(self.kill_part("panel"), self.kill_part("node"))

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            if self.nats.port:
                await self.nats.__aexit__(None, None, None)
            self._postgres.drop_database(self.database)


class Api:
    """Our own API, as its users have it; every refusal is an AssertionError with what was said."""

    def __init__(self, url: str, key: str) -> None:
        self.base = f"{url}/api/innkeeper/v1"
        self.key = key
        self._client = httpx.AsyncClient(
            base_url=self.base, headers={"Authorization": f"Bearer {key}"}, timeout=90, trust_env=False
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, *, status: int | None = None, **more: Any) -> Any:
        """Return the JSON of a reply; `status` is the one expected, None any that means success."""
        reply = await self._client.request(method, path, **more)
        wanted = reply.is_success if status is None else reply.status_code == status
        assert wanted, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    async def is_well(self, path: str) -> bool:
        """Say whether a GET succeeds; what is unavailable, or not there, is not well."""
        try:
            reply = await self._client.get(path)
        except httpx.TransportError:
            return False
        assert reply.is_success or reply.status_code in (502, 503, 504), f"{path}: {reply.status_code} {reply.text}"
        return reply.is_success

    async def create(self, *, start: bool = True, **draft: Any) -> "Server":
        """Make a server, installed and, with `start`, running. Only then this returns."""
        server = await self.create_only(start=start, **draft)
        await server.until("running" if start else "stopped", within=110)
        return server

    async def create_only(self, *, name: str = "inn", **draft: Any) -> "Server":
        """Make a server, and wait for nothing."""
        made = await self.ask("POST", "/servers", status=201, json={"name": name, **draft})
        return Server(self, made["server"])

    async def minecraft(self, *, start: bool = True, **draft: Any) -> "Server":
        """Make a server of Minecraft on a free port."""
        return await self.create(package="minecraft", port=free_port(), start=start, **draft)

    async def program(self, path: Path, *arguments: str, start: bool = True, **draft: Any) -> "Server":
        """Make a server of a Python program, uploaded; it is ready once it prints `ready`, told `stop` to stop."""
        properties = {
            "command": " ".join([sys.executable, "-u", path.name, *arguments]),
            "ready-when": "pattern",
            "ready-text": "ready",
            "stop-command": "stop",
        }
        server = await self.create(package="custom", port=free_port(), properties=properties, start=False, **draft)
        await server.upload(path.name, path.read_bytes())
        if start:
            await server.order("start")
        return server


class Server:
    """One server, seen through our own API."""

    def __init__(self, api: Api, view: dict[str, Any]) -> None:
        self._api = api
        self.id: str = view["id"]
        self.name: str = view["name"]
        self.port: int = view["port"]
        self.exaroton_id: str = view["dialect_ids"]["exaroton"]

    async def view(self) -> dict[str, Any]:
        """Return how it is now."""
        found: dict[str, Any] = await self._api.ask("GET", f"/servers/{self.id}")
        return found

    async def until(self, state: str, *, within: float = 40, **fields: Any) -> dict[str, Any]:
        """Return how it is once it is in `state` and its fields are as given."""
        last: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal last
            last = await self.view()
            return last["state"] == state and all(last[key] == value for key, value in fields.items())

        await eventually(is_so, f"{self.name} to be {state} {fields or ''}", within=within, otherwise=lambda: str(last))
        return last

    async def another_run(self, pid: int, *, within: float = 60) -> dict[str, Any]:
        """Return how it is once it runs as another process than `pid`."""
        last: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal last
            last = await self.view()
            return last["state"] == "running" and last["pid"] not in (pid, None)

        await eventually(look, f"another run of {self.name}", within=within, otherwise=lambda: str(last))
        return last

    async def order(self, verb: str, *, wait: float = 60) -> dict[str, Any]:
        """Order `start`, `stop`, …; return the operation once it has ended, which must have gone well."""
        done: dict[str, Any] = await self._api.ask("POST", f"/servers/{self.id}/{verb}", params={"wait": wait})
        assert done["state"] == "done", done
        return done

    async def upload(self, path: str, content: bytes) -> None:
        """Write one of its files."""
        await self._api.ask("PUT", f"/servers/{self.id}/files/content", params={"path": path}, content=content)

    async def command(self, line: str) -> None:
        """Type a line on its console."""
        await self._api.ask("POST", f"/servers/{self.id}/command", json={"command": line})

    async def players(self) -> list[str]:
        """Return who is there."""
        return [player["name"] for player in (await self.view())["players"]["list"]]

    async def operations(self) -> list[dict[str, Any]]:
        """Return what was asked of it, newest first."""
        found: list[dict[str, Any]] = (await self._api.ask("GET", f"/servers/{self.id}/operations"))["items"]
        return found

    async def lines(self, after: int = 0) -> list[tuple[int, str]]:
        """Return the console's lines after a number, as (number, text), all there are."""
        found: list[tuple[int, str]] = []
        while True:
            page = await self._api.ask("GET", f"/servers/{self.id}/console", params={"after": after, "limit": 5000})
            found += [(line["seq"], line["text"]) for line in page["items"]]
            if page["next"] is None:
                return found
            after = page["next"]

    async def is_reached(self) -> bool:
        """Say whether the way to its console is open: through the panel, and over the bus, to its node."""
        return await self._api.is_well(f"/servers/{self.id}/console?tail=1")

    async def printed(self, text: str, *, last: bool = False, within: float = 20) -> int:
        """Return the number of the first line that holds `text` (or of the last), once there is one."""
        lines: list[tuple[int, str]] = []

        async def found() -> bool:
            nonlocal lines
            lines = await self.lines()
            return any(text in line for _, line in lines)

        await eventually(found, f"a line with {text!r}", within=within, otherwise=lambda: str(lines[-20:]))
        return [seq for seq, line in lines if text in line][-1 if last else 0]


class Follower:
    """Somebody who follows a console and comes back after every break, going on where he was; inside `async with`."""

    def __init__(self, api: Api, server: Server) -> None:
        self._where = f"ws{api.base.removeprefix('http')}/servers/{server.id}/console/stream"
        self._headers = {"Authorization": f"Bearer {api.key}"}
        self._task: asyncio.Task[None] | None = None
        self.lines: list[tuple[int, str]] = []
        """(number, text), as they came."""
        self.skipped = 0
        self.breaks = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="follower of a console")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def has(self, text: str, *, within: float = 30) -> None:
        """Return once a line that is `text` has come."""
        await eventually(
            lambda: any(line == text for _, line in self.lines[-1000:]),
            f"the line {text!r}",
            within=within,
            otherwise=lambda: str(self.lines[-5:]),
        )

    async def _follow(self) -> None:
        while True:
            last = self.lines[-1][0] if self.lines else 0
            try:
                where = f"{self._where}?resume_from={last}"
                async with connect(where, additional_headers=self._headers, max_size=None, proxy=None) as socket:
                    async for frame in socket:
                        self._take(json.loads(frame))
            except (OSError, WebSocketException, EOFError):
                pass  # it was killed, or does not serve yet
            self.breaks += 1
            await asyncio.sleep(0.05)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "lines":
            for block in frame["blocks"]:
                self.lines += enumerate(block["lines"], block["seq"])
        elif frame["type"] == "skipped":
            self.skipped += frame["count"]


async def admin(*arguments: str) -> str:
    """Run `innkeeper admin …` and return what it printed; it must end with 0."""
    status, output, events = await run("admin", *arguments)
    assert status == 0, output + events
    return output


async def run(*arguments: str, within: float = 60) -> tuple[int, str, str]:
    """Run `innkeeper …` to its end; return its exit status, all it printed, and what it logged."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "innkeeper", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, events = await asyncio.wait_for(process.communicate(), within)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(), events.decode()


async def eventually(
    look: Callable[[], bool | Awaitable[bool]],
    what: str,
    *,
    within: float = 20,
    otherwise: Callable[[], str] = lambda: "",
) -> None:
    """Return once `look` says yes; raise AssertionError after `within` seconds, with what `otherwise` says."""
    deadline = time.monotonic() + within
    while True:
        said = look()
        if said is True or (not isinstance(said, bool) and await said):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within} s in vain for {what}: {otherwise()}")
        await asyncio.sleep(_LOOK_S)


def free_port() -> int:
    """Return a TCP port that nobody held a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int, started: float | None = None) -> bool:
    """Say whether that process lives (the one that began at `started`, if given)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and (started is None or process.create_time() == started)
    except psutil.NoSuchProcess:
        return False


def programs_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is `folder`."""
    return [process.pid for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except (psutil.Error, OSError):
        return False


def keeper_of(pid: int) -> psutil.Process:
    """Return the keeper of the game with that process id: its parent."""
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


@asynccontextmanager
async def timed(what: str) -> AsyncIterator[None]:
    """Print how long the block took."""
    begun = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begun:.2f} s")


async def _processes_of(folder: Path) -> list[psutil.Process]:
    """Return processes that have to do with `folder`, after a moment of grace in which they may end."""
    deadline = time.monotonic() + 3
    while True:
        found = [process for process in psutil.process_iter() if _belongs(process, str(folder))]
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


def _belongs(process: psutil.Process, folder: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(folder in word for word in process.cmdline()) or process.cwd().startswith(folder)
    except (psutil.Error, OSError):
        return False


def _told(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}, ended only now"


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=5)


def remove_tree(folder: Path) -> None:
    """Delete a folder, what nobody may write to included."""
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o700)
    shutil.rmtree(folder)
