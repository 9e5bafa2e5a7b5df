"""What Crafty's socket tells, as views of core's: what is seen of servers and hosts, and what has just become of one.

Unlike in replies, what is not known is false here and not a text, and players are a list. Knows no socket.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from innkeeper.core.backups.model import Backup
from innkeeper.core.catalog.errors import NoSuchPackage
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.console.model import Block
from innkeeper.core.metrics.model import HostUsage
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Server
from innkeeper.panel.dialects.crafty import house_views
from innkeeper.panel.dialects.crafty.log_views import shown
from innkeeper.panel.dialects.crafty.server_views import NOTHING, ServerViews, standing
from innkeeper.panel.http.frames import text_frames

UNREADY = frozenset({State.PREPARING, State.STARTING})
_SEEN = (
    "started",
    "running",
    "cpu",
    "mem",
    "mem_percent",
    "world_name",
    "world_size",
    "server_port",
    "int_ping_results",
    "online",
    "max",
    "desc",
    "version",
    "icon",
    "crashed",
)
_OF_THE_GAME = ("online", "max", "players", "desc", "version")
"""What only the game itself tells, once it runs."""
_OF_A_HOST = ("cpu_usage", "cpu_cores", "cpu_cur_freq", "cpu_max_freq", "mem_percent", "mem_usage")
_DISTINCT_KEYWORDS = 8

_encode = msgspec.json.Encoder().encode


def message(event: str, data: Any) -> str:
    """Return a message as the socket sends it."""
    return _encode({"event": event, "data": data}).decode()


# -- how things stand -------------------------------------------------------------------------------------------------


def status(views: ServerViews, record: Record, now: datetime, disk_bytes: int | None) -> dict[str, Any]:
    """Return a server as the dashboard shows it; `disk_bytes`: of its files, when they were measured last."""
    return _seen(views, record, now, disk_bytes) | {"count_players": True}


def details(views: ServerViews, record: Record, now: datetime, disk_bytes: int | None) -> dict[str, Any]:
    """Return a server as its own page shows it."""
    at = record.live.usage.at if record.live.usage is not None else now
    return _seen(views, record, now, disk_bytes) | {
        "created": f"{now:%Y/%m/%d, %H:%M:%S}",
        "players_cache": [
            {"name": player.name, "status": "Online", "last_seen": f"{at:%d/%m/%Y %H:%M}"}
            for player in record.live.players
        ],
    }


def _seen(views: ServerViews, record: Record, now: datetime, disk_bytes: int | None) -> dict[str, Any]:
    row = views.stats(record, now, disk_bytes)
    runs = record.live.state is State.RUNNING
    found = {name: False if row[name] == NOTHING else row[name] for name in _SEEN}
    found |= {"int_ping_results": runs, "players": [player.name for player in record.live.players]}
    if not runs:
        found |= dict.fromkeys(_OF_THE_GAME, False)
    return {"id": record.server.id, **found}


def host(node_id: int, usage: HostUsage, mounts: Collection[str]) -> dict[str, Any]:
    """Return what a host uses, with the mounts that are watched; none: all of them."""
    whole = house_views.host(node_id, usage)
    return {name: whole[name] for name in _OF_A_HOST} | {
        "disk_usage": house_views.disks(usage),
        "mounts": list(mounts),
    }


@lru_cache(maxsize=_DISTINCT_KEYWORDS)
def line_frames(keywords: tuple[str, ...]) -> Callable[[Block], bytes]:
    """Return what makes frames of a block, one a line, marked up for a page; it is always the same one."""

    def frames(block: Block) -> bytes:
        return text_frames(
            message("vterm_new_line", {"line": f"{_line(text, keywords)}<br />"}).encode() for text in block.lines()
        )

    return frames


def _line(text: str, keywords: tuple[str, ...]) -> str:
    return shown(text.rstrip("\r"), raw=False, colours=True, keywords=keywords)


def backup(found: Backup) -> dict[str, int]:
    """Return how far a backup is; one that ended, well or not, is at 100."""
    ended = found.state in ("done", "failed")
    return {"percent": 100 if ended else int(100 * (found.fraction or 0)), "total_files": found.files or 0}


# -- what has become of a server --------------------------------------------------------------------------------------


def begun(before: Record, now: Record, _catalog: Catalog) -> dict[str, Any] | None:
    """Return what is told once a server's game was launched."""
    return {} if before.live.state not in ALIVE and now.live.state in ALIVE else None


def updating(before: Record, now: Record, _catalog: Catalog) -> dict[str, Any] | None:
    """Return what is told when a server's program begins to be installed anew, and when that ends."""
    was, is_now = (standing(record.server, record.live)["updating"] for record in (before, now))
    if was == is_now:
        return None
    server_id = now.server.id
    told = {"isUpdating": is_now, "server_id": server_id, "wasRunning": before.live.state in ALIVE}
    return told | {"string": f'<a data-id="{server_id}" class="">UPDATING...</a>'} if is_now else told


def not_started(before: Record, now: Record, catalog: Catalog) -> dict[str, Any] | None:
    """Return what is told when a start failed, unless the game's licence is what it wants for."""
    if not _failed(before, now) or not now.live.reason or _wants_for_licence(before, now, catalog):
        return None
    return {"error": now.live.reason}


def not_agreed(before: Record, now: Record, catalog: Catalog) -> dict[str, Any] | None:
    """Return what is told when a game ended before it was ready, and nobody has agreed to its licence."""
    return {"id": now.server.id} if _wants_for_licence(before, now, catalog) else None


def _failed(before: Record, now: Record) -> bool:
    """Say whether a start failed. What fails at once is told without what came between."""
    was, live = before.live, now.live
    if live.state is State.CRASHED and was.state in (State.STOPPED, State.CRASHED):
        return (was.last_exit, was.reason) != (live.last_exit, live.reason)
    return was.state in UNREADY and live.state in (State.STOPPED, State.CRASHED)


def _wants_for_licence(before: Record, now: Record, catalog: Catalog) -> bool:
    """Say whether a game ended as Minecraft does without a licence: well, in its own eyes, and before it was ready."""
    ended = now.live.last_exit
    if ended is None or ended == before.live.last_exit or ended.code != 0 or not _failed(before, now):
        return False
    return _lacks_licence(catalog, now.server)


def _lacks_licence(catalog: Catalog, server: Server) -> bool:
    try:
        licence = catalog.get(server.package).property_named("eula", (server.runtime, *server.addons))
    except NoSuchPackage:
        return False
    return licence is not None and server.properties.get(licence.name) is not True


Became = Callable[[Record, Record, Catalog], dict[str, Any] | None]
BECAME: dict[str, Became] = {
    "send_start_reload": begun,
    "update_button_status": updating,
    "send_start_error": not_started,
    "send_eula_bootbox": not_agreed,
}
"""What is told of a server's last change, by the event that tells it."""
