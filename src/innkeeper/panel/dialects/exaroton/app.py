"""exaroton's dialect as one application: its routes, its door, its shape of every refusal."""

from typing import Any
from uuid import uuid4

from litestar import Request, Response, Router, WebSocket, websocket
from litestar.exceptions import HTTPException

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.exaroton.auth import Door, dependencies
from innkeeper.panel.dialects.exaroton.errors import rendered
from innkeeper.panel.dialects.exaroton.fast import FastReads
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.routes import JSON, AccountRoutes, ServerRoutes
from innkeeper.panel.dialects.exaroton.stream import KEEP_ALIVE_S, ServerStream
from innkeeper.panel.dialects.exaroton.views import Views, failure
from innkeeper.panel.http.fast import FastApplication
from innkeeper.panel.http.needs import Needs, on_server
from innkeeper.panel.product import Product

log = get_logger(__name__)


def exaroton_application(product: Product, *, keep_alive_s: float = KEEP_ALIVE_S) -> FastApplication:
    """Return the application for paths below `/v1`; a WebSocket silent for `keep_alive_s` says that it lives."""
    ids = Ids(product)
    views = Views(product, ids)
    door = Door(product, ids)

    @websocket("/servers/{server:str}/websocket", opt=on_server(ServerPermission.VIEW))
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
        actor, record = socket.state.actor, socket.state.record
        await ServerStream(socket, actor, record, product, views, ids, keep_alive_s=keep_alive_s).run()

    application = FastApplication(
        [Router("/v1", route_handlers=[AccountRoutes, ServerRoutes, stream])],
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
