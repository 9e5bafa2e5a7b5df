"""Config files as typed options.

The file is the truth: what it says of the server's properties is taken over whenever it is seen to have changed, be it
through here, through the files, by hand or by the game. A game that runs reads it at its next start.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.model import ConfigFile, ConfigOption, ConfigValue, runtimes_of
from innkeeper.core.catalog.options import (
    Described,
    DoesNotFit,
    checked,
    described,
    guessed,
    same,
    shown,
    values_of,
)
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.errors import CoreError
from innkeeper.core.files.errors import NoSuchConfigFile, OptionIsInvalid, OptionIsUnknown
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerIsSuspended
from innkeeper.core.servers.model import Server
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.servers.service import ServerService
from innkeeper.core.work import Works
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

Values = Mapping[str, ConfigValue]


class OptionValue(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a config file as it stands."""

    key: str
    label: str
    description: str
    type: str
    """string, integer, float, boolean, select or multiselect; `value` is of that type."""
    value: ConfigValue
    choices: tuple[str, ...] | None
    """Of a select what it may be, of a multiselect what is offered; None otherwise."""


class ConfigService:
    """The config files of servers, for those who may."""

    def __init__(
        self,
        *,
        works: Works,
        gateway: NodeGateway,
        directory: ServerDirectory,
        servers: ServerService,
        catalog: Catalog,
        activity: ActivityService,
        reconciler: Reconciler,
    ) -> None:
        self._works = works
        self._gateway = gateway
        self._directory = directory
        self._servers = servers
        self._catalog = catalog
        self._activity = activity
        self._reconciler = reconciler

    def is_config(self, record: Record, path: str) -> bool:
        """Return whether the game's package describes a config file at `path`, be there a file or not."""
        return self._catalog.config_file(record.server, path) is not None

    async def options(self, actor: Actor, record: Record, path: str) -> list[OptionValue]:
        """Return what a config file says: described options in the package's order, then the others in the file's.

        Needs `files.read`. Raises NoSuchConfigFile, FileNotFound, ConfigIsUnreadable.
        """
        self._reach(actor, record, ServerPermission.FILES_READ)
        file = self._file(record, path)
        found = await self._gateway.read_config(record.server, file.path, file.format)
        server = self._directory.get(record.server.id).server
        if self._catalog.properties_in(server, file, found):
            await self.follow(record, file.path)
            server = self._directory.get(record.server.id).server
        return self._shown(server, file, found)

    async def set(self, actor: Actor, record: Record, path: str, values: Mapping[str, Any]) -> list[OptionValue]:
        """Set options, all or none, and return what the file says then; needs `files.write`.

        `values` may be texts ("30" for an integer). Raises OptionIsUnknown, OptionIsInvalid (data: key, reason), and
        as `options` does.
        """
        self._reach(actor, record, ServerPermission.FILES_WRITE)
        file = self._file(record, path)
        async with self._servers.hold(record) as now:
            server = now.server
            found = await self._gateway.read_config(server, file.path, file.format)
            writes = self._checked(server, file, found, values)
            if writes:
                changes = msgspec.structs.replace(file, values=writes, initial={})
                await self._gateway.write_config(server, changes)
                found = await self._gateway.read_config(server, file.path, file.format)
                async with self._works() as work:
                    data = {"path": file.path, "keys": sorted(writes)}
                    await self._activity.note(work, actor, "config.changed", server_id=server.id, data=data)
            server = await self._take_over(server, file, found)
        await self._tell_if_newer(now.server, server)
        return self._shown(server, file, found)

    async def follow(self, record: Record, path: str) -> None:
        """Take over what a config file says of properties that are kept there; for a file that was changed otherwise.

        Nothing is refused here: what cannot be read now is seen when it is looked at next.
        """
        file = self._catalog.config_file(record.server, path)
        if file is None or not any(known.property for known in self._described(record.server, file).values()):
            return
        try:
            async with self._servers.hold(record) as now:
                found = await self._gateway.read_config(now.server, file.path, file.format)
                server = await self._take_over(now.server, file, found)
            await self._tell_if_newer(now.server, server)
        except CoreError as error:
            log.warning("config.not_followed", server=str(record.server.uuid), path=file.path, error=str(error))

    async def _take_over(self, server: Server, file: ConfigFile, found: Values) -> Server:
        """Keep what the file says of the server's properties; the caller holds the server."""
        differing = self._catalog.properties_in(server, file, found)
        if not differing:
            return server
        changed = msgspec.structs.replace(
            server, generation=server.generation + 1, properties={**server.properties, **differing}
        )
        async with self._works() as work:
            await work.servers.update(changed)
            work.changed("server", server.id, changed)
            data = {"path": file.path, "properties": sorted(differing)}
            await self._activity.note(work, None, "server.followed_file", server_id=server.id, data=data)
        return changed

    async def _tell_if_newer(self, before: Server, after: Server) -> None:
        if after.generation != before.generation:
            await self._reconciler.tell(after.id)

    def _checked(
        self, server: Server, file: ConfigFile, found: Values, values: Mapping[str, Any]
    ) -> dict[str, ConfigValue]:
        """Return what must be written; raise OptionIsUnknown, OptionIsInvalid."""
        known = self._described(server, file)
        writes: dict[str, ConfigValue] = {}
        for key, given in values.items():
            if key not in known and key not in found:
                raise OptionIsUnknown(f"{file.path} has no option {key[:100]!r}.", key=key[:100])
            one = known[key] if key in known else guessed(file, key, found[key])
            try:
                value = checked(one, given)
            except DoesNotFit as error:
                raise _invalid(key, str(error)) from error
            if same(value, found, key, one.option.type):
                continue
            if one.forced or (one.property is not None and one.property.at == "creation"):
                raise _invalid(key, "is set by the house" if one.forced else "cannot be changed later")
            writes[key] = value
        return writes

    def _shown(self, server: Server, file: ConfigFile, found: Values) -> list[OptionValue]:
        known = self._described(server, file)
        options: list[OptionValue] = []
        for key, one in known.items():
            if key in found:
                options.append(_value(*shown(one, found[key], file)))
            elif one.property is not None and one.property.name in server.properties:
                options.append(_value(*shown(one, server.properties[one.property.name], file)))
        rest = ((key, value) for key, value in found.items() if key not in known)
        return options + [_value(*shown(guessed(file, key, value), value, file)) for key, value in rest]

    def _described(self, server: Server, file: ConfigFile) -> dict[str, Described]:
        return described(self._catalog.get(server.package), file, runtimes_of(server))

    def _file(self, record: Record, path: str) -> ConfigFile:
        file = self._catalog.config_file(record.server, path)
        if file is None:
            raise NoSuchConfigFile(path=path)
        return file

    def _reach(self, actor: Actor, record: Record, permission: ServerPermission) -> None:
        self._directory.reach(actor, record, permission)
        if record.server.suspended and ServerPermission.SUSPEND not in actor.everywhere:
            raise ServerIsSuspended


def _value(option: ConfigOption, held: ConfigValue) -> OptionValue:
    return OptionValue(
        key=option.key,
        label=option.label,
        description=option.description,
        type=option.type,
        value=held,
        choices=values_of(option, held),
    )


def _invalid(key: str, reason: str) -> OptionIsInvalid:
    return OptionIsInvalid(f"{key} {reason}.", key=key, reason=reason)
