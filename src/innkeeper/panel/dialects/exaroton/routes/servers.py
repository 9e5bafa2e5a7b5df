"""exaroton's routes of servers: what they are, their power, their console and their log."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post, route

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.sharing import MAX_BYTES, MAX_LINES, log_text
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.exaroton.replies import JSON, reply, show
from innkeeper.panel.dialects.exaroton.shapes import LogView, SharedLogView
from innkeeper.panel.dialects.exaroton.views import Shown
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server, signed_in


class StartBody(msgspec.Struct):
    """The body of a start."""

    useOwnCredits: bool = False


class CommandBody(msgspec.Struct):
    command: str


class ExtendBody(msgspec.Struct):
    """For how many seconds more."""

    time: int


class ServerRoutes(Controller):
    """Servers and their power."""

    path = "/servers"

    @get("/", opt=signed_in())
    async def list_servers(self, actor: Asker, views: Shown) -> Response[bytes]:
        """Return every server the account may see. ref: List servers."""
        return Response(views.servers(actor), status_code=200, media_type=JSON)

    @get("/{server:str}", opt=on_server(ServerPermission.VIEW))
    async def get_server(self, actor: Asker, record: Reached, views: Shown) -> Response[bytes]:
        """Return one server. ref: Get a server."""
        return reply(views.encoded(record, shared=record.server.owner_id != actor.account.id))

    # -- power ------------------------------------------------------------------------------------------------------

    @get("/{server:str}/start", opt=on_server(ServerPermission.START))
    async def start(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Start the server. ref: Start a server."""
        await product.servers.start(actor, record)
        return show("Server is starting")

    @post("/{server:str}/start", opt=on_server(ServerPermission.START))
    async def start_paying(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Start the server with own credits or not. ref: Start a server with own credits."""
        body = await read_json(request, StartBody, empty=b"{}")
        await product.servers.start(actor, record, own_credits=body.useOwnCredits)
        return show("Server is starting")

    @route("/{server:str}/stop", http_method=["GET", "POST"], status_code=200, opt=on_server(ServerPermission.STOP))
    async def stop(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Stop the server; by POST too, as a known client asks. ref: Stop a server."""
        await product.servers.stop(actor, record)
        return show("Server is stopping")

    @route(
        "/{server:str}/restart", http_method=["GET", "POST"], status_code=200, opt=on_server(ServerPermission.RESTART)
    )
    async def restart(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Restart the server; by POST too. ref: Restart a server."""
        await product.servers.restart(actor, record)
        return show("Server is restarting")

    @post("/{server:str}/extend-time", opt=on_server(ServerPermission.START))
    async def extend_time(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Keep the server for longer, though nobody plays. ref: the npm client's `extendStopTime`."""
        body = await read_json(request, ExtendBody)
        await product.idling.extend(actor, record, body.time)
        return show("Stop time extended")

    # -- console ----------------------------------------------------------------------------------------------------

    @post("/{server:str}/command", opt=on_server(ServerPermission.CONSOLE_WRITE))
    async def command(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Type a command on the console. ref: Execute a server command."""
        body = await read_json(request, CommandBody)
        await product.console.command(actor, record, body.command.rstrip("\r\n"))
        return show("Command executed")

    @get("/{server:str}/logs", opt=on_server(ServerPermission.LOGS_READ))
    async def logs(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Return the newest console lines as one text. ref: Get a server log."""
        last = await product.console.last_seq(actor, record)
        blocks = await product.console.newest(actor, record, last=last, lines=MAX_LINES, most_bytes=MAX_BYTES)
        return await in_thread(lambda: show(LogView(log_text(blocks) or None)))

    @get("/{server:str}/logs/share", opt=on_server(ServerPermission.LOGS_READ))
    async def share_logs(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Share the log, freed of addresses and tokens. ref: Upload a server log to mclo.gs."""
        shared = await product.sharing.share(actor, record)
        return show(SharedLogView(shared.id, shared.url, shared.raw))
