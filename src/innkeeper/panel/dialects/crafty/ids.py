"""Crafty's ids: the integers of rows. A server is found by its UUID, too, as later versions of Crafty name it.

Small numbers only: what is none names nothing.
"""

from innkeeper.core.access.model import Actor
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.panel.http.dialect_ids import DialectIds
from innkeeper.panel.product import Product

OWN = "@me"


def number(text: str) -> int | None:
    """Return the number that decimal digits say, None where they are none."""
    return DialectIds.from_pterodactyl(text)


def server_id(product: Product, text: str) -> int:
    """Return the row id of the server called `text`; raise NoSuchServer."""
    found = DialectIds.from_crafty(text)
    if found is None:
        raise NoSuchServer
    return found if isinstance(found, int) else product.directory.find(found).server.id


def account_id(actor: Actor, text: str) -> int:
    """Return the row id of the account called `text`, `@me` being who asks; raise NoSuchAccount for what is no id."""
    if text == OWN:
        return actor.account.id
    found = number(text)
    if found is None:
        raise NoSuchAccount
    return found
