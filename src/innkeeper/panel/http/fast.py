"""Reads that are asked most, answered before the framework looks at them.

An application's `Reads` answer what is plain, with the same key, the same declaration, the same core calls and the same
bytes as its routes; whatever is unusual (a wrong key, a missing permission, any other parameter) they leave to the
routes, which know how to refuse. Knows no path of any application.
"""

from typing import Any, Protocol

from litestar import Litestar
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, HTTPScope

from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.http.bearer import bearer_of

log = get_logger(__name__)


class Reads(Protocol):
    """Answers what it can."""

    def answer(self, scope: HTTPScope) -> bytes | None:
        """Return the JSON body of the answer 200, None where the routes must see the request.

        A condition of core's that it raises is left to the routes, too.
        """
        ...


class FastApplication(Litestar):
    """An application that asks `reads` first."""

    reads: Reads | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        body = self._read(scope) if scope["type"] == "http" else None
        if body is None:
            await super().__call__(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": 200, "headers": headers}
        rest: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
        await send(start)
        await send(rest)

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        """Return the plugins that are used here: Litestar's own list loads all of pydantic, which no route needs."""
        return [*plugins, MsgspecDIPlugin()]

    def _read(self, scope: HTTPScope) -> bytes | None:
        try:
            return self.reads.answer(scope) if self.reads is not None else None
        except CoreError:  # the route says so
            return None
        except Exception:
            log.exception("fast_read.failed", path=scope["path"])
            return None


def key_of(scope: HTTPScope) -> tuple[str, str | None] | None:
    """Return the key that a request shows and the address that it came from, None where it is not plain."""
    secret: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if secret is not None:
                return None
            try:
                secret = bearer_of(value.decode("ascii"))
            except (CoreError, UnicodeDecodeError):
                return None
    client = scope.get("client")
    return (secret, client[0] if client else None) if secret is not None else None
