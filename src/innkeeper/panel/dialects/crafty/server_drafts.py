"""What Crafty's clients ask for when they make or change a server, in core's words.

A jar that is downloaded is one of our package's runtimes, by its name; a server that there is already is brought along
by the runtime `imported`, and one with a command of its own by the runtime `command` of the game that it is watched as,
or by the package `custom`. What has no meaning in this house is refused by name: nothing that was asked is silently
left out.
Memory: `mem_max` is the bound of the whole process, and `mem_min` is given by that.
"""

import re
import shlex
from typing import Any

import msgspec
from msgspec import UNSET

from innkeeper.core.catalog.model import Blueprint, Package
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import CrashPolicy, Handling, Limits, ServerChanges, ServerDraft
from innkeeper.panel.dialects.crafty.errors import HasNoMeaning, Refused
from innkeeper.panel.dialects.crafty.server_views import ServerViews
from innkeeper.panel.product import Product

JAVA, BEDROCK, CUSTOM = "minecraft", "minecraft-bedrock", "custom"
_WATCHED_AS = {"minecraft_java": JAVA, "minecraft_bedrock": BEDROCK, "none": CUSTOM}
_MIB_OF_GIB = 1024
_LIMITED = "DATA CONSTRAINT FAILED"
_JARS = {"forge-installer": "forge"}
"""What Crafty's own list of jars calls differently."""
_STOP_TIMEOUT_S, _CLEAN_EXITS, _AUTOSTART_DELAY_S = 60, (0,), 10
"""How the original handles a server of which nothing else was said."""
_MAJOR = re.compile(r"(?:^|java-|jdk-?|jre-?|temurin-?)(\d{1,2})(?=$|[^\d])", re.IGNORECASE)


def draft_of(product: Product, body: dict[str, Any]) -> ServerDraft:
    """Return the server that a body, which keeps to NEW_SERVER, asks for; raise Refused, HasNoMeaning."""
    monitoring = body.get(f"{body['monitoring_type']}_monitoring_data")
    port = checked_port(monitoring["port"]) if monitoring is not None else None
    data = body[f"{body['create_type']}_create_data"]
    made = data[f"{data['create_type']}_create_data"]
    match body["create_type"], data["create_type"]:
        case "minecraft_java", "download_jar":
            draft = _jar(product, body["name"], made, port)
        case "minecraft_java", _:
            properties = _brought(made) | {"jar": made["jarfile"]}
            draft = _java(body["name"], made, port, runtime="imported", properties=properties)
        case "minecraft_bedrock", "download_exe":
            draft = ServerDraft(name=body["name"], package=BEDROCK, properties=_eula(made), port=port)
        case "minecraft_bedrock", _:
            properties = _brought(made) | {"command": _bedrock_command(made)}
            draft = ServerDraft(name=body["name"], package=BEDROCK, runtime="command", properties=properties, port=port)
        case _:
            draft = _command(product, body, data, _brought(made) | {"command": made["command"]}, port)
    _check_log(product, draft.package, body.get("log_location", ""))
    return msgspec.structs.replace(
        draft,
        autostart=body.get("autostart", False),
        crash=CrashPolicy(restart=body.get("crashdetection", False)),
        handling=Handling(
            stop_command=body.get("stop_command", "").strip() or None,
            stop_timeout_s=_STOP_TIMEOUT_S,
            clean_exits=_CLEAN_EXITS,
            autostart_delay_s=body.get("autostart_delay", _AUTOSTART_DELAY_S),
            show_status=True,
        ),
    )


def checked_port(port: int) -> int:
    """Return a port; raise Refused, as the original does."""
    if not 1 <= port <= 65535:
        raise Refused(error=_LIMITED, status=405)
    return port


def _jar(product: Product, name: str, made: dict[str, Any], port: int | None) -> ServerDraft:
    wanted = made["type"].strip().lower()
    wanted = _JARS.get(wanted, wanted)
    offered = [one for one in product.catalog.get(JAVA).runtimes if one.index is not None and not one.addon]
    runtime = next((one for one in offered if wanted in (one.name.lower(), one.title.lower())), None)
    if runtime is None:
        known = ", ".join(one.name for one in offered)
        raise Refused(error="UNKNOWN_SERVER_TYPE", error_data=f"There is no jar {made['type']!r} here, but {known}.")
    return _java(name, made, port, runtime=runtime.name, version=made["version"].strip())


def _java(
    name: str,
    made: dict[str, Any],
    port: int | None,
    *,
    runtime: str,
    version: str | None = None,
    properties: dict[str, Any] | None = None,
) -> ServerDraft:
    """Return a server whose port is the one that the game listens on; the one that is watched is the same here."""
    if made["mem_min"] > made["mem_max"]:
        raise Refused(error=_LIMITED, status=405)
    own = made["server_properties_port"]
    return ServerDraft(
        name=name,
        package=JAVA,
        runtime=runtime,
        version=version,
        properties=(properties or {}) | _eula(made),
        port=checked_port(own) if own else port,
        limits=Limits(memory_mib=int(made["mem_max"] * _MIB_OF_GIB)),
    )


