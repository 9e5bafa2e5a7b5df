"""exaroton's routes of the two options that a server has: its memory and what it says of itself."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from msgspec import Meta

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import PropertyIsUnknown
from innkeeper.core.servers.model import ServerChanges
from innkeeper.panel.dialects.exaroton.replies import show
from innkeeper.panel.dialects.exaroton.shapes import MotdView, RamView
from innkeeper.panel.dialects.exaroton.views import Shown
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.product import Product

_MIB_PER_GB = 1024


class RamBody(msgspec.Struct):
    """Memory in gigabytes. ref: the OpenAPI document's bounds."""

    ram: Annotated[int, Meta(ge=2, le=16)]


class MotdBody(msgspec.Struct):
    motd: str


class OptionRoutes(Controller):
    """A server's options."""

    path = "/servers/{server:str}/options"

    @get("/ram", opt=on_server(ServerPermission.VIEW))
    async def get_ram(self, record: Reached, views: Shown) -> Response[bytes]:
        """Return how many gigabytes of memory the server may use. ref: Get server RAM."""
        return show(RamView(views.ram(record.server)))

    @post("/ram", status_code=200, opt=on_server(ServerPermission.SETTINGS_WRITE))
    async def set_ram(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Change it, from the next start on. ref: Change server RAM."""
        body = await read_json(request, RamBody)
        limits = msgspec.structs.replace(record.server.limits, memory_mib=body.ram * _MIB_PER_GB)
        return show(RamView(views.ram(await product.servers.change(actor, record, ServerChanges(limits=limits)))))

    @get("/motd", opt=on_server(ServerPermission.VIEW))
    async def get_motd(self, record: Reached, product: House) -> Response[bytes]:
        """Return what the server says of itself. ref: Get server MOTD."""
        motd_property(product, record)
        return show(MotdView(product.catalog.motd(record.server)))

    @post("/motd", status_code=200, opt=on_server(ServerPermission.SETTINGS_WRITE))
    async def set_motd(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Change it. ref: Change server MOTD."""
        body = await read_json(request, MotdBody)
        changes = ServerChanges(properties={motd_property(product, record): body.motd})
        return show(MotdView(product.catalog.motd(await product.servers.change(actor, record, changes))))


def motd_property(product: Product, record: Record) -> str:
    """Return the property that holds what the server says of itself; raise PropertyIsUnknown where there is none."""
    package = product.catalog.get(record.server.package)
    if package.motd_property is None:
        raise PropertyIsUnknown(f"{package.title} has no message of the day.", property="motd")
    return package.motd_property
