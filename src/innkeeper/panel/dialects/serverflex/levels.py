"""ServerFlex's permission levels as views of the fine-grained permissions: read < write < admin < owner.

ref: the section Permissions of ServerFlex's documentation. `owner` is whom the server belongs to, and is never given.
"""

from collections.abc import Set
from typing import Literal, get_args

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import OWNER
from innkeeper.core.access.permissions import ServerPermission as P
from innkeeper.core.servers.model import Server

Given = Literal["read", "write", "admin"]
"""A level that one may give."""
Level = Literal["read", "write", "admin", "owner"]

_READ = frozenset(
    map(
        str,
        (
            P.VIEW,
            P.CONSOLE_READ,
            P.LOGS_READ,
            P.FILES_READ,
            P.PLAYERS_READ,
            P.METRICS_READ,
            P.OPERATIONS_READ,
            P.ACTIVITY_READ,
        ),
    )
)
_WRITE = _READ | frozenset(
    map(
        str,
        (
            P.START,
            P.STOP,
            P.RESTART,
            P.CONSOLE_WRITE,
            P.MANAGEMENT,
            P.FILES_WRITE,
            P.PLAYERS_WRITE,
            P.SETTINGS_WRITE,
        ),
    )
)
PERMISSIONS: dict[Given, frozenset[str]] = {"read": _READ, "write": _WRITE, "admin": OWNER}
"""What a level gives. Nothing destructive is in `write`: no deleting, no killing, no installing anew; who else shares a
server, with their addresses, is for those who may change it."""
GIVEN: tuple[Given, ...] = get_args(Given)


def level_of(permissions: Set[str]) -> Given:
    """Return the highest level that is held whole; less than `read` is shown as `read`."""
    return next((level for level in reversed(GIVEN) if permissions >= PERMISSIONS[level]), "read")


def level_on(actor: Actor, server: Server) -> Level:
    """Return what an actor is on a server that it may see."""
    if server.owner_id == actor.account.id:
        return "owner"
    return level_of(actor.on(server.id, server.owner_id))
