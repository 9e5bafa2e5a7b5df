"""Crafty's routes of files: list, read, write, make, rename, delete, unpack.

Paths are those of the node, as a server's `path` shows them; one that is not below it is refused. A path without a
slash before it is below the server's folder. The jail has the last word on all of them.
"""

import html
import posixpath
from collections.abc import AsyncIterator
from typing import Any

from litestar import Controller, Request, Response, delete, patch, post, put

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.files.errors import FileExists, FileIsTooLarge, FileNotFound
from innkeeper.core.files.model import FileEntry
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.server_schemas import (
    FILES_CREATE,
    FILES_DELETE,
    FILES_READ,
    FILES_RENAME,
    FILES_WRITE,
    FILES_ZIP,
)
from innkeeper.panel.dialects.crafty.server_views import ServerViews, Shown
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.product import Product

MOST_READ = 8 * 1024 * 1024
"""Of one file, that is answered as a text."""
MOST_WRITTEN = 16 * 1024 * 1024
"""Of a body that holds a file as a text."""
_PAGE = 1000
OWN = "root_path"
"""What a listing calls the folder itself."""


class FileRoutes(Controller):
    """Files."""

    path = "/servers/{server:str}/files"

    @post("/", status_code=200, opt=on_server(ServerBit.FILES))
    async def look(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Return what is in a folder, or in a file."""
        path = within(views, record, (await read(request, FILES_READ))["path"])
        if not path or (await product.files.stat(actor, record, path)).kind == "directory":
            return show(await _listed(product, views, actor, record, path))
        return show(await _text(product, actor, record, path))

    @patch("/", opt=on_server(ServerBit.FILES))
    async def write(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Write a file that is there."""
        body = await read(request, FILES_WRITE, limit=MOST_WRITTEN)
        path = within(views, record, body["path"])
        await product.files.stat(actor, record, path)
        await product.files.write(actor, record, path, _once(body["contents"].encode()))
        return done()

    @put(["/", "/create"], status_code=200, opt=on_server(ServerBit.FILES))
    async def create(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Make an empty file or a folder."""
        body = await read(request, FILES_CREATE)
        path = posixpath.join(within(views, record, body["parent"]), _name(body["name"]))
        try:
            await product.files.stat(actor, record, path)
        except FileNotFound:
            if body["directory"]:
                await product.files.make_directory(actor, record, path)
            else:
                await product.files.write(actor, record, path, _once(b""))
            return done()
        raise FileExists

    @patch("/create", opt=on_server(ServerBit.FILES))
    async def rename(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Give a file or a folder another name, where it is."""
        body = await read(request, FILES_RENAME)
        path = within(views, record, body["path"])
        target = posixpath.join(posixpath.dirname(path), _name(body["new_name"]))
        await product.files.rename(actor, record, path, target)
        return done()

    @delete("/", status_code=200, opt=on_server(ServerBit.FILES))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Delete a file, or a folder with all in it."""
        path = within(views, record, (await read(request, FILES_DELETE))["filename"])
        if not path:
            raise Refused(error="TRAVERSAL DETECTED", error_data="A server's own folder goes with the server.")
        await product.files.delete(actor, record, path)
        return done()

    @post("/zip", status_code=200, opt=on_server(ServerBit.FILES))
    async def unpack(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Unpack an archive where it lies: the body calls it `folder`."""
        path = within(views, record, (await read(request, FILES_ZIP))["folder"])
        await product.files.stat(actor, record, path)
        await product.files.unpack(actor, record, path, posixpath.dirname(path))
        return done()


def within(views: ServerViews, record: Record, path: str) -> str:
    """Return the path below the server's folder that a path of its node means; raise Refused for any other."""
    folder = views.folder(record.server)
    if folder and (path == folder or path.startswith(f"{folder}/")):
        path = path.removeprefix(folder).strip("/")
    elif path.startswith("/"):
        raise Refused(error="TRAVERSAL DETECTED", error_data="This path is not below the server's folder.")
    parts = path.split("/")
    if ".." in parts:
        raise Refused(error="TRAVERSAL DETECTED", error_data="This path climbs.")
    return "/".join(part for part in parts if part not in ("", "."))


def _name(name: str) -> str:
    if "/" in name or name in ("", ".", ".."):
        raise Refused(error="TRAVERSAL DETECTED", error_data="A name has no slash, and is not empty.")
    return name


async def _listed(product: Product, views: ServerViews, actor: Actor, record: Record, path: str) -> dict[str, Any]:
    """Return a folder's entries, folders first, each by its name made harmless for a page."""
    folder = posixpath.join(views.folder(record.server), path).rstrip("/")
    entries: list[FileEntry] = []
    more = True
    while more:
        after = entries[-1].name if entries else None
        some, more = await product.files.list(actor, record, path, after=after, limit=_PAGE)
        entries += some
    entries.sort(key=lambda entry: (entry.kind != "directory", entry.name.lower(), entry.name))
    excluded = await _excluded(product, actor, record)
    found: dict[str, Any] = {OWN: {"path": folder, "top": not path}}
    for entry in entries:
        found[key_of(entry.name)] = {
            "path": f"{folder}/{entry.name}",
            "dir": entry.kind == "directory",
            "excluded": entry.path in excluded,
        }
    return found


def key_of(name: str) -> str:
    """Return under which name an entry is shown: harmless for a page, and never the listing's own."""
    return html.escape(name) if name != OWN else OWN.replace("_", "&#95;")


async def _excluded(product: Product, actor: Actor, record: Record) -> frozenset[str]:
    """Return the paths that no backup has, to whoever may know of backups."""
    if ServerPermission.BACKUPS_READ not in actor.on(record.server.id, record.server.owner_id):
        return frozenset()
    policy = await product.backups.policy(actor, record)
    return frozenset(pattern.strip("/") for pattern in policy.exclusions)


async def _text(product: Product, actor: Actor, record: Record, path: str) -> str:
    entry, parts = await product.files.read(actor, record, path)
    try:
        if entry.size > MOST_READ:
            raise FileIsTooLarge(limit_bytes=MOST_READ)
        content = bytearray()
        async for part in parts:
            content += part
            if len(content) > MOST_READ:
                raise FileIsTooLarge(limit_bytes=MOST_READ)
    finally:
        await parts.aclose()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(error="DECODE_ERROR", error_data=str(error)) from error


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


ROUTES: tuple[type[Controller], ...] = (FileRoutes,)
