"""Authorisation as data: every route says what it needs, and one door checks it.

    @get("/servers/{server:uuid}", opt=on_server(ServerPermission.VIEW))
    async def get_server(record: Record) -> ...

A route without such a declaration is a defect that a test finds. What a need refers to:

    server    the server named in the path, and a permission on it
    product   a permission on the product
    account   nothing but being signed in: the route is about the asker's own things
    nobody    open to everybody
"""

from typing import Any, Literal

import msgspec

from innkeeper.core.access.permissions import ProductPermission, ServerPermission


class Needs(msgspec.Struct, frozen=True):
    """What a route needs of who asks."""

    of: Literal["server", "product", "account", "nobody"]
    permission: str | None = None


def on_server(permission: ServerPermission) -> dict[str, Any]:
    """Declare a permission on the server in the path."""
    return {"needs": Needs("server", permission)}


def on_product(permission: ProductPermission) -> dict[str, Any]:
    """Declare a permission on the product."""
    return {"needs": Needs("product", permission)}


def signed_in() -> dict[str, Any]:
    """Declare that anybody with a valid key may."""
    return {"needs": Needs("account")}


def open_to_all() -> dict[str, Any]:
    """Declare that no key is needed."""
    return {"needs": Needs("nobody")}
