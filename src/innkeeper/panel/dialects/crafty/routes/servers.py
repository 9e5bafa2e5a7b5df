"""Crafty's routes of servers: finding, making, changing and deleting them, and who has access."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.access.model import Role
from innkeeper.core.access.permissions import ALL_SERVER, ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.dialects.crafty.asking import flag, read
from innkeeper.panel.dialects.crafty.auth import on_server, open_to_all, signed_in, with_access, with_product
from innkeeper.panel.dialects.crafty.masks import ProductBit, ServerBit
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.server_drafts import changes_of, draft_of
from innkeeper.panel.dialects.crafty.server_schemas import NEW_SERVER, SERVER_PATCH, SERVER_PATCH_BASIC
from innkeeper.panel.dialects.crafty.server_views import Shown
from innkeeper.panel.http.given import Asker, House, Reached

log = get_logger(__name__)


class ServerRoutes(Controller):
    """Servers."""

    path = "/servers"

    @get("/", opt=signed_in())
    async def list_servers(self, actor: Asker, product: House, views: Shown) -> Response[bytes]:
        """Return the servers that the account has access to. ref: Get all the servers."""
        return show([views.server(record) for record in product.servers.list(actor)])

    @post("/", status_code=201, opt=with_product(ProductBit.SERVER_CREATION))
    async def create(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Make a server and have it installed; roles that are named get everything on it. ref: Create a server."""
        body = await read(request, NEW_SERVER)
        draft = draft_of(product, body)
        given = [product.access.role_by_id(actor, role) for role in dict.fromkeys(body.get("roles", []))]
        if given:
            require(actor, ProductPermission.ROLES_WRITE)
        server, _ = await product.servers.create(actor, draft)
        everything = {server.id: masks.on_server("1" * len(masks.SERVER_BITS))}

        def with_everything(role: Role) -> Role:
            return msgspec.structs.replace(role, servers=role.servers | everything)

        for role in given:
            await product.access.change_role(actor, role.uuid, with_everything)
        return show({"new_server_id": str(server.id), "new_server_uuid": str(server.uuid)}, 201)

    @get("/status", opt=open_to_all())
    async def get_status(self, product: House, views: Shown) -> Response[bytes]:
        """Return how it stands with the servers that show it to everybody."""
        shown = [record for record in product.directory.present() if record.server.handling.show_status]
        return show([views.status(record) for record in shown])

    @get("/{server:str}", opt=with_access())
    async def get_server(self, record: Reached, views: Shown) -> Response[bytes]:
        """Return one server. ref: Get a server."""
        return show(views.server(record))

    @patch("/{server:str}", opt=on_server(ServerBit.CONFIG))
    async def change(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Change a server; more of it by a superuser. ref: Modify a server."""
        body = await read(request, SERVER_PATCH if actor.is_superuser else SERVER_PATCH_BASIC)
        await product.servers.change(actor, record, changes_of(product, views, record, body))
        return done()

    @delete("/{server:str}", status_code=200, opt=on_server(ServerBit.CONFIG))
    async def delete_server(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Delete a server: with its files at once, else it is kept for the house's time of grace."""
        await product.servers.delete(actor, record, at_once=flag(request, "files"))
        return done()

    @get("/{server:str}/public", opt=with_access())
    async def get_public(self, record: Reached, views: Shown) -> Response[bytes]:
        """Return what may be known of a server. ref: Get a server's public data."""
        return show(views.public(record))

    @get("/{server:str}/users", opt=with_access())
    async def list_users(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Return the ids of everybody with access; needs USER_CONFIG and ROLES_CONFIG, too."""
        require(actor, ProductPermission.ACCOUNTS_READ)
        require(actor, ProductPermission.ROLES_READ)
        server, found = record.server, []
        for account_id in sorted(product.authority.accounts):
            try:
                held = product.authority.actor_of(account_id, "crafty").on(server.id, server.owner_id)
            except CoreError as error:  # an account that is disabled has access to nothing
                log.debug("server.user.passed_over", account=account_id, reason=error.code)
                continue
            if ServerPermission.VIEW in held & ALL_SERVER:
                found.append(account_id)
        return show(found)


ROUTES: tuple[type[Controller], ...] = (ServerRoutes,)
