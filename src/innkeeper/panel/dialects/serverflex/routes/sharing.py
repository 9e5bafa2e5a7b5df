"""ServerFlex's routes of sharing: who else may do what with a server."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post

from innkeeper.core.access.errors import NoSuchGrant
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.panel.dialects.serverflex.errors import FieldIsInvalid
from innkeeper.panel.dialects.serverflex.ids import account_id
from innkeeper.panel.dialects.serverflex.levels import GIVEN, PERMISSIONS
from innkeeper.panel.dialects.serverflex.replies import nothing, show
from innkeeper.panel.dialects.serverflex.views import Shown
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.product import Product


class LevelBody(msgspec.Struct):
    """A level that is given."""

    permission: str


class ShareBody(msgspec.Struct):
    """Who is given it: an account's name, or its e-mail address."""

    permission: str
    username: str


class SharingRoutes(Controller):
    """With whom a server is shared."""

    path = "/server/{server:str}/sharing"

    @get("/", opt=on_server(ServerPermission.GRANTS_READ))
    async def list_shares(self, record: Reached, product: House, views: Shown) -> Response[bytes]:
        """Return everybody the server is shared with. ref: Get the users that share a server."""
        return show([views.share(grant) for grant in product.access.grants(record)])

    @post(["/add", "/new"], status_code=200, opt=on_server(ServerPermission.GRANTS_WRITE))
    async def add(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Share the server; whoever has it already has the new level. ref: Share a server; `/new`: the .NET client."""
        body = await read_json(request, ShareBody)
        given = permissions_of(body.permission)
        account = _account(product, body.username)
        return show(views.share(await product.access.share(actor, record, account.id, given)))

    @post("/{user:str}", status_code=200, opt=on_server(ServerPermission.GRANTS_WRITE))
    async def edit(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Change somebody's level. ref: Edit Server user sharing settings."""
        given = permissions_of((await read_json(request, LevelBody)).permission)
        account = account_id(product, request.path_params["user"])
        if record.server.id not in product.authority.grants.get(account, {}):
            raise NoSuchGrant
        return show(views.share(await product.access.share(actor, record, account, given)))

    @delete("/{user:str}", status_code=204, opt=on_server(ServerPermission.GRANTS_WRITE))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[None]:
        """Share the server with somebody no more. ref: Delete a sharing user."""
        await product.access.unshare(actor, record, account_id(product, request.path_params["user"]))
        return nothing()


def permissions_of(level: str) -> frozenset[str]:
    """Return what a level gives; raise FieldIsInvalid for one that cannot be given."""
    known = next((each for each in GIVEN if each == level.strip().lower()), None)
    if known is None:
        raise FieldIsInvalid(f"permission is one of {', '.join(GIVEN)}.", field="permission")
    return PERMISSIONS[known]


def _account(product: Product, name: str) -> Account:
    found = product.authority.person(name.strip())
    if found is None:
        raise NoSuchAccount(f"There is no account {name!r}.", username=name)
    return found
