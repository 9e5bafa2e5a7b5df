"""One address for all: requests go to the application whose prefix their path has.

Each dialect is an application of its own, so that what it says of unknown paths, wrong methods and faults has its own
shape. The longest prefix wins.
"""

from collections.abc import Mapping

from litestar.types import ASGIApp, Receive, Scope, Send


class Front:
    """An ASGI application that hands on by path prefix."""

    def __init__(self, applications: Mapping[str, ASGIApp], otherwise: ASGIApp) -> None:
        """`applications`: prefix without a trailing slash ("/v1") → application, which sees whole paths."""
        self._applications = sorted(applications.items(), key=lambda item: -len(item[0]))
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        for prefix, application in self._applications:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                await application(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)

    @staticmethod
    async def _live(receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return
