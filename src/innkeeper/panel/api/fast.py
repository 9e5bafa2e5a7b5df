"""The two reads that are asked most, answered before the framework looks at them (`panel.http.fast`).

GET /servers[?limit=N]        GET /servers/{server}
"""

from typing import Any
from uuid import UUID

from litestar.types import HTTPScope

from innkeeper.core.access.model import Actor, Via
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.door import CLIENT_HEADER
from innkeeper.panel.api.handshake import told_in_http
from innkeeper.panel.api.params import MAX_SERVERS_PAGE
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.http.fast import FastApplication, key_of
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
        """Return the body of the answer 200, None where the routes must see the request; raise core's conditions."""
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
        actor = self._actor(scope)
        return self._views.page(actor, None, limit) if actor is not None else None

    def _one(self, scope: HTTPScope, text: str) -> bytes | None:
        actor = self._actor(scope)
        if actor is None:
            return None
        try:
            uuid = UUID(text)
        except ValueError:  # the route says so
            return None
        return self._views.one(actor, self._product.servers.find(actor, uuid, self._permission))

    def _actor(self, scope: HTTPScope) -> Actor | None:
        key = key_of(scope)
        if key is None:
            return None
        via: Via = "cli" if (_CLIENT_HEADER, b"cli") in scope["headers"] else "api"
        return self._product.authority.authenticate(key[0], via, key[1])


class ApiApplication(FastApplication):
    """An application whose WebSockets are refused in HTTP."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        await super().__call__(scope, receive, told_in_http(scope, send) if scope["type"] == "websocket" else send)


def _limit(query: bytes) -> int | None:
    """Return the limit in a query that holds nothing else, None where it is not plain."""
    if not query:
        return DEFAULT_PAGE
    digits = query.removeprefix(b"limit=")
    if len(digits) == len(query) or not digits.isdigit() or len(digits) > 4:
        return None
    limit = int(digits)
    return limit if 1 <= limit <= MAX_SERVERS_PAGE else None
