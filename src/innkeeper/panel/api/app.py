"""The API as one application."""

from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.door import Door, dependencies
from innkeeper.panel.api.errors import handlers
from innkeeper.panel.api.reference import reference_routes
from innkeeper.panel.api.routes import accounts, console, files, insights, installation, roles, servers, sessions
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.api.tickets import Tickets
from innkeeper.panel.api.versions import own_version
from innkeeper.panel.http.bodies import MAX_JSON
from innkeeper.panel.product import Product

_NOUNS: Any = (sessions, accounts, roles, servers, console, files, insights, installation)
HANDLERS: list[ControllerRouterHandler] = [handler for noun in _NOUNS for handler in noun.HANDLERS]


def api_application(product: Product) -> Litestar:
    """Return the API over `product`; its paths are whole, the prefix included."""
    views = ServerViews(product)
    tickets = Tickets(product.authority, product.clock, product.secret)

    async def the_views() -> Any:
        return views

    async def the_tickets() -> Any:
        return tickets

    return Litestar(
        route_handlers=[Router(PREFIX, route_handlers=HANDLERS), *reference_routes(HANDLERS, own_version())],
        guards=[Door(product, tickets)],
        dependencies={**dependencies(product), "servers": Provide(the_views), "tickets": Provide(the_tickets)},
        exception_handlers=handlers(),
        openapi_config=None,
        request_max_body_size=MAX_JSON,
        logging_config=None,
    )
