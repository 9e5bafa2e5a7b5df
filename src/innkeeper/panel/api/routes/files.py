"""Files of a server, streamed both ways: none is ever held in memory whole."""

from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.connection import Request
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.files.model import FileEntry
from innkeeper.kit.pages import DEFAULT_PAGE, encode_cursor
from innkeeper.panel.api import views
from innkeeper.panel.api.paging import name_in
from innkeeper.panel.api.params import Cursor, FilePath, Limit, MakeDirectory, Rename
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.http.transfers import Body, attached, exactly

_BINARY = "application/octet-stream"


@get("/servers/{server:uuid}/files", opt=on_server(ServerPermission.FILES_READ), tags=["files"])
async def list_files(
    product: House,
    actor: Asker,
    record: Reached,
    path: FilePath = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> views.ListView[FileEntry]:
    """List a folder, by name."""
    entries, more = await product.files.list(actor, record, path, after=name_in(cursor), limit=limit)
    return views.ListView(entries, encode_cursor(entries[-1].name) if more and entries else None)


@get(
    "/servers/{server:uuid}/files/content",
    opt=on_server(ServerPermission.FILES_READ),
    tags=["files"],
    media_type=_BINARY,
    response_headers=[ResponseHeader(name="Content-Length", description="Bytes.", documentation_only=True)],
)
async def read_file(product: House, actor: Asker, record: Reached, path: FilePath = "") -> Stream:
    """Download a file."""
    entry, parts = await product.files.read(actor, record, path)
    headers = attached(entry.name) | {"Content-Length": str(entry.size)}
    return Stream(exactly(await anext(parts, b""), parts, entry.size), media_type=_BINARY, headers=headers)


@put(
    "/servers/{server:uuid}/files/content",
    opt=on_server(ServerPermission.FILES_WRITE),
    tags=["files"],
    status_code=204,
    request_max_body_size=None,
)
async def write_file(
    product: House, actor: Asker, record: Reached, request: Request[Any, Any, Any], path: FilePath = ""
) -> None:
    """Write a file, in place of what is there: the body as it is."""
    await product.files.write(actor, record, path, Body(request, product.files.most_bytes).parts())


@post(
    "/servers/{server:uuid}/files/directory",
    opt=on_server(ServerPermission.FILES_WRITE),
    tags=["files"],
    status_code=204,
)
async def make_directory(product: House, actor: Asker, record: Reached, data: JSONBody[MakeDirectory]) -> None:
    """Make a folder, with those above it."""
    await product.files.make_directory(actor, record, data.path)


@post(
    "/servers/{server:uuid}/files/rename", opt=on_server(ServerPermission.FILES_WRITE), tags=["files"], status_code=204
)
async def rename(product: House, actor: Asker, record: Reached, data: JSONBody[Rename]) -> None:
    """Rename or move a file or folder; never over something."""
    await product.files.rename(actor, record, data.source, data.target)


@delete("/servers/{server:uuid}/files", opt=on_server(ServerPermission.FILES_DELETE), tags=["files"])
async def delete_file(
    product: House,
    actor: Asker,
    record: Reached,
    path: Annotated[str, QueryParameter(name="path", min_length=1, max_length=4096, description="What to delete.")],
) -> None:
    """Delete a file, or a folder with all in it."""
    await product.files.delete(actor, record, path)


@put(
    "/servers/{server:uuid}/archive",
    opt=on_server(ServerPermission.REINSTALL),
    tags=["files"],
    status_code=204,
    request_max_body_size=None,
)
async def upload_archive(
    product: House,
    actor: Asker,
    record: Reached,
    request: Request[Any, Any, Any],
    name: Annotated[
        str, QueryParameter(name="name", min_length=1, max_length=255, description="The archive's file name.")
    ],
) -> None:
    """Upload an archive that the next installation unpacks: the body as it is."""
    await product.files.receive_archive(actor, record, name, Body(request, product.files.most_bytes).parts())


HANDLERS = [list_files, read_file, write_file, make_directory, rename, delete_file, upload_archive]
