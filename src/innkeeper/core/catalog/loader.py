"""Read package files: TOML and the texts beside it, checked whole before anything uses them.

Refuses to know what an install step does: a step is a table whose side files are loaded into it.
"""

import copy
import re
import signal
import tomllib
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.java import numbers
from innkeeper.core.catalog.model import READY_PROOFS, BackupRule, ConfigFile, Package, Runtime, Start, Tick
from innkeeper.core.catalog.options import is_pattern, plain_path
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.values import check_value
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.model import Download, Release, Server
from innkeeper.kit.lines import NOT_IN_A_LINE
from innkeeper.kit.money import MICRO

SHIPPED = Path(__file__).parent / "shipped"
_MAX_TEXT = 4 * 1024 * 1024
_ALIKE = (
    *("requires", "resources", "install", "start", "stop", "console"),
    *("query", "tick", "management", "backup", "java_property"),
)
"""What a runtime may have in place of its package's."""
_RELEASE_FACT = re.compile(r"\{release\.([^{}]+)\}")
_FIRST_PROPERTY = re.compile(r"\{properties\.([^{}]+)\}")
_LIKE_OPTIONS = ("-a", "--a", "+a", "-1", "@a")
_ARGUMENTS = ("argv", "arguments", "options")


def load_packages(folder: Path) -> list[Package]:
    """Return the packages in `folder` (one folder each, holding package.toml), by name; raise PackageIsBroken."""
    return [load_package(path.parent) for path in sorted(folder.glob("*/package.toml"))]


def load_package(folder: Path) -> Package:
    """Return the package described in `folder`; raise PackageIsBroken with the file and the reason."""
    file = folder / "package.toml"
    try:
        table = tomllib.loads(file.read_text())
        _resolve_likenesses(table.get("runtimes", []))
        for price in (price for plan in table.get("plans", []) for price in plan.get("prices", [])):
            price |= {name: _micro(price[name]) for name in ("hourly", "monthly") if name in price}
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


def _resolve_likenesses(runtimes: list[dict[str, Any]]) -> None:
    """Give every runtime that is `like` an earlier one what it has no own of."""
    earlier: dict[str, dict[str, Any]] = {}
    for runtime in runtimes:
        if (name := runtime.pop("like", None)) is not None:
            if name not in earlier:
                raise ValueError(f"{runtime.get('name')} is like {name}, which is no runtime before it")
            for key in _ALIKE:
                if key in earlier[name]:
                    runtime.setdefault(key, copy.deepcopy(earlier[name][key]))
        earlier[str(runtime.get("name"))] = runtime


def _micro(amount: Any) -> int:
    """Return a price, a number or its text in decimals, in micro-units of its currency."""
    try:
        exact = Decimal(str(amount)) * MICRO
    except InvalidOperation as error:
        raise ValueError(f"{amount!r} is no price") from error
    if isinstance(amount, bool) or not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"{amount!r} is no price of at most six decimals")
    return int(exact)


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
    if "files" in step and step.get("uses") != "download":
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
    if all(runtime.addon for runtime in package.runtimes):
        raise ValueError("no runtime can run the game: all of them extend it")
    if any(numbers(rule.since) is None or rule.major < 1 for rule in package.java):
        raise ValueError("a Java rule names a version and a major")
    _check_plans(package)
    _check_properties(package)
    for file in package.config_files:
        _check_config_file(file)
    _check_player_lists(package)
    for port in package.ports:
        if not 1 <= port.default <= 65535:
            raise ValueError(f"{port.default} is no port")
    for needs in (package.resources, *(runtime.resources for runtime in package.runtimes)):
        if needs is not None and not 1 <= needs.minimum_memory_mib <= needs.memory_mib:
            raise ValueError("a server gets at least the memory that it needs at the least")
    for runtime in package.runtimes:
        _check_runtime(package, runtime)


def _check_plans(package: Package) -> None:
    if len({plan.name for plan in package.plans}) != len(package.plans):
        raise ValueError("a plan is described twice")
    for plan in package.plans:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", plan.name):
            raise ValueError("a plan's name has lower-case letters, digits, dots, dashes and underscores")
        needs = plan.resources
        if min(needs.memory_mib, needs.cpu_percent, needs.disk_mib) < 1 or needs.backups_mib < 0:
            raise ValueError(f"plan {plan.name} has no memory, no processor or no disk")
        if len({price.currency for price in plan.prices}) != len(plan.prices):
            raise ValueError(f"plan {plan.name} has two prices in one currency")
        for price in plan.prices:
            if not re.fullmatch(r"[A-Z]{3}", price.currency) or not 0 <= price.hourly <= price.monthly:
                raise ValueError(f"plan {plan.name} has a price that is none: an hour costs at most what a month does")


def _check_properties(package: Package) -> None:
    _check_names(package)
    for notion in (package.motd_property, package.max_players_property, package.verified_property):
        if notion is not None and package.property_named(notion) is None:
            raise ValueError(f"there is no property {notion}")
    kept_in = {file.path for file in package.config_files if not is_pattern(file.path)}
    for item in package.properties:
        if item.type == "select" and not item.choices:
            raise ValueError(f"property {item.name} has no choices")
        if item.pattern and item.type != "string":
            raise ValueError(f"property {item.name} has a pattern, and is no string")
        re.compile(item.pattern)
        if item.must_be is not None:
            if item.default is not None:
                raise ValueError(f"property {item.name} must be agreed to: it has no default")
            check_value(item, item.must_be)
        if item.default not in (None, ""):
            check_value(item, item.default)
        if item.writes is not None and item.writes.file not in kept_in:
            raise ValueError(f"property {item.name} is kept in {item.writes.file}, which is no config file")


