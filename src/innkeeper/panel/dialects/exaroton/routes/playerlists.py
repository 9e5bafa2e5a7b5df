"""exaroton's routes of player lists. A change is answered with the whole list as it stands then."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, put

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.exaroton.replies import show
from innkeeper.panel.dialects.exaroton.views import entries
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server


class EntriesBody(msgspec.Struct):
    entries: list[str]


class PlayerListRoutes(Controller):
    """Whitelists, operators, bans."""

    path = "/servers/{server:str}/playerlists"

    @get("/", opt=on_server(ServerPermission.PLAYERS_READ))
    async def list_lists(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Return the names of the lists. ref: Get available player lists."""
        return show(product.players.names(actor, record))

    @get("/{list:str}", opt=on_server(ServerPermission.PLAYERS_READ))
    async def get_list(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Return who is on a list. ref: Get player list contents."""
        return show(entries(await product.players.entries(actor, record, request.path_params["list"])))

    @put("/{list:str}", opt=on_server(ServerPermission.PLAYERS_WRITE))
    async def add(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Put somebody on a list. ref: Add entries to player list."""
        body = await read_json(request, EntriesBody)
        return show(entries(await product.players.add(actor, record, request.path_params["list"], body.entries)))

    @delete("/{list:str}", status_code=200, opt=on_server(ServerPermission.PLAYERS_WRITE))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Take somebody off a list; the request has a body. ref: Remove entries from player list."""
        body = await read_json(request, EntriesBody)
        return show(entries(await product.players.remove(actor, record, request.path_params["list"], body.entries)))
