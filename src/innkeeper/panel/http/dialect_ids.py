"""The ids by which the dialects call a server, derived from its row and back.

Nothing is stored: an id is turned back by whoever is asked for it, and what does not turn back names no server.
Knows no dialect's routes; which server an id means, and who may see it, the caller asks core.
"""

import base64
import binascii
from uuid import UUID

from innkeeper.core.servers.model import Server
from innkeeper.kit.ids import ShortIds

_MOST_DIGITS = 15


class DialectIds:
    """Derives ids of servers. exaroton's are keyed by the installation's secret."""

    def __init__(self, secret: bytes) -> None:
        self._short = ShortIds(secret, "server")

    def of(self, server: Server) -> dict[str, str]:
        """Return every dialect's id of a server, by the dialect's name."""
        return {
            "exaroton": self.exaroton(server),
            "serverflex": self.serverflex(server),
            "pterodactyl": str(self.pterodactyl(server)),
            "crafty": str(self.crafty(server)),
            "mccoal": self.mccoal(server),
        }

    def exaroton(self, server: Server) -> str:
        """Return 16 letters and digits."""
        return self._short.encode(server.id)

    def from_exaroton(self, text: str) -> int | None:
        """Return the row that an exaroton id means, None when it is none."""
        return self._short.decode(text)

    @staticmethod
    def serverflex(server: Server) -> str:
        """Return the UUID in its usual form."""
        return str(server.uuid)

    @staticmethod
    def from_serverflex(text: str) -> UUID | None:
        """Return the UUID, None when it is none."""
        return _uuid(text)

    @staticmethod
    def pterodactyl(server: Server) -> int:
        """Return the row's own integer."""
        return server.id

    @staticmethod
    def from_pterodactyl(text: str) -> int | None:
        """Return the row that an integer in decimal digits means, None when it is none."""
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None

    @staticmethod
    def crafty(server: Server) -> int:
        """Return the row's own integer (ref: Crafty up to 4.2)."""
        return server.id

    @staticmethod
    def from_crafty(text: str) -> int | UUID | None:
        """Return the row or the UUID, by which later versions of Crafty name a server; None when it is neither."""
        found = DialectIds.from_pterodactyl(text)
        return found if found is not None else _uuid(text)

    @staticmethod
    def mccoal(server: Server) -> str:
        """Return the UUID's 16 bytes in URL-safe Base64: 22 characters, no padding."""
        return base64.urlsafe_b64encode(server.uuid.bytes).decode().rstrip("=")

    @staticmethod
    def from_mccoal(text: str) -> UUID | None:
        """Return the UUID, None when it is none; one UUID has one spelling."""
        if len(text) != 22 or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        known = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return UUID(bytes=raw) if known == text else None


def _uuid(text: str) -> UUID | None:
    try:
        known = UUID(text)
    except ValueError:
        return None
    return known if str(known) == text.lower() else None
