"""Follow a server's console over the API's WebSocket, through every loss of the connection.

    connected ──lost──→ waiting ──→ asking whether one still may ──yes──→ connected, resumed after the last line had
        ↑                  ↑─────────── not reached, unavailable ──┘ no: CommandFailed

Every line comes once and in order. Knows nothing of terminals.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from innkeeper.cli.client import HEADERS, LOOPBACK, PREFIX, Client, why_not_connected
from innkeeper.cli.failures import CommandFailed, NotConnected
from innkeeper.cli.profiles import Place
from innkeeper.kit.tasks import in_thread

MAX_FRAME = 16 * 1024 * 1024
FIRST_PAUSE_S = 0.25
MOST_PAUSE_S = 5.0
_OPEN_S = 10


class Line(msgspec.Struct, frozen=True):
    """A console line."""

    seq: int
    time: str
    text: str


class Lines(msgspec.Struct, frozen=True):
    """Lines that have come."""

    lines: list[Line]


class Seen(msgspec.Struct, frozen=True):
    """How the server is now."""

    state: str
    reason: str | None


class Skipped(msgspec.Struct, frozen=True):
    """Lines that the journal had no more when they were asked for."""

    count: int


class Refused(msgspec.Struct, frozen=True):
    """A command that was not typed, or something else that the API would not do."""

    code: str
    message: str


class Lost(msgspec.Struct, frozen=True):
    """The connection is gone; it is tried again."""

    reason: str


class Back(msgspec.Struct, frozen=True):
    """The connection is there again."""


Event = Lines | Seen | Skipped | Refused | Lost | Back


def opening(place: Place, path: str, query: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the address of a stream of the API, and what opens it: arguments of websockets' `connect`."""
    parts = urlsplit(place.url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    address = urlunsplit((scheme, parts.netloc, f"{parts.path}{PREFIX}{path}", urlencode(query), ""))
    headers = {"X-Innkeeper-Client": HEADERS["X-Innkeeper-Client"], "Authorization": f"Bearer {place.key or ''}"}
    return address, {
        "additional_headers": headers,
        "user_agent_header": HEADERS["User-Agent"],
        "max_size": MAX_FRAME,
        "open_timeout": _OPEN_S,
        "close_timeout": 2,
        "proxy": None if parts.hostname in LOOPBACK else True,
    }


class ConsoleStream:
    """One server's console. `open()` it, then read `events()`; `send` may be called meanwhile."""

    def __init__(self, client: Client, server: str, *, tail: int) -> None:
        self._client = client
        self._path = f"/servers/{server}/console"
        self._tail = tail
        self._last: int | None = None
        self._socket: ClientConnection | None = None

    @property
    def connected(self) -> bool:
        """Whether commands can be sent now."""
        return self._socket is not None

    async def send(self, command: str) -> bool:
        """Have a line typed; False while there is no connection: it is not kept for later."""
        if self._socket is None:
            return False
        try:
            await self._socket.send(msgspec.json.encode({"type": "command", "command": command}).decode())
        except ConnectionClosed:
            return False
        return True

    async def events(self) -> AsyncGenerator[Event, None]:
        """Give what happens, for ever; raise CommandFailed once the console may not be followed any more."""
        pause, connected, lost = FIRST_PAUSE_S, False, False
        while True:
            try:
                async with self._connect() as socket:
                    async for event in self._frames(socket):
                        connected = True
                        if lost:
                            lost, pause = False, FIRST_PAUSE_S
                            yield Back()
                        if event is not None:
                            yield event
                reason = "the panel ended it."
            except ConnectionClosed as error:
                if error.rcvd is not None and 4400 <= error.rcvd.code < 4500:
                    await self._check_again()
                reason = (error.rcvd.reason if error.rcvd else "") or "the panel is gone."
            except InvalidStatus as error:
                reason = f"the panel answered with status {error.response.status_code}."
                await self._check_again()
                if not connected:
                    raise CommandFailed(f"The console cannot be followed: {reason}", code="no_stream") from error
            except (OSError, TimeoutError, InvalidHandshake) as error:
                reason = why_not_connected(error, self._client.place.url)
            finally:
                self._socket = None
            if not lost:
                lost = True
                yield Lost(reason)
            await asyncio.sleep(pause)
            pause = min(pause * 1.6, MOST_PAUSE_S)
            await self._check_again()

    async def open(self) -> int:
        """Return the number of the newest line; without a tail, all that come after it will be given.

        Raises CommandFailed where one may not follow the console: over plain HTTP refusals are whole sentences. Who may
        follow it and not read it back is told 0, and is given what comes from the moment of the connection.
        """
        await self._ask_leave()
        try:
            found = await in_thread(self._client.get, self._path, tail=1)
        except CommandFailed as error:
            if error.kind != "forbidden":
                raise
            return 0
        newest = int(found["items"][-1]["seq"]) if found["items"] else 0
        if not self._tail:
            self._last = newest
        return newest

    async def _check_again(self) -> None:
        try:
            await self._ask_leave()
        except CommandFailed as error:
            if not isinstance(error, NotConnected) and error.kind not in ("unavailable", "failed"):
                raise

    async def _ask_leave(self) -> None:
        """Raise CommandFailed where one may not follow the console; the ticket that is given otherwise is not used."""
        await in_thread(self._client.post, f"{self._path}/tickets")

    def _connect(self) -> connect:
        query = {"resume_from": self._last} if self._last is not None else {"tail": self._tail}
        address, options = opening(self._client.place, f"{self._path}/stream", query)
        return connect(address, **options)

    async def _frames(self, socket: ClientConnection) -> AsyncIterator[Event | None]:
        """Give what comes over one connection; None when it stands."""
        self._socket = socket
        yield None
        async for message in socket:
            frame = msgspec.json.decode(message)
            match frame:
                case {"type": "lines", "blocks": list(blocks)}:
                    lines = [
                        Line(block["seq"] + index, block["time"], text)
                        for block in blocks
                        for index, text in enumerate(block["lines"])
                    ]
                    if lines:
                        self._last = lines[-1].seq
                        yield Lines(lines)
                case {"type": "skipped"}:
                    yield Skipped(int(frame.get("count", 0)))
                case {"type": "state" | "ready"}:
                    seen = frame.get("server") if isinstance(frame.get("server"), dict) else frame
                    if "state" in seen:
                        yield Seen(str(seen["state"]), seen.get("reason"))
                case {"type": "error", "error": {"code": str(code), "message": str(text)}}:
                    yield Refused(code, text)
                case _:
                    continue  # a newer panel may say more than we know
