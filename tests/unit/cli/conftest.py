"""An Innkeeper for the command line to speak to: the real API over a real socket, on scripted nodes."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from typer.testing import CliRunner

from innkeeper.cli.application import app
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.panel.api.app import api_application
from innkeeper.panel.http.front import Front
from innkeeper.panel.http.serving import HttpServer
from innkeeper.testing.products import House

COMMAND = [sys.executable, "-c", "from innkeeper.cli import main; main()"]
_OURS = ("INNKEEPER_URL", "INNKEEPER_KEY", "INNKEEPER_KEY_FILE", "INNKEEPER_PROFILE", "INNKEEPER_DATA")


class Ran(msgspec.Struct, frozen=True):
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> object:
        """The one JSON document on standard output."""
        return msgspec.json.decode(self.out)

    @property
    def error(self) -> dict[str, object]:
        """The error object on standard error."""
        return msgspec.json.decode(self.err, type=dict[str, dict[str, object]])["error"]


class Inn:
    """A house that serves, and the command line beside it."""

    def __init__(self, house: House, http: HttpServer, folder: Path) -> None:
        self.house = house
        self.http = http
        self.folder = folder
        self.key = ""

    @property
    def url(self) -> str:
        return self.http.url

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command that finds this house."""
        clean = {name: value for name, value in os.environ.items() if name not in _OURS}
        return (
            clean
            | {
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "INNKEEPER_URL": self.url,
                "INNKEEPER_KEY": self.key,
                "TERM": "xterm",
                "COLUMNS": "200",
            }
            | more
        )

    async def run(self, *words: str, typed: str | bytes | None = None, **environment: str) -> Ran:
        """Run a command in this process."""
        wanted: dict[str, str | None] = {**dict.fromkeys(_OURS), **self.environment(**environment)}
        result = await in_thread(CliRunner().invoke, app, list(words), input=typed, env=wanted)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    async def serve(self, house: House, tasks: TaskSet, port: int = 0) -> None:
        """Serve (again), on the port that is wanted."""
        api = api_application(house.product)
        self.http = HttpServer(Front({"/api/innkeeper/v1": api}, otherwise=api), tasks)
        await self.http.open("127.0.0.1", port)


@pytest.fixture(autouse=True)
def log_is_no_output() -> Iterator[None]:
    """Keep what the house logs apart from what a command in the same process prints."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path) as house:
        yield house


@pytest.fixture
async def inn(house: House, tmp_path: Path) -> AsyncIterator[Inn]:
    """A serving house with the superuser's key at hand."""
    tasks = TaskSet("http").start_set()
    found = Inn(house, HttpServer(lambda *_: None, tasks), tmp_path)  # type: ignore[arg-type, return-value]
    try:
        await found.serve(house, tasks)
        found.key = await house.key(house.root)
        yield found
    finally:
        await found.http.close()
        await tasks.aclose()
