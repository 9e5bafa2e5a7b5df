"""One address for all: requests go to the application whose prefix their path has.

Each dialect is an application of its own, so that what it says of unknown paths, wrong methods and faults has its own
shape. The longest prefix wins.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: (scope, receive, send)."""


class Front:
    """An ASGI application that hands on by path prefix. It has no lifespan."""

    def __init__(self, applications: Mapping[str, Application], otherwise: Application) -> None:
        """`applications`: prefix without a trailing slash ("/v1") → application, which sees whole paths."""
        self._applications = sorted(applications.items(), key=lambda item: -len(item[0]))
        self._otherwise = otherwise

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        for prefix, application in self._applications:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                await application(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)
