"""Crafty's routes of users: the accounts of this house, as they are.

Who has USER_CONFIG sees and changes others; everybody sees and changes themselves. What is refused of an account has
the name that Crafty has for that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.errors import CoreError, Forbidden, NotFound
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.dialects.crafty.asking import flag, read
from innkeeper.panel.dialects.crafty.auth import signed_in, with_product
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.ids import account_id
from innkeeper.panel.dialects.crafty.masks import PRODUCT_BITS, ProductBit
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.schemas import NEW_USER, USER_PATCH
from innkeeper.panel.dialects.crafty.views import (
    DEFAULT_THEME,
    PICTURE,
    SERVER_ORDER,
    profile_view,
    public_view,
    user_view,
)
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.product import Product

_RESERVED = "system"
_SHORTEST_PASSWORD = 8
LIMITED = {
    ProductBit.SERVER_CREATION: str(ProductPermission.SERVERS_CREATE),
    ProductBit.USER_CONFIG: str(ProductPermission.ACCOUNTS_WRITE),
    ProductBit.ROLES_CONFIG: str(ProductPermission.ROLES_WRITE),
}
"""Whose use is counted for a bit."""
_UNLIMITED = -1
_PARTICULARS = {
    "email": "email",
    "lang": "language",
    "theme": "theme",
    "hints": "hints",
    "manager": "manager_id",
}
"""Crafty's fields by what they are called here."""


