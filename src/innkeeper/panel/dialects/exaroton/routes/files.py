"""exaroton's routes of files: what there is, and what is in it; content goes both ways as it is, in no envelope.

Content is told by what it is and never by what the sender says: the one type that means something is `inode/directory`.
"""

from posixpath import dirname
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, put, route
from litestar.response import Stream

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.files.errors import FileExists, FileNotFound
from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.exaroton.replies import reply, show
from innkeeper.panel.dialects.exaroton.routes.paths import file_path
from innkeeper.panel.dialects.exaroton.views import Shown
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.http.transfers import SAFE, Body, exactly
from innkeeper.panel.product import Product

BINARY, TEXT, PNG = "application/octet-stream", "text/plain;charset=UTF-8", "image/png"
"""Clients compare these letter by letter."""
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_FOLDER = "inode/directory"


class FileRoutes(Controller):
    """Files."""

    path = "/servers/{server:str}/files"

    @get(["/info", "/info/{path:path}"], opt=on_server(ServerPermission.FILES_READ))
    async def get_info(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Return a file, or a folder with all below it. ref: Get file information."""
        tree = await product.files.tree(actor, record, file_path(request))
        return reply(await in_thread(lambda: msgspec.json.encode(views.file(actor, record, tree))))

    @route(
        ["/data", "/data/{path:path}"],
        http_method=["GET", "HEAD"],
        status_code=200,
        opt=on_server(ServerPermission.FILES_READ),
    )
    async def get_data(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Stream | Response[bytes]:
        """Return what is in a file. ref: Get file data."""
        entry, parts = await product.files.read(actor, record, file_path(request))
        first = await anext(parts, b"")
        kind = PNG if first.startswith(_PNG_HEAD) else TEXT if entry.text else BINARY
        headers = {**SAFE, "Content-Type": kind, "Content-Length": str(entry.size)}
        if request.method == "HEAD":
            await parts.aclose()
            return Response(b"", headers=headers)
        return Stream(exactly(first, parts, entry.size), headers=headers)

    @put(["/data", "/data/{path:path}"], opt=on_server(ServerPermission.FILES_WRITE))
    async def put_data(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Write a file over what is there, or make a folder; with the folders above it. ref: Write file data."""
        path = file_path(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FOLDER:
            await _make_folder(product, actor, record, path)
            return show("Folder created")
        body = Body(request, product.files.most_bytes)
        try:
            await product.files.write(actor, record, path, body.parts())
        except FileNotFound:
            if body.begun or not dirname(path):
                raise
            await _make_folder(product, actor, record, dirname(path))
            await product.files.write(actor, record, path, body.parts())
        return show("File written")

    @delete(["/data", "/data/{path:path}"], status_code=200, opt=on_server(ServerPermission.FILES_DELETE))
    async def delete_data(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Delete a file, or a folder with all in it. ref: Delete a file."""
        await product.files.delete(actor, record, file_path(request))
        return show("File deleted")


async def _make_folder(product: Product, actor: Actor, record: Record, path: str) -> None:
    """Make a folder with those above it; one that is there already is no error."""
    try:
        await product.files.make_directory(actor, record, path)
    except FileExists:
        if (await product.files.stat(actor, record, path)).kind != "directory":
            raise