def _check_names(package: Package) -> None:
    """Refuse a server that could have two properties of one name, or two kept in one place."""
    runtimes = {runtime.name for runtime in package.runtimes}
    for item in package.properties:
        if not runtimes.issuperset(item.runtimes):
            raise ValueError(f"property {item.name} is of a runtime that there is not")
    for runtime in package.runtimes:
        chosen = {runtime.name} | {addon.name for addon in package.runtimes if addon.addon}
        items = package.properties_of(chosen)
        if len({item.name.lower() for item in items}) != len(items):
            raise ValueError("a property is described twice")
        kept = [(item.writes.file, item.writes.key) for item in items if item.writes is not None]
        if len(set(kept)) != len(kept):
            raise ValueError("two properties are kept in one place")


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


def _check_backup(rule: BackupRule) -> None:
    if any(NOT_IN_A_LINE.search(line) for line in (*rule.hold, *rule.ask, *rule.release)):
        raise ValueError("a line of the backup rule is none")
    if rule.hold and not rule.release:
        raise ValueError("a game that is held for a backup must be released")
    if rule.held is not None:
        re.compile(rule.held)
    if not 0 < rule.timeout_s <= 3600:
        raise ValueError("a game is given up to an hour to save")


def _check_source(package: Package, runtime: Runtime) -> None:
    """Refuse what contradicts where a runtime comes from, and what it is."""
    if runtime.index is not None:
        if not runtime.index.uses or not runtime.index.url.startswith(("https://", "http://")):
            raise ValueError(f"the index of {runtime.name} names no driver or no address")
        if runtime.versions or runtime.aliases:
            raise ValueError(f"{runtime.name} has an index, and versions of its own")
    if runtime.addon and runtime.resources is not None:
        raise ValueError(f"{runtime.name} extends the game: what a server needs is said by what runs it")
    if runtime.addon and (runtime.default or not runtime.install or runtime.start is not None):
        raise ValueError(f"{runtime.name} extends the game: it is installed, but neither started nor a default")
    steps = runtime.install if runtime.install is not None else package.install
    if runtime.index is None and any(step.get("uses") == "release" for step in steps):
        raise ValueError(f"{runtime.name} has no index, and so no release to install")


def _check_runtime(package: Package, runtime: Runtime) -> None:
    _check_source(package, runtime)
    for alias, version in runtime.aliases.items():
        if version not in runtime.versions:
            raise ValueError(f"alias {alias} of {runtime.name} names no version")
    console = runtime.console or package.console
    for pattern in (console.strip, console.ready, console.join, console.leave, console.chat, console.saving):
        if pattern:
            re.compile(pattern)
    if tick := runtime.tick or package.tick:
        _check_tick(tick)
    _check_backup(runtime.backup or package.backup)
    start, stop = runtime.start or package.start, runtime.stop or package.stop
    if start.ready_when not in READY_PROOFS and not start.ready_when.startswith("{"):
        raise ValueError(f"ready_when is one of {', '.join(sorted(READY_PROOFS))}")
    if stop.signal not in signal.Signals.__members__ and not stop.signal.startswith("{"):
        raise ValueError(f"there is no signal {stop.signal}")
    _check_words(package, runtime, start)
    _check_placeholders(package, runtime, start)


def _check_words(package: Package, runtime: Runtime, start: Start) -> None:
    """Refuse a command line in which somebody's text could be taken for an option of the program."""
    steps = runtime.install if runtime.install is not None else package.install
    words = [*start.command, *(str(word) for step in steps for name in _ARGUMENTS for word in step.get(name, ()))]
    first = {found.group(1).lower() for word in words if (found := _FIRST_PROPERTY.match(word)) is not None}
    for item in package.properties:
        if item.type != "string" or item.name.lower() not in first:
            continue
        if not item.pattern or any(re.fullmatch(item.pattern, text) for text in _LIKE_OPTIONS):
            raise ValueError(f"property {item.name} stands in a command line, and its pattern lets it be an option")


def _check_placeholders(package: Package, runtime: Runtime, start: Start) -> None:
    """Fill the package's texts for a server that has every property: what nobody can fill is an error here."""
    steps = runtime.install if runtime.install is not None else package.install
    shared = {step.get("key") for step in steps}
    for word in (*start.command, *start.environment.values()) if not runtime.addon else ():
        for key in re.findall(r"\{shared:([^{}]*)\}", word):
            if key.split("/")[0] not in shared:
                raise ValueError(f"{{shared:{key}}} names no install step")
    base = next(one for one in package.runtimes if not one.addon) if runtime.addon else runtime
    Catalog([package]).blueprint(
        Server(
            id=0,
            uuid=UUID(int=0),
            owner_id=0,
            node_id=0,
            name="any",
            package=package.name,
            runtime=base.name,
            version=base.versions[0] if base.versions else "",
            addons={runtime.name: "any"} if runtime.addon else {},
            releases={one.name: _any_release(package, one) for one in (base, runtime) if one.index is not None},
            properties={item.name: "any" for item in package.properties},
            address="",
            created_at=datetime.fromtimestamp(0, UTC),
        )
    )


def _any_release(package: Package, runtime: Runtime) -> Release:
    """Return a release that has every fact: what an index driver tells is not known here."""
    tables = msgspec.to_builtins((runtime, package.install, package.start, package.config_files))
    facts = dict.fromkeys(_RELEASE_FACT.findall(str(tables)), "any")
    file = Download(url="https://vendor.invalid/any", path="any")
    return Release(version="any", downloads=(file,), facts=facts)
