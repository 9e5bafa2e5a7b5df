"""exaroton's dialect as one application: its routes, its door, its shape of every refusal."""

from typing import Any
from uuid import uuid4

from litestar import Request, Response, Router, WebSocket, websocket
from litestar.exceptions import HTTPException

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.exaroton.auth import Door
from innkeeper.panel.dialects.exaroton.errors import rendered
from innkeeper.panel.dialects.exaroton.fast import FastReads
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.replies import JSON, failure
from innkeeper.panel.dialects.exaroton.routes.account import AccountRoutes
from innkeeper.panel.dialects.exaroton.routes.configs import ConfigRoutes
from innkeeper.panel.dialects.exaroton.routes.files import FileRoutes
from innkeeper.panel.dialects.exaroton.routes.options import OptionRoutes
from innkeeper.panel.dialects.exaroton.routes.playerlists import PlayerListRoutes
from innkeeper.panel.dialects.exaroton.routes.pools import PoolRoutes
from innkeeper.panel.dialects.exaroton.routes.servers import ServerRoutes
from innkeeper.panel.dialects.exaroton.streams.figures import FIRST_FIGURE_S
from innkeeper.panel.dialects.exaroton.streams.socket import KEEP_ALIVE_S, MAX_SOCKETS, ServerSocket
from innkeeper.panel.dialects.exaroton.views import Views
from innkeeper.panel.http.bounds import Places
from innkeeper.panel.http.fast import FastApplication
from innkeeper.panel.http.given import dependencies
from innkeeper.panel.http.needs import Needs, on_server
from innkeeper.panel.product import Product

log = get_logger(__name__)


ROUTES = (AccountRoutes, ServerRoutes, OptionRoutes, PlayerListRoutes, FileRoutes, ConfigRoutes, PoolRoutes)


def exaroton_application(
    product: Product,
    *,
    keep_alive_s: float = KEEP_ALIVE_S,
    first_figure_s: float = FIRST_FIGURE_S,
    most_sockets: int = MAX_SOCKETS,
) -> FastApplication:
    """Return the application for paths below `/v1`.

    A WebSocket silent for `keep_alive_s` says that it lives; a figure that has not come after `first_figure_s` is one
    that the game does not have; an account has at most `most_sockets` sockets.
    """
    ids = Ids(product)
    views = Views(product, ids)
    door = Door(product, ids)
    places = Places(most_sockets)

    @websocket("/servers/{server:str}/websocket", opt=on_server(ServerPermission.VIEW))
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
        actor, record = socket.state.actor, socket.state.record
        with places.place(actor):
            await ServerSocket(
                socket, actor, record, product, views, ids, keep_alive_s=keep_alive_s, first_figure_s=first_figure_s
            ).run()

    application = FastApplication(
        [Router("/v1", route_handlers=[*ROUTES, stream])],
        guards=[door.check],
        dependencies=dependencies(product, views),
        exception_handlers={CoreError: refuse, HTTPException: refuse_http, Exception: confess},
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )
    needs: Needs = ServerRoutes.get_server.opt["needs"]
    application.reads = FastReads(product, views, ids, ServerPermission(needs.permission or ""))
    return application


def refuse(_request: Request[Any, Any, Any], error: CoreError) -> Response[bytes]:
    """Render one of core's conditions."""
    status, text = rendered(error)
    return Response(failure(text), status_code=status, media_type=JSON)


def refuse_http(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Render what the framework refuses: unknown paths, wrong methods."""
    text = {404: "Not found", 405: "Method not allowed"}.get(error.status_code, "Bad request")
    return Response(failure(text), status_code=error.status_code, media_type=JSON, headers=error.headers)


def confess(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Render a fault of ours: logged under an id, nothing of it told."""
    fault = uuid4().hex[:12]
    log.error("request.failed", dialect="exaroton", path=request.url.path, fault=fault, exc_info=error)
    return Response(failure(f"Internal Server Error ({fault})"), status_code=500, media_type=JSON)
