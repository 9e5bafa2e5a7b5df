"""The two reads that are asked most, answered before the framework looks at them.

    GET /servers[?limit=N]        GET /servers/{server}

The same key, the same declaration, the same core calls and the same bytes as the routes; whatever is unusual (a wrong
key, a missing permission, any other parameter) is left to the routes, which know how to refuse.
"""

from typing import Any
from uuid import UUID

from litestar import Litestar
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, HTTPScope

from innkeeper.core.access.model import Via
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.door import CLIENT_HEADER
from innkeeper.panel.api.handshake import told_in_http
from innkeeper.panel.api.params import MAX_SERVERS_PAGE
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.http.bearer import bearer_of
from innkeeper.panel.product import Product

_LIST = f"{PREFIX}/servers"
_ONE = f"{_LIST}/"
_UUID_LENGTH = 36
_CLIENT_HEADER = CLIENT_HEADER.encode()


class FastReads:
    """Answers what it can."""

    def __init__(self, product: Product, views: ServerViews, permission: ServerPermission) -> None:
        """`permission` is what the route of a single server declares."""
        self._product = product
        self._views = views
        self._permission = permission

    def answer(self, scope: HTTPScope) -> bytes | None:
        """Return the body of the answer 200, None where the routes must see the request."""
        path = scope["path"]
        if not path.startswith(_LIST) or scope["method"] != "GET":
            return None
        query = scope["query_string"]
        if len(path) == len(_LIST):
            limit = _limit(query)
            return self._list(scope, limit) if limit is not None else None
        if len(path) == len(_ONE) + _UUID_LENGTH and path.startswith(_ONE) and not query:
            return self._one(scope, path[len(_ONE) :])
        return None

    def _list(self, scope: HTTPScope, limit: int) -> bytes | None:
        key = _key(scope)
        if key is None:
            return None
        try:
            actor = self._product.authority.authenticate(*key)
        except CoreError:  # the route says so
            return None
        return self._views.page(actor, None, limit)

    def _one(self, scope: HTTPScope, text: str) -> bytes | None:
        key = _key(scope)
        if key is None:
            return None
        try:
            uuid = UUID(text)
            actor = self._product.authority.authenticate(*key)
            record = self._product.servers.find(actor, uuid, self._permission)
        except (CoreError, ValueError):  # the route says so
            return None
        return self._views.one(actor, record)


class ApiApplication(Litestar):
    """An application that asks `reads` first."""

    reads: FastReads | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, told_in_http(scope, send))
            return
        body = self.reads.answer(scope) if self.reads is not None and scope["type"] == "http" else None
        if body is None:
            await super().__call__(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": 200, "headers": headers}
        rest: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
        await send(start)
        await send(rest)


def _limit(query: bytes) -> int | None:
    """Return the limit in a query that holds nothing else, None where it is not plain."""
    if not query:
        return DEFAULT_PAGE
    digits = query.removeprefix(b"limit=")
    if len(digits) == len(query) or not digits.isdigit() or len(digits) > 4:
        return None
    limit = int(digits)
    return limit if 1 <= limit <= MAX_SERVERS_PAGE else None


def _key(scope: HTTPScope) -> tuple[str, Via, str | None] | None:
    """Return what `AccessDirectory.authenticate` is asked with, None where it is not plain."""
    secret: str | None = None
    via: Via = "api"
    for name, value in scope["headers"]:
        if name == b"authorization":
            if secret is not None:
                return None
            try:
                secret = bearer_of(value.decode("ascii"))
            except (CoreError, UnicodeDecodeError):
                return None
        elif name == _CLIENT_HEADER:
            via = "cli" if value == b"cli" else "api"
    client = scope.get("client")
    return (secret, via, client[0] if client else None) if secret is not None else None
