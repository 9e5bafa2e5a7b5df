"""exaroton's ids: 16 letters and digits for servers, accounts, pools and software.

Derived from core's rows and turned back; never stored. An id of one kind is no id of another.
"""

import hashlib

from innkeeper.core.billing.errors import NoSuchPool
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import Server
from innkeeper.kit.ids import ALPHABET, ShortIds
from innkeeper.panel.http.dialect_ids import DialectIds
from innkeeper.panel.product import Product


class Ids:
    """The ids of one installation."""

    def __init__(self, product: Product) -> None:
        self._servers = DialectIds(product.secret)
        self._accounts = ShortIds(product.secret, "account")
        self._pools = ShortIds(product.secret, "pool")

    def of_server(self, server: Server) -> str:
        """Return the id of a server."""
        return self._servers.exaroton(server)

    def server(self, text: str) -> int:
        """Return the row id of the server called `text`; raise NoSuchServer for what is no id."""
        number = self._servers.from_exaroton(text)
        if number is None:
            raise NoSuchServer
        return number

    def of_account(self, account_id: int) -> str:
        """Return the id of an account; it is nowhere taken as an input."""
        return self._accounts.encode(account_id)

    def of_pool(self, pool_id: int) -> str:
        """Return the id of a credit pool."""
        return self._pools.encode(pool_id)

    def pool(self, text: str) -> int:
        """Return the row id of the pool called `text`; raise NoSuchPool for what is no id."""
        number = self._pools.decode(text)
        if number is None:
            raise NoSuchPool
        return number


def software_id(package: str, runtime: str) -> str:
    """Return the id of a software: the same for the same runtime everywhere; it is nowhere taken as an input."""
    value = int.from_bytes(hashlib.sha256(f"{package}/{runtime}".encode()).digest()[:16], "big")
    letters = []
    for _ in range(16):
        value, digit = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(letters)
