"""A receiver of webhooks for tests: an HTTP server on loopback that answers as it is told, and remembers.

async with Receiver.open() as receiver:
    receiver.answers += ["500 Internal Server Error", "204 No Content"]
    ...
    assert [message.json() for message in receiver.taken]
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

NEVER = "never"
"""No answer at all."""
ENDLESS = "endless"
"""A refusal whose body does not end."""
BROKEN = "broken"
"""The connection is closed in place of an answer."""


@dataclass(frozen=True)
class Message:
    """What a request said."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes messages. Answers are taken from `answers`, oldest first; where there is none, it is 204."""

    url: str = ""
    answers: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every answer."""
    text: bytes = b""
    """The body of every answer."""
    delay_s: float = 0.0
    taken: list[Message] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int = 0) -> "AsyncIterator[Receiver]":
        """Listen on a port, or on one that the system chooses."""
        receiver = cls()
        busy: set[asyncio.Task[Any]] = set()
        opened: set[asyncio.StreamWriter] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            busy.add(task)
            opened.add(writer)
            try:
                await receiver._serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                busy.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        try:
            yield receiver
        finally:
            server.close()
            for task in list(busy):
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
            for writer in opened:
                writer.transport.abort()  # what nobody reads any more would stay open for ever
            await asyncio.sleep(0)

    async def wait_for(self, count: int, timeout_s: float = 10.0) -> list[Message]:
        """Return what was taken once it is so many."""
        async with asyncio.timeout(timeout_s):
            while len(self.taken) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.taken

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.taken.append(Message(method, path, headers, body))
        self.arrived.set()
        answer = self.answers.pop(0) if self.answers else "204 No Content"
        await asyncio.sleep(self.delay_s)
        if answer == BROKEN:
            return
        if answer == NEVER:
            await asyncio.Event().wait()
        if answer == ENDLESS:
            writer.write(b"HTTP/1.1 500 Endless\r\n\r\n")
            while True:
                writer.write(b"no " * 1000)
                await writer.drain()
        told = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        length = "" if answer.startswith("204") else f"Content-Length: {len(self.text)}\r\n"
        writer.write(f"HTTP/1.1 {answer}\r\n{told}{length}Connection: close\r\n\r\n".encode())
        writer.write(self.text if length else b"")
        await writer.drain()
