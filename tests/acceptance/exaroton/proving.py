"""What tests with real clients of exaroton's dialect share: its statuses, what they claim to prove, a place for logs.

    pytestmark = ON_ONE_INNKEEPER

    @pytest.mark.proves("exaroton GET /account", by=["npm 1", "PyPI"])
    async def test_…(npm: ExarotonNode, pypi: ExarotonPython) -> None: ...

A test that claims a route or a stream for a client fails when that client did not use it with success: routes by what
Node.js and `requests` themselves tell of each request, streams by what they brought. Knows nothing of the product.
"""

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs

import pytest

from tests.clients.bots import ExarotonNode
from tests.clients.exaroton_python import ExarotonPython
from tools.coverage import route_of, table_of

ON_ONE_INNKEEPER = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

OFFLINE, ONLINE, STARTING, STOPPING, RESTARTING, SAVING, LOADING, CRASHED, PENDING, TRANSFERRING, PREPARING = range(11)

FIXTURES = {"npm 1": {"npm", "each_npm"}, "npm 2": {"npm2", "each_npm"}, "PyPI": {"pypi"}}
"""The fixtures that are a client, by its name."""


PASSED = pytest.StashKey[bool]()
"""Whether a test has come to its end, which its fixtures are told by it."""


class Marked(Protocol):
    """What claims need of a test."""

    stash: pytest.Stash

    def iter_markers(self, name: str) -> Iterable[pytest.Mark]:
        """Return its markers of that name."""
        ...


class Claims:
    """What a test claims to prove."""

    def __init__(self, node: Marked, fixtures: set[str]) -> None:
        self._node = node
        self._by_client: dict[str, set[str]] = {}
        for marker in node.iter_markers("proves"):
            for client in marker.kwargs["by"]:
                assert FIXTURES[client] & fixtures, f"{client} has no part in this test"
                self._by_client.setdefault(client, set()).update(marker.args)

    def hold_for(self, name: str, client: ExarotonNode | ExarotonPython) -> None:
        """Raise AssertionError unless the client used all that is claimed for it; a test that failed proves nothing."""
        if not self._node.stash.get(PASSED, False):
            return
        table = table_of("exaroton")
        used = {f"stream {stream}" for stream in client.streams}
        for method, path, status in client.asked:
            if status < 400:
                used.add(route_of(table.routes, method, path.removeprefix(table.prefix)) or "")
        unused = self._by_client.get(name, set()) - {f"exaroton {each}" for each in used}
        assert not unused, f"{name} did not use {sorted(unused)}, but {sorted(used)}"


async def statuses_until(client: ExarotonNode, last: int, *, after: int | None = None) -> list[int]:
    """Return the statuses that the client is told, each once in a row, from `after` (or the next one) up to `last`."""
    seen: list[int] = []
    while not seen or seen[-1] != last or after is not None:
        status = (await client.wait_for("status"))["data"]["status"]
        after = None if status == after else after
        if after is None and (not seen or seen[-1] != status):
            seen.append(status)
    return seen


class LogHost:
    """A place for logs like mclo.gs, on loopback: keeps what it is sent, and says where."""

    def __init__(self) -> None:
        self.logs: dict[str, str] = {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/1/log"
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                id = f"log{len(host.logs)}"
                host.logs[id] = form["content"][0]
                told = {"success": True, "id": id, "url": f"{host.url}/{id}", "raw": f"{host.url}/1/raw/{id}"}
                body = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="log host")

    def __enter__(self) -> "LogHost":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
