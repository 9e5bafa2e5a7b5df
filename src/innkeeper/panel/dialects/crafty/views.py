"""Crafty's objects as views of core's: accounts, roles, keys; and how it writes times and sizes.

Knows no route. Everything shown is true here: what this house has no counterpart of is shown as empty.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from innkeeper.core.access.model import ApiKey, Role
from innkeeper.core.accounts.model import Account
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.product import Product

PICTURE = "/static/assets/images/faces-clipart/pic-3.png"
DEFAULT_THEME = "default"
SERVER_ORDER = "crafty.server_order"
"""The attribute of an account that keeps in which order its servers are shown."""
_SIZES = "BKMGTPEZ"


def roles_of(product: Product, account_id: int) -> list[Role]:
    """Return the roles of an account, by id."""
    found = (role for role in product.authority.roles.values() if account_id in role.members)
    return sorted(found, key=lambda role: role.id)


def user_view(product: Product, account: Account) -> dict[str, Any]:
    """Return all that is told of an account to itself, and to who may know."""
    return {
        "user_id": account.id,
        "created": us_time(account.created_at),
        "last_login": us_time(account.last_login_at) if account.last_login_at else iso_time(account.created_at),
        "last_update": _last_update(account),
        "last_ip": account.last_address or "",
        "username": account.username,
        "email": account.email,
        "enabled": not account.disabled,
        "superuser": account.superuser,
        "lang": account.language or product.house.get().language,
        "support_logs": "",
        "server_order": account.attributes.get(SERVER_ORDER, ""),
        "preparing": False,
        "hints": account.hints,
        "manager": account.manager_id,
        "pfp": PICTURE,
        "theme": account.theme or DEFAULT_THEME,
        "cleared_notifs": "default",
        "roles": [role_view(role) for role in roles_of(product, account.id)],
    }


def _last_update(account: Account) -> str:
    """Return when an account was changed; one that somebody made counts as changed by that, in the form of changes."""
    if account.changed_at is None and account.created_by is None:
        return iso_time(account.created_at)
    return us_time(account.changed_at or account.created_at)


def profile_view(product: Product, account: Account) -> dict[str, Any]:
    """Return what anybody signed in may know of an account, its roles among it."""
    return public_view(product, account) | {"roles": [role_view(role) for role in roles_of(product, account.id)]}


def public_view(product: Product, account: Account) -> dict[str, Any]:
    """Return an account as lists show it."""
    return {
        "user_id": account.id,
        "created": us_time(account.created_at),
        "username": account.username,
        "enabled": not account.disabled,
        "superuser": account.superuser,
        "lang": account.language or product.house.get().language,
    }


def role_view(role: Role) -> dict[str, Any]:
    """Return a role."""
    return {
        "role_id": role.id,
        "created": us_time(role.created_at),
        "last_update": iso_time(role.created_at) if role.changed_at is None else us_time(role.changed_at),
        "role_name": role.name,
        "manager": role.manager_id,
    }


def role_servers(role: Role) -> list[dict[str, Any]]:
    """Return the servers that a role names, with the mask of what it gives there."""
    return [
        {"server_id": server_id, "permissions": masks.server_mask(held)}
        for server_id, held in sorted(role.servers.items())
    ]


def key_view(key: ApiKey) -> dict[str, Any]:
    """Return a key without its secret."""
    server, product, everything = masks.key_masks(key.permissions)
    return {
        "id": key.id,
        "name": key.name,
        "server_permissions": server,
        "crafty_permissions": product,
        "superuser": everything,
    }


def us_time(at: datetime) -> str:
    """Return a time as MM/DD/YYYY, HH:MM:SS of UTC."""
    return f"{at.astimezone(UTC):%m/%d/%Y, %H:%M:%S}"


def iso_time(at: datetime) -> str:
    """Return a time as ISO 8601 with microseconds, of UTC, which is not said."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"


def human_size(size: float) -> str:
    """Return a number of bytes with one digit behind the point and a unit of 1024: `108.6KB`, `12.0B`."""
    for unit in _SIZES[:-1]:
        if abs(size) < 1024:
            return f"{size:.1f}{unit}" if unit == "B" else f"{size:.1f}{unit}B"
        size /= 1024
    return f"{size:.1f}{_SIZES[-1]}B"


def python_list(items: Iterable[object]) -> str:
    """Return a list as Python writes it: some fields of Crafty's are such texts."""
    return repr(list(items))
