"""Who asks, in exaroton's way: `Authorization: Bearer TOKEN`, and what the route needs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.params import SkipValidation
from litestar.types import Scope

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.views import Views
from innkeeper.panel.http.bearer import address_of, bearer_of
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.product import Product

Connection = ASGIConnection[Any, Any, Any, Any]

Asker = NamedDependency[SkipValidation[Actor]]
Reached = NamedDependency[SkipValidation[Record]]
House = NamedDependency[SkipValidation[Product]]
Shown = NamedDependency[SkipValidation[Views]]


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


def dependencies(product: Product, views: Views) -> dict[str, Provide]:
    """Return what gives routes the product, its views and what the door found.

    Each asks for the one before it: the framework resolves those that stand side by side in a group of tasks, which
    costs more than all the rest of a request.
    """

    async def the_views() -> Any:
        return views

    async def the_product(views: Shown) -> Any:
        return product

    async def actor(scope: Scope, product: House) -> Any:
        return scope["state"]["actor"]

    async def record(scope: Scope, actor: Asker) -> Any:
        return scope["state"]["record"]

    return {
        "views": Provide(the_views),
        "product": Provide(the_product),
        "actor": Provide(actor),
        "record": Provide(record),
    }
