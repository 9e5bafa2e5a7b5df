"""Who may make and change accounts, and what they may give: never more than they hold, never more freedom than theirs.

Knows rules alone: nothing is kept here.
"""

from collections.abc import Mapping
from typing import Any

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import CannotGiveMoreThanHeld, PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ALL_PRODUCT, ProductPermission
from innkeeper.core.access.service import check_known, require, require_power_over, require_rank_over, require_whole_key
from innkeeper.core.accounts import particulars
from innkeeper.core.accounts.errors import LastSuperuser, TooManyAccounts
from innkeeper.core.accounts.model import SERVERS_LIMIT, Account
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.work import Work

_OF_MANAGERS = frozenset(
    (
        "email",
        "given_name",
        "family_name",
        "country",
        "currency",
        "language",
        "theme",
        "hints",
        "attributes",
        "disabled",
    )
)
"""What the account that manages another may change of it without `accounts.write`: nothing that it could sign in by."""

_SIGNED_IN_BY = frozenset(("username", "password", "superuser"))
"""What takes power over an account, and not rank alone."""


def require_leave_to_change(
    access: AccessDirectory, servers: ServerDirectory, actor: Actor, account: Account, wanted: Mapping[str, Any]
) -> None:
    """Raise PermissionIsMissing unless the actor may change all this of an account; `wanted` is by field."""
    own = account.id == actor.account.id
    managed = account.manager_id == actor.account.id and ProductPermission.ACCOUNTS_WRITE in actor.scope
    if account.superuser and not (own or actor.is_superuser):
        raise PermissionIsMissing("Only a superuser changes superusers.")
    if own:
        require_whole_key(actor)
        if not wanted.keys().isdisjoint({"username", "superuser", "disabled", "permissions"}):
            require(actor, ProductPermission.ACCOUNTS_WRITE)
    elif not wanted.keys().isdisjoint(_SIGNED_IN_BY):
        require_power_over(access, servers, actor, account)
    elif not (managed and wanted.keys() <= _OF_MANAGERS):
        require_rank_over(access, actor, account)
    if "superuser" in wanted and not actor.is_superuser:
        raise PermissionIsMissing("Only a superuser makes superusers.")
    if own and not wanted.keys().isdisjoint({"limits", "most_servers"}):
        raise PermissionIsMissing("Nobody says for themselves how many servers they may own.")
    if own and not wanted.keys().isdisjoint({"permissions", "manager_id"}) and not actor.is_superuser:
        raise PermissionIsMissing("Nobody says for themselves what they may.")


def check_given(actor: Actor | None, permissions: frozenset[str]) -> None:
    """Raise PermissionIsUnknown, or CannotGiveMoreThanHeld for a product permission that the actor does not hold."""
    check_known(permissions, ALL_PRODUCT)
    if actor is not None and not permissions <= actor.product:
        raise CannotGiveMoreThanHeld


def limits_within(actor: Actor | None, wanted: dict[str, int], before: dict[str, int] | None) -> dict[str, int]:
    """Return limits that an actor may give (None before: to a new account); raise LimitIsInvalid.

    Whoever is limited makes nobody freer than that who is not so already: raises CannotGiveMoreThanHeld.
    """
    limits = particulars.limits(wanted)
    if actor is None or actor.is_superuser:
        return limits
    for permission, own in actor.account.limits.items():
        if before is None:
            limits.setdefault(permission, own)
        given = limits.get(permission, particulars.MOST)
        was = own if before is None else max(own, before.get(permission, particulars.MOST))
        if given > was:
            raise CannotGiveMoreThanHeld
    return limits


def limits_changed(actor: Actor, account: Account, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits that an account has once `limits` and `most_servers` are as wanted, as a field to change.

    Empty where neither is wanted. Raises as `limits_within`.
    """
    if wanted.keys().isdisjoint({"limits", "most_servers"}):
        return {}
    limits = dict(wanted.get("limits", account.limits))
    if wanted.get("most_servers") is not None:
        limits[SERVERS_LIMIT] = wanted["most_servers"]
    elif "most_servers" in wanted:
        limits.pop(SERVERS_LIMIT, None)
    return {"limits": limits_within(actor, limits, account.limits)}


async def require_leave_to_make(work: Work, account_id: int) -> None:
    """Raise TooManyAccounts unless an account may make one more; until the transaction's end, it makes no other."""
    maker = await work.accounts.lock(account_id)
    most = maker.limits.get(ProductPermission.ACCOUNTS_WRITE) if maker is not None else 0
    if most is not None and await work.accounts.count_made_by(account_id) >= most:
        raise TooManyAccounts(f"You have made as many accounts as you may: {most}.", limit=most)


async def keep_a_superuser(work: Work, before: Account, after: Account | None) -> None:
    """Raise LastSuperuser where nobody would be left who may do everything; the caller has locked all superusers."""
    if before.superuser and not before.disabled and (after is None or after.disabled or not after.superuser):
        others = [account for account in await work.accounts.all() if account.id != before.id]
        if not any(other.superuser and not other.disabled for other in others):
            raise LastSuperuser
