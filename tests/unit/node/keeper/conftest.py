"""Real keepers of real processes: one zygote a test, and nothing of either left afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innkeeper.node.console.journal import Block, JournalReader
from innkeeper.node.keeper.client import (
    Exited,
    KeeperLink,
    Lost,
    NotRunning,
    Running,
    Zygote,
    inspect,
    kill_lost,
)

PYTHON = os.path.realpath(sys.executable)


class Server:
    """One game server's folders, and what tests do with them."""

    def __init__(self, root: Path, zygote: Zygote) -> None:
        self.keep = root / "keeper"
        self.journal = root / "journal"
        self.keep.mkdir(parents=True)
        self._zygote = zygote

    async def start(self, argv: list[str], **spec: Any) -> None:
        self.write_spec(argv, **spec)
        await self._zygote.spawn(self.keep, self.journal)

    def write_spec(self, argv: list[str], **spec: Any) -> None:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        plain = {"run_id": "run-1", "argv": argv, "env": env, "cwd": "/", "uid": None, "gid": None, "umask": 0o027}
        rest = {"rlimits": {}, "no_new_privs": True, "isolation": None, "terminal": {"rows": 40, "cols": 200}}
        (self.keep / "spec.json").write_bytes(msgspec.json.encode(plain | rest | {"journal": {}} | spec))

    async def python(self, program: str, *arguments: str, **spec: Any) -> None:
        """Start a game written in Python; it can use sys, os, time and signal."""
        await self.start([PYTHON, "-I", "-S", "-c", "import os, signal, sys, time\n" + program, *arguments], **spec)

    async def link(self) -> KeeperLink:
        return await KeeperLink.connect(self.keep)

    @property
    def state(self) -> dict[str, Any]:
        return msgspec.json.decode((self.keep / "state.json").read_bytes())

    def output(self) -> bytes:
        """Return all that stands in the journal, checking that its numbers have no gap."""
        reader, done, pieces = JournalReader(self.journal), 0, []
        end = reader.next_seq  # lines may come while it is read
        while blocks := reader.read(done, 1 << 24):
            for block in blocks:
                assert block.first_seq == done + 1
                done = block.next_seq - 1
                pieces.append(block.payload)
        assert done + 1 >= end
        return b"".join(pieces)

    async def exited(self) -> Exited:
        """Wait for the end, through a link or by the record."""
        try:
            link = await self.link()
        except NotRunning:
            pass
        else:
            try:
                async for events in link.blocks:
                    if isinstance(events[-1], Exited):
                        break
            finally:
                link.close()
        await until(lambda: not isinstance(inspect(self.keep), Running))
        await self.gone()
        return inspect(self.keep).exit

    async def gone(self) -> None:
        """Wait until the keeper has left its lock."""
        await until(lambda: is_dead(self.state["keeper_pid"]))

    async def printed(self, text: bytes) -> None:
        """Wait until the game has printed `text`."""
        await until(lambda: self.journal.exists() and text in self.output())

    async def end(self) -> None:
        """Leave nothing of it."""
        try:
            link = await self.link()
            await link.kill()
            link.close()
            await self.gone()
        except NotRunning:
            found = inspect(self.keep)
            if isinstance(found, Lost):
                kill_lost(found)


def is_dead(pid: int) -> bool:
    """Tell whether a process runs no more; a zombie that init has not yet taken is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for the thing."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.01)


async def lines_of(link: KeeperLink, count: int) -> list[tuple[int, bytes]]:
    """Return the next `count` lines that a link tells, numbered."""
    found: list[tuple[int, bytes]] = []
    async for events in link.blocks:
        for event in events:
            if isinstance(event, Block):
                found += enumerate(event.lines(), event.first_seq)
        if len(found) >= count:
            break
    return found


@pytest.fixture
async def zygote(tmp_path: Path) -> AsyncIterator[Zygote]:
    one = Zygote(tmp_path / "node")
    yield one
    await one.quit()


@pytest.fixture
async def make_server(tmp_path: Path, zygote: Zygote) -> AsyncIterator[Callable[[], Server]]:
    made: list[Server] = []

    def make() -> Server:
        made.append(Server(tmp_path / f"server-{len(made)}", zygote))
        return made[-1]

    yield make
    for server in made:
        await server.end()


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()
