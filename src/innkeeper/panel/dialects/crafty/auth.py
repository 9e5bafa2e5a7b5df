"""Who asks, in Crafty's ways, what the route needs, and how fast they ask.

    @get("/servers/{server:str}/logs", opt=on_server(ServerBit.LOGS))

A token is looked for in the query (`token`), in the header `Authorization` (with `Bearer` before it in any case, or
bare), then in the cookie `token`; the first that is there counts. It is one that signing in gave, one of an API key, or
an API key of ours as it is. A key's masks bind together with what its account may. Knows no route.
"""

import re
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.types import HTTPScope

from innkeeper.core.access.errors import KeyIsMissing, PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.crafty.ids import server_id
from innkeeper.panel.dialects.crafty.masks import PRODUCT_BITS, SERVER_BITS, ProductBit, ServerBit
from innkeeper.panel.http.bearer import address_of
from innkeeper.panel.http.needs import Needs, open_to_all, signed_in
from innkeeper.panel.http.rates import Rates
from innkeeper.panel.product import Product

__all__ = [
    "SUPERUSER",
    "Door",
    "authenticate",
    "on_server",
    "open_to_all",
    "signed_in",
    "superuser",
    "tokens_and_keys",
    "with_access",
    "with_product",
]

Connection = ASGIConnection[Any, Any, Any, Any]

SUPERUSER = "superuser"
_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)


def on_server(*bits: ServerBit) -> dict[str, Any]:
    """Declare bits of the mask on the server in the path (`server`), any one of which will do.

    Something of the bit's permissions lets in: which of them a route needs in the end, core says where it is done. A
    route that core does not ask again must ask for its permission itself.
    """
    return {"needs": Needs("server", " or ".join(bits)), "bits": bits}


def with_access() -> dict[str, Any]:
    """Declare access to the server in the path, whatever the mask."""
    return {"needs": Needs("server", str(ServerPermission.VIEW)), "bits": ()}


def with_product(bit: ProductBit) -> dict[str, Any]:
    """Declare a bit of the mask of the product."""
    return {"needs": Needs("product", str(bit)), "bits": (bit,)}


def superuser() -> dict[str, Any]:
    """Declare that only a superuser may, by a key that carries everything."""
    return {"needs": Needs("product", SUPERUSER)}


class Door:
    """The one place where this dialect's requests are let in."""

    def __init__(self, product: Product, rates: Rates) -> None:
        self._product = product
        self._rates = rates

    def check(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let in who may use the route, and leave the actor (and the server's record) with the connection.

        A guard of Litestar's, run before every route; raises core's errors and TooManyRequests.
        """
        if isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}:
            return  # the framework's own: it says which methods a path knows
        needs: Needs | None = handler.opt.get("needs")
        if needs is None:
            raise PermissionIsMissing
        if needs.of == "nobody":
            return
        actor = authenticate(self._product, connection)
        self._rates.take(actor.key_id if actor.key_id is not None else -actor.account.id)
        connection.state.actor = actor
        bits = handler.opt.get("bits", ())
        match needs.of:
            case "product" if needs.permission == SUPERUSER:
                if not actor.is_superuser:
                    raise PermissionIsMissing
            case "product":
                if not any(actor.product & PRODUCT_BITS[bit] for bit in bits):
                    raise PermissionIsMissing
            case "server":
                self._reach(connection, actor, bits)
            case _:
                pass

    def _reach(self, connection: Connection, actor: Actor, bits: tuple[ServerBit, ...]) -> None:
        record = self._product.servers.get(actor, server_id(self._product, connection.path_params["server"]))
        held = actor.on(record.server.id, record.server.owner_id)
        if bits and not any(held & SERVER_BITS[bit] for bit in bits):
            raise PermissionIsMissing
        connection.state.record = record


def authenticate(product: Product, connection: Connection) -> Actor:
    """Return who asks; raise core's Unauthenticated. For `/metrics`, too, which takes the same tokens."""
    token, address = token_of(connection), address_of(connection.client)
    if token.count(".") != 2:  # no JSON Web Token
        return product.authority.authenticate(token, "crafty", address)
    return product.accounts.tokens.authenticate(token, "crafty", address)


def tokens_and_keys(product: Product) -> Callable[[HTTPScope], Actor]:
    """Return `authenticate` for an application that is not Litestar's."""
    return lambda scope: authenticate(product, ASGIConnection(scope))


def token_of(connection: Connection) -> str:
    """Return the token that a request shows; raise KeyIsMissing."""
    asked = connection.query_params.get("token")
    header = connection.headers.get("authorization")
    found = asked or (_BEARER.sub("", header.strip(), count=1) if header else None) or connection.cookies.get("token")
    if not found:
        raise KeyIsMissing
    return str(found)
