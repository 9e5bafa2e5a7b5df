"""Crafty's routes of roles: what they give on which servers, and who has them. All of it is for superusers."""

from collections.abc import Iterable
from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post
from msgspec.structs import replace

from innkeeper.core.access.errors import NoSuchRole
from innkeeper.core.access.model import Actor, Role
from innkeeper.panel.dialects.crafty import masks
from innkeeper.panel.dialects.crafty.asking import flag, read
from innkeeper.panel.dialects.crafty.auth import superuser
from innkeeper.panel.dialects.crafty.errors import BodyIsNotAsDue
from innkeeper.panel.dialects.crafty.ids import number
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.schemas import ROLE
from innkeeper.panel.dialects.crafty.views import role_servers, role_view
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.product import Product

Given = dict[int, frozenset[str]]


class RoleRoutes(Controller):
    """Roles."""

    path = "/roles"

    @get("/", opt=superuser())
    async def list_roles(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return all roles, or their ids. ref: Get all the roles."""
        found = product.access.roles(actor)
        return show([role.id for role in found] if flag(request, "ids") else [role_view(role) for role in found])

    @post("/", status_code=200, opt=superuser())
    async def create_role(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Make a role; its name is kept in small letters, as the original does. ref: Create a role."""
        body = await read(request, ROLE)
        if "name" not in body:
            raise BodyIsNotAsDue("'name' is a required property")
        role = await product.access.create_role(
            actor,
            name=body["name"].lower(),
            permissions=frozenset(),
            servers=given(product, actor, body.get("servers", [])),
            manager_id=body.get("manager"),
        )
        return show({"role_id": role.id})

    @get("/{role:str}", opt=superuser())
    async def get_role(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return one role. ref: Get a role."""
        return show(role_view(role_of(request, product, actor)))

    @patch("/{role:str}", opt=superuser())
    async def change_role(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Change a role; servers that are named stand in place of those before. ref: Modify a role."""
        role = role_of(request, product, actor)
        body = await read(request, ROLE)
        wanted = {
            ours: body[theirs] for theirs, ours in (("name", "name"), ("manager", "manager_id")) if theirs in body
        }

        def change(now: Role) -> Role:
            servers = given(product, actor, body["servers"], now) if "servers" in body else now.servers
            return replace(now, servers=servers, **wanted)

        await product.access.change_role(actor, role.uuid, change)
        return done()

    @delete("/{role:str}", status_code=200, opt=superuser())
    async def delete_role(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Delete a role, taking what it gave. ref: Delete a role."""
        role = role_of(request, product, actor)
        await product.access.delete_role(actor, role.uuid)
        return show(str(role.id))

    @get("/{role:str}/servers", opt=superuser())
    async def list_servers(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return the servers that a role names, with masks, or their ids. ref: Get a role's servers."""
        role = role_of(request, product, actor)
        return show(sorted(role.servers) if flag(request, "ids") else role_servers(role))

    @get("/{role:str}/users", opt=superuser())
    async def list_users(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return who has a role, by id. ref: Get a role's users."""
        return show(sorted(role_of(request, product, actor).members))


def role_of(request: Request[Any, Any, Any], product: Product, actor: Actor) -> Role:
    """Return the role in the path; raise NoSuchRole."""
    found = number(request.path_params["role"])
    if found is None:
        raise NoSuchRole
    return product.access.role_by_id(actor, found)


def given(product: Product, actor: Actor, asked: Iterable[dict[str, Any]], role: Role | None = None) -> Given:
    """Return what masks give on servers, with what no bit stands for as the role has it; raise NoSuchServer."""
    before = role.servers if role is not None else {}
    found: Given = {}
    for each in asked:
        server = product.servers.get(actor, each["server_id"]).server.id
        found[server] = masks.on_server(each["permissions"], before.get(server, frozenset()))
    return found
