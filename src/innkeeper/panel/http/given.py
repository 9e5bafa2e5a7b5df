"""What routes are given by name: the product, a dialect's views, and whom and what the door let in.

    async def start(self, actor: Asker, record: Reached, product: House) -> …

The door leaves the actor, and the record of a server that the path names, in the connection's state.
"""

from typing import Any

from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.types import Scope

from innkeeper.core.access.model import Actor
from innkeeper.core.servers.directory import Record
from innkeeper.panel.product import Product

Asker = NamedDependency[SkipValidation[Actor]]
Reached = NamedDependency[SkipValidation[Record]]
House = NamedDependency[SkipValidation[Product]]


def dependencies(product: Product, views: object) -> dict[str, Provide]:
    """Return what gives routes `views`, `product`, `actor` and `record`.

    Each asks for the one before it: the framework resolves those that stand side by side in a group of tasks, which
    costs more than all the rest of a request.
    """

    async def the_views() -> Any:
        return views

    async def the_product(views: NamedDependency[SkipValidation[Any]]) -> Any:
        return product

    return {
        "views": Provide(the_views),
        "product": Provide(the_product),
        **let_in(),
    }


def let_in() -> dict[str, Provide]:
    """Return what gives routes `actor` and `record`, after the `product`."""
    return {"actor": Provide(_actor), "record": Provide(_record)}


async def _actor(scope: Scope, product: House) -> Any:
    return scope["state"]["actor"]


async def _record(scope: Scope, actor: Asker) -> Any:
    return scope["state"]["record"]
