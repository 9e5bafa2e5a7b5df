"""Crafty's routes of the forms of bodies."""

from typing import Any

from litestar import Controller, Request, Response, get

from innkeeper.panel.dialects.crafty.auth import signed_in
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.replies import show
from innkeeper.panel.dialects.crafty.schemas import LOGIN, NEW_USER, ROLE, USER_PATCH, Schema
from innkeeper.panel.dialects.crafty.server_schemas import NEW_SERVER, SERVER_PATCH, TASK_PATCH

SCHEMAS: dict[str, Schema] = {
    "login": LOGIN,
    "modify_role": ROLE,
    "create_role": ROLE,
    "server_patch": SERVER_PATCH,
    "new_server": NEW_SERVER,
    "user_patch": USER_PATCH,
    "new_user": NEW_USER,
    "task_patch": TASK_PATCH,
}
"""Those that are served, by name, in the order of the original."""


class SchemaRoutes(Controller):
    """What bodies look like."""

    path = "/jsonschema"

    @get("/", opt=signed_in())
    async def list_schemas(self) -> Response[bytes]:
        """Return their names."""
        return show([*SCHEMAS])

    @get("/{name:str}", opt=signed_in())
    async def get_schema(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return one of them."""
        name = request.path_params["name"]
        if name not in SCHEMAS:
            info = f"Unknown JSON schema: {name}. Here's a list of all the valid schema names: {[*SCHEMAS]}"
            raise Refused(error="UNKNOWN_JSON_SCHEMA", status=404, info=info)
        return show(SCHEMAS[name])
