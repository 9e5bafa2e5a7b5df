"""Crafty's servers as views of core's: what was decided of one, what is seen of it, and what it used.

Everything shown is true here. What Crafty shows as the text "False" while nothing is known is that text here, too; what
no game of ours tells (an icon) is null. Knows no route.
"""

import re
from datetime import datetime
from typing import Any

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from innkeeper.core.catalog.errors import NoSuchPackage, PackageIsBroken
from innkeeper.core.catalog.model import Blueprint
from innkeeper.core.catalog.placeholders import fill_known
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.nodes.model import Node
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Live, Server, Usage
from innkeeper.panel.dialects.crafty.views import human_size, iso_time, python_list
from innkeeper.panel.product import Product

MIB = 1024 * 1024
TYPES = {"minecraft": "minecraft-java", "minecraft-bedrock": "minecraft-bedrock"}
"""What Crafty calls the games that it knows; others are called as their package is."""
NOTHING = "False"
_LOADER = re.compile(r"/ld-linux[^/]*$")
_MOST_KEPT = 2000
_BROUGHT = ("import-folder", "import-archive", "archive")


class ServerViews:
    """Renders servers."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._kept: dict[int, tuple[Server, int, dict[str, Any]]] = {}

    # -- what was decided -------------------------------------------------------------------------------------------

    def folder(self, server: Server) -> str:
        """Return the path, on its node, of a server's own folder; empty where its node has not told."""
        node = self._node(server)
        return f"{node.facts.servers_path}/{server.uuid}/files" if node and node.facts.servers_path else ""

    def log_path(self, server: Server) -> str:
        """Return the path of the log that the game writes, empty where it is not known to write one."""
        name = self._product.catalog.log_file(server)
        return f"{self.folder(server)}/{name}" if name else ""

    def server(self, record: Record) -> dict[str, Any]:
        """Return a server as it is set up. The object is shared: do not change it."""
        server, nodes = record.server, self._product.nodes.version
        known = self._kept.get(server.id)
        if known is not None and known[0] is server and known[1] == nodes:
            return known[2]
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        view = self._server(server)
        self._kept[server.id] = (server, nodes, view)
        return view

    def _server(self, server: Server) -> dict[str, Any]:
        folder, drawn = self.folder(server), self.blueprint(server)
        argv = self._argv(server, drawn) if drawn is not None else []
        return {
            "server_id": server.id,
            "created": iso_time(server.created_at),
            "server_uuid": str(server.uuid),
            "server_name": server.name,
            "path": folder,
            "backup_path": self.backup_path(server),
            "executable": executable_of(argv).removeprefix(f"{folder}/"),
            "log_path": self.log_path(server),
            "execution_command": " ".join(argv),
            "auto_start": server.autostart,
            "auto_start_delay": server.handling.autostart_delay_s,
            "crash_detection": server.crash.restart,
            "stop_command": drawn.stop.command if drawn is not None else "",
            "executable_update_url": "",
            "server_ip": server.address,
            "server_port": server.port or 0,
            "logs_delete_after": 0,
            "type": TYPES.get(server.package, server.package),
            "show_status": server.handling.show_status,
            "created_by": server.owner_id,
            "shutdown_timeout": int(drawn.stop.timeout_s) if drawn is not None else 0,
            "ignored_exits": ",".join(str(code) for code in drawn.stop.clean_exit if code >= 0) if drawn else "",
            "count_players": True,
        }

    def backup_path(self, server: Server) -> str:
        """Return where a server's backups are kept, empty where its node has not told."""
        node = self._node(server)
        return node.facts.backups_path if node is not None else ""

    def public(self, record: Record) -> dict[str, Any]:
        """Return what anybody who may see a server is told of it."""
        whole = self.server(record)
        return {name: whole[name] for name in ("server_id", "created", "server_name", "type")}

    def blueprint(self, server: Server) -> Blueprint | None:
        """Return how a server is run, None where the catalogue has its package no more."""
        try:
            return self._product.catalog.blueprint(server)
        except (NoSuchPackage, PackageIsBroken):
            return None

    def _argv(self, server: Server, drawn: Blueprint) -> list[str]:
        memory = server.limits.memory_mib
        known = {
            "server": self.folder(server),
            "java": "java",
            "port": str(server.port or ""),
            "address": server.address,
            "memory_mib": str(memory or ""),
        }
        return [fill_known(word, known) for word in drawn.argv]

    def _node(self, server: Server) -> Node | None:
        try:
            return self._product.nodes.get(server.node_id)
        except NoSuchNode:
            return None

    # -- what is seen -----------------------------------------------------------------------------------------------

    def status(self, record: Record) -> dict[str, Any]:
        """Return what everybody is told of a server that shows its status."""
        asked = self._asked(record.server, record.live)
        return {
            "id": record.server.id,
            "world_name": record.server.name,
            "running": record.live.state in ALIVE,
            **{name: asked[name] for name in ("online", "max", "version", "desc", "icon")},
        }

    def stats(self, record: Record, now: datetime, disk_bytes: int | None) -> dict[str, Any]:
        """Return what is seen of a server now; `disk_bytes`: of its files, when they were measured last."""
        server, live = record.server, record.live
        usage = live.usage if live.state in ALIVE else None
        return self._row(
            record,
            at=usage.at if usage is not None else now,
            usage=usage,
            disk_bytes=disk_bytes,
            seen={"running": live.state in ALIVE, "started": _second(live.started_at), **self._asked(server, live)},
            standing=standing(server, live),
        )

    def past(self, record: Record, usage: Usage) -> dict[str, Any]:
        """Return what was seen of a server when a sample was taken; of who played then, only how many is known."""
        server, live = record.server, record.live
        begun = live.started_at if live.started_at is not None and live.started_at <= usage.at else None
        asked = self._asked(server, live) | {"online": usage.players, "players": NOTHING}
        return self._row(
            record,
            at=usage.at,
            usage=usage,
            disk_bytes=usage.disk_bytes,
            seen={"running": True, "started": _second(begun), **asked},
            standing=dict.fromkeys(standing(server, live), False),
        )

    def _row(
        self,
        record: Record,
        *,
        at: datetime,
        usage: Usage | None,
        disk_bytes: int | None,
        seen: dict[str, Any],
        standing: dict[str, bool],
    ) -> dict[str, Any]:
        node = self._node(record.server)
        cpus = max(1, node.facts.cpus if node is not None else 1)
        memory = node.facts.memory_mib * MIB if node is not None else 0
        used = usage.memory_bytes if usage is not None else 0
        return {
            "stats_id": int(at.timestamp()),
            "created": iso_time(at),
            "server_id": self.server(record),
            "started": seen["started"],
            "running": seen["running"],
            "cpu": round(usage.cpu_percent / cpus, 2) if usage is not None else 0.0,
            "mem": human_size(used) if usage is not None else 0.0,
            "mem_percent": round(100 * used / memory, 1) if memory else 0.0,
            "world_name": record.server.name,
            "world_size": human_size(disk_bytes or 0),
            "server_port": record.server.port or 0,
            "int_ping_results": seen["int_ping_results"],
            "online": seen["online"],
            "max": seen["max"],
            "players": seen["players"],
            "desc": seen["desc"],
            "icon": seen["icon"],
            "version": seen["version"],
            **standing,
        }

    def _asked(self, server: Server, live: Live) -> dict[str, Any]:
        """Return what Crafty learns by asking the game: of one that does not run, nothing."""
        if live.state is not State.RUNNING:
            none = dict.fromkeys(("players", "desc", "version"), NOTHING)
            return {"int_ping_results": NOTHING, "online": 0, "max": 0, "icon": None, **none}
        catalog = self._product.catalog
        return {
            "int_ping_results": "True",
            "online": len(live.players),
            "max": catalog.max_players(server),
            "players": python_list(player.name for player in live.players),
            "desc": catalog.motd(server),
            "icon": None,
            "version": f"{catalog.software(server)} {server.version}" if server.version else NOTHING,
        }


