"""Crafty's routes by which a server is told something: its power, and lines on its console.

What is so already is no fault: starting a server that runs is done. A name that is no action is refused, not typed.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, Request, Response, post

from innkeeper.core.access.model import Actor
from innkeeper.core.errors import Conflict
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import (
    CommandIsInvalid,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsStopping,
)
from innkeeper.core.servers.lifecycle import RESTARTABLE, State
from innkeeper.core.servers.model import ServerChanges
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.errors import HasNoMeaning, Refused
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import done, refusal, show
from innkeeper.panel.http.bodies import read_body
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.product import Product

Deed = Callable[[Product, Actor, Record], Awaitable[Any]]
_MOST_BYTES = 64 * 1024
_BROUGHT = ("import-folder", "import-archive", "archive")


async def _start(product: Product, actor: Actor, record: Record) -> None:
    try:
        await product.servers.start(actor, record)
    except ServerIsStarting:
        return
    except ServerIsNotStopped as error:
        if error.data.get("state") != State.RUNNING:
            raise


async def _stop(product: Product, actor: Actor, record: Record) -> None:
    await _unless_so(product.servers.stop(actor, record), ServerIsStopping, ServerIsNotRunning)


async def _restart(product: Product, actor: Actor, record: Record) -> None:
    """Restart a server; one that does not run is started."""
    if record.live.state in RESTARTABLE:
        await product.servers.restart(actor, record)
    else:
        await _start(product, actor, record)


async def _kill(product: Product, actor: Actor, record: Record) -> None:
    await _unless_so(product.servers.kill(actor, record), ServerIsNotRunning)


async def _backup(product: Product, actor: Actor, record: Record) -> None:
    await product.backups.create(actor, record)


async def _update(product: Product, actor: Actor, record: Record) -> None:
    """Install the program anew, its files kept; what was brought along is not laid over them once more."""
    if any(record.server.properties.get(name) for name in _BROUGHT):
        raise HasNoMeaning("update_executable: its files were brought along, and no vendor has newer ones.")
    await product.servers.reinstall(actor, record)


async def _clone(product: Product, actor: Actor, record: Record) -> dict[str, str]:
    server, _ = await product.backups.clone(actor, record, copy_name(product, record.server.name))
    return {"new_server_id": str(server.id)}


async def _eula(product: Product, actor: Actor, record: Record) -> None:
    """Agree to the game's licence."""
    server = record.server
    if product.catalog.get(server.package).property_named("eula", (server.runtime, *server.addons)) is None:
        raise HasNoMeaning("eula: this server has no licence to agree to.")
    await product.servers.change(actor, record, ServerChanges(properties={"eula": True}))


DEEDS: dict[str, Deed] = {
    "start_server": _start,
    "stop_server": _stop,
    "restart_server": _restart,
    "kill_server": _kill,
    "backup_server": _backup,
    "update_executable": _update,
    "clone_server": _clone,
    "eula": _eula,
}


class ActionRoutes(Controller):
    """What a server is told."""

    path = "/servers/{server:str}"

    @post("/action/{name:str}", status_code=200, opt=on_server(ServerBit.COMMANDS))
    async def act(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Do something with the server; the answer does not wait for its end. ref: Send an action to a server."""
        name = request.path_params["name"]
        deed = DEEDS.get(name)
        if deed is None:
            raise Refused(error="UNKNOWN_ACTION", error_data=f"There is no action {name!r}, but {', '.join(DEEDS)}.")
        data = await deed(product, actor, record)
        return done() if data is None else show(data)

    @post("/stdin", status_code=200, opt=on_server(ServerBit.COMMANDS))
    async def type_lines(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Type the body's lines on the console, one after the other. ref: Send a STDIn command to a server."""
        try:
            text = (await read_body(request, _MOST_BYTES)).decode()
        except UnicodeDecodeError as error:
            raise CommandIsInvalid("A command is text in UTF-8.") from error
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            raise CommandIsInvalid
        try:
            for line in lines:
                await product.console.command(actor, record, line)
        except ServerIsNotRunning:
            return refusal(200, "SERVER_NOT_RUNNING")
        return done()


def copy_name(product: Product, name: str) -> str:
    """Return how the next copy of a server is called."""
    taken = {record.server.name for record in product.directory.present()}
    wanted, number = f"{name} (Copy)", 2
    while wanted in taken:
        wanted, number = f"{name} (Copy {number})", number + 1
    return wanted


async def _unless_so(doing: Awaitable[Any], *already: type[Conflict]) -> None:
    try:
        await doing
    except already:
        return


ROUTES: tuple[type[Controller], ...] = (ActionRoutes,)
