"""ServerFlex's routes of servers: finding, deploying, editing and deleting them."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post

from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.metrics.model import SPANS
from innkeeper.core.servers.model import ServerChanges
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.serverflex.deploys import DeployBody, draft_of, name_of
from innkeeper.panel.dialects.serverflex.levels import level_on
from innkeeper.panel.dialects.serverflex.paging import flag_of, moment_of, place_of, timeout_of
from innkeeper.panel.dialects.serverflex.replies import reply, show
from innkeeper.panel.dialects.serverflex.routes.power import followed
from innkeeper.panel.dialects.serverflex.views import CREATED, Shown, stats
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_product, on_server, signed_in

_SHOWN = timedelta(hours=1)


class EditBody(msgspec.Struct):
    """The new name."""

    name: str


class ServerRoutes(Controller):
    """Servers."""

    path = "/server"

    @get("/", opt=signed_in())
    async def list_servers(self, request: Request[Any, Any, Any], actor: Asker, views: Shown) -> Response[bytes]:
        """Return the servers that the account may see, oldest first. ref: List Servers."""
        return reply(views.servers(actor, place_of(request)))

    @post("/new", status_code=200, opt=on_product(ProductPermission.SERVERS_CREATE))
    async def deploy(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Make a server, have it installed and started. ref: Deploy a new server."""
        draft = draft_of(product, await read_json(request, DeployBody))
        server, _ = await product.servers.create(actor, draft)
        record = product.directory.get(server.id)
        return show(views.server(record, level_on(actor, server), state=CREATED))

    @get("/{server:str}", opt=on_server(ServerPermission.VIEW))
    async def get_server(self, actor: Asker, record: Reached, views: Shown) -> Response[bytes]:
        """Return one server. ref: Get a server."""
        return reply(views.encoded(actor, record))

    @post(["/{server:str}", "/{server:str}/edit"], status_code=200, opt=on_server(ServerPermission.SETTINGS_WRITE))
    async def edit(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Give a server another name. ref: Edit a server; `/edit` is what the newest .NET client asks for."""
        body = await read_json(request, EditBody)
        await product.servers.change(actor, record, ServerChanges(name=name_of(body.name)))
        return reply(views.encoded(actor, product.directory.get(record.server.id)))

    @delete("/{server:str}", status_code=200, opt=on_server(ServerPermission.DELETE))
    async def delete_server(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Delete a server. ref: Delete a server."""
        timeout = timeout_of(request)
        return await followed(product, views, await product.servers.delete(actor, record, strictly=True), timeout)

    @get("/{server:str}/settings", opt=on_server(ServerPermission.SETTINGS_WRITE))
    async def list_settings(self, record: Reached, views: Shown) -> Response[bytes]:
        """Return the properties that are set; some are secrets of the game's. ref: the .NET client."""
        return show(views.catalogue.settings(record.server))

    @get("/{server:str}/stats", opt=on_server(ServerPermission.METRICS_READ))
    async def get_stats(self, request: Request[Any, Any, Any], record: Reached, product: House) -> Response[bytes]:
        """Return what the server used from a moment on, by the minute; an hour, and all of it, unless told otherwise.

        ref: the newest .NET client.
        """
        now = product.clock.now()
        begin = moment_of(request, "from") or now - _SHOWN
        asked = {name: flag_of(request, name) for name in ("cpu", "ram", "storage")}
        wanted = asked if any(asked.values()) else dict.fromkeys(asked, True)
        kept = timedelta(days=product.house.get().minute_days)
        points = await product.metrics.history(
            record.server.id, max(begin, now - kept), now, step="minute", limit=kept // SPANS["minute"] + 1
        )
        return await in_thread(lambda: show(stats(points, **wanted)))
