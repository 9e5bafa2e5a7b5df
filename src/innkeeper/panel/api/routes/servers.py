"""Servers: listed, made, changed, started and stopped, shared."""

from datetime import timedelta
from typing import Annotated, Any, cast
from uuid import UUID

from litestar import delete, get, patch, post, put
from litestar.datastructures import ResponseHeader
from litestar.enums import MediaType
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response

from innkeeper.core.access.errors import NoSuchGrant
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.model import Server
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import PREFIX, views
from innkeeper.panel.api.door import Found, Views
from innkeeper.panel.api.params import (
    MAX_SERVERS_PAGE,
    Cursor,
    Extend,
    Limit,
    Purge,
    PutGrant,
    Start,
    Suspend,
    Wait,
)
from innkeeper.panel.api.server_params import ChangeServer, CreateServer
from innkeeper.panel.api.servers_view import ServerViews
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_product, on_server, signed_in
from innkeeper.panel.product import Product

ServersLimit = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_SERVERS_PAGE, description="How many at most.")]

_LOCATION = [ResponseHeader(name="Location", description="Where it can be asked for.", documentation_only=True)]


@get("/servers", opt=signed_in(), tags=["servers"])
async def list_servers(
    server_views: Views, actor: Asker, cursor: Cursor = None, limit: ServersLimit = DEFAULT_PAGE
) -> Response[views.ListView[views.ServerView]]:
    """List the servers that one may see."""
    return cast("Response[Any]", json(server_views.page(actor, cursor, limit)))


@post("/servers", opt=on_product(ProductPermission.SERVERS_CREATE), tags=["servers"], response_headers=_LOCATION)
async def create_server(
    product: House, server_views: Views, actor: Asker, data: JSONBody[CreateServer]
) -> Response[views.NewServerView]:
    """Make a server and have it installed."""
    server, operation = await product.servers.create(actor, data.draft())
    record = product.directory.get(server.id)
    view = views.NewServerView(server=server_views.view(actor, record), operation=views.operation(product, operation))
    return Response(view, status_code=201, headers={"Location": f"{PREFIX}/servers/{server.uuid}"})


@get("/servers/{server:uuid}", opt=on_server(ServerPermission.VIEW), tags=["servers"])
async def get_server(server_views: Views, actor: Asker, record: Reached) -> Response[views.ServerView]:
    """Show a server."""
    return cast("Response[Any]", json(server_views.one(actor, record)))


@patch("/servers/{server:uuid}", opt=on_server(ServerPermission.SETTINGS_WRITE), tags=["servers"])
async def change_server(
    product: House, server_views: Views, actor: Asker, record: Reached, data: JSONBody[ChangeServer]
) -> Response[views.ServerView]:
    """Change a server's settings; what the game reads at its start counts from its next start on."""
    changed = await product.servers.change(actor, record, data.changes())
    return _now(product, server_views, actor, changed)


@delete(
    "/servers/{server:uuid}",
    opt=on_server(ServerPermission.DELETE),
    tags=["servers"],
    status_code=202,
    response_headers=_LOCATION,
)
async def delete_server(
    product: House, actor: Asker, record: Reached, purge: Purge = False, wait: Wait = None
) -> Response[views.OperationView]:
    """Kill a server and delete it: its files go with `purge`, else once nobody brought it back in time."""
    return await _accepted(product, await product.servers.delete(actor, record, at_once=purge), wait)


# -- power ------------------------------------------------------------------------------------------------------------


@post(
    "/servers/{server:uuid}/start",
    opt=on_server(ServerPermission.START),
    tags=["power"],
    status_code=202,
    response_headers=_LOCATION,
)
async def start(
    product: House, actor: Asker, record: Reached, data: JSONBody[Start | None] = None, wait: Wait = None
) -> Response[views.OperationView]:
    """Start a stopped server; with `own_credits` one pays for it oneself."""
    own_credits = data is not None and data.own_credits
    return await _accepted(product, await product.servers.start(actor, record, own_credits=own_credits), wait)


@post(
    "/servers/{server:uuid}/stop",
    opt=on_server(ServerPermission.STOP),
    tags=["power"],
    status_code=202,
    response_headers=_LOCATION,
)
async def stop(product: House, actor: Asker, record: Reached, wait: Wait = None) -> Response[views.OperationView]:
    """Stop a server in order."""
    return await _accepted(product, await product.servers.stop(actor, record), wait)


@post(
    "/servers/{server:uuid}/restart",
    opt=on_server(ServerPermission.RESTART),
    tags=["power"],
    status_code=202,
    response_headers=_LOCATION,
)
async def restart(product: House, actor: Asker, record: Reached, wait: Wait = None) -> Response[views.OperationView]:
    """Stop a running server and start it again."""
    return await _accepted(product, await product.servers.restart(actor, record), wait)


@post(
    "/servers/{server:uuid}/kill",
    opt=on_server(ServerPermission.KILL),
    tags=["power"],
    status_code=202,
    response_headers=_LOCATION,
)
async def kill(product: House, actor: Asker, record: Reached, wait: Wait = None) -> Response[views.OperationView]:
    """End a server at once, whatever it is doing."""
    return await _accepted(product, await product.servers.kill(actor, record), wait)


