"""The API as one application."""

from typing import Any

from litestar import Litestar, Router
from litestar.types import ControllerRouterHandler

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.door import Door, constant, dependencies
from innkeeper.panel.api.errors import handlers
from innkeeper.panel.api.fast import ApiApplication, FastReads
from innkeeper.panel.api.handshake import note_fault
from innkeeper.panel.api.reference import reference_routes
from innkeeper.panel.api.routes import (
    accounts,
    backup_stores,
    backups,
    billing,
    configs,
    console,
    deleted,
    files,
    house,
    insights,
    installation,
    management,
    players,
    roles,
    schedules,
    selling,
    servers,
    sessions,
    webhooks,
)
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.api.streams import MAX_STREAMS, Streams
from innkeeper.panel.api.tickets import Tickets
from innkeeper.panel.api.versions import own_version
from innkeeper.panel.api.watching import Watching
from innkeeper.panel.http.bodies import MAX_JSON
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.product import Product

_NOUNS: Any = (
    sessions,
    accounts,
    roles,
    servers,
    deleted,
    console,
    players,
    files,
    backups,
    backup_stores,
    configs,
    schedules,
    insights,
    management,
    billing,
    selling,
    house,
    webhooks,
    installation,
)
HANDLERS: list[ControllerRouterHandler] = [handler for noun in _NOUNS for handler in noun.HANDLERS]


def api_application(product: Product, *, most_streams: int = MAX_STREAMS) -> Litestar:
    """Return the API over `product`; its paths are whole, the prefix included."""
    views = ServerViews(product)
    tickets = Tickets(product.authority, product.clock, product.secret)
    streams = Streams(product, views, most=most_streams)
    parts = {"server_views": views, "tickets": tickets, "streams": streams, "watching": Watching(product, streams)}
    application = ApiApplication(
        route_handlers=[Router(PREFIX, route_handlers=HANDLERS), *reference_routes(HANDLERS, own_version())],
        guards=[Door(product, tickets)],
        dependencies={**dependencies(product), **{name: constant(part) for name, part in parts.items()}},
        exception_handlers=handlers(),
        openapi_config=None,
        request_max_body_size=MAX_JSON,
        after_exception=[note_fault],
        logging_config=None,
    )
    needs: Needs = servers.get_server.opt["needs"]
    application.reads = FastReads(product, views, ServerPermission(needs.permission or ""))
    return application
