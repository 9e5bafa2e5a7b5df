"""The catalogue: which games there are, what a server of one needs, and whether given values fit.

Knows package files only; installing and running are the nodes'.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchRuntime, NoSuchVersion, PackageIsBroken
from innkeeper.core.catalog.model import (
    Blueprint,
    ConfigFile,
    ConfigValue,
    Console,
    Package,
    PlayerList,
    Runtime,
    Start,
    Stop,
    Tick,
)
from innkeeper.core.catalog.options import is_pattern, matches, plain_path, read_as
from innkeeper.core.catalog.placeholders import (
    UnknownPlaceholder,
    as_text,
    fill,
    fill_wholly,
    literal,
    literal_but_for_node_names,
)
from innkeeper.core.catalog.values import check_value
from innkeeper.core.servers.errors import PropertyIsInvalid, PropertyIsUnknown
from innkeeper.core.servers.model import PropertyValue, Server

_NUMBER_FOLLOWS = r"[\s:=]{0,8}(?P<ms>[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_WHOLE_PROPERTY = re.compile(r"\{properties\.([^{}]+)\}")


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
            return next((item for item in package.runtimes if item.default), package.runtimes[0])
        found = next((item for item in package.runtimes if item.name == name), None)
        if found is None:
            raise NoSuchRuntime(f"{package.name} has no runtime {name!r}.", runtime=name)
        return found

    def check_properties(
        self, package: Package, given: Mapping[str, Any], *, current: Mapping[str, PropertyValue] | None
    ) -> dict[str, PropertyValue]:
        """Return all properties of a server: `given` (names in any case) over `current` over the defaults.

        `current` is None for a server being made. Raises PropertyIsUnknown and PropertyIsInvalid, naming the property.
        """
        values: dict[str, PropertyValue] = dict(current or {})
        for name, value in given.items():
            item = package.property_named(name)
            if item is None:
                raise PropertyIsUnknown(f"{package.name} has no property {name!r}.", property=name)
            checked = check_value(item, value)
            if current is not None and item.at == "creation" and checked != current.get(item.name):
                raise PropertyIsInvalid(f"{item.name} cannot be changed later.", property=item.name)
            values[item.name] = checked
        for item in package.properties:
            if item.name not in values and item.default is not None:
                values[item.name] = item.default
            if item.required and values.get(item.name) in (None, ""):
                raise PropertyIsInvalid(f"{item.name} is required.", property=item.name)
        return values

    def blueprint(self, server: Server) -> Blueprint:
        """Return what the node must know of the package to keep `server`; raise PackageIsBroken, NoSuchPackage."""
        package = self.get(server.package)
        runtime = self.runtime(package, server.runtime)
        start = runtime.start or package.start
        stop = runtime.stop or package.stop
        console = runtime.console or package.console
        query = runtime.query or package.query
        known = {"version": server.version}
        known |= {f"properties.{item.name}": as_text(server.properties.get(item.name)) for item in package.properties}
        try:
            return Blueprint(
                install=[
                    _filled(step, known)
                    for step in (runtime.install if runtime.install is not None else package.install)
                    if not step.get("unless_empty") or known.get(f"properties.{step['unless_empty']}")
                ],
                argv=_command(package, start, server, known),
                environment={name: fill(value, known) for name, value in start.environment.items()},
                start=_struct(start, known, Start),
                stop=_struct(stop, known, Stop),
                console=_console(console, known),
                query=query.protocol if query else None,
                tick=_tick(runtime.tick or package.tick, known),
                management=(runtime.management or package.management) is not None,
                config=_config(package, server, known),
            )
        except (UnknownPlaceholder, msgspec.ValidationError) as error:
            raise PackageIsBroken(f"Package {package.name} cannot be used: {error}.", package=package.name) from error

    def config_changes(self, server: Server, before: Mapping[str, PropertyValue]) -> list[ConfigFile]:
        """Return what must be set in the game's files for the properties of `server` that were otherwise `before`."""
        package = self.get(server.package)
        files: dict[str, dict[str, ConfigValue]] = {}
        for item in package.properties:
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
        for item in self.get(server.package).properties:
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


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """Fill placeholders in a step's short texts; side files (`files`, `manifest`, `lock`) are taken as they stand."""
    if isinstance(value, str):
        return fill_wholly(value, known)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "unless_empty"}
        return {
            key: item if key in ("files", "manifest", "lock") else _filled(item, known) for key, item in kept.items()
        }
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    return value


def _command(package: Package, start: Start, server: Server, known: Mapping[str, str]) -> list[str]:
    argv: list[str] = []
    for word in start.command:
        whole = _WHOLE_PROPERTY.fullmatch(word)
        item = package.property_named(whole.group(1)) if whole else None
        if item is not None and item.type == "command":
            # A user may use what every node fills in a command of his own; any other brace is just a brace.
            argv += [
                literal_but_for_node_names(part) for part in shlex.split(as_text(server.properties.get(item.name)))
            ]
        else:
            argv.append(fill(word, known))
    return argv


def _struct(value: Any, known: Mapping[str, str], kind: Any) -> Any:
    """Fill the plain texts of a Start or Stop (command and environment of a start are filled on their own)."""
    table = msgspec.to_builtins(value)
    for key, item in table.items():
        if isinstance(item, str):
            table[key] = fill_wholly(item, known)
    return msgspec.convert(table, kind, strict=False)


def _console(console: Console, known: Mapping[str, str]) -> Console:
    if console.announce:
        announce = fill_wholly(console.announce, {**known, "text": "{text}"})
        console = msgspec.structs.replace(console, announce=announce)
    if not console.ready_text:
        return console
    text = fill_wholly(console.ready_text, known)
    return msgspec.structs.replace(console, ready=re.escape(text) if text else console.ready, ready_text=None)


def _tick(tick: Tick | None, known: Mapping[str, str]) -> Tick | None:
    """Return how the tick time is asked for, None where the texts that say it are empty."""
    if tick is None or not tick.text:
        return tick
    command, text = fill_wholly(tick.command, known), fill_wholly(tick.text, known)
    if not command or not text:
        return None
    return Tick(command=command, pattern=re.escape(text) + _NUMBER_FOLLOWS)


def _config(package: Package, server: Server, known: Mapping[str, str]) -> list[ConfigFile]:
    """Return the config files to be written: what the package says, and the properties that are kept in them."""
    files = {file.path: file for file in package.config_files}
    for item in package.properties:
        if item.writes is not None and item.name in server.properties:
            file = files[item.writes.file]
            given = server.properties[item.name]
            value = literal(given) if isinstance(given, str) else given
            files[file.path] = msgspec.structs.replace(file, initial={item.writes.key: value, **file.initial})
    return [
        msgspec.structs.replace(
            file,
            values={k: fill(v, known) if isinstance(v, str) else v for k, v in file.values.items()},
            options=(),
        )
        for file in files.values()
        if not is_pattern(file.path) and (file.values or file.initial)
    ]