class UserRoutes(Controller):
    """Accounts."""

    path = "/users"

    @get("/", opt=signed_in())
    async def list_users(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return everybody, or without USER_CONFIG who asks; or their ids. ref: Get all the users."""
        found = product.accounts.all(actor) if actor.may(ProductPermission.ACCOUNTS_READ) else [actor.account]
        return show(
            [each.id for each in found] if flag(request, "ids") else [public_view(product, each) for each in found]
        )

    @post("/", status_code=201, opt=with_product(ProductBit.USER_CONFIG))
    async def create_user(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Make an account. ref: Create a user."""
        body = await read(request, NEW_USER)
        if body["username"] == _RESERVED:
            raise Refused(error="INVALID_USERNAME")
        if body.get("superuser") and not actor.is_superuser:
            raise Refused(error="INVALID_SUPERUSER_CREATE")
        with named("INVALID_ROLES_CREATE", Forbidden, NotFound):
            roles = frozenset(body.get("roles", []))
            product.access.check_roles(actor, None, roles)
        made = await product.accounts.create(
            actor,
            username=body["username"],
            password=body["password"],
            shortest_password=_SHORTEST_PASSWORD,
            superuser=body.get("superuser", False),
            disabled=not body.get("enabled", True),
            **particulars(body),
        )
        if roles:
            await product.access.set_roles(actor, made.id, roles)
        return show({"user_id": str(made.id)}, 201)

    @get("/{user:str}", opt=signed_in())
    async def get_user(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return all that is told of an account. ref: Get a user."""
        return show(user_view(product, user_of(request, product, actor)))

    @patch("/{user:str}", opt=signed_in())
    async def change_user(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Change an account. ref: Modify a user."""
        account = user_of(request, product, actor)
        body = await read(request, USER_PATCH)
        changes = changed(body, account)
        if "superuser" in changes and not actor.is_superuser:
            raise Refused(error="INVALID_SUPERUSER_MODIFY")
        if "permissions" in body and not may_give(actor, account):
            raise Refused(error="INVALID_PERMISSIONS_MODIFY")
        roles = frozenset(body["roles"]) if "roles" in body else None
        with named("INVALID_ROLES_MODIFY", Forbidden, NotFound):
            if roles is not None:
                product.access.check_roles(actor, account.id, roles)
        with named("INVALID_PASSWORD_MODIFY" if changes.keys() == {"password"} else "NOT_AUTHORIZED", Forbidden):
            if changes:
                await product.accounts.change(
                    actor, account.uuid, shortest_password=_SHORTEST_PASSWORD, ask_current=False, **changes
                )
        if roles is not None:
            await product.access.set_roles(actor, account.id, roles)
        return done()

    @delete("/{user:str}", status_code=200, opt=signed_in())
    async def delete_user(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Delete an account; one that is not there is deleted already. ref: Delete a user."""
        try:
            account = user_of(request, product, actor)
        except NoSuchAccount:
            return done()
        await product.accounts.delete(actor, account.uuid)
        return done()

    @get("/{user:str}/permissions", opt=signed_in())
    async def get_permissions(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return what an account may beside servers, how often, and how often it did. ref: … Crafty permissions."""
        account = user_of(request, product, actor)
        held = product.authority.powers_of(account, "crafty").product
        counts = product.accounts.counts(account)
        limits = {bit: account.limits.get(name, _UNLIMITED) for bit, name in LIMITED.items()}
        return show(
            {
                "permissions": masks.product_mask(held),
                "counters": {str(bit): counts.get(name, 0) for bit, name in LIMITED.items()},
                "limits": {str(bit): limit if held >= PRODUCT_BITS[bit] else 0 for bit, limit in limits.items()},
            }
        )

    @get("/{user:str}/pfp", opt=signed_in())
    async def get_picture(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return where the picture of an account is. ref: Get a user's profile picture."""
        anybody(request, product, actor)
        return show(PICTURE)

    @get("/{user:str}/public", opt=signed_in())
    async def get_profile(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return what everybody may know of an account. ref: Get a user's public data."""
        return show(profile_view(product, anybody(request, product, actor)))


def user_of(request: Request[Any, Any, Any], product: Product, actor: Actor) -> Account:
    """Return the account in the path.

    Raises PermissionIsMissing for others than who asks to whoever may not see them, there or not; else NoSuchAccount.
    """
    try:
        return product.accounts.by_id(actor, account_id(actor, request.path_params["user"]))
    except NoSuchAccount as error:
        if not actor.may(ProductPermission.ACCOUNTS_READ):
            raise PermissionIsMissing from error
        raise


def anybody(request: Request[Any, Any, Any], product: Product, actor: Actor) -> Account:
    """Return the account in the path, for what everybody may know; raise NoSuchAccount."""
    found = product.authority.accounts.get(account_id(actor, request.path_params["user"]))
    if found is None:
        raise NoSuchAccount
    return found


def particulars(body: dict[str, Any], account: Account | None = None) -> dict[str, Any]:
    """Return what a body says of an account that everybody may say of themselves, and what it may and how often."""
    found = {ours: body[theirs] for theirs, ours in _PARTICULARS.items() if theirs in body}
    if "theme" in found and found["theme"] == DEFAULT_THEME:
        found["theme"] = ""
    if "server_order" in body:
        found["attributes"] = (account.attributes if account else {}) | {SERVER_ORDER: body["server_order"]}
    if "permissions" in body:
        found["permissions"], found["limits"] = given(body["permissions"], account)
    return found


def given(asked: list[dict[str, Any]], account: Account | None) -> tuple[frozenset[str], dict[str, int]]:
    """Return the product permissions and the limits of an account, the named bits set; others stay as they are."""
    permissions = account.permissions if account else frozenset()
    limits = dict(account.limits) if account else {}
    for each in asked:
        bit = ProductBit(each["name"])
        permissions = permissions | PRODUCT_BITS[bit] if each["enabled"] else permissions - PRODUCT_BITS[bit]
        limits.pop(LIMITED[bit], None)
        if each["quantity"] >= 0:
            limits[LIMITED[bit]] = int(each["quantity"])
    return permissions, limits


def changed(body: dict[str, Any], account: Account) -> dict[str, Any]:
    """Return what a body changes of an account; what it only says again is left out."""
    found = particulars(body, account)
    if "enabled" in body:
        found["disabled"] = not body["enabled"]
    found |= {name: body[name] for name in ("username", "superuser") if name in body}
    found = {name: value for name, value in found.items() if getattr(account, name) != value}
    return found | ({"password": body["password"]} if "password" in body else {})


def may_give(actor: Actor, account: Account) -> bool:
    """Say whether an actor decides what an account may: a superuser, or with USER_CONFIG of others."""
    others = account.id != actor.account.id and actor.may(ProductPermission.ACCOUNTS_WRITE)
    return actor.is_superuser or others


@contextmanager
def named(error: str, *kinds: type[CoreError]) -> Iterator[None]:
    """Refuse what is of these kinds by Crafty's name for it."""
    try:
        yield
    except kinds as refused:
        raise Refused(error=error) from refused
