"""Backups of a server: made, listed, looked into, downloaded, put back, copied into new servers, deleted."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response, Stream
from msgspec import Meta

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.backups.model import Backup, BackupPolicy, BackupState, Cause
from innkeeper.core.files.model import FileEntry
from innkeeper.core.operations.model import Operation
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Server
from innkeeper.kit.pages import DEFAULT_PAGE, encode_cursor
from innkeeper.panel.api import PREFIX, views
from innkeeper.panel.api.paging import name_in
from innkeeper.panel.api.params import Cursor, FilePath, Limit, Line, Path, Text, Wait, Whole
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.http.transfers import attached
from innkeeper.panel.product import Product

_BINARY = "application/octet-stream"
_LOCATION = [ResponseHeader(name="Location", description="Where it can be asked for.", documentation_only=True)]
FormGiven = Annotated[
    Literal["tar.gz", "tar.zst", "zip"], QueryParameter(name="form", description="Which archive it becomes.")
]


class BackupView(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of a server, finished or on its way."""

    id: UUID
    server: UUID
    name: str
    cause: Cause
    """Who wanted it: somebody, a schedule, a restore that came after it, or a copy of the server."""
    state: BackupState
    reason: str | None
    """Why it waits or failed."""
    steps: list[str]
    fraction: float | None
    files: int | None
    bytes: int | None
    """Of all its files."""
    stored_bytes: int | None
    """What it has added to the store, compressed."""
    digest: str
    """Equal trees have equal ones."""
    locked: bool
    verified: bool | None
    """Whether it was found whole when it was looked at last; null: nobody looked."""
    verified_at: datetime | None
    verifying: bool
    problem: str
    """Why it was not found whole, or what could not be kept."""
    account: views.AccountRef | None
    created_at: datetime
    finished_at: datetime | None


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True):
    """By which rules a server's backups are made and kept. Where no rule keeps any, all are kept."""

    exclusions: Annotated[list[Line], Meta(max_length=100)] = []
    """Patterns like those of .gitignore, beside those of the package."""
    before: Text = ""
    """Lines for a running game's console, before a backup; `after` always follow."""
    after: Text = ""
    stop_first: bool = False
    """A running game is stopped for each backup, and started again."""
    keep_last: Whole | None = None
    keep_days: Whole | None = None
    keep_daily: Whole = 0
    """The newest of each of the last so many days that have one; so too weeks and months."""
    keep_weekly: Whole = 0
    keep_monthly: Whole = 0
    verify: bool = False
    """Each is verified once it is made."""


class CreateBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup to be made."""

    name: Line = ""


class RestoreBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What of a backup is to be put back."""

    paths: Annotated[list[Path], Meta(max_length=100)] | None = None
    """Only these, which is done while the game runs; null: all, for which it is stopped and started again."""
    delete_others: bool = True
    """What the backup has not is deleted; not so where paths are given."""


class NameNew(msgspec.Struct, frozen=True, kw_only=True):
    """What a new server is called."""

    name: Line


class CopiedView(msgspec.Struct, frozen=True, kw_only=True):
    """A new server, and the operation that puts the files in it once it is installed."""

    server: UUID
    name: str
    operation: views.OperationView


@get("/servers/{server:uuid}/backups", opt=on_server(ServerPermission.BACKUPS_READ), tags=["backups"])
async def list_backups(product: House, actor: Asker, record: Reached) -> views.ListView[BackupView]:
    """List a server's backups, newest first."""
    return views.ListView([_view(product, record, one) for one in await product.backups.of_server(actor, record)])


@post(
    "/servers/{server:uuid}/backups",
    opt=on_server(ServerPermission.BACKUPS_CREATE),
    tags=["backups"],
    status_code=202,
    response_headers=_LOCATION,
)
async def create_backup(
    product: House, actor: Asker, record: Reached, data: JSONBody[CreateBackup]
) -> Response[BackupView]:
    """Have a backup made, whether the game runs or not."""
    backup = await product.backups.create(actor, record, name=data.name)
    location = f"{PREFIX}/servers/{record.server.uuid}/backups/{backup.uuid}"
    return Response(_view(product, record, backup), status_code=202, headers={"Location": location})


@get("/servers/{server:uuid}/backups/policy", opt=on_server(ServerPermission.BACKUPS_READ), tags=["backups"])
async def get_backup_policy(product: House, actor: Asker, record: Reached) -> PolicyBody:
    """Show by which rules a server's backups are made and kept."""
    return _policy(await product.backups.policy(actor, record))


