"""Who a player is: the UUID that goes with a name.

Knows no service; whoever can ask one keeps the promise `Profiles`.
"""

import hashlib
from typing import Protocol
from uuid import UUID


class Profiles(Protocol):
    """Knows the accounts that the game's makers verify."""

    async def find(self, name: str) -> UUID | None:
        """Return the UUID of the account of that name, None where there is none; raise ProfilesAreUnavailable."""
        ...


def offline_uuid(name: str) -> UUID:
    """Return the UUID that Minecraft gives a player whose account nobody verifies; the case of `name` counts."""
    digest = hashlib.md5(f"OfflinePlayer:{name}".encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest, version=3)
