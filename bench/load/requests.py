"""Ask for one path over keep-alive connections for some seconds, and print how it went as JSON.

    python -m bench.load.requests < {"host", "port", "path", "headers", "connections", "seconds"}
    → {"requests", "seconds", "in_all", "latencies_ms": [p50, p99], "bytes", "wrong"}

`in_all` counts those of the warm-up, too. Each connection has one request under way; answers must be 200 and say their
length.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec
import uvloop

BUFFER = 1 << 20
WARM_UP_S = 0.3


class Connection(asyncio.BufferedProtocol):
    """One connection, asking for ever."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._buffer = bytearray(BUFFER)
        self._missing = 0
        self._begun = 0.0
        self._transport: Any = None
        self.bytes = 0
        self.wrong = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def get_buffer(self, _: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        self.bytes += size
        if not self._missing:
            head = bytes(self._buffer[:2048])
            body = head.index(b"\r\n\r\n") + 4
            lower = head[:body].lower()
            if not lower.startswith(b"http/1.1 200"):
                self.wrong += 1
            at = lower.index(b"content-length:") + 15
            self._missing = body + int(lower[at : lower.index(b"\r", at)])
        self._missing -= size
        if not self._missing:
            self._latencies.append(time.perf_counter() - self._begun)
            self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)

    def connection_lost(self, _: Exception | None) -> None:
        self._missing = -1


async def main(task: dict[str, Any]) -> dict[str, Any]:
    """Do it."""
    lines = [f"GET {task['path']} HTTP/1.1", f"Host: {task['host']}:{task['port']}"]
    lines += [f"{name}: {value}" for name, value in task["headers"].items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(request, latencies), task["host"], task["port"])
        for _ in range(task["connections"])
    ]
    await asyncio.sleep(WARM_UP_S)
    warm = len(latencies)
    latencies.clear()
    begun = time.perf_counter()
    await asyncio.sleep(task["seconds"])
    seconds = time.perf_counter() - begun
    found = sorted(latencies)
    for transport, _ in made:
        transport.abort()
    return {
        "requests": len(found),
        "seconds": seconds,
        "in_all": warm + len(found),
        "latencies_ms": [found[len(found) * part // 100] * 1000 for part in (50, 99)] if found else [],
        "bytes": sum(connection.bytes for _, connection in made),
        "wrong": sum(connection.wrong for _, connection in made),
    }


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(uvloop.run(main(msgspec.json.decode(sys.stdin.buffer.read())))).decode())
