"""The installation itself: its catalogue, its nodes, its permissions, how it is."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import catalogue_views, views
from innkeeper.panel.api.catalogue_views import IndexView, PackageView
from innkeeper.panel.api.paging import page_by_id
from innkeeper.panel.api.params import ChangeNode, Cursor, Limit
from innkeeper.panel.api.versions import own_version
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product, open_to_all, signed_in


@get("/status", opt=open_to_all(), tags=["installation"])
async def status() -> views.StatusView:
    """Say that the installation is there, and which release it is."""
    return views.StatusView(version=own_version(), ready=True)


@get("/permissions", opt=signed_in(), tags=["installation"])
async def list_permissions() -> views.PermissionsView:
    """List every permission there is."""
    return views.PermissionsView(server=[*map(str, ServerPermission)], product=[*map(str, ProductPermission)])


@get("/packages", opt=signed_in(), tags=["catalogue"])
async def list_packages(product: House) -> views.ListView[PackageView]:
    """List the games that can be installed, in the versions that are known."""
    return views.ListView([catalogue_views.package(product, item) for item in product.catalog.all()])


@get("/packages/{package:str}", opt=signed_in(), tags=["catalogue"])
async def get_package(product: House, package: FromPath[str]) -> PackageView:
    """Show a game, what runs it and what can be set; vendors that were never asked for its versions are asked now."""
    item = product.catalog.get(package)
    await product.offers.look(item)
    return catalogue_views.package(product, item)


@get("/packages/{package:str}/indexes", opt=on_product(ProductPermission.SELLING_WRITE), tags=["catalogue"])
async def list_indexes(product: House, actor: Asker, package: FromPath[str]) -> views.ListView[IndexView]:
    """Show how it stands with what the vendors of a game's runtimes tell of versions."""
    return views.ListView(catalogue_views.indexes(product.offers.state(actor, product.catalog.get(package))))


@post(
    "/packages/{package:str}/refresh",
    opt=on_product(ProductPermission.SELLING_WRITE),
    tags=["catalogue"],
    status_code=200,
)
async def refresh_package(product: House, actor: Asker, package: FromPath[str]) -> views.ListView[IndexView]:
    """Ask the vendors of a game's runtimes for their versions again, now; one that fails is shown so."""
    refreshed = await product.offers.refresh_package(actor, product.catalog.get(package))
    return views.ListView(catalogue_views.indexes(refreshed))


@get("/nodes", opt=on_product(ProductPermission.NODES_READ), tags=["nodes"])
async def list_nodes(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.NodeView]:
    """List nodes."""
    page, following = page_by_id(product.nodes.all(actor), cursor, limit)
    return views.ListView([views.node(product, item) for item in page], following)


@get("/nodes/{node:uuid}", opt=on_product(ProductPermission.NODES_READ), tags=["nodes"])
async def get_node(product: House, actor: Asker, node: FromPath[UUID]) -> views.NodeView:
    """Show a node."""
    return views.node(product, product.nodes.find(actor, node))


@patch("/nodes/{node:uuid}", opt=on_product(ProductPermission.NODES_WRITE), tags=["nodes"])
async def change_node(product: House, actor: Asker, node: FromPath[UUID], data: JSONBody[ChangeNode]) -> views.NodeView:
    """Change a node's name, addresses, ports, region and capacities; servers that are there stay."""
    changed = await product.nodes.change(
        actor,
        node,
        name=data.name,
        address=data.address,
        public_host=data.public_host,
        first_port=data.first_port,
        last_port=data.last_port,
        region=data.region,
        memory_mib=data.memory_mib,
        disk_mib=data.disk_mib,
        most_servers=data.most_servers,
    )
    return views.node(product, changed)


@delete("/nodes/{node:uuid}", opt=on_product(ProductPermission.NODES_WRITE), tags=["nodes"])
async def delete_node(product: House, actor: Asker, node: FromPath[UUID]) -> None:
    """Forget a node that keeps no server."""
    await product.nodes.delete(actor, node)


@post("/nodes/tokens", opt=on_product(ProductPermission.NODES_WRITE), tags=["nodes"])
async def create_node_token(product: House, actor: Asker) -> views.NodeTokenView:
    """Give out a token that adds one node, once."""
    return views.NodeTokenView(*await product.nodes.create_token(actor))


HANDLERS = [
    status,
    list_permissions,
    list_packages,
    get_package,
    list_indexes,
    refresh_package,
    list_nodes,
    get_node,
    change_node,
    delete_node,
    create_node_token,
]
