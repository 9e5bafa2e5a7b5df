"""The PyPI client `exaroton`, unmodified, for REST calls from asyncio tests. It has no WebSocket and no error handling.

Knows nothing of the product: it is told a base URL (the API with its version: `http://…/v1`) and a token.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import requests
from exaroton import Exaroton


class ExarotonPython:
    """Calls of the client by their names, each in a thread; use it as an async context manager."""

    def __init__(self, base_url: str, token: str) -> None:
        # `host` is the constructor's own parameter: the address with scheme and version, without a slash at its end.
        self._client = Exaroton(token, host=base_url.rstrip("/"))
        self._client._session.hooks["response"].append(self._note)
        self.asked: list[tuple[str, str, int]] = []
        """What the client has asked the API: method, path, status."""
        self.streams: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client._session.close()

    async def call(self, method: str, *args: Any) -> Any:
        """Return what `method` (`get_account`, `start`, `command`, …) returns or raise what it raises.

        It reads no status codes: an error of the API shows as TypeError or KeyError of its own.
        """
        return await asyncio.to_thread(getattr(self._client, method), *args)

    def _note(self, reply: requests.Response, **_: Any) -> None:
        asked = reply.request
        self.asked.append((str(asked.method), asked.path_url, reply.status_code))
