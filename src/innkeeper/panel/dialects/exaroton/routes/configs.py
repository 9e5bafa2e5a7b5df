"""exaroton's routes of config files as typed options."""

from typing import Any

from litestar import Controller, Request, Response, get, post

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.dialects.exaroton.replies import show
from innkeeper.panel.dialects.exaroton.routes.paths import file_path
from innkeeper.panel.dialects.exaroton.views import option
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server


class ConfigRoutes(Controller):
    """Config files."""

    path = "/servers/{server:str}/files/config"

    @get(["/", "/{path:path}"], opt=on_server(ServerPermission.FILES_READ))
    async def get_options(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Return what a config file says. ref: Get config options."""
        return show([option(value) for value in await product.configs.options(actor, record, file_path(request))])

    @post(["/", "/{path:path}"], status_code=200, opt=on_server(ServerPermission.FILES_WRITE))
    async def set_options(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Change some of it, all or none. ref: Update config options."""
        body = await read_json(request, dict[str, Any])
        return show([option(value) for value in await product.configs.set(actor, record, file_path(request), body)])
