"""The two reads that are asked most, answered before the framework looks at them (`panel.http.fast`).

GET /v1/servers[/]        GET /v1/servers/{server}[/]
"""

from litestar.types import HTTPScope

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.replies import success
from innkeeper.panel.dialects.exaroton.views import Views
from innkeeper.panel.http.fast import key_of
from innkeeper.panel.product import Product

_LIST = "/v1/servers"


class FastReads:
    """Answers what it can."""

    def __init__(self, product: Product, views: Views, ids: Ids, permission: ServerPermission) -> None:
        """`permission` is what the route of a single server declares."""
        self._product = product
        self._views = views
        self._ids = ids
        self._permission = permission

    def answer(self, scope: HTTPScope) -> bytes | None:
        """Return the body of the answer 200, None where the routes must see the request; raise core's conditions."""
        path = scope["path"]
        if not path.startswith(_LIST) or scope["method"] != "GET":
            return None
        rest = path[len(_LIST) :]
        text = rest[1:].removesuffix("/")
        if (rest and rest[0] != "/") or "/" in text:
            return None
        key = key_of(scope)
        if key is None:
            return None
        actor = self._product.authority.authenticate(key[0], "exaroton", key[1])
        if rest in ("", "/"):
            return self._views.servers(actor)
        record = self._product.servers.get(actor, self._ids.server(text), self._permission)
        return success(self._views.encoded(record, shared=record.server.owner_id != actor.account.id))
