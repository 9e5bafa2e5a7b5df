"""The one door: who asks, whether they may, and what the path means.

A guard over every route reads what the route declares (`panel.http.needs`) and nothing else decides. What it found is
given to handlers by the names `actor`, `record` and `found` (an operation). A route that declares nothing is refused to
everybody.
"""

from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import SkipValidation
from litestar.types import Scope

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.errors import CoreError, Forbidden
from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.panel.api.errors import body_of, encode_error, status_of
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.api.tickets import Tickets
from innkeeper.panel.http.bearer import address_of, bearer_of
from innkeeper.panel.http.given import Asker, let_in
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.product import Product

Connection = ASGIConnection[Any, Any, Any, Any]

CLIENT_HEADER = "x-innkeeper-client"
REFUSED = 4000
"""A WebSocket refused before it was accepted is closed with this plus the status."""

Found = NamedDependency[SkipValidation[Operation]]
Views = NamedDependency[SkipValidation[ServerViews]]

GIVEN = ("product", "server_views", "tickets", "streams", "watching", "actor", "record", "found")
"""What handlers may ask for by name: parts of the application, and what the door found.

None may be called as a field of a body is: the framework takes a fault in such a field for one of ours.
"""


class RouteIsUndeclared(Forbidden):
    """This route does not say who may use it."""


class Door:
    """Checks every request against what its route declares."""

    def __init__(self, product: Product, tickets: Tickets) -> None:
        self._product = product
        self._tickets = tickets

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let a request in, or raise the condition that keeps it out."""
        if isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}:
            return  # the framework's own: it says which methods a path knows
        try:
            await self._admit(connection, handler.opt.get("needs"))
        except CoreError as error:
            if connection.scope["type"] == ScopeType.WEBSOCKET:
                raise refusal(error) from error
            raise

    async def _admit(self, connection: Connection, needs: Needs | None) -> None:
        state = connection.scope["state"]
        match needs:
            case None:
                raise RouteIsUndeclared
            case Needs("nobody"):
                return
            case Needs("account"):
                state["actor"] = self.authenticate(connection)
            case Needs("product", permission):
                state["actor"] = actor = self.authenticate(connection)
                require(actor, permission or "")
            case Needs("server", permission):
                state["actor"] = actor = self.authenticate(connection)
                wanted = ServerPermission(permission or "")
                if "operation" in connection.path_params:
                    state["found"] = await self._operation(actor, connection, wanted)
                else:
                    state["record"] = self._product.servers.find(actor, connection.path_params["server"], wanted)

    def authenticate(self, connection: Connection) -> Actor:
        """Return who asks; raise Unauthenticated's kin and AddressIsNotAllowed."""
        via: Literal["api", "cli"] = "cli" if connection.headers.get(CLIENT_HEADER) == "cli" else "api"
        client = connection.scope.get("client")
        address = address_of((client[0], client[1]) if client else None)
        header = connection.headers.get("authorization")
        ticket = connection.query_params.get("ticket") if connection.scope["type"] == ScopeType.WEBSOCKET else None
        if header is None and ticket is not None:
            return self._tickets.redeem(ticket, connection.path_params["server"], address)
        return self._product.authority.authenticate(bearer_of(header), via, address)

    async def _operation(self, actor: Actor, connection: Connection, permission: ServerPermission) -> Operation:
        """Return the operation in the path, of a deleted server too; raise NoSuchOperation, PermissionIsMissing."""
        operation = await self._product.operations.get(connection.path_params["operation"])
        try:
            server = self._product.directory.get(operation.server_id).server
        except NoSuchServer as error:
            raise NoSuchOperation from error
        held = actor.on(server.id, server.owner_id)
        if ServerPermission.VIEW not in held:
            raise NoSuchOperation
        if permission not in held:
            raise PermissionIsMissing(f"The permission {permission} on this server is missing.", permission=permission)
        return operation


def refusal(error: CoreError) -> WebSocketException:
    """Return what refuses a WebSocket that is not accepted yet."""
    return WebSocketException(detail=encode_error(body_of(error)).decode(), code=REFUSED + status_of(type(error)))


def constant(value: Any) -> Provide:
    """Return what gives handlers always the same."""

    async def give() -> Any:
        return value

    return Provide(give)


def dependencies(product: Product) -> dict[str, Provide]:
    """Return what gives handlers the product and what the door found.

    Each asks for the one before it: the framework resolves those that stand side by side in a group of tasks, which
    costs more than all the rest of a request.
    """

    async def the_product(server_views: Views) -> Any:
        return product

    async def found(scope: Scope, actor: Asker) -> Any:
        return scope["state"]["found"]

    return {
        "product": Provide(the_product),
        **let_in(),
        "found": Provide(found),
    }
