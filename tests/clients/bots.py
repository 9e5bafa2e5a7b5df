"""Real clients for tests: players of Minecraft and the npm clients of exaroton, each a Node.js process of its own.

Knows nothing of the product: it is told a host and port, or a base URL and token. Needs `npm ci` in the folder `npm`.
"""

import asyncio
import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCRIPTS = Path(__file__).parent / "npm"
LONGEST_UNREAD_BYTES = 4 * 1024 * 1024
PATIENCE_SECONDS = 60.0
PROSE = ("text", "reason", "message")
"""Fields that hold what people read: a test names a part of them."""


class ClientsAreNotInstalled(Exception):
    """The clients from npm are missing: run `npm ci` in tests/clients/npm."""


class ClientIsSilent(AssertionError):
    """What a test waited for did not come in time; the message has what came instead."""


class Driven:
    """A Node.js script that takes orders and tells events, both as JSON lines; use it as an async context manager."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._argv = [str(SCRIPTS / script), *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self.events: list[dict[str, Any]] = []
        """Events that came and that no `wait_for` has taken yet, in order."""

    async def __aenter__(self) -> Self:
        node = shutil.which("node")
        if node is None or not (SCRIPTS / "node_modules").is_dir():
            raise ClientsAreNotInstalled(ClientsAreNotInstalled.__doc__)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            node, *self._argv, stdin=pipe, stdout=pipe, limit=LONGEST_UNREAD_BYTES
        )
        try:
            await self.wait_for("ready")
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the client go in its own way (its input ends); kill it when it has not gone after 5 seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            # Not wait(): a full output pipe would keep the client, and communicate() reads it to its end.
            await asyncio.wait_for(process.communicate(), 5)
        except TimeoutError:
            process.kill()
            await process.communicate()

    async def order(self, do: str, **fields: Any) -> None:
        """Send one order."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        await process.stdin.drain()

    async def wait_for(self, event: str, *, within: float = PATIENCE_SECONDS, **fields: Any) -> dict[str, Any]:
        """Take and return the first event of that name whose fields match: PROSE contains it, all else equals it.

        Events passed over stay in `events`. Raises ClientIsSilent after `within` seconds, or when the client ended.
        """
        seen = 0
        try:
            async with asyncio.timeout(within):
                while True:
                    for index in range(seen, len(self.events)):
                        if _matches(self.events[index], event, fields):
                            return self.events.pop(index)
                    seen = len(self.events)
                    await self._read()
        except TimeoutError as error:
            raise ClientIsSilent(f"no {event} {fields} within {within} s, but {self.events[-20:]}") from error

    async def _read(self) -> None:
        process = self._running()
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise ClientIsSilent(f"the client ended, after {self.events[-20:]}")
        self.events.append(json.loads(line))

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "use it within `async with`"
        return self._process


def _matches(told: dict[str, Any], event: str, fields: dict[str, Any]) -> bool:
    return told["event"] == event and all(
        value in told.get(key, "") if key in PROSE else told.get(key) == value for key, value in fields.items()
    )


class Bot(Driven):
    """One player. Events: login, spawn (x, y, z), chat (text), kicked (reason), end (reason), error (message)."""

    def __init__(self, host: str, port: int, name: str = "Alice", version: str = "1.21.4") -> None:
        super().__init__("bot.js", host, str(port), name, version)

    async def join(self) -> None:
        """Join and stand in the world; raises ClientIsSilent when the server would not have it."""
        await self.order("join")
        await self.wait_for("spawn")

    async def chat(self, text: str) -> None:
        """Say something; a leading slash makes it a command."""
        await self.order("chat", text=text)

    async def leave(self) -> None:
        """Leave, and be gone."""
        await self.order("leave")
        await self.wait_for("end")


class Crowd(Driven):
    """Many players PREFIX0, PREFIX1, … in one process. Events as those of Bot, each with `name`."""

    def __init__(self, host: str, port: int, prefix: str, count: int, version: str = "1.20.4") -> None:
        super().__init__("crowd.js", host, str(port), prefix, str(count), version)
        self._names = [f"{prefix}{number}" for number in range(count)]

    async def join(self, *, within: float = PATIENCE_SECONDS) -> None:
        """Join with all of them and wait until each stands in the world."""
        await self.order("join")
        for name in self._names:
            await self.wait_for("spawn", name=name, within=within)


class ExarotonNode(Driven):
    """An npm client `exaroton`, pointed at `base_url` (the API with its version: `http://…/v1`).

    `package` is the name under which it is installed: `exaroton` (1.x) or `exaroton2` (2.x).
    """

    def __init__(self, base_url: str, token: str, package: str = "exaroton") -> None:
        super().__init__("exaroton_client.js", base_url, token, package)
        self.asked: list[tuple[str, str, int]] = []
        """What the client has asked the API: method, path, status."""
        self.streams: set[str] = set()
        """The streams that have brought something."""

    async def call(self, do: str, server: str | None = None, *args: Any, **target: str) -> dict[str, Any]:
        """Call one method and return its event, `result` (data) or `error` (message, status).

        `do` is `account`, `servers`, `pools`, or a method of the client's Server (`get`, `start`, `executeCommand`, …),
        or of its player list, file or credit pool when `target` is list=NAME, file=PATH or pool=ID. `uploadChunked`,
        `getOptions`, `saveOptions` (of a file), `manage` and `notice` are described in the script.
        """
        await self.order(do, server=server, args=args, **target)
        while True:
            for index, event in enumerate(self.events):
                if event["event"] in ("result", "error") and event["do"] == do:
                    return self.events.pop(index)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._read()

    async def get(self, do: str, server: str | None = None, *args: Any, **target: str) -> Any:
        """Return the data of a call; raise AssertionError when it was refused."""
        event = await self.call(do, server, *args, **target)
        assert event["event"] == "result", event
        return event["data"]

    async def refused(self, do: str, server: str | None = None, *args: Any, **target: str) -> tuple[int, str]:
        """Return the status and the message with which a call was refused; raise AssertionError when it was not."""
        event = await self.call(do, server, *args, **target)
        assert event["event"] == "error", event
        return event["status"], event["message"]

    async def subscribe(self, server: str, *streams: str, tail: int = 0) -> None:
        """Open the server's WebSocket, or more of its streams.

        Events: status, started, stopped, line (text), tick, stats, heap, notification (name), connected, close, …
        """
        await self.order("subscribe", server=server, streams=streams, tail=tail)
        await self.wait_for("result", do="subscribe")

    async def _read(self) -> None:
        await super()._read()
        event = self.events[-1]
        if event["event"] == "asked":
            self.events.pop()
            self.asked.append((event["method"], event["path"], event["status"]))
        elif "stream" in event and event["event"] not in ("started", "stopped"):
            self.streams.add(event["stream"])
