"""Crafty's routes of signing in, and of ending everything that was signed in."""

from typing import Any

from litestar import Controller, Request, Response, post

from innkeeper.core.access.errors import AccountIsDisabled
from innkeeper.core.accounts.errors import WrongCredentials
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import open_to_all, signed_in
from innkeeper.panel.dialects.crafty.replies import done, refusal, show
from innkeeper.panel.dialects.crafty.schemas import LOGIN
from innkeeper.panel.http.bearer import address_of
from innkeeper.panel.http.given import Asker, House

_MOST = 16 * 1024


class AuthRoutes(Controller):
    """Tokens."""

    path = "/auth"

    @post("/login", status_code=200, opt=open_to_all())
    async def log_in(self, request: Request[Any, Any, Any], product: House) -> Response[bytes]:
        """Return a token for a name and a password; `totp` or `code` is that of the second factor."""
        body = await read(request, LOGIN, limit=_MOST)
        try:
            session, _ = await product.accounts.sign_in(
                body["username"], body["password"], address_of(request.client), code=body.get("totp", body.get("code"))
            )
        except WrongCredentials:
            return refusal(401, "INCORRECT_CREDENTIALS")
        except AccountIsDisabled:
            return refusal(403, "ACCOUNT_DISABLED", token=None)
        account = product.authority.accounts[session.account_id]
        return show({"token": product.accounts.tokens.issue(account, session.id), "user_id": str(account.id)})

    @post("/invalidate_tokens", status_code=200, opt=signed_in())
    async def end_all(self, actor: Asker, product: House) -> Response[bytes]:
        """End every session and every token of who asks."""
        await product.accounts.invalidate_tokens(actor)
        return done()
