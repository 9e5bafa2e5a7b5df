"""The stores in which nodes keep backups: looked at, checked, collected, rid of what nobody can read."""

from uuid import UUID

from litestar import delete, get, post
from litestar.params import FromPath

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.backups.model import StoreState
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product


@get("/nodes/{node:uuid}/backups", opt=on_product(ProductPermission.NODES_WRITE), tags=["nodes"])
async def get_backup_store(product: House, actor: Asker, node: FromPath[UUID]) -> StoreState:
    """Show where a node keeps its backups, and what came of the last check and collection since it was started."""
    return await product.backup_stores.read(actor, node)


@post(
    "/nodes/{node:uuid}/backups/check",
    opt=on_product(ProductPermission.NODES_WRITE),
    tags=["nodes"],
    status_code=202,
)
async def check_backup_store(product: House, actor: Asker, node: FromPath[UUID]) -> StoreState:
    """Have a node's store of backups checked: that each can be read, and all that it needs is there."""
    return await product.backup_stores.begin(actor, node, "check")


@post(
    "/nodes/{node:uuid}/backups/collect",
    opt=on_product(ProductPermission.NODES_WRITE),
    tags=["nodes"],
    status_code=202,
)
async def collect_backup_store(product: House, actor: Asker, node: FromPath[UUID]) -> StoreState:
    """Have a node's store of backups freed of what no backup needs, which it does daily by itself."""
    return await product.backup_stores.begin(actor, node, "collect")


@delete("/nodes/{node:uuid}/backups/{snapshot:str}", opt=on_product(ProductPermission.NODES_WRITE), tags=["nodes"])
async def discard_backup(product: House, actor: Asker, node: FromPath[UUID], snapshot: FromPath[str]) -> None:
    """Remove a backup that cannot be read, by the name that a check tells: nothing is collected while it is there."""
    await product.backup_stores.discard(actor, node, snapshot)


HANDLERS = [get_backup_store, check_backup_store, collect_backup_store, discard_backup]
