"""The game's own management server, spoken to on demand: JSON-RPC 2.0 over a WebSocket of the loopback address.

    call, or attention ─▶ connected ─┬─ an answer ─▶ whoever asked          (each request has an id of ours)
                                     ├─ a notification ─▶ told, while somebody attends
                                     └─ nobody attends, and nothing was asked for a while ─▶ closed

What comes is written by a hostile game: every message is bounded, and how much is read in a second; what is too much
stays with the game until it is read. Knows the protocol and nothing of what its methods mean.
ref: Minecraft's Management Server Protocol.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.refusals import Refused
from innkeeper.node.supervisor.access import ManagementAccess
from innkeeper.wire.messages import CallManagement, ManagementAnswer

log = structlog.get_logger(__name__)

PATIENCE_S = 10.0
CONNECT_S = 4.0
IDLE_S = 30.0
MAX_MESSAGE_BYTES = 1024 * 1024 - 4096
"""With an envelope around it, it fits one message of the bus."""
MAX_CALLS = 32
MAX_METHOD_CHARS = 256
MESSAGES_PER_S = 200
BYTES_PER_S = 4 * 1024 * 1024
RECONNECT_S = 1.0
CLOSE_S = 1.0
LOOPBACK = "127.0.0.1"

OnNote = Callable[[UUID, str, Any], Awaitable[None]]
FindAccess = Callable[[UUID], ManagementAccess | None]

# The library's own log would tell the headers, and with them the secret.
_silent = logging.getLogger("innkeeper.node.management.websocket")
_silent.disabled = True


class _Reply(msgspec.Struct):
    """What a management server sends: an answer has an id of ours, a notification a method."""

    id: Any = None
    method: str | None = None
    params: Any = None
    result: Any = None
    error: Any = None


_reply = msgspec.json.Decoder(_Reply)


class _Pace:
    """So much in each second; whoever wants more waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._messages = self._bytes = 0

    async def spend(self, size: int) -> None:
        """Take one message of `size` bytes, and return when the next may be read."""
        self._messages += 1
        self._bytes += size
        passed = self._clock.monotonic() - self._since
        if passed < 1:
            if self._messages < MESSAGES_PER_S and self._bytes < BYTES_PER_S:
                return
            await asyncio.sleep(1 - passed)
        self._since, self._messages, self._bytes = self._clock.monotonic(), 0, 0


