"""ServerFlex's ids: the UUIDs of servers, accounts and operations as they are, and names of everything else."""

from uuid import UUID

from innkeeper.core.access.errors import NoSuchGrant
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import Server
from innkeeper.panel.http.dialect_ids import DialectIds
from innkeeper.panel.product import Product

_LABEL_DIGITS = 12


def server_uuid(text: str) -> UUID:
    """Return the UUID of the server called `text`; raise NoSuchServer for what is no UUID."""
    found = DialectIds.from_serverflex(text)
    if found is None:
        raise NoSuchServer
    return found


def account_id(product: Product, text: str) -> int:
    """Return the row id of the account called `text`; raise NoSuchGrant: it is only asked for who shares a server."""
    uuid = DialectIds.from_serverflex(text)
    found = product.authority.id_of(uuid) if uuid is not None else None
    if found is None:
        raise NoSuchGrant
    return found


def label_of(server: Server) -> str:
    """Return the label of a server's own subdomain: the random end of its UUID."""
    return server.uuid.hex[-_LABEL_DIGITS:]
