"""ServerFlex's dialect as one application: its routes, its door, its shape of every refusal.

ref: the documentation's examples post to `/server/new` as well as below `/1.0`; every route of servers is at both.
"""

from typing import Any
from uuid import uuid4

from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.serverflex.auth import Door
from innkeeper.panel.dialects.serverflex.errors import field_of, headers_of, status_of
from innkeeper.panel.dialects.serverflex.fast import FastReads
from innkeeper.panel.dialects.serverflex.replies import refusal
from innkeeper.panel.dialects.serverflex.routes.account import AccountRoutes
from innkeeper.panel.dialects.serverflex.routes.base import BaseRoutes
from innkeeper.panel.dialects.serverflex.routes.packages import PackageRoutes
from innkeeper.panel.dialects.serverflex.routes.power import PowerRoutes
from innkeeper.panel.dialects.serverflex.routes.regions import RegionRoutes
from innkeeper.panel.dialects.serverflex.routes.servers import ServerRoutes
from innkeeper.panel.dialects.serverflex.routes.sharing import SharingRoutes
from innkeeper.panel.dialects.serverflex.views import Views
from innkeeper.panel.http.fast import FastApplication
from innkeeper.panel.http.given import dependencies
from innkeeper.panel.http.needs import Needs
from innkeeper.panel.http.rates import Rates
from innkeeper.panel.product import Product

log = get_logger(__name__)

REQUESTS_PER_S = 50.0
BURST = 500
"""How fast one key may ask. What is answered from memory alone (`fast`) costs next to nothing and is not counted."""

OF_SERVERS = (ServerRoutes, PowerRoutes, SharingRoutes)
ROUTES = (BaseRoutes, AccountRoutes, RegionRoutes, PackageRoutes, *OF_SERVERS)


def serverflex_application(
    product: Product, *, requests_per_s: float = REQUESTS_PER_S, burst: int = BURST
) -> FastApplication:
    """Return the application for paths below `/1.0` and `/server`."""
    views = Views(product)
    door = Door(product, Rates(product.clock, per_s=requests_per_s, burst=burst))
    application = FastApplication(
        [Router("/1.0", route_handlers=[*ROUTES]), *OF_SERVERS],
        guards=[door.check],
        dependencies=dependencies(product, views),
        exception_handlers={CoreError: refuse, HTTPException: refuse_http, Exception: confess},
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )
    needs: Needs = ServerRoutes.get_server.opt["needs"]
    application.reads = FastReads(product, views, ServerPermission(needs.permission or ""))
    return application


def refuse(_request: Request[Any, Any, Any], error: CoreError) -> Response[bytes]:
    """Render one of core's conditions."""
    status = status_of(type(error))
    return refusal(status, error.code, error.message, field=field_of(error), headers=headers_of(error))


def refuse_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Render what the framework refuses: unknown routes, wrong methods."""
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    match error.status_code:
        case 404:
            return refusal(404, "not_found", "There is no such route.")
        case 405:
            return refusal(405, "method_not_allowed", "This route does not know this method.", headers=headers)
        case status if status < 500:
            return refusal(400, "bad_request", "The request cannot be understood.")
    return confess(request, error)


def confess(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Render a fault of ours: logged under an id, nothing of it told."""
    fault = uuid4().hex[:12]
    log.error("request.failed", dialect="serverflex", path=request.url.path, fault=fault, exc_info=error)
    return refusal(500, "fault", f"Something went wrong inside. The log knows more under {fault}.")
