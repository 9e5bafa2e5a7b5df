"""Follow a console over many WebSockets, and print what came as JSON.

    python -m bench.load.subscribers < TASK         one JSON object, see `Task`
    → "ready" once all are following
    → RESULT                                        one JSON object, see `Result`, when all have seen the end

Lines are known by what the game puts into them (`#L…`, `#T…`), whatever frames they come in: they are counted on every
connection, and on the first the numbers are checked one by one. So the client reads hundreds of megabytes a second.
"""

import asyncio
import base64
import os
import re
import sys
import time
from typing import Any

import msgspec
import uvloop

BUFFER = 1 << 20
LONGEST_MARK = 32
"""Bytes; one that a read has cut in two is looked at again with the next read."""
_PING = b"\x89\x04"
_PACED = re.compile(rb"#T(\d{8})@(\d{19})")
_FLOOD = re.compile(rb"#L(\d{8})")
_BEGUN = re.compile(rb"#B(\d{19})")


class Task(msgspec.Struct):
    """What to do. `hello` is a text frame sent once connected; `raw`: no WebSocket, bytes from the first on."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    subscribers: int
    kind: str
    """`flood` or `pace`."""
    hello: str | None = None
    begun: str | None = None
    """What shows that lines will come from now on."""
    raw: bool = False
    seconds: float = 60.0


class Result(msgspec.Struct):
    """What came. Times are Unix nanoseconds."""

    lines: list[int]
    """By connection."""
    in_order: bool
    """On the first connection."""
    ended: int
    begun_ns: int
    ended_ns: int
    latencies_ms: list[float]
    """p50, p99, greatest; only of paced lines."""
    bytes: int


class Subscriber(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, task: Task, check: bool) -> None:
        self._task = task
        self._check = check
        self._buffer = bytearray(BUFFER)
        self._carry = b""
        self._mark = b"#L" if task.kind == "flood" else b"#T"
        self._transport: Any = None
        self._upgraded = task.raw
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lines = 0
        self.bytes = 0
        self.numbers: list[int] = []
        self.latencies: list[int] = []
        self.begun_ns = 0
        self.ended_ns = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._task.raw:
            self.connected.set_result(None)
            return
        lines = [f"GET {self._task.path} HTTP/1.1", f"Host: {self._task.host}:{self._task.port}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        lines += ["Sec-WebSocket-Version: 13", *(f"{name}: {value}" for name, value in self._task.headers.items())]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def get_buffer(self, _: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        data = bytes(memoryview(self._buffer)[:size])
        if not self._upgraded:
            if not data.startswith(b"HTTP/1.1 101"):
                self.connected.set_exception(ConnectionError(data[:300].decode(errors="replace")))
                return
            self._upgraded = True
            if self._task.hello is not None:
                self._transport.write(frame(self._task.hello.encode()))
        if not self.connected.done() and (self._task.begun is None or self._task.begun.encode() in data):
            self.connected.set_result(None)
        self.bytes += size
        self._take(data)

    def _take(self, data: bytes) -> None:
        now = time.time_ns()
        seen = self._carry + data if self._carry else data
        end = seen.find(b"#E")
        if end >= 0:
            part, self._carry = seen[:end], b""
        elif (last := seen.rfind(b"#", max(len(seen) - LONGEST_MARK, 0))) >= 0:
            part, self._carry = seen[:last], seen[last:]
        else:
            part, self._carry = seen, b""
        if not self.begun_ns and (found := _BEGUN.search(part)) is not None:
            self.begun_ns = int(found[1])
        if not self._task.raw and (ping := data.find(_PING)) >= 0:
            self._transport.write(frame(data[ping + 2 : ping + 6], 0x8A))
        self._count(part, now)
        if end >= 0 and not self.done.done():
            self.ended_ns = now
            self.done.set_result(None)

    def _count(self, part: bytes, now: int) -> None:
        if self._task.kind == "pace":
            found = _PACED.findall(part)
            self.lines += len(found)
            self.latencies += [now - int(at) for _, at in found]
            if self._check:
                self.numbers += [int(number) for number, _ in found]
        elif self._check:
            fresh = [int(number) for number in _FLOOD.findall(part)]
            self.lines += len(fresh)
            self.numbers += fresh
        else:
            self.lines += part.count(self._mark)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.connected, self.done):
            if not future.done():
                future.set_exception(error or ConnectionError("closed by the server"))

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


def frame(payload: bytes, head: int = 0x81) -> bytes:
    """Return a client's frame of less than 64 KiB; the mask is nothing, which is allowed of it."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + bytes(4) + payload


async def main(task: Task) -> Result:
    """Do it."""
    loop = asyncio.get_running_loop()
    subscribers: list[Subscriber] = []
    for number in range(task.subscribers):
        subscriber = Subscriber(task, check=number == 0)
        await loop.create_connection(lambda one=subscriber: one, task.host, task.port)
        subscribers.append(subscriber)
    await asyncio.gather(*(subscriber.connected for subscriber in subscribers))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    done = await asyncio.wait([one.done for one in subscribers], timeout=task.seconds)
    lost = [future.exception() for future in done[0] if future.exception() is not None]
    if lost:
        sys.stderr.write(f"{len(lost)} subscribers were hung up on, the first: {lost[0]!r}\n")
    latencies = sorted(each for one in subscribers for each in one.latencies)
    numbers = subscribers[0].numbers
    result = Result(
        lines=[one.lines for one in subscribers],
        in_order=numbers == list(range(len(numbers))),
        ended=sum(1 for one in subscribers if one.ended_ns),
        begun_ns=subscribers[0].begun_ns,
        ended_ns=max(one.ended_ns for one in subscribers) or time.time_ns(),
        latencies_ms=[latencies[min(len(latencies) * part // 100, len(latencies) - 1)] / 1e6 for part in (50, 99, 100)]
        if latencies
        else [],
        bytes=sum(one.bytes for one in subscribers),
    )
    for one in subscribers:
        one.close()
    return result


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(main(msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)))).decode())
