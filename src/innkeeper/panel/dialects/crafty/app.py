"""Crafty's dialect as one application: its routes, its door, its shape of every refusal."""

from typing import Any
from uuid import uuid4

from litestar import Litestar, Request, Response, Router, WebSocket, websocket
from litestar.exceptions import HTTPException
from litestar.plugins.core import MsgspecDIPlugin

from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.crafty.auth import Door, signed_in
from innkeeper.panel.dialects.crafty.errors import said
from innkeeper.panel.dialects.crafty.replies import refusal
from innkeeper.panel.dialects.crafty.routes import (
    actions,
    backups,
    files,
    imports,
    logs,
    servers,
    stats,
    tasks,
    webhooks,
)
from innkeeper.panel.dialects.crafty.routes.auth import AuthRoutes
from innkeeper.panel.dialects.crafty.routes.crafty import CraftyRoutes
from innkeeper.panel.dialects.crafty.routes.index import IndexRoutes
from innkeeper.panel.dialects.crafty.routes.jsonschema import SchemaRoutes
from innkeeper.panel.dialects.crafty.routes.keys import KeyRoutes
from innkeeper.panel.dialects.crafty.routes.roles import RoleRoutes
from innkeeper.panel.dialects.crafty.routes.users import UserRoutes
from innkeeper.panel.dialects.crafty.server_views import ServerViews
from innkeeper.panel.dialects.crafty.streams import EVERY_S, MAX_SOCKETS, Streams
from innkeeper.panel.http.given import dependencies
from innkeeper.panel.http.rates import Rates
from innkeeper.panel.product import Product

log = get_logger(__name__)

PREFIX = "/api/v2"
SOCKET = "/ws"
REQUESTS_PER_S = 50.0
BURST = 500
"""How fast one key, or one account that signed in, may ask."""

OF_SERVERS = (servers, imports, actions, stats, logs, files, backups, tasks, webhooks)
ROUTES = (
    IndexRoutes,
    AuthRoutes,
    CraftyRoutes,
    UserRoutes,
    KeyRoutes,
    RoleRoutes,
    SchemaRoutes,
    *(controller for each in OF_SERVERS for controller in each.ROUTES),
)


class CraftyApplication(Litestar):
    """The application; it brings no plugin that no route needs."""

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        return [*plugins, MsgspecDIPlugin()]


def crafty_application(
    product: Product,
    *,
    requests_per_s: float = REQUESTS_PER_S,
    burst: int = BURST,
    every_s: float = EVERY_S,
    most_sockets: int = MAX_SOCKETS,
) -> CraftyApplication:
    """Return the application for paths below `/api/v2`, and for `/ws`.

    A socket tells figures every so many seconds; an account has at most `most_sockets` sockets.
    """
    door = Door(product, Rates(product.clock, per_s=requests_per_s, burst=burst))
    views = ServerViews(product)
    streams = Streams(product, views, every_s=every_s, most=most_sockets)

    @websocket(SOCKET, opt=signed_in())
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
        await streams.serve(socket, socket.state.actor)

    return CraftyApplication(
        [Router(PREFIX, route_handlers=[*ROUTES]), stream],
        guards=[door.check],
        dependencies=dependencies(product, views),
        exception_handlers={CoreError: refuse, HTTPException: refuse_http, Exception: confess},
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )


def refuse(_request: Request[Any, Any, Any], error: CoreError) -> Response[bytes]:
    """Render one of core's conditions."""
    status, name, more, headers = said(error)
    return refusal(status, name, headers=headers, **more)


def refuse_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Render what the framework refuses: unknown routes, wrong methods."""
    match error.status_code:
        case 404:
            page = request.url.path.removeprefix(PREFIX).strip("/")
            return refusal(404, "API_HANDLER_NOT_FOUND", page=page)
        case 405:
            headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
            return refusal(405, "METHOD_NOT_ALLOWED", headers=headers)
        case status if status < 500:
            return refusal(400, "BAD_REQUEST", error_data="The request cannot be understood.")
    return confess(request, error)


def confess(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Render a fault of ours: logged under an id, nothing of it told."""
    fault = uuid4().hex[:12]
    log.error("request.failed", dialect="crafty", path=request.url.path, fault=fault, exc_info=error)
    return refusal(500, "FAULT", error_data=f"Something went wrong inside. The log knows more under {fault}.")
