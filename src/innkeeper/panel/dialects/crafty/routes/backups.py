"""Crafty's routes of backups.

A backup is restored in place: the original makes another server of it and removes the old one.
"""

from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.access.model import Actor
from innkeeper.core.backups.errors import NoSuchBackup
from innkeeper.core.backups.model import Backup
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.backup_views import changed, id_of, rules
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import bare, done
from innkeeper.panel.dialects.crafty.routes.files import within
from innkeeper.panel.dialects.crafty.server_schemas import BACKUP_FILE, BACKUP_PATCH, BACKUP_PATCH_BASIC
from innkeeper.panel.dialects.crafty.server_views import Shown
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.product import Product


class BackupRoutes(Controller):
    """Backups."""

    path = "/servers/{server:str}/backups"

    @get(["/", "/backup"], opt=on_server(ServerBit.BACKUP))
    async def get_rules(self, actor: Asker, record: Reached, product: House, views: Shown) -> Response[bytes]:
        """Return how backups are made, bare as the original does, and which there are."""
        policy = await product.backups.policy(actor, record)
        found = await product.backups.of_server(actor, record)
        return bare(rules(policy, views.backup_path(record.server), found))

    @patch("/", opt=on_server(ServerBit.BACKUP))
    async def change_rules(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Change how backups are made."""
        body = await read(request, BACKUP_PATCH if actor.is_superuser else BACKUP_PATCH_BASIC)
        policy = await product.backups.policy(actor, record)
        folder = views.folder(record.server)
        # A path of the server's folder means itself; anything else is a pattern of ours.
        exclusions = tuple(
            f"/{within(views, record, one)}" if folder and one.startswith(folder) else one
            for one in body.get("exclusions", ())
        )
        wanted = changed(policy, views.backup_path(record.server), body, exclusions)
        await product.backups.set_policy(actor, record, wanted)
        return done()

    @post("/backup", status_code=200, opt=on_server(ServerBit.BACKUP))
    async def restore(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Restore the backup of that name, in place."""
        name = (await read(request, BACKUP_FILE))["filename"]
        try:
            backup = await _found(product, actor, record, name)
        except NoSuchBackup as error:
            raise Refused(error=f"NO BACKUP FOUND {name}") from error
        await product.backups.restore(actor, record, backup)
        return done()

    @delete("/backup", status_code=200, opt=on_server(ServerBit.BACKUP))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Delete the backup of that name; one that is not there is deleted already."""
        name = (await read(request, BACKUP_FILE))["filename"]
        try:
            await product.backups.delete(actor, record, await _found(product, actor, record, name))
        except NoSuchBackup:
            return done()
        return done()


async def _found(product: Product, actor: Actor, record: Record, name: str) -> Backup:
    which = id_of(name)
    if which is None:
        raise NoSuchBackup
    return await product.backups.get(actor, record, which)


ROUTES: tuple[type[Controller], ...] = (BackupRoutes,)