@put("/servers/{server:uuid}/backups/policy", opt=on_server(ServerPermission.BACKUPS_WRITE), tags=["backups"])
async def set_backup_policy(product: House, actor: Asker, record: Reached, data: JSONBody[PolicyBody]) -> PolicyBody:
    """Set the rules for a server's backups; those that none keeps are deleted. Needs `backups.delete`, too."""
    wanted = BackupPolicy(
        server_id=record.server.id,
        exclusions=tuple(data.exclusions),
        before=data.before,
        after=data.after,
        stop_first=data.stop_first,
        keep_last=data.keep_last,
        keep_days=data.keep_days,
        keep_daily=data.keep_daily,
        keep_weekly=data.keep_weekly,
        keep_monthly=data.keep_monthly,
        verify=data.verify,
    )
    return _policy(await product.backups.set_policy(actor, record, wanted))


@get("/servers/{server:uuid}/backups/{backup:uuid}", opt=on_server(ServerPermission.BACKUPS_READ), tags=["backups"])
async def get_backup(product: House, actor: Asker, record: Reached, backup: FromPath[UUID]) -> BackupView:
    """Show a backup."""
    return _view(product, record, await product.backups.get(actor, record, backup))


@delete(
    "/servers/{server:uuid}/backups/{backup:uuid}", opt=on_server(ServerPermission.BACKUPS_DELETE), tags=["backups"]
)
async def delete_backup(product: House, actor: Asker, record: Reached, backup: FromPath[UUID]) -> None:
    """Delete a backup; one that is being made is given up."""
    await product.backups.delete(actor, record, await _found(product, record, backup))


@post(
    "/servers/{server:uuid}/backups/{backup:uuid}/lock",
    opt=on_server(ServerPermission.BACKUPS_WRITE),
    tags=["backups"],
    status_code=200,
)
async def lock_backup(product: House, actor: Asker, record: Reached, backup: FromPath[UUID]) -> BackupView:
    """Keep a backup whatever the rules say, until it is unlocked."""
    return _view(product, record, await product.backups.lock(actor, record, await _found(product, record, backup)))


@post(
    "/servers/{server:uuid}/backups/{backup:uuid}/unlock",
    opt=on_server(ServerPermission.BACKUPS_WRITE),
    tags=["backups"],
    status_code=200,
)
async def unlock_backup(product: House, actor: Asker, record: Reached, backup: FromPath[UUID]) -> BackupView:
    """Leave a backup to the rules again."""
    return _view(product, record, await product.backups.unlock(actor, record, await _found(product, record, backup)))


@post(
    "/servers/{server:uuid}/backups/{backup:uuid}/verify",
    opt=on_server(ServerPermission.BACKUPS_WRITE),
    tags=["backups"],
    status_code=202,
)
async def verify_backup(product: House, actor: Asker, record: Reached, backup: FromPath[UUID]) -> BackupView:
    """Have a backup read whole, restored into scratch and compared; the backup says what came of it."""
    return _view(product, record, await product.verifying.verify(actor, record, await _found(product, record, backup)))


