"""Uvicorn, run inside our own loop: ports asked from the system, no signal handling of its own."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.http.front import Application
from innkeeper.panel.http.protocols import BoundedHttp, BoundedWebSocket

log = get_logger(__name__)

MAX_WEBSOCKET_MESSAGE = 1024 * 1024
_GRACE_S = 3


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one application on one address until closed."""

    def __init__(self, application: Application, tasks: TaskSet, *, proxies: Sequence[str] = ()) -> None:
        """`proxies`: addresses of reverse proxies that are believed about where a request came from."""
        self._application = application
        self._proxies = list(proxies)
        self._tasks = tasks
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.url = ""

    async def open(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a port of the system's choice); returns when connections are taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError:
            listening.close()
            raise
        listening.listen(1024)
        actual = listening.getsockname()[1]
        self.url = f"http://[{host}]:{actual}" if ":" in host else f"http://{host}:{actual}"
        config = uvicorn.Config(
            self._application,
            http=BoundedHttp,
            ws=BoundedWebSocket,
            ws_max_size=MAX_WEBSOCKET_MESSAGE,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(self._proxies),
            forwarded_allow_ips=self._proxies,
            date_header=True,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=1024,
        )
        self._server = _Server(config)
        self._task = self._tasks.start(self._server.serve(sockets=[listening]), name=f"http on {actual}")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - it says so in no other way
            await asyncio.sleep(0)
        log.info("http.listening", url=self.url)

    async def close(self) -> None:
        """Take no more connections, let what is under way end within a few seconds."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
