"""The least that answers a request: a raw ASGI application that has the body at hand, under our own server's settings.

python -m bench.limits.answer FILE      prints its URL, serves the file's bytes at every path until input ends
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.http.serving import HttpServer


async def main(body: bytes) -> None:
    """Do it."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": body})

    tasks = TaskSet("limit").start_set()
    server = HttpServer(answer, tasks)
    await server.open("127.0.0.1", 0)
    print(server.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.close()
    await tasks.aclose()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]).read_bytes()))
