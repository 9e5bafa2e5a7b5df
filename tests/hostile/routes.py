"""Every route of our own API and of the dialects, as the applications themselves know them.

Nothing is listed by hand: what is added tomorrow is attacked tomorrow.
"""

import warnings
from types import SimpleNamespace
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.exceptions import LitestarDeprecationWarning
from litestar.routes import HTTPRoute, WebSocketRoute

from innkeeper.panel.api.app import api_application
from innkeeper.panel.dialects.crafty.app import crafty_application
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.dialects.serverflex.app import serverflex_application


class Route(NamedTuple):
    """One way in."""

    dialect: str
    method: str
    path: str
    """With names in braces: `/v1/servers/{server}`."""
    open_to_all: bool

    @property
    def label(self) -> str:
        """What a test is called by it."""
        return f"{self.method} {self.path}"


def _applications() -> dict[str, Litestar]:
    # To be asked for its routes, an application needs nothing of a product but what ids are made from.
    product: Any = SimpleNamespace(secret=b"routes", authority=None, clock=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)  # said at each start; not what is tested here
        return {
            "api": api_application(product),
            "crafty": crafty_application(product),
            "exaroton": exaroton_application(product),
            "serverflex": serverflex_application(product),
        }


def all_routes() -> list[Route]:
    """Return every route over HTTP."""
    found = []
    for dialect, application in _applications().items():
        for route in application.routes:
            if isinstance(route, HTTPRoute):
                for method, (handler, _) in route.route_handler_map.items():
                    needs = handler.opt.get("needs")
                    is_open = needs is not None and needs.of == "nobody"
                    found.append(Route(dialect, str(method), _plain(route.path_format), is_open))
    return found


def all_sockets() -> list[Route]:
    """Return every route over WebSocket."""
    return [
        Route(dialect, "WEBSOCKET", _plain(route.path_format), False)
        for dialect, application in _applications().items()
        for route in application.routes
        if isinstance(route, WebSocketRoute)
    ]


def _plain(path: str) -> str:
    return "/".join(
        "{" + part[1:-1].partition(":")[0] + "}" if part.startswith("{") else part for part in path.split("/")
    )
