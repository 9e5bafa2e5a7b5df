"""Crafty's permission masks as views of the fine-grained permissions: one bit a set, the leftmost first.

ref: the reference's permission bits; `"10100000"` is COMMANDS and LOGS. A bit is shown where all of its set is held. A
mask that is written gives whole sets and takes whole sets; permissions that no bit stands for stay as they are.
"""

from collections.abc import Mapping, Set
from enum import StrEnum

from innkeeper.core.access.permissions import ALL
from innkeeper.core.access.permissions import ProductPermission as Q
from innkeeper.core.access.permissions import ServerPermission as P


class ServerBit(StrEnum):
    """What a mask of eight says of one server."""

    COMMANDS = "COMMANDS"
    TERMINAL = "TERMINAL"
    LOGS = "LOGS"
    SCHEDULE = "SCHEDULE"
    BACKUP = "BACKUP"
    FILES = "FILES"
    CONFIG = "CONFIG"
    PLAYERS = "PLAYERS"


class ProductBit(StrEnum):
    """What a mask of three says of everything else."""

    SERVER_CREATION = "SERVER_CREATION"
    USER_CONFIG = "USER_CONFIG"
    ROLES_CONFIG = "ROLES_CONFIG"


ACCESS: frozenset[str] = frozenset({str(P.VIEW), str(P.METRICS_READ), str(P.OPERATIONS_READ)})
"""What having access to a server means, whatever the mask."""

SERVER_BITS: Mapping[ServerBit, frozenset[str]] = {
    ServerBit.COMMANDS: frozenset(
        map(str, (P.START, P.STOP, P.RESTART, P.KILL, P.CONSOLE_WRITE, P.BACKUPS_CREATE, P.REINSTALL))
    ),
    ServerBit.TERMINAL: frozenset({str(P.CONSOLE_READ)}),
    ServerBit.LOGS: frozenset({str(P.LOGS_READ)}),
    ServerBit.SCHEDULE: frozenset(map(str, (P.SCHEDULES_READ, P.SCHEDULES_WRITE))),
    ServerBit.BACKUP: frozenset(map(str, (P.BACKUPS_READ, P.BACKUPS_WRITE, P.BACKUPS_RESTORE, P.BACKUPS_DELETE))),
    ServerBit.FILES: frozenset(map(str, (P.FILES_READ, P.FILES_WRITE, P.FILES_DELETE))),
    ServerBit.CONFIG: frozenset(
        map(
            str,
            (
                P.SETTINGS_WRITE,
                P.DELETE,
                P.WEBHOOKS_READ,
                P.WEBHOOKS_WRITE,
                P.ACTIVITY_READ,
                P.GRANTS_READ,
            ),
        )
    ),
    ServerBit.PLAYERS: frozenset(map(str, (P.PLAYERS_READ, P.PLAYERS_WRITE))),
}
PRODUCT_BITS: Mapping[ProductBit, frozenset[str]] = {
    ProductBit.SERVER_CREATION: frozenset({str(Q.SERVERS_CREATE)}),
    ProductBit.USER_CONFIG: frozenset(map(str, (Q.ACCOUNTS_READ, Q.ACCOUNTS_WRITE))),
    ProductBit.ROLES_CONFIG: frozenset(map(str, (Q.ROLES_READ, Q.ROLES_WRITE))),
}
OF_SERVERS: frozenset[str] = ACCESS.union(*SERVER_BITS.values())
OF_PRODUCT: frozenset[str] = frozenset().union(*PRODUCT_BITS.values())


def server_mask(held: Set[str]) -> str:
    """Return the mask of what is held on a server."""
    return _mask(SERVER_BITS, held)


def product_mask(held: Set[str]) -> str:
    """Return the mask of what is held beside servers."""
    return _mask(PRODUCT_BITS, held)


def on_server(mask: str, held: Set[str] = frozenset()) -> frozenset[str]:
    """Return what a mask of eight gives on a server, with what of `held` no bit stands for."""
    return ACCESS | _given(SERVER_BITS, mask) | (held - OF_SERVERS)


def on_product(mask: str) -> frozenset[str]:
    """Return what a mask of three gives."""
    return _given(PRODUCT_BITS, mask)


def key_permissions(server: str, product: str, *, everything: bool) -> frozenset[str] | None:
    """Return what a key with these masks carries; None for one that carries all that its account may."""
    return None if everything else on_server(server) | on_product(product)


def key_masks(permissions: frozenset[str] | None) -> tuple[str, str, bool]:
    """Return a key's masks, and whether it carries everything."""
    carried = ALL if permissions is None else permissions
    return server_mask(carried), product_mask(carried), carried >= ALL


def _mask(bits: Mapping[ServerBit, frozenset[str]] | Mapping[ProductBit, frozenset[str]], held: Set[str]) -> str:
    return "".join("1" if held >= each else "0" for each in bits.values())


def _given(bits: Mapping[ServerBit, frozenset[str]] | Mapping[ProductBit, frozenset[str]], mask: str) -> frozenset[str]:
    sets = zip(bits.values(), mask, strict=True)
    return frozenset().union(*(each for each, digit in sets if digit == "1"))
