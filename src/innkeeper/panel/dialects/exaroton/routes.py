"""exaroton's REST routes. Every path is served with and without a trailing slash, never redirected."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post, route

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.model import Block
from innkeeper.kit.terminal import plain
from innkeeper.panel.dialects.exaroton.auth import Asker, House, Reached, Shown
from innkeeper.panel.dialects.exaroton.views import LogView, success
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.needs import on_server, signed_in

JSON = "application/json"
LOG_LINES = 50_000


class StartBody(msgspec.Struct):
    """The body of a start; `useOwnCredits` matters only where somebody pays."""

    useOwnCredits: bool = False


class CommandBody(msgspec.Struct):
    command: str


def reply(data: bytes, status: int = 200) -> Response[bytes]:
    """Return an envelope around data that is already JSON; the content type is exact, clients compare it."""
    return Response(success(data), status_code=status, media_type=JSON)


class AccountRoutes(Controller):
    """What concerns the account itself."""

    @get("/account", opt=signed_in())
    async def get_account(self, actor: Asker, views: Shown) -> Response[bytes]:
        """Return the account. ref: Get account info."""
        return reply(msgspec.json.encode(views.account(actor.account)))


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

    @get("/{server:str}/start", opt=on_server(ServerPermission.START))
    async def start(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Start the server. ref: Start a server."""
        await product.servers.start(actor, record)
        return reply(b'"Server is starting"')

    @post("/{server:str}/start", opt=on_server(ServerPermission.START))
    async def start_paying(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Start the server with own credits or not. ref: Start a server with own credits."""
        await read_json(request, StartBody, empty=b"{}")
        await product.servers.start(actor, record)
        return reply(b'"Server is starting"')

    @route("/{server:str}/stop", http_method=["GET", "POST"], status_code=200, opt=on_server(ServerPermission.STOP))
    async def stop(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Stop the server; by POST too, as a known client asks. ref: Stop a server."""
        await product.servers.stop(actor, record)
        return reply(b'"Server is stopping"')

    @route(
        "/{server:str}/restart", http_method=["GET", "POST"], status_code=200, opt=on_server(ServerPermission.RESTART)
    )
    async def restart(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Restart the server; by POST too. ref: Restart a server."""
        await product.servers.restart(actor, record)
        return reply(b'"Server is restarting"')

    @post("/{server:str}/command", opt=on_server(ServerPermission.CONSOLE_WRITE))
    async def command(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Type a command on the console. ref: Execute a server command."""
        body = await read_json(request, CommandBody)
        await product.console.command(actor, record, body.command.rstrip("\r\n"))
        return reply(b'"Command executed"')

    @get("/{server:str}/logs", opt=on_server(ServerPermission.CONSOLE_READ))
    async def logs(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Return the newest console lines as one text. ref: Get a server log."""
        text = log_text(await product.console.last_lines(actor, record, LOG_LINES))
        return reply(msgspec.json.encode(LogView(text or None)))


def log_text(blocks: list[Block]) -> str:
    """Return console lines as a log file has them: no colours, a line end each."""
    return "".join(f"{plain(line)}\n" for block in blocks for line in block.lines())
