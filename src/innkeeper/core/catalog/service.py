"""The catalogue: which games there are, what a server of one needs, and whether given values fit.

Knows package files only; installing and running are the nodes'.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from innkeeper.core.catalog.blueprints import draw
from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchRuntime, NoSuchVersion, PackageIsBroken
from innkeeper.core.catalog.java import java_of
from innkeeper.core.catalog.model import (
    Blueprint,
    ConfigFile,
    ConfigValue,
    Package,
    PlayerList,
    Property,
    Runtime,
    runtimes_of,
)
from innkeeper.core.catalog.options import matches, plain_path, read_as
from innkeeper.core.catalog.placeholders import as_text
from innkeeper.core.catalog.values import check_value, must_be
from innkeeper.core.servers.errors import PropertyIsInvalid, PropertyIsUnknown
from innkeeper.core.servers.model import PropertyValue, Release, Server


class Catalog:
    """The packages of this installation, by name."""

    def __init__(self, packages: Iterable[Package]) -> None:
        self._packages = {package.name: package for package in packages}

    def all(self) -> list[Package]:
        """Return every package, by name."""
        return sorted(self._packages.values(), key=lambda package: package.name)

    def get(self, name: str) -> Package:
        """Return the package of that name; raise NoSuchPackage."""
        try:
            return self._packages[name]
        except KeyError:
            raise NoSuchPackage(f"The catalogue has no package {name!r}.", package=name) from None

    def choose(self, package: Package, runtime_name: str | None, version: str | None) -> tuple[Runtime, str]:
        """Return the runtime and the concrete version asked for, the defaults where None; aliases are resolved.

        Raises NoSuchRuntime and NoSuchVersion.
        """
        runtime = self.runtime(package, runtime_name)
        if not runtime.versions:
            if version:
                raise NoSuchVersion(f"{runtime.name} has no versions to choose from.", version=version)
            return runtime, ""
        wanted = version or runtime.aliases.get("recommended") or runtime.versions[0]
        resolved = runtime.aliases.get(wanted, wanted)
        if resolved not in runtime.versions:
            raise NoSuchVersion(
                f"{runtime.name} has no version {wanted!r}.", version=wanted, versions=list(runtime.versions)
            )
        return runtime, resolved

    def runtime(self, package: Package, name: str | None) -> Runtime:
        """Return a package's runtime, its default one for None; raise NoSuchRuntime."""
        if name is None:
            own = [item for item in package.runtimes if not item.addon]
            return next((item for item in own if item.default), own[0])
        found = next((item for item in package.runtimes if item.name == name), None)
        if found is None:
            raise NoSuchRuntime(f"{package.name} has no runtime {name!r}.", runtime=name)
        return found

    def check_properties(
        self,
        package: Package,
        given: Mapping[str, Any],
        *,
        current: Mapping[str, PropertyValue] | None,
        runtimes: Collection[str] | None = None,
    ) -> dict[str, PropertyValue]:
        """Return all properties of a server: `given` (names in any case) over `current` over the defaults.

        `current` is None for a server being made. `runtimes` names what it consists of, addons too (None: what the
        package runs by default): only their properties count. One of other runtimes alone is no fault when a server is
        made, for who reads a package's properties sees them all; it is left out. Raises PropertyIsUnknown and
        PropertyIsInvalid, naming the property.
        """
        chosen = runtimes if runtimes is not None else (self.runtime(package, None).name,)
        values: dict[str, PropertyValue] = dict(current or {})
        for name, value in given.items():
            item = package.property_named(name, chosen)
            if item is None:
                known = package.property_named(name) is not None
                if known and current is None:
                    continue
                others = " with " + " and ".join(sorted(chosen)) if known else ""
                raise PropertyIsUnknown(f"{package.name} has no property {name!r}{others}.", property=name)
            checked = check_value(item, value)
            if current is not None and item.at == "creation" and checked != current.get(item.name):
                raise PropertyIsInvalid(f"{item.name} cannot be changed later.", property=item.name)
            values[item.name] = checked
        for item in package.properties_of(chosen):
            if item.name not in values and item.default is not None:
                values[item.name] = item.default
            if item.required and values.get(item.name) in (None, ""):
                raise must_be(item) if item.must_be is not None else _required(item)
        return values

    def blueprint(self, server: Server) -> Blueprint:
        """Return what the node must know of the package to keep `server`; raise PackageIsBroken, NoSuchPackage."""
        package = self.get(server.package)
        try:
            runtime, addons = (
                self.runtime(package, server.runtime),
                [self.runtime(package, one) for one in server.addons],
            )
        except NoSuchRuntime as error:
            raise PackageIsBroken(error.message, package=package.name) from error
        return draw(package, runtime, addons, server)

    def java(
        self, package: Package, release: Release | None, version: str, *, runtime: Runtime | None = None
    ) -> int | None:
        """Return the Java major that a version needs, None where it needs none: as its vendor says, else its package.

        Without a release nothing is known but for a `runtime` that requires Java.
        """
        return java_of(package, runtime, release, version)

    def config_changes(self, server: Server, before: Mapping[str, PropertyValue]) -> list[ConfigFile]:
        """Return what must be set in the game's files for the properties of `server` that were otherwise `before`."""
        package = self.get(server.package)
        files: dict[str, dict[str, ConfigValue]] = {}
        for item in package.properties_of(runtimes_of(server)):
            if item.writes is not None and server.properties.get(item.name) != before.get(item.name):
                files.setdefault(item.writes.file, {})[item.writes.key] = server.properties.get(item.name, "")
        return [
            msgspec.structs.replace(file, values=files[file.path], initial={}, options=())
            for file in package.config_files
            if file.path in files
        ]

    def config_file(self, server: Server, path: str) -> ConfigFile | None:
        """Return what the package says of the config file at `path` (in it: the plain path), None where it is none.

        A file that is described by its name comes before one that a pattern fits; player lists are never config files.
        """
        package = self._packages.get(server.package)
        plain = plain_path(path)
        if package is None or not plain or any(listed.path == plain for listed in package.player_lists):
            return None
        named = next((file for file in package.config_files if file.path == plain), None)
        found = named or next((file for file in package.config_files if matches(file.path, plain)), None)
        return msgspec.structs.replace(found, path=plain) if found is not None else None

    def properties_in(self, server: Server, file: ConfigFile, values: Mapping[str, ConfigValue]) -> dict[str, Any]:
        """Return the properties of `server` of which a config file says otherwise, as it says.

        What the file has no key for, or no value that the property may have, is left out.
        """
        found: dict[str, PropertyValue] = {}
        for item in self.get(server.package).properties_of(runtimes_of(server)):
            if item.writes is None or item.writes.file != file.path or item.at == "creation":
                continue
            value = read_as(item, values.get(item.writes.key))
            if value is not None and value != server.properties.get(item.name) and not (item.required and value == ""):
                found[item.name] = value
        return found

    def player_lists(self, server: Server) -> tuple[PlayerList, ...]:
        """Return the player lists of a server's game; none where the catalogue has it no more."""
        package = self._packages.get(server.package)
        return package.player_lists if package is not None else ()

    def verifies_accounts(self, server: Server) -> bool:
        """Return whether the server asks who its players are, as far as its package says."""
        package = self._packages.get(server.package)
        notion = package.verified_property if package is not None else None
        return notion is not None and server.properties.get(notion) is True

    def log_file(self, server: Server) -> str:
        """Return where below the server's folder its game writes a log, empty where nobody knows of one."""
        package = self._packages.get(server.package)
        return package.log_file if package is not None else ""

    def software(self, server: Server) -> str:
        """Return the title of what runs the server; the runtime's bare name where the catalogue has it no more."""
        package = self._packages.get(server.package)
        runtimes = package.runtimes if package is not None else ()
        found = next((runtime for runtime in runtimes if runtime.name == server.runtime), None)
        return (found.title if found is not None else "") or server.runtime

    def motd(self, server: Server) -> str:
        """Return what the server says of itself: its package's property for that, else its description."""
        package = self._packages.get(server.package)
        if package is None or package.motd_property is None:
            return server.description
        return as_text(server.properties.get(package.motd_property))

    def max_players(self, server: Server) -> int:
        """Return how many may play at once, 0 where the package does not say."""
        package = self._packages.get(server.package)
        value = (
            server.properties.get(package.max_players_property) if package and package.max_players_property else None
        )
        return value if isinstance(value, int) else 0


def _required(item: Property) -> PropertyIsInvalid:
    return PropertyIsInvalid(f"{item.name} is required.", property=item.name)
