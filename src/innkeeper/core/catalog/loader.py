"""Read package files: TOML and the texts beside it, checked whole before anything uses them.

Refuses to know what an install step does: a step is a table whose side files are loaded into it.
"""

import re
import signal
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.model import READY_PROOFS, ConfigFile, Package, Runtime, Start, Tick
from innkeeper.core.catalog.options import is_pattern, plain_path
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.values import check_value
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.model import Server

SHIPPED = Path(__file__).parent / "shipped"
_MAX_TEXT = 4 * 1024 * 1024


def load_packages(folder: Path) -> list[Package]:
    """Return the packages in `folder` (one folder each, holding package.toml), by name; raise PackageIsBroken."""
    return [load_package(path.parent) for path in sorted(folder.glob("*/package.toml"))]


def load_package(folder: Path) -> Package:
    """Return the package described in `folder`; raise PackageIsBroken with the file and the reason."""
    file = folder / "package.toml"
    try:
        table = tomllib.loads(file.read_text())
        for step in _steps(table):
            _load_texts(step, folder)
        for item in [*table.get("properties", []), *_options(table)]:
            item["choices"] = [
                {"value": choice, "label": choice} if isinstance(choice, str) else choice
                for choice in item.get("choices", [])
            ]
        package = msgspec.convert(table, Package)
        _check(package, folder.name)
    except (OSError, ValueError, re.error, CoreError) as error:
        raise PackageIsBroken(f"{file.name} of {folder.name}: {error}", package=folder.name) from error
    except (TypeError, AttributeError) as error:  # a table where a list belongs, or the like, met before it is checked
        raise PackageIsBroken(f"{file.name} of {folder.name}: {error}", package=folder.name) from error
    return package


def _options(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [option for file in table.get("config_files", []) for option in file.get("options", [])]


def _steps(table: dict[str, Any]) -> list[dict[str, Any]]:
    steps = list(table.get("install", []))
    for runtime in table.get("runtimes", []):
        steps.extend(runtime.get("install", []))
    return steps


def _load_texts(step: dict[str, Any], folder: Path) -> None:
    """Put the texts that a step names beside the package file into the step itself."""
    for key in [name for name in step if name.endswith("_file")]:
        step[key.removesuffix("_file")] = _text(folder, step.pop(key))
    if "files" in step:
        step["files"] = {target: _text(folder, source) for target, source in step["files"].items()}


def _text(folder: Path, name: str) -> str:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name} lies outside the package")
    if path.stat().st_size > _MAX_TEXT:
        raise ValueError(f"{name} is too large")
    return path.read_text()


def _check(package: Package, folder_name: str) -> None:
    if package.name != folder_name:
        raise ValueError(f"the package is called {package.name}, its folder {folder_name}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", package.name):
        raise ValueError("a package's name has lower-case letters, digits and dashes")
    if not package.runtimes:
        raise ValueError("there is no runtime")
    if len({runtime.name for runtime in package.runtimes}) != len(package.runtimes):
        raise ValueError("a runtime is described twice")
    _check_properties(package)
    for file in package.config_files:
        _check_config_file(file)
    _check_player_lists(package)
    for port in package.ports:
        if not 1 <= port.default <= 65535:
            raise ValueError(f"{port.default} is no port")
    for runtime in package.runtimes:
        _check_runtime(package, runtime)


def _check_properties(package: Package) -> None:
    if len({item.name.lower() for item in package.properties}) != len(package.properties):
        raise ValueError("a property is described twice")
    for notion in (package.motd_property, package.max_players_property, package.verified_property):
        if notion is not None and package.property_named(notion) is None:
            raise ValueError(f"there is no property {notion}")
    kept_in = {file.path for file in package.config_files if not is_pattern(file.path)}
    for item in package.properties:
        if item.type == "select" and not item.choices:
            raise ValueError(f"property {item.name} has no choices")
        if item.default not in (None, ""):
            check_value(item, item.default)
        if item.writes is not None and item.writes.file not in kept_in:
            raise ValueError(f"property {item.name} is kept in {item.writes.file}, which is no config file")


