"""Bodies made of what the directories hold, kept for each actor as long as nothing they are made of changes.

An actor is made anew whenever rights change, so that nothing is shown by a right of before. Knows no body's shape.
"""

from collections.abc import Callable, Hashable

from innkeeper.core.access.model import Actor
from innkeeper.panel.product import Product

_MOST_BODIES = 2000

Stamp = tuple[int, int]


class Bodies:
    """The newest bodies."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._kept: dict[tuple[int, Hashable], tuple[Actor, Stamp, bytes]] = {}

    def get(self, actor: Actor, what: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return what `make` gives for an actor; it must depend on servers, nodes and the actor's rights alone."""
        key = (id(actor), what)
        stamp = (self._product.directory.version, self._product.nodes.version)
        known = self._kept.get(key)
        # The actor is kept with it: an id alone may come to mean another actor, of other rights.
        if known is not None and known[0] is actor and known[1] == stamp:
            return known[2]
        body = make()
        if len(self._kept) >= _MOST_BODIES:
            self._kept.clear()
        self._kept[key] = (actor, stamp, body)
        return body
