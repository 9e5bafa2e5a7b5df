"""Crafty's routes of API keys: one's own, and for superusers everybody's.

A key's token is not kept: it is signed anew whenever it is asked for, and is as good as the key is.
"""

from typing import Any

from litestar import Controller, Request, Response, delete, get, patch

from innkeeper.core.access.errors import NoSuchKey
from innkeeper.core.access.model import Actor, ApiKey
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import signed_in
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.ids import account_id, number
from innkeeper.panel.dialects.crafty.replies import show
from innkeeper.panel.dialects.crafty.schemas import NEW_KEY
from innkeeper.panel.dialects.crafty.views import key_view
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.product import Product

_NOTHING_ON_SERVERS, _NOTHING_BESIDE = "0" * len(masks.SERVER_BITS), "0" * len(masks.PRODUCT_BITS)


class KeyRoutes(Controller):
    """Keys of an account."""

    path = "/users/{user:str}/key"

    @get("/", opt=signed_in())
    async def list_keys(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return an account's keys, without secrets."""
        account = holder(request, product, actor)
        return show([key_view(key) for key in product.access.keys(actor, account)])

    @patch("/", opt=signed_in())
    async def create_key(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Make a key with masks; without one it carries nothing of that kind."""
        account = holder(request, product, actor)
        body = await read(request, NEW_KEY)
        everything = body.get("superuser", False)
        if everything and not (account.superuser and actor.is_superuser):
            raise Refused(error="INVALID_SUPERUSER_CREATE")
        permissions = masks.key_permissions(
            body.get("server_permissions_mask", _NOTHING_ON_SERVERS),
            body.get("crafty_permissions_mask", _NOTHING_BESIDE),
            everything=everything,
        )
        key, _ = await product.access.create_key(actor, account=account, name=body["name"], permissions=permissions)
        return show({"id": key.id})

    @get("/{key:str}", opt=signed_in())
    async def get_token(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return the token of a key; another key is told none but its own."""
        account = holder(request, product, actor)
        key = key_of(request, product, actor, account)
        return show(product.accounts.token_of_key(actor, key.id))

    @delete("/{key:str}", status_code=200, opt=signed_in())
    async def delete_key(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """End a key at once."""
        account = holder(request, product, actor)
        key = key_of(request, product, actor, account)
        await product.access.revoke_key(actor, key.uuid)
        return show({"id": str(key.id)})


def holder(request: Request[Any, Any, Any], product: Product, actor: Actor) -> Account:
    """Return the account in the path: who asks, or for a superuser anybody; refuse all others alike."""
    try:
        wanted = account_id(actor, request.path_params["user"])
    except NoSuchAccount:
        wanted = -1
    if wanted == actor.account.id:
        return actor.account
    if not actor.is_superuser:
        raise Refused(error="NOT AUTHORIZED", error_data="TRIED TO EDIT KEY WIHTOUT AUTH")
    return product.accounts.by_id(actor, wanted)


def key_of(request: Request[Any, Any, Any], product: Product, actor: Actor, account: Account) -> ApiKey:
    """Return the account's key in the path; raise NoSuchKey."""
    found = number(request.path_params["key"])
    key = product.access.key_by_id(actor, found) if found is not None else None
    if key is None or key.account_id != account.id:
        raise NoSuchKey
    return key
