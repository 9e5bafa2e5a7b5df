"""Who asks, in exaroton's way: `Authorization: Bearer TOKEN`, and what the route needs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.http.bearer import address_of, bearer_of
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.product import Product

Connection = ASGIConnection[Any, Any, Any, Any]


class Door:
    """The one place where this dialect's requests are let in."""

    def __init__(self, product: Product, ids: Ids) -> None:
        self._product = product
        self._ids = ids

    def check(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let in who may use the route, and leave the actor (and the server's record) with the connection.

        A guard of Litestar's, run before every route; raises core's errors.
        """
        needs: Needs | None = handler.opt.get("needs")
        if needs is None:  # what the framework adds by itself, as OPTIONS
            raise PermissionIsMissing
        if needs.of == "nobody":
            return
        secret = bearer_of(connection.headers.get("authorization"))
        actor = self._product.authority.authenticate(secret, "exaroton", address_of(connection.client))
        connection.state.actor = actor
        if needs.of == "product" and not actor.may(str(needs.permission)):
            raise PermissionIsMissing
        if needs.of == "server":
            server_id = self._ids.server(connection.path_params["server"])
            connection.state.record = self._product.servers.get(
                actor, server_id, ServerPermission(str(needs.permission))
            )
