"""The PyPI clients of Crafty's API, unmodified, for calls from asyncio tests.

    async with Witness(inn.url) as witness:
        client = CraftyClient(witness.url, token)
        await client.call("start_server", 1)
        assert witness.asked == [("POST", "/api/v2/servers/1/action/start_server", 200)]

`crafty-client` and `crafty-controller-api` lie in our own environment; `crafty-async-client` has the module name of the
first, so it has an environment of its own beside this file and is driven by JSON lines (`crafty_async.py`). None of
them tells what it asked: `Witness` stands between them and the server, passes everything on as it is, and keeps that.
Knows nothing of the product.
"""

import asyncio
import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from crafty_client import Crafty4
from crafty_controller_api import Crafty, ServerActions

HERE = Path(__file__).parent
ASYNC_PYTHON = HERE / "crafty_async" / "bin" / "python"
ANSWER_S = 60.0
_OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class ClientIsNotInstalled(RuntimeError):
    """The client has an environment of its own: `make setup-tests` makes it."""


class Witness:
    """Passes HTTP requests on to a server, and keeps which they were and how they were answered."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.asked: list[tuple[str, str, int]] = []
        """Method, path without its query, and status."""
        witness = self

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else None
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
                asking = HTTPConnection(str(address.hostname), address.port, timeout=ANSWER_S)
                try:
                    asking.request(self.command, self.path, body=body, headers=headers)
                    reply = asking.getresponse()
                    content = reply.read()
                finally:
                    asking.close()
                witness.asked.append((self.command, urlsplit(self.path).path, reply.status))
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in _OF_A_CONNECTION:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="witness")
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._server.shutdown)
        self._thread.join()
        self._server.server_close()


class CraftyClient:
    """`crafty-client`: calls by their names, each in a thread."""

    def __init__(self, url: str, token: str) -> None:
        self._client = Crafty4(url, token)

    async def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method returns, or raise what it raises."""
        return await asyncio.to_thread(getattr(self._client, method), *arguments)


class CraftyControllerApi:
    """`crafty-controller-api`: signs in itself, then calls by their names, each in a thread."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._given = {"host": "127.0.0.1", "port": port, "username": username, "password": password}
        self._client: Crafty | None = None

    async def sign_in(self) -> None:
        """Make the client, which signs in at once."""
        self._client = await asyncio.to_thread(lambda: Crafty(**self._given))

    async def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method returns; of a failure it tells as little as of nothing."""
        return await asyncio.to_thread(getattr(self._client, method), *arguments)

    async def act(self, server_id: str, action: str) -> Any:
        """Call `server_action` with one of the client's own actions."""
        return await self.call("server_action", server_id, ServerActions(action))


class CraftyAsyncClient:
    """`crafty-async-client`, in an environment of its own; use it as an async context manager."""

    def __init__(self, url: str, token: str) -> None:
        self._argv = [str(ASYNC_PYTHON), str(HERE / "crafty_async.py"), url, token]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        if not ASYNC_PYTHON.exists():
            raise ClientIsNotInstalled(ClientIsNotInstalled.__doc__)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._argv, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    async def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the client's `servers` returns; raise RuntimeError with what it raises."""
        process = self._process
        assert process is not None, "the client was not entered"
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            answer = json.loads(await process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]
