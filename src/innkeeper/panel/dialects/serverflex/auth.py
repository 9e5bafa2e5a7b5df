"""Who asks, in ServerFlex's ways, what the route needs, how fast they ask, and that JSON will do.

ref: the documentation's own examples send `Authorization: Bearer KEY`, `Authorization: Bearer: KEY` (one of them twice)
and `Authentication: Bearer: KEY`.
"""

import re
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler

from innkeeper.core.access.errors import KeyIsMissing, PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.access.service import require
from innkeeper.panel.dialects.serverflex.errors import FormatIsNotOffered
from innkeeper.panel.dialects.serverflex.ids import server_uuid
from innkeeper.panel.http.bearer import address_of
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.http.rates import Rates
from innkeeper.panel.product import Product

Connection = ASGIConnection[Any, Any, Any, Any]


_BEARER = re.compile(r"bearer(?:\s*:\s*|\s+)(\S+)", re.IGNORECASE)
_JSON = re.compile(r"(?:text|application)/(?:json|[^/]+\+json)")


class Door:
    """The one place where this dialect's requests are let in."""

    def __init__(self, product: Product, rates: Rates) -> None:
        self._product = product
        self._rates = rates

    def check(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let in who may use the route, and leave the actor (and the server's record) with the connection.

        A guard of Litestar's, run before every route; raises core's errors, FormatIsNotOffered and TooManyRequests.
        """
        if isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}:
            return  # the framework's own: it says which methods a path knows
        needs: Needs | None = handler.opt.get("needs")
        if needs is None or needs.of == "nobody":
            raise PermissionIsMissing
        if not accepts_json(connection.headers.getall("accept", [])):
            raise FormatIsNotOffered
        secret = secret_of(connection)
        actor = self._product.authority.authenticate(secret, "serverflex", address_of(connection.client))
        self._rates.take(actor.key_id)
        connection.state.actor = actor
        if needs.of == "product":
            require(actor, str(needs.permission))
        if needs.of == "server":
            uuid = server_uuid(connection.path_params["server"])
            connection.state.record = self._product.servers.find(actor, uuid, ServerPermission(str(needs.permission)))


def secret_of(connection: Connection) -> str:
    """Return the key that a request shows, the first of several; raise KeyIsMissing."""
    for name in ("authorization", "authentication"):
        for value in connection.headers.getall(name, []):
            found = _BEARER.fullmatch(value.strip())
            if found:
                return found[1]
    raise KeyIsMissing


def accepts_json(accepted: list[str]) -> bool:
    """Say whether an answer in JSON is accepted by the values of `Accept` headers; no header accepts anything."""
    quality = {"exact": -1.0, "kind": -1.0, "any": -1.0}
    ranges = [part.strip() for value in accepted for part in value.split(",") if part.strip()]
    for item in ranges:
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        how = (
            "exact"
            if _JSON.fullmatch(kind)
            else {"application/*": "kind", "text/*": "kind", "*/*": "any", "*": "any"}.get(kind)
        )
        if how is not None:
            quality[how] = max(quality[how], _quality(parameters))
    return not ranges or next((known for known in quality.values() if known >= 0), 0.0) > 0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
