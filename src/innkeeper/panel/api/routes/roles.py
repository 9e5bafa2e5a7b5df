"""Roles: permissions by name, given to accounts."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import views
from innkeeper.panel.api.paging import page_by_id
from innkeeper.panel.api.params import ChangeRole, CreateRole, Cursor, Limit, RoleServer
from innkeeper.panel.api.routes.accounts import account_id
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product, signed_in
from innkeeper.panel.product import Product


@get("/roles", opt=signed_in(), tags=["roles"])
async def list_roles(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.RoleView]:
    """List roles: with `roles.read` all, else those that one manages."""
    page, following = page_by_id(product.access.roles(actor), cursor, limit)
    return views.ListView([views.role(product, item) for item in page], following)


@post("/roles", opt=on_product(ProductPermission.ROLES_WRITE), tags=["roles"])
async def create_role(product: House, actor: Asker, data: JSONBody[CreateRole]) -> views.RoleView:
    """Make a role; nobody gives what they do not hold."""
    role = await product.access.create_role(
        actor,
        name=data.name,
        permissions=frozenset(data.permissions),
        all_servers=data.all_servers,
        servers=_on_servers(product, actor, data.servers),
        members=_account_ids(product, data.members),
        manager_id=account_id(product, data.manager),
    )
    return views.role(product, role)


@get("/roles/{role:uuid}", opt=signed_in(), tags=["roles"])
async def get_role(product: House, actor: Asker, role: FromPath[UUID]) -> views.RoleView:
    """Show a role."""
    return views.role(product, product.access.role(actor, role))


@patch("/roles/{role:uuid}", opt=signed_in(), tags=["roles"])
async def change_role(product: House, actor: Asker, role: FromPath[UUID], data: JSONBody[ChangeRole]) -> views.RoleView:
    """Change a role, with `roles.write` or as its manager; who does must hold all that it gives before and after."""
    found = product.access.role(actor, role)
    wanted: dict[str, Any] = {"name": data.name, "all_servers": data.all_servers}
    if not isinstance(data.permissions, UnsetType):
        wanted["permissions"] = frozenset(data.permissions)
    if not isinstance(data.servers, UnsetType):
        wanted["servers"] = _on_servers(product, actor, data.servers)
    if not isinstance(data.members, UnsetType):
        wanted["members"] = _account_ids(product, data.members)
    if not isinstance(data.manager, UnsetType):
        wanted["manager_id"] = account_id(product, data.manager)
    wanted = {name: value for name, value in wanted.items() if value is not UNSET}
    return views.role(product, await product.access.change_role(actor, found.uuid, lambda now: replace(now, **wanted)))


@delete("/roles/{role:uuid}", opt=on_product(ProductPermission.ROLES_WRITE), tags=["roles"])
async def delete_role(product: House, actor: Asker, role: FromPath[UUID]) -> None:
    """Delete a role, taking what it gave."""
    await product.access.delete_role(actor, role)


def _on_servers(product: Product, actor: Actor, wanted: Iterable[RoleServer]) -> dict[int, frozenset[str]]:
    return {product.servers.find(actor, one.server).server.id: frozenset(one.permissions) for one in wanted}


def _account_ids(product: Product, uuids: Iterable[UUID]) -> frozenset[int]:
    known = {account.uuid: account.id for account in product.authority.accounts.values()}
    wanted = set(uuids)
    if not wanted <= known.keys():
        raise NoSuchAccount
    return frozenset(known[uuid] for uuid in wanted)


HANDLERS = [list_roles, create_role, get_role, change_role, delete_role]
