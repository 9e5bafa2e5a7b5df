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
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from innkeeper.testing.nats_server import NatsServer
from innkeeper.testing.postgres import PostgresServer
from tests.acceptance.asking import Api
from tests.acceptance.looking import end_processes, eventually, processes_of, told

START_S = 120.0
END_S = 90.0


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
                left = await processes_of(self.folder)
                end_processes(left)
        assert not left, f"these live on: {[told(process) for process in left]}"

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


async def admin(*arguments: str) -> str:
    """Run `innkeeper admin …` and return what it printed; it must end with 0."""
    status, output, events = await run("admin", *arguments)
    assert status == 0, output + events
    return output


async def run(*arguments: str, within: float = START_S) -> tuple[int, str, str]:
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


def remove_tree(folder: Path) -> None:
    """Delete a folder, what nobody may write to included."""
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o700)
    shutil.rmtree(folder)
