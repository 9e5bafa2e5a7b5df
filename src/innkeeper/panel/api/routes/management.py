"""A game's own management protocol, passed through, and close looks at a server's figures."""

from typing import Annotated, Any

from litestar import post, websocket
from litestar.connection import WebSocket
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, SkipValidation

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.panel.api import views
from innkeeper.panel.api.params import CallManagement
from innkeeper.panel.api.watching import Watching
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server

WatchingHere = NamedDependency[SkipValidation[Watching]]


@post("/servers/{server:uuid}/management", opt=on_server(ServerPermission.MANAGEMENT), tags=["management"])
async def call_management(
    product: House, actor: Asker, record: Reached, data: JSONBody[CallManagement]
) -> views.ManagementView:
    """Ask the game's own management server: Minecraft's Management Server Protocol, where the game speaks it."""
    return views.ManagementView(await product.management.call(actor, record, data.method, data.params))


@websocket("/servers/{server:uuid}/management/stream", opt=on_server(ServerPermission.MANAGEMENT))
async def management_stream(
    watching: WatchingHere, actor: Asker, record: Reached, socket: WebSocket[Any, Any, Any]
) -> None:
    """Follow what the game's management server tells by itself; see the reference's introduction."""
    await watching.management(socket, actor, record)


@websocket("/servers/{server:uuid}/figures/stream", opt=on_server(ServerPermission.METRICS_READ))
async def figures_stream(
    watching: WatchingHere,
    actor: Asker,
    record: Reached,
    socket: WebSocket[Any, Any, Any],
    tick: Annotated[bool, QueryParameter(name="tick")] = False,
) -> None:
    """Follow what a server uses, a sample a second; see the reference's introduction."""
    await watching.figures(socket, actor, record, tick=tick)


HANDLERS = [call_management, management_stream, figures_stream]