class _Direct(connect):
    """Goes nowhere but where it was sent: the game may not redirect us."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Client:
    """The connection to one server's management server, for as long as it is wanted."""

    def __init__(self, server: UUID, *, clock: Clock, access: FindAccess, on_note: OnNote) -> None:
        self.server = server
        self.attended_until = 0.0
        self.wanted_until = 0.0
        self._clock = clock
        self._access = access
        self._on_note = on_note
        self._pace = _Pace(clock)
        self._ids = count(1)
        self._calls: dict[int, asyncio.Future[ManagementAnswer | None]] = {}
        self._socket: ClientConnection | None = None
        self._attempt: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """How the next attempt to connect ends: None, or why it failed."""
        self._hurry = asyncio.Event()

    async def opened(self) -> ClientConnection:
        """Return the connection once it is open; raise Refused where the next attempt to open it fails."""
        why: str | None = None
        if self._socket is None:
            self._hurry.set()
            why = await asyncio.shield(self._attempt)
        if self._socket is None:
            raise Refused("management_is_unavailable", why)
        return self._socket

    async def call(self, method: str, params: Any) -> ManagementAnswer:
        """Return what is answered; raise Refused where nothing is."""
        if len(self._calls) >= MAX_CALLS:
            raise Refused("management_is_unavailable", "Too many requests to the management server are under way.")
        id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": id, "method": method} | ({"params": params} if params is not None else {})
        self._calls[id] = asyncio.get_running_loop().create_future()
        try:
            await (await self.opened()).send(msgspec.json.encode(request).decode())
            answer = await self._calls[id]
        except WebSocketException:
            answer = None
        finally:
            del self._calls[id]
        if answer is None:
            raise Refused("management_is_unavailable", "The management server went away.")
        return answer

    async def run(self) -> None:
        """Be connected for as long as that is wanted."""
        while self._is_wanted():
            self._hurry.clear()
            try:
                await self._serve()
            except (OSError, WebSocketException) as error:
                self.lose(f"The management server cannot be reached: {str(error) or 'it does not answer'}.")
                await self._pause()
            else:
                self.lose("The management server went away.")

    def _is_wanted(self) -> bool:
        return self._left() > 0 and self._access(self.server) is not None

    def _left(self) -> float:
        return max(self.attended_until, self.wanted_until) - self._clock.monotonic()

    async def _serve(self) -> None:
        access = self._access(self.server)
        if access is None:
            return
        connection = _Direct(
            f"ws://{LOOPBACK}:{access.port}",
            additional_headers={"Authorization": f"Bearer {access.secret}"},
            open_timeout=CONNECT_S,
            close_timeout=CLOSE_S,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,
            proxy=None,
            logger=_silent,
        )
        async with connection as socket:
            self._socket = socket
            self._end_attempt(None)
            log.debug("server.management.connected", server=str(self.server))
            while (left := self._left()) > 0:
                try:
                    async with asyncio.timeout(left):
                        message = await socket.recv(decode=False)
                except TimeoutError:
                    continue  # it may be wanted for longer by now
                await self._take(message)
                await self._pace.spend(len(message))
            self._socket = None

    async def _take(self, message: bytes) -> None:
        try:
            reply = _reply.decode(message)
        except (msgspec.MsgspecError, RecursionError) as error:
            log.info("server.management.nonsense", server=str(self.server), error=str(error)[:200])
            return
        if reply.method is None:
            waiting = self._calls.get(reply.id) if isinstance(reply.id, int) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(ManagementAnswer(result=reply.result, error=reply.error))
        elif reply.id is None and self._clock.monotonic() < self.attended_until:
            await self._on_note(self.server, reply.method[:MAX_METHOD_CHARS], reply.params)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(RECONNECT_S):
                await self._hurry.wait()
        except TimeoutError:
            return

    def _end_attempt(self, why: str | None) -> None:
        ended, self._attempt = self._attempt, asyncio.get_running_loop().create_future()
        ended.set_result(why)

    def lose(self, why: str) -> None:
        """Tell all who wait that there is no connection."""
        self._socket = None
        self._end_attempt(why)
        for waiting in self._calls.values():
            if not waiting.done():
                waiting.set_result(None)


class Management:
    """The management servers of a node's games.

    `access` tells how one is reached, None where there is none now; it raises Refused for a server not kept here.
    `on_note` takes notifications of those that are attended to.
    """

    def __init__(self, *, clock: Clock, tasks: TaskSet, access: FindAccess, on_note: OnNote) -> None:
        self._clock = clock
        self._tasks = tasks
        self._access = access
        self._on_note = on_note
        self.patience_s = PATIENCE_S
        """For a whole call, the connection included."""
        self.idle_s = IDLE_S
        """For so long after a call the connection is kept."""
        self._clients: dict[UUID, _Client] = {}

    async def call(self, ask: CallManagement) -> ManagementAnswer:
        """Return what the game's management server answers, a result or an error; raise Refused where it does not."""
        if not ask.method or len(ask.method) > MAX_METHOD_CHARS:
            raise Refused("message_is_invalid", "The name of a method is 1 to 256 characters long.")
        client = self._client(ask.server)
        client.wanted_until = self._clock.monotonic() + self.idle_s
        try:
            async with asyncio.timeout(self.patience_s):
                return await client.call(ask.method, ask.params)
        except TimeoutError as error:
            raise Refused("management_is_unavailable", f"It did not answer within {self.patience_s:g} s.") from error

    async def listen(self, server: UUID, seconds: float) -> None:
        """Have notifications told for so long; return once it is connected, raise Refused where it cannot be."""
        client = self._client(server)
        client.attended_until = max(client.attended_until, self._clock.monotonic() + seconds)
        await client.opened()

    def _client(self, server: UUID) -> _Client:
        if self._access(server) is None:
            raise Refused("management_is_unavailable")
        client = self._clients.get(server)
        if client is None:
            client = _Client(server, clock=self._clock, access=self._access, on_note=self._on_note)
            client.wanted_until = self._clock.monotonic() + self.idle_s
            self._clients[server] = client
            self._tasks.start(self._run(client), name=f"management of {str(server)[:8]}", fatal=False)
        return client

    async def _run(self, client: _Client) -> None:
        try:
            await client.run()
        finally:
            del self._clients[client.server]
            client.lose("The node is stopping.")
