"""How a game's management server is reached: the port and the secret that the node chose for one start of it.

Knows no protocol.
"""

import secrets
import socket
import string

import msgspec

SECRET_LENGTH = 40
_LETTERS = string.ascii_letters + string.digits
_LOOPBACK = "127.0.0.1"


class ManagementAccess(msgspec.Struct, frozen=True):
    """Where the management server of one run listens, and what opens it. The secret shows in no representation."""

    port: int
    secret: str

    def __repr__(self) -> str:
        return f"ManagementAccess(port={self.port})"


def choose_access() -> ManagementAccess:
    """Return a port of the loopback address that nobody holds now, and a new secret. Blocking, and quick."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_LOOPBACK, 0))
        port = probe.getsockname()[1]
    return ManagementAccess(port, "".join(secrets.choice(_LETTERS) for _ in range(SECRET_LENGTH)))