def standing(server: Server, live: Live) -> dict[str, bool]:
    """Return how it stands with a server; the seed has `downloading`, later versions of Crafty `importing`."""
    installing = live.state is State.INSTALLING
    never_ran = live.started_at is None and live.last_exit is None
    brought = any(server.properties.get(name) for name in _BROUGHT)
    return {
        "updating": installing and not never_ran,
        "waiting_start": live.state is State.PREPARING or _comes_back(server, live),
        "first_run": never_ran,
        "crashed": live.state is State.CRASHED,
        "importing": installing and never_ran and brought,
        "downloading": installing and never_ran and not brought,
    }


def _comes_back(server: Server, live: Live) -> bool:
    """Say whether a server that has crashed is about to be started again by itself."""
    crashed = live.state is State.CRASHED and server.power == "on"
    return crashed and server.crash.restart and live.crashes <= server.crash.limit


def executable_of(argv: list[str]) -> str:
    """Return the file that a command runs: the jar of a Java program, what a loader loads, else the program itself."""
    if "-jar" in argv[:-1]:
        return argv[argv.index("-jar") + 1]
    if len(argv) > 1 and _LOADER.search(argv[0]):
        return argv[1]
    return argv[0] if argv else ""


def _second(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else NOTHING


Shown = NamedDependency[SkipValidation[ServerViews]]
"""What routes are given as `views`."""
