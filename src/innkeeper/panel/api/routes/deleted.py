"""Servers that were deleted and are still kept: seen, brought back, or ended, by those who may."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from litestar.response import Response

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.kit.pages import DEFAULT_PAGE, decode_integer_cursor, encode_cursor
from innkeeper.panel.api import PREFIX, views
from innkeeper.panel.api.params import Cursor, Limit, Wait
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product
from innkeeper.panel.product import Product


class DeletedServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was deleted and can be brought back until `purge_at`."""

    id: UUID
    name: str
    owner: views.AccountRef | None
    node: views.NodeRef
    package: str
    runtime: str
    version: str
    port: int | None
    """No other server gets it until then."""
    deleted_at: datetime | None
    purge_at: datetime | None


class RestoredServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is back; who brought it back need not be permitted to see more of it."""

    id: UUID
    name: str
    owner: views.AccountRef | None
    state: State


@get("/servers/deleted", opt=on_product(ProductPermission.SERVERS_RESTORE), tags=["servers"])
async def list_deleted_servers(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[DeletedServerView]:
    """List the servers that were deleted and can be brought back."""
    after = decode_integer_cursor(cursor) or 0
    found = [record for record in product.servers.kept(actor) if record.server.id > after]
    following = encode_cursor(found[limit - 1].server.id) if len(found) > limit else None
    return views.ListView([_view(product, record) for record in found[:limit]], following)


@post(
    "/servers/{server:uuid}/restore",
    opt=on_product(ProductPermission.SERVERS_RESTORE),
    tags=["servers"],
    status_code=200,
)
async def restore_server(product: House, actor: Asker, server: FromPath[UUID]) -> RestoredServerView:
    """Bring a deleted server back as it was, but stopped."""
    restored = await product.servers.restore(actor, server)
    owner = views.account_ref(product, restored.owner_id)
    return RestoredServerView(id=restored.uuid, name=restored.name, owner=owner, state=restored.state)


@delete(
    "/servers/deleted/{server:uuid}",
    opt=on_product(ProductPermission.SERVERS_RESTORE),
    tags=["servers"],
    status_code=202,
)
async def purge_server(
    product: House, actor: Asker, server: FromPath[UUID], wait: Wait = None
) -> Response[views.OperationView]:
    """Delete what is kept of a deleted server: its files, and its port is free."""
    operation = await product.servers.purge(actor, server)
    if wait:
        operation = await product.operations.wait(operation.uuid, timedelta(seconds=wait))
    location = f"{PREFIX}/operations/{operation.uuid}"
    return Response(views.operation(product, operation), status_code=202, headers={"Location": location})


def _view(product: Product, record: Record) -> DeletedServerView:
    server = record.server
    node = product.nodes.get(server.node_id)
    return DeletedServerView(
        id=server.uuid,
        name=server.name,
        owner=views.account_ref(product, server.owner_id),
        node=views.NodeRef(node.uuid, node.name),
        package=server.package,
        runtime=server.runtime,
        version=server.version,
        port=server.port,
        deleted_at=server.deleted_at,
        purge_at=server.purge_at,
    )


HANDLERS = [list_deleted_servers, restore_server, purge_server]
