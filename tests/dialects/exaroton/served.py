"""The dialect as a client meets it: requests, replies and the frames of its WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from innkeeper.core.console.sharing import LogSharing, LogUploader, SharedLog
from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.dialects.exaroton.ids import Ids, software_id
from innkeeper.panel.http.serving import HttpServer
from innkeeper.testing.products import House

PATIENCE_S = 5.0


class Uploads:
    """A service that logs are given to: it keeps them."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def upload(self, text: str) -> SharedLog:
        self.texts.append(text)
        return SharedLog("zCcf8T5", "https://mclo.gs/zCcf8T5", "https://api.mclo.gs/1/raw/zCcf8T5")


def sharing(house: House, uploader: LogUploader | None) -> LogSharing:
    """Return what shares logs of a house with an uploader of one's own, or with none."""
    product = house.product
    return LogSharing(
        works=house.database.works,
        clock=house.clock,
        console=product.console,
        servers=product.directory,
        activity=product.activity,
        uploader=uploader,
    )


class Served:
    """A house, its server `example`, where the dialect is served, a key of the server's owner, and shared logs."""

    def __init__(self, house: House, example: Record, url: str, key: str, uploads: Uploads) -> None:
        self.uploads = uploads
        self.house = house
        self.example = example
        self.url = url
        self.key = key
        self.ids = Ids(house.product)
        self.id = self.ids.of_server(example.server)
        self.software = software_id("minecraft", example.server.runtime)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        """Send one request, as it stands: nothing is followed and nothing added that a client would not.

        A body in parts goes chunked, without its length.
        """
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            return await client.request(method, path, headers=headers, content=body)

    async def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        """Ask for a path below `/v1` with a key (the owner's, if none is given)."""
        return await self.ask("GET", f"/v1{path}", headers={"Authorization": f"Bearer {key or self.key}"})

    @asynccontextmanager
    async def at(self, **options: Any) -> AsyncIterator[None]:
        """Be served with other options meanwhile."""
        tasks, before = TaskSet("http for tests").start_set(), self.url
        server = HttpServer(exaroton_application(self.house.product, **options), tasks)
        try:
            await server.open("127.0.0.1", 0)
            self.url = server.url
            yield
        finally:
            self.url = before
            await server.close()
            await tasks.aclose()

    @asynccontextmanager
    async def socket(self, *, key: str | None = None) -> "AsyncIterator[Socket]":
        """Open the WebSocket of `example`; its `ready` has been read."""
        where = f"ws{self.url.removeprefix('http')}/v1/servers/{self.id}/websocket"
        headers = {"Authorization": f"Bearer {key or self.key}"}
        async with connect(where, additional_headers=headers, proxy=None) as connection:
            socket = Socket(connection)
            assert await socket.frame() == {"type": "ready", "data": self.id}
            yield socket


class Socket:
    """The client's end of a WebSocket; keep-alives are left out unless asked for."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def frame(self, *, keep_alives: bool = False) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: dict[str, Any] = json.loads(await self.connection.recv())
                if keep_alives or frame != {"type": "keep-alive"}:
                    return frame

    async def frames(self, count: int) -> list[dict[str, Any]]:
        """Return the next frames."""
        return [await self.frame() for _ in range(count)]

    async def status(self) -> int:
        """Return the status that the next frame tells."""
        frame = await self.frame()
        assert (frame["stream"], frame["type"]) == ("status", "status"), frame
        status: int = frame["data"]["status"]
        return status

    async def send(self, frame: object) -> None:
        """Send a frame: text and bytes as they are, anything else as JSON."""
        await self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def start_console(self, **data: Any) -> None:
        """Start the console's stream, and see that it was."""
        await self.send({"stream": "console", "type": "start", **({"data": data} if data else {})})
        assert await self.frame() == {"stream": "console", "type": "started"}

    async def closed(self) -> int | None:
        """Return the code of the close that follows, whatever comes before it."""
        with suppress(ConnectionClosedError):
            async with asyncio.timeout(PATIENCE_S):
                async for _ in self.connection:
                    pass
        return self.connection.close_code