def _check_config_file(file: ConfigFile) -> None:
    if not file.path or plain_path(file.path) != file.path or file.path.endswith("**"):
        raise ValueError(f"{file.path!r} is no path of a config file below the server's folder")
    if any("**" in part and part != "**" for part in file.path.split("/")):
        raise ValueError(f"{file.path}: ** stands for whole folders")
    if not file.format:
        raise ValueError(f"config file {file.path} has no format")
    if is_pattern(file.path) and (file.values or file.initial):
        raise ValueError(f"{file.path} stands for any number of files: nothing can be written there")
    if len({option.key for option in file.options}) != len(file.options):
        raise ValueError(f"an option of {file.path} is described twice")
    for option in file.options:
        if not option.key:
            raise ValueError(f"an option of {file.path} has no key")
        if option.type == "select" and not option.choices:
            raise ValueError(f"option {option.key} of {file.path} has no choices")
        if option.choices and option.type not in ("select", "multiselect"):
            raise ValueError(f"option {option.key} of {file.path} has choices and is none")


def _check_player_lists(package: Package) -> None:
    if len({listed.name for listed in package.player_lists}) != len(package.player_lists):
        raise ValueError("a player list is described twice")
    for listed in package.player_lists:
        if not listed.path or plain_path(listed.path) != listed.path or is_pattern(listed.path):
            raise ValueError(f"{listed.path!r} is no path of a player list below the server's folder")
        if not listed.format or not listed.key:
            raise ValueError(f"player list {listed.name} has no format or no key")
        if {listed.key, "uuid"} & set(listed.fields):
            raise ValueError(f"player list {listed.name} has a field that is an entry's own")
        if re.compile(listed.pattern).fullmatch("a\n"):
            raise ValueError(f"player list {listed.name} lets an entry have more than one line")
        for command in (listed.add, listed.remove):
            if command and command.count("{entry}") != 1:
                raise ValueError(f"a command of player list {listed.name} does not hold {{entry}} once")


def _check_tick(tick: Tick) -> None:
    if not tick.command.strip():
        raise ValueError("nothing asks for the tick time")
    if not tick.text and "ms" not in re.compile(tick.pattern).groupindex:
        raise ValueError("the pattern of the tick time has no group ms")


def _check_runtime(package: Package, runtime: Runtime) -> None:
    for alias, version in runtime.aliases.items():
        if version not in runtime.versions:
            raise ValueError(f"alias {alias} of {runtime.name} names no version")
    console = runtime.console or package.console
    for pattern in (console.strip, console.ready, console.join, console.leave, console.chat, console.saving):
        if pattern:
            re.compile(pattern)
    if tick := runtime.tick or package.tick:
        _check_tick(tick)
    start, stop = runtime.start or package.start, runtime.stop or package.stop
    if start.ready_when not in READY_PROOFS and not start.ready_when.startswith("{"):
        raise ValueError(f"ready_when is one of {', '.join(sorted(READY_PROOFS))}")
    if stop.signal not in signal.Signals.__members__ and not stop.signal.startswith("{"):
        raise ValueError(f"there is no signal {stop.signal}")
    _check_placeholders(package, runtime, start)


def _check_placeholders(package: Package, runtime: Runtime, start: Start) -> None:
    """Fill the package's texts for a server that has every property: what nobody can fill is an error here."""
    steps = runtime.install if runtime.install is not None else package.install
    shared = {step.get("key") for step in steps}
    for word in (*start.command, *start.environment.values()):
        for key in re.findall(r"\{shared:([^{}]*)\}", word):
            if key not in shared:
                raise ValueError(f"{{shared:{key}}} names no install step")
    Catalog([package]).blueprint(
        Server(
            id=0,
            uuid=UUID(int=0),
            owner_id=0,
            node_id=0,
            name="any",
            package=package.name,
            runtime=runtime.name,
            version=runtime.versions[0] if runtime.versions else "",
            properties={item.name: "any" for item in package.properties},
            address="",
            created_at=datetime.fromtimestamp(0, UTC),
        )
    )
