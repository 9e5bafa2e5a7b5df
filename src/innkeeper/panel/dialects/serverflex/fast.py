"""The two reads that are asked most, answered before the framework looks at them (`panel.http.fast`).

GET /1.0/server[/]        GET /1.0/server/{server}[/]        both without `/1.0` too
"""

from litestar.types import HTTPScope

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.serverflex.ids import server_uuid
from innkeeper.panel.dialects.serverflex.paging import Place
from innkeeper.panel.dialects.serverflex.views import Views
from innkeeper.panel.http.fast import key_of
from innkeeper.panel.product import Product

_LIST = "/server"
_PLAIN_ACCEPT = frozenset({b"*/*", b"application/json"})


class FastReads:
    """Answers what it can."""

    def __init__(self, product: Product, views: Views, permission: ServerPermission) -> None:
        """`permission` is what the route of a single server declares."""
        self._product = product
        self._views = views
        self._permission = permission
        self._first = Place()

    def answer(self, scope: HTTPScope) -> bytes | None:
        """Return the body of the answer 200, None where the routes must see the request; raise core's conditions."""
        path = scope["path"].removeprefix("/1.0")
        if not path.startswith(_LIST) or scope["method"] != "GET" or scope["query_string"]:
            return None
        rest = path[len(_LIST) :]
        text = rest[1:].removesuffix("/")
        if (rest and rest[0] != "/") or "/" in text or not _accepts_plainly(scope):
            return None
        key = key_of(scope)
        if key is None:
            return None
        actor = self._product.authority.authenticate(key[0], "serverflex", key[1])
        if not text:
            return self._views.servers(actor, self._first) if rest in ("", "/") else None
        return self._views.encoded(actor, self._product.servers.find(actor, server_uuid(text), self._permission))


def _accepts_plainly(scope: HTTPScope) -> bool:
    return all(value in _PLAIN_ACCEPT for name, value in scope["headers"] if name == b"accept")