def _command(
    product: Product, body: dict[str, Any], data: dict[str, Any], properties: dict[str, Any], port: int | None
) -> ServerDraft:
    if data.get("executable_update", {}).get("enabled"):
        raise HasNoMeaning("executable_update: a program is updated by whoever put it there.")
    if data.get("working_directory", "").strip("./"):
        raise HasNoMeaning("working_directory: a command is run in the server's own folder.")
    package = _WATCHED_AS[body["monitoring_type"]]
    if package == CUSTOM:
        # Nobody watches it: that it prints anything is all that can be known.
        properties = properties | {"ready-when": "output"}
    runtime = "command" if package != CUSTOM else None
    return ServerDraft(name=body["name"], package=package, runtime=runtime, properties=properties, port=port)


def _brought(made: dict[str, Any]) -> dict[str, Any]:
    """Return which files are brought along, if any."""
    if "existing_server_path" in made:
        return {"import-folder": made["existing_server_path"]}
    if "zip_path" in made:
        return {"import-archive": made["zip_path"], "archive-root": _root(made["zip_path"], made["zip_root"].strip())}
    return {}


def _root(archive: str, root: str) -> str:
    """Return the folder of an archive that a text means, the path at which the archive shows it or one in it.

    Empty: nothing was said, and the one folder that all of it is in does not count.
    """
    if not root:
        return ""
    within = root[len(archive) :] if root == archive or root.startswith(f"{archive}/") else root
    return within.strip("/") or "."


def _eula(made: dict[str, Any]) -> dict[str, Any]:
    return {"eula": True} if made.get("agree_to_eula") else {}


def _bedrock_command(made: dict[str, Any]) -> str:
    if "command" in made:
        return str(made["command"])
    executable = made.get("executable", "bedrock_server")
    return shlex.join(["/lib64/ld-linux-x86-64.so.2", f"{{server}}/{executable}"])


def _check_log(product: Product, package: str, given: str) -> None:
    known = product.catalog.get(package).log_file
    if given and given.removeprefix("./") != known:
        raise HasNoMeaning(f"log_location: of this game the log is {known or 'not known'}.")


# -- changing -------------------------------------------------------------------------------------------------------


def changes_of(product: Product, views: ServerViews, record: Record, body: dict[str, Any]) -> ServerChanges:
    """Return what a body, which keeps to SERVER_PATCH, asks to be changed; raise Refused, HasNoMeaning."""
    shown, server = views.server(record), record.server
    for name in ("backup_path", "log_path", "executable_update_url", "server_ip", "logs_delete_after", "count_players"):
        if name in body and body[name] != shown[name]:
            raise HasNoMeaning(f"{name}: {_WHY[name]}", field=name)
    package = product.catalog.get(server.package)
    given = {new: body[old] for old, new in (("server_name", "name"), ("auto_start", "autostart")) if old in body}
    if "server_port" in body:
        given["port"] = checked_port(body["server_port"])
    if "crash_detection" in body:
        given["crash"] = msgspec.structs.replace(server.crash, restart=body["crash_detection"])
    properties = _properties(package, record, shown, body)
    return ServerChanges(
        **given,
        handling=_handling(server.handling, views.blueprint(server), body),
        properties=properties or UNSET,
    )


_WHY = {
    "backup_path": "where backups are kept is the house's to say.",
    "log_path": "the game says where its log is.",
    "executable_update_url": "programs come from their vendors.",
    "server_ip": "the address is that of its node.",
    "logs_delete_after": "logs are kept up to a size, which is a setting of the house.",
    "count_players": "players are always counted.",
}
"""Why something cannot be otherwise."""


def _handling(now: Handling, drawn: Blueprint | None, body: dict[str, Any]) -> Handling | msgspec.UnsetType:
    names = {
        "auto_start_delay": "autostart_delay_s",
        "stop_command": "stop_command",
        "shutdown_timeout": "stop_timeout_s",
        "show_status": "show_status",
    }
    given = {new: body[old] for old, new in names.items() if old in body}
    if "ignored_exits" in body:
        signals = [code for code in (drawn.stop.clean_exit if drawn is not None else ()) if code < 0]
        asked = [int(code) for code in body["ignored_exits"].split(",") if code.strip()]
        given["clean_exits"] = (*asked, *(code for code in signals if code not in asked))
    return msgspec.structs.replace(now, **given) if given else UNSET


def _properties(package: Package, record: Record, shown: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return what of a body is kept in the server's properties."""
    found: dict[str, Any] = {}
    runtimes = (record.server.runtime, *record.server.addons)
    for asked, name in (("executable", "jar"), ("execution_command", "command")):
        if asked not in body or body[asked] == shown[asked]:
            continue
        if package.property_named(name, runtimes) is None:
            raise HasNoMeaning(f"{asked}: this server is run as its package says.", field=asked)
        found[name] = body[asked]
    if "java_selection" in body:
        found["java"] = _major(package, runtimes, body["java_selection"])
    return found


def _major(package: Package, runtimes: tuple[str, ...], selection: str) -> str:
    """Return the Java major that a path or a number names, empty for any."""
    item = package.property_named("java", runtimes)
    if item is None:
        raise HasNoMeaning("java_selection: the game's version says which Java runs it.", field="java_selection")
    if selection in ("", "java"):
        return ""
    found = _MAJOR.search(selection.rsplit("/bin/", 1)[0])
    if found is None or found[1] not in {choice.value for choice in item.choices}:
        raise Refused(error="INVALID EXECUTION COMMAND", error_data=f"There is no Java {selection!r} here.")
    return found[1]
