"""Draw a server's blueprint: everything of its package that a node must know, the server's own values filled in.

Knows one package and one server. What only a node knows (folders, ports, the Java it has) stays open.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.java import java_of
from innkeeper.core.catalog.model import (
    Blueprint,
    ConfigFile,
    Console,
    Package,
    Runtime,
    Start,
    Stop,
    Tick,
    runtimes_of,
)
from innkeeper.core.catalog.options import is_pattern
from innkeeper.core.catalog.placeholders import (
    UnknownPlaceholder,
    as_text,
    fill,
    fill_wholly,
    literal,
    literal_but_for_node_names,
)
from innkeeper.core.servers.model import Handling, Release, Server

_NUMBER_FOLLOWS = r"[\s:=]{0,8}(?P<ms>[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_WHOLE_PROPERTY = re.compile(r"\{properties\.([^{}]+)\}")
_WHOLE_RELEASE = re.compile(r"\{(release\.[^{}]+)\}")


def draw(package: Package, runtime: Runtime, addons: Collection[Runtime], server: Server) -> Blueprint:
    """Return what a node must know to keep `server`, which `runtime` runs; raise PackageIsBroken."""
    items = package.properties_of(runtimes_of(server))
    given = {f"properties.{item.name}": "" for item in package.properties}
    given |= {f"properties.{item.name}": as_text(server.properties.get(item.name)) for item in items}
    start, stop = runtime.start or package.start, runtime.stop or package.stop
    query = runtime.query or package.query
    try:
        release = _release(runtime, server)
        known = given | _of_release(release, server.version)
        return Blueprint(
            install=[
                step
                for one, version in [
                    (runtime, server.version),
                    *((addon, server.addons[addon.name]) for addon in addons),
                ]
                for step in _steps(package, one, version, server, given)
            ],
            argv=_command(package, start, server, known),
            environment={name: fill(value, known) for name, value in start.environment.items()},
            start=_struct(start, known, Start),
            stop=_handled(_struct(stop, known, Stop), server.handling),
            console=_console(runtime.console or package.console, known),
            query=query.protocol if query else None,
            tick=_tick(runtime.tick or package.tick, known),
            management=(runtime.management or package.management) is not None,
            config=_config(package, server, known),
            backup=runtime.backup or package.backup,
            java=_java(package, runtime, release, server),
        )
    except (UnknownPlaceholder, msgspec.ValidationError) as error:
        raise PackageIsBroken(f"Package {package.name} cannot be used: {error}.", package=package.name) from error


def _release(runtime: Runtime, server: Server) -> Release | None:
    """Return what was pinned of a runtime when the server was made; None where its package itself says all."""
    release = server.releases.get(runtime.name)
    if runtime.index is not None and release is None:
        raise PackageIsBroken(
            f"Nothing is known of the release of {runtime.name} that {server.name} was made with.",
            package=server.package,
            runtime=runtime.name,
        )
    return release


def _of_release(release: Release | None, version: str) -> dict[str, str]:
    if release is None:
        return {"version": version}
    first = release.downloads[0].path if release.downloads else ""
    known = {f"release.{name}": value for name, value in release.facts.items()}
    return known | {
        "version": version,
        "release.version": release.version,
        "release.game_version": release.game_version or release.version,
        "release.path": first,
    }


def _steps(
    package: Package, runtime: Runtime, version: str, server: Server, given: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Give the install steps of one runtime, its own release filled in; an addon has none but its own."""
    release = _release(runtime, server)
    known = {**given, **_of_release(release, version)}
    own = runtime.install if runtime.install is not None else () if runtime.addon else package.install
    for step in own:
        if step.get("unless_empty") and not known.get(f"properties.{step['unless_empty']}"):
            continue
        filled = _filled(step, known)
        if filled.get("uses") == "release":
            yield from _downloads(filled, release, runtime)
        else:
            yield filled


def _downloads(step: dict[str, Any], release: Release | None, runtime: Runtime) -> Iterator[dict[str, Any]]:
    """Give the steps that a step `release` stands for: one that lays its files, or one for each archive to unpack."""
    if release is None:
        raise UnknownPlaceholder(f"{runtime.name} has no index, and so no release to install")
    rest = {key: value for key, value in step.items() if key not in ("uses", "unpack")}
    files = [
        {key: value for key, value in msgspec.to_builtins(file).items() if value not in (None, "")}
        for file in release.downloads
    ]
    if not step.get("unpack"):
        yield {"uses": "download", "files": files, **rest}
        return
    for file in files:
        yield {"uses": "archive", **{key: value for key, value in file.items() if key != "path"}, **rest}


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """Fill placeholders in a step's short texts."""
    if isinstance(value, str):
        return fill_wholly(value, known)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "unless_empty"}
        return {key: item if _is_text(key, item) else _filled(item, known) for key, item in kept.items()}
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    return value


def _is_text(key: str, item: Any) -> bool:
    """Return whether a part of a step is of side files, and taken as it stands; the files of a download are none."""
    return key in ("manifest", "lock") or (key == "files" and isinstance(item, dict))


def _command(package: Package, start: Start, server: Server, known: Mapping[str, str]) -> list[str]:
    argv: list[str] = []
    for word in start.command:
        whole, of_release = _WHOLE_PROPERTY.fullmatch(word), _WHOLE_RELEASE.fullmatch(word)
        item = package.property_named(whole.group(1), runtimes_of(server)) if whole else None
        if item is not None and item.type == "command":
            # A user may use what every node fills in a command of his own; any other brace is just a brace.
            argv += [
                literal_but_for_node_names(part) for part in shlex.split(as_text(server.properties.get(item.name)))
            ]
        elif of_release is not None and of_release.group(1) in known:
            argv += [literal(part) for part in known[of_release.group(1)].split()]
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


def _java(package: Package, runtime: Runtime, release: Release | None, server: Server) -> int | None:
    if not runtime.java_property:
        return java_of(package, runtime, release, server.version)
    chosen = as_text(server.properties.get(runtime.java_property))
    return int(chosen) if chosen.isdecimal() else None


def _handled(stop: Stop, handling: Handling) -> Stop:
    """Return how the game is asked to stop, as its people want it where they said so."""
    given = {
        "command": handling.stop_command,
        "timeout_s": handling.stop_timeout_s,
        "clean_exit": handling.clean_exits,
    }
    return msgspec.structs.replace(stop, **{name: value for name, value in given.items() if value is not None})


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
    for item in package.properties_of(runtimes_of(server)):
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
