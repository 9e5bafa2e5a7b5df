"""ServerFlex's routes of a server that is asked to do something: its power, its console, who plays on it.

Power is strict here: a server starts from `stopped` alone, stops and restarts from `running` alone, and never while
another operation is under way. The operation is answered when it has ended, or as it stands after `timeout` seconds.
"""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import ServerIsNotRunning
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.dialects.serverflex.paging import timeout_of
from innkeeper.panel.dialects.serverflex.replies import nothing, show
from innkeeper.panel.dialects.serverflex.shapes import PlayersView
from innkeeper.panel.dialects.serverflex.views import Shown, Views
from innkeeper.panel.http.bodies import read_json
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.product import Product


class ConsoleBody(msgspec.Struct):
    """The command to run."""

    input: str


class PowerRoutes(Controller):
    """What a server is told."""

    path = "/server/{server:str}"

    @post("/start", status_code=200, opt=on_server(ServerPermission.START))
    async def start(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Start the server. ref: Start a server."""
        timeout = timeout_of(request)
        return await followed(product, views, await product.servers.start(actor, record, strictly=True), timeout)

    @post("/stop", status_code=200, opt=on_server(ServerPermission.STOP))
    async def stop(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Stop the server. ref: Stop a server."""
        timeout = timeout_of(request)
        return await followed(product, views, await product.servers.stop(actor, record, strictly=True), timeout)

    @post("/restart", status_code=200, opt=on_server(ServerPermission.RESTART))
    async def restart(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Restart the server. ref: Restart a server."""
        timeout = timeout_of(request)
        return await followed(product, views, await product.servers.restart(actor, record, strictly=True), timeout)

    @get("/players", opt=on_server(ServerPermission.VIEW))
    async def get_players(self, record: Reached, product: House) -> Response[bytes]:
        """Return how many play, and how many may. ref: Get players on server."""
        _require_running(record)
        return show(PlayersView(len(record.live.players), product.catalog.max_players(record.server)))

    @post("/console", status_code=204, opt=on_server(ServerPermission.CONSOLE_WRITE))
    async def command(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[None]:
        """Type a command on the console. ref: Send Command to Server Console."""
        body = await read_json(request, ConsoleBody)
        _require_running(record)
        await product.console.command(actor, record, body.input.rstrip("\r\n"))
        return nothing()


async def followed(product: Product, views: Views, operation: Operation, timeout_s: float) -> Response[bytes]:
    """Return an operation once it has ended, or as it stands after so many seconds."""
    return show(views.operation(await product.operations.wait(operation.uuid, timedelta(seconds=timeout_s))))


def _require_running(record: Record) -> None:
    if record.live.state is not State.RUNNING:
        raise ServerIsNotRunning(state=str(record.live.state))