@get(
    "/servers/{server:uuid}/backups/{backup:uuid}/files",
    opt=on_server(ServerPermission.BACKUPS_READ),
    tags=["backups"],
)
async def list_backup_files(
    product: House,
    actor: Asker,
    record: Reached,
    backup: FromPath[UUID],
    path: FilePath = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> views.ListView[FileEntry]:
    """List a folder of a backup, by name."""
    found = await _found(product, record, backup)
    entries, more = await product.backups.files(actor, record, found, path, after=name_in(cursor), limit=limit)
    return views.ListView(entries, encode_cursor(entries[-1].name) if more and entries else None)


@get(
    "/servers/{server:uuid}/backups/{backup:uuid}/content",
    opt=on_server(ServerPermission.BACKUPS_READ),
    tags=["backups"],
    media_type=_BINARY,
)
async def download_backup(
    product: House,
    actor: Asker,
    record: Reached,
    backup: FromPath[UUID],
    form: FormGiven = "tar.gz",
    path: FilePath = "",
) -> Stream:
    """Download a backup, or what is below a path in it, as an archive that is made as it is sent."""
    found = await _found(product, record, backup)
    parts = await product.backups.download(actor, record, found, form, path)
    name = f"{record.server.name}-{found.created_at:%Y-%m-%d-%H%M}.{form}"
    return Stream(_closed(parts), media_type=_BINARY, headers=attached(name))


@post(
    "/servers/{server:uuid}/backups/{backup:uuid}/restore",
    opt=on_server(ServerPermission.BACKUPS_RESTORE),
    tags=["backups"],
    status_code=202,
    response_headers=_LOCATION,
)
async def restore_backup(
    product: House,
    actor: Asker,
    record: Reached,
    backup: FromPath[UUID],
    data: JSONBody[RestoreBackup],
    wait: Wait = None,
) -> Response[views.OperationView]:
    """Put a backup in the place of the server's files; what there was is kept as a backup of its own."""
    found = await _found(product, record, backup)
    paths = tuple(data.paths) if data.paths is not None else None
    operation = await product.backups.restore(actor, record, found, paths=paths, delete_others=data.delete_others)
    if wait:
        operation = await product.operations.wait(operation.uuid, timedelta(seconds=wait))
    location = f"{PREFIX}/operations/{operation.uuid}"
    return Response(views.operation(product, operation), status_code=202, headers={"Location": location})


@post(
    "/servers/{server:uuid}/backups/{backup:uuid}/server",
    opt=on_server(ServerPermission.BACKUPS_RESTORE),
    tags=["backups"],
    status_code=202,
    response_headers=_LOCATION,
)
async def restore_into_new(
    product: House, actor: Asker, record: Reached, backup: FromPath[UUID], data: JSONBody[NameNew]
) -> Response[CopiedView]:
    """Make a new server like this one, with the files of a backup. Needs `servers.create`, too."""
    found = await _found(product, record, backup)
    return _copied(product, *await product.backups.restore_into_new(actor, record, found, data.name))


@post(
    "/servers/{server:uuid}/clone",
    opt=on_server(ServerPermission.BACKUPS_RESTORE),
    tags=["backups"],
    status_code=202,
    response_headers=_LOCATION,
)
async def clone_server(product: House, actor: Asker, record: Reached, data: JSONBody[NameNew]) -> Response[CopiedView]:
    """Make a new server like this one, with its files as they are now. Needs `backups.create` and `servers.create`."""
    return _copied(product, *await product.backups.clone(actor, record, data.name))


async def _found(product: Product, record: Record, backup: UUID) -> Backup:
    """Return the backup that a route's path names; the route's own permission was checked at the door."""
    return await product.backups.named(record, backup)


async def _closed(parts: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        async for part in parts:
            yield part


def _copied(product: Product, server: Server, operation: Operation) -> Response[CopiedView]:
    view = CopiedView(server=server.uuid, name=server.name, operation=views.operation(product, operation))
    return Response(view, status_code=202, headers={"Location": f"{PREFIX}/servers/{server.uuid}"})


def _policy(policy: BackupPolicy) -> PolicyBody:
    return PolicyBody(
        exclusions=list(policy.exclusions),
        before=policy.before,
        after=policy.after,
        stop_first=policy.stop_first,
        keep_last=policy.keep_last,
        keep_days=policy.keep_days,
        keep_daily=policy.keep_daily,
        keep_weekly=policy.keep_weekly,
        keep_monthly=policy.keep_monthly,
        verify=policy.verify,
    )


def _view(product: Product, record: Record, backup: Backup) -> BackupView:
    return BackupView(
        id=backup.uuid,
        server=record.server.uuid,
        name=backup.name,
        cause=backup.cause,
        state=backup.state,
        reason=backup.reason,
        steps=list(backup.steps),
        fraction=backup.fraction,
        files=backup.files,
        bytes=backup.bytes,
        stored_bytes=backup.stored_bytes,
        digest=backup.digest,
        locked=backup.locked,
        verified=backup.verified,
        verified_at=backup.verified_at,
        verifying=backup.job_verb == "verify",
        problem=backup.problem,
        account=views.account_ref(product, backup.account_id) if backup.account_id is not None else None,
        created_at=backup.created_at,
        finished_at=backup.finished_at,
    )


HANDLERS = [
    list_backups,
    create_backup,
    get_backup_policy,
    set_backup_policy,
    get_backup,
    delete_backup,
    lock_backup,
    unlock_backup,
    verify_backup,
    list_backup_files,
    download_backup,
    restore_backup,
    restore_into_new,
    clone_server,
]
