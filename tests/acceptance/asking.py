"""Our own API as its users have it: servers made, ordered and read, consoles followed. Knows no more than it tells."""

import asyncio
import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.acceptance.looking import PATIENCE_S, eventually, free_port

WAIT_S = 20


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

    async def done(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Return an operation once it has ended, which must have gone well."""

        async def has_ended() -> bool:
            nonlocal operation
            operation = await self.ask("GET", f"/operations/{operation['id']}", params={"wait": WAIT_S})
            return operation["finished_at"] is not None

        await eventually(has_ended, "an operation to end", within=180, otherwise=lambda: str(operation))
        assert operation["state"] == "done", operation
        return operation

    async def create(self, *, start: bool = True, **draft: Any) -> "Server":
        """Make a server, installed and, with `start`, running. Only then this returns."""
        server = await self.create_only(start=start, **draft)
        await server.until("running" if start else "stopped", within=180)
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

    async def until(self, state: str, *, within: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """Return how it is once it is in `state` and its fields are as given."""
        last: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal last
            last = await self.view()
            return last["state"] == state and all(last[key] == value for key, value in fields.items())

        await eventually(is_so, f"{self.name} to be {state} {fields or ''}", within=within, otherwise=lambda: str(last))
        return last

    async def another_run(self, pid: int, *, within: float = PATIENCE_S) -> dict[str, Any]:
        """Return how it is once it runs as another process than `pid`."""
        last: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal last
            last = await self.view()
            return last["state"] == "running" and last["pid"] not in (pid, None)

        await eventually(look, f"another run of {self.name}", within=within, otherwise=lambda: str(last))
        return last

    async def order(self, verb: str) -> dict[str, Any]:
        """Order `start`, `stop`, …; return the operation once it has ended, which must have gone well."""
        return await self._api.done(await self._api.ask("POST", f"/servers/{self.id}/{verb}", params={"wait": WAIT_S}))

    async def bring_to(self, state: str) -> None:
        """Have it `running` or `stopped`, from wherever it is; what it is about already, it may do to the end."""
        on_its_way = {"running": ("preparing", "starting", "restarting"), "stopped": ("stopping", "saving")}[state]
        now = (await self.view())["state"]
        if now in on_its_way:
            await self.until(state)
        elif now != state:
            await self.order({"running": "start", "stopped": "stop"}[state])

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

    async def printed(self, text: str, *, last: bool = False, within: float = PATIENCE_S) -> int:
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

    async def has(self, text: str, *, within: float = PATIENCE_S) -> None:
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
