"""Drives the PyPI client `crafty-async-client`: reads `[method, argument, …]` lines, answers each by a line.

    crafty_async/bin/python crafty_async.py URL TOKEN
    ← ["start", "1"]      → {"result": null}  or  {"error": "HTTP 400: …"}

Run by an environment in which that client is installed; see `crafty.py`.
"""

import asyncio
import dataclasses
import json
import sys
from typing import Any

from crafty_client import CraftyClient


async def main(url: str, token: str) -> None:
    """Answer until there are no more lines."""
    async with CraftyClient(url, token) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            method, *arguments = json.loads(line)
            try:
                answer: dict[str, Any] = {"result": plain(await getattr(client.servers, method)(*arguments))}
            except Exception as error:  # noqa: BLE001 - whatever the client raises is told
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)


def plain(result: Any) -> Any:
    """Return a result as JSON has it."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    return dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result


asyncio.run(main(*sys.argv[1:]))