@post("/servers/{server:uuid}/extend", opt=on_server(ServerPermission.START), tags=["power"], status_code=200)
async def extend(product: House, actor: Asker, record: Reached, data: JSONBody[Extend]) -> views.KeptView:
    """Keep a running server for longer, though nobody plays."""
    return views.KeptView(await product.idling.extend(actor, record, data.seconds))


@post(
    "/servers/{server:uuid}/reinstall",
    opt=on_server(ServerPermission.REINSTALL),
    tags=["power"],
    status_code=202,
    response_headers=_LOCATION,
)
async def reinstall(product: House, actor: Asker, record: Reached, wait: Wait = None) -> Response[views.OperationView]:
    """Install a stopped server anew, its files kept."""
    return await _accepted(product, await product.servers.reinstall(actor, record), wait)


@post("/servers/{server:uuid}/suspend", opt=on_server(ServerPermission.SUSPEND), tags=["power"], status_code=200)
async def suspend(
    product: House, server_views: Views, actor: Asker, record: Reached, data: JSONBody[Suspend | None] = None
) -> Response[views.ServerView]:
    """Stop a server and forbid it to run."""
    changed = await product.servers.suspend(actor, record, data.reason if data is not None else "")
    return _now(product, server_views, actor, changed)


@post("/servers/{server:uuid}/unsuspend", opt=on_server(ServerPermission.SUSPEND), tags=["power"], status_code=200)
async def unsuspend(product: House, server_views: Views, actor: Asker, record: Reached) -> Response[views.ServerView]:
    """Let a suspended server run again; it is not started by this."""
    return _now(product, server_views, actor, await product.servers.unsuspend(actor, record))


# -- operations -------------------------------------------------------------------------------------------------------


@get("/servers/{server:uuid}/operations", opt=on_server(ServerPermission.OPERATIONS_READ), tags=["operations"])
async def list_operations(
    product: House, record: Reached, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.OperationView]:
    """List a server's operations, newest first."""
    page = await product.operations.of_server(record.server.id, cursor, limit)
    return views.ListView([views.operation(product, item) for item in page.items], page.next)


@get("/operations/{operation:uuid}", opt=on_server(ServerPermission.OPERATIONS_READ), tags=["operations"])
async def get_operation(product: House, found: Found, wait: Wait = None) -> views.OperationView:
    """Show an operation, once it has ended or after `wait` seconds."""
    if wait and not found.ended:
        found = await product.operations.wait(found.uuid, timedelta(seconds=wait))
    return views.operation(product, found)


# -- sharing ----------------------------------------------------------------------------------------------------------


@get("/servers/{server:uuid}/grants", opt=on_server(ServerPermission.GRANTS_READ), tags=["grants"])
async def list_grants(product: House, record: Reached) -> views.ListView[views.GrantView]:
    """List with whom a server is shared."""
    return views.ListView(views.grants(product, product.access.grants(record)))


@get("/servers/{server:uuid}/grants/{account:uuid}", opt=on_server(ServerPermission.GRANTS_READ), tags=["grants"])
async def get_grant(product: House, record: Reached, account: FromPath[UUID]) -> views.GrantView:
    """Show what an account is permitted by grant."""
    found = next(
        (item for item in views.grants(product, product.access.grants(record)) if item.account.id == account), None
    )
    if found is None:
        raise NoSuchGrant
    return found


@put("/servers/{server:uuid}/grants/{account:uuid}", opt=on_server(ServerPermission.GRANTS_WRITE), tags=["grants"])
async def put_grant(
    product: House, actor: Asker, record: Reached, account: FromPath[UUID], data: JSONBody[PutGrant]
) -> views.GrantView:
    """Share a server with an account; nobody gives what they do not hold."""
    grant = await product.access.share(actor, record, _account_id(product, account), frozenset(data.permissions))
    view = views.grant(product, grant)
    if view is None:
        raise NoSuchAccount
    return view


@delete("/servers/{server:uuid}/grants/{account:uuid}", opt=on_server(ServerPermission.GRANTS_WRITE), tags=["grants"])
async def delete_grant(product: House, actor: Asker, record: Reached, account: FromPath[UUID]) -> None:
    """Take back what an account was permitted by grant."""
    await product.access.unshare(actor, record, _account_id(product, account))


def json(body: bytes) -> Response[bytes]:
    """Return JSON that is encoded already."""
    return Response(body, media_type=MediaType.JSON)


async def _accepted(product: Product, operation: Operation, wait: float | None) -> Response[views.OperationView]:
    if wait:
        operation = await product.operations.wait(operation.uuid, timedelta(seconds=wait))
    location = f"{PREFIX}/operations/{operation.uuid}"
    return Response(views.operation(product, operation), status_code=202, headers={"Location": location})


def _now(product: Product, server_views: ServerViews, actor: Asker, server: Server) -> Response[views.ServerView]:
    return cast("Response[Any]", json(server_views.one(actor, product.directory.get(server.id))))


def _account_id(product: Product, uuid: UUID) -> int:
    for account in product.authority.accounts.values():
        if account.uuid == uuid:
            return account.id
    raise NoSuchAccount


HANDLERS = [
    list_servers,
    create_server,
    get_server,
    change_server,
    delete_server,
    start,
    extend,
    stop,
    restart,
    kill,
    reinstall,
    suspend,
    unsuspend,
    list_operations,
    get_operation,
    list_grants,
    get_grant,
    put_grant,
    delete_grant,
]
