"""Signing in and out, and who one is."""

from typing import Any

from litestar import delete, get, post
from litestar.connection import Request
from litestar.params import JSONBody

from innkeeper.panel.api import views
from innkeeper.panel.api.params import SignIn
from innkeeper.panel.http.bearer import address_of
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import open_to_all, signed_in

_MAX_SIGN_IN = 16 * 1024
"""Bytes: whoever signs in is nobody yet."""


@post("/sessions", opt=open_to_all(), tags=["sessions"], request_max_body_size=_MAX_SIGN_IN)
async def sign_in(product: House, data: JSONBody[SignIn], request: Request[Any, Any, Any]) -> views.SessionView:
    """Sign in with a username, a password, and a code where the account has a second factor."""
    client = request.scope.get("client")
    address = address_of((client[0], client[1]) if client else None)
    key, token = await product.accounts.sign_in(data.username, data.password, address, code=data.code)
    account = product.authority.accounts[key.account_id]
    ends = key.expires_at or product.clock.now()
    return views.SessionView(token=token, expires_at=ends, account=views.account(product, account))


@delete("/sessions/current", opt=signed_in(), tags=["sessions"])
async def sign_out(product: House, actor: Asker) -> None:
    """End the session that the request came with; an API key is not ended so."""
    await product.accounts.sign_out(actor)


@get("/me", opt=signed_in(), tags=["sessions"])
async def me(product: House, actor: Asker) -> views.MeView:
    """Say who asks, and what they may."""
    key = product.authority.keys[actor.key_id] if actor.key_id is not None else None
    return views.MeView(
        account=views.account(product, actor.account),
        permissions=sorted(actor.product),
        everywhere=sorted(actor.everywhere),
        kind=key.kind if key is not None else "key",
        expires_at=key.expires_at if key is not None else None,
    )


HANDLERS = [sign_in, sign_out, me]
