"""Crafty's routes of what servers are imported from: the folders and archives that the operator has opened to it.

The original unpacks an archive to have a folder of it chosen. Here it is only looked into: paths of its folders go on
from its own, and are taken so as `zip_root` when the server is made, which is when it is unpacked.
"""

from typing import Any

from litestar import Controller, Request, Response, post

from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import with_product
from innkeeper.panel.dialects.crafty.errors import HasNoMeaning
from innkeeper.panel.dialects.crafty.masks import ProductBit
from innkeeper.panel.dialects.crafty.replies import show
from innkeeper.panel.dialects.crafty.routes.files import OWN, key_of
from innkeeper.panel.dialects.crafty.server_schemas import IMPORT_UNZIP
from innkeeper.panel.http.given import Asker, House


class ImportRoutes(Controller):
    """What is brought along."""

    path = "/import"

    @post("/file/unzip", status_code=200, opt=with_product(ProductBit.SERVER_CREATION))
    async def look(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Return what is in a folder, in an archive, or in a folder of one; nothing is unpacked."""
        body = await read(request, IMPORT_UNZIP)
        if body.get("upload"):
            raise HasNoMeaning("upload: an archive lies in a folder that the operator has opened to imports.")
        folder = body["folder"].rstrip("/")
        entries = await product.imports.list(actor, folder)
        entries.sort(key=lambda entry: (not entry.directory, entry.name.casefold(), entry.name))
        found: dict[str, Any] = {OWN: {"path": folder, "top": body.get("unzip", True)}}
        for entry in entries:
            found[key_of(entry.name)] = {"path": f"{folder}/{entry.name}", "dir": entry.directory}
        return show(found)


ROUTES: tuple[type[Controller], ...] = (ImportRoutes,)
