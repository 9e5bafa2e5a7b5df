"""Crafty's route of logs: the console's last lines of the run under way, or else of the last run, or the end of the log
that the game writes itself.
"""

from typing import Any

from litestar import Controller, Request, Response, get

from innkeeper.core.access.model import Actor
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.servers.directory import Record
from innkeeper.kit.clock import microseconds
from innkeeper.panel.dialects.crafty.asking import flag
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.log_views import page, shown
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import show
from innkeeper.panel.dialects.crafty.server_views import ServerViews, Shown
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.transfers import SAFE
from innkeeper.panel.product import Product


class LogRoutes(Controller):
    """Logs."""

    path = "/servers/{server:str}/logs"

    @get("/", opt=on_server(ServerBit.LOGS))
    async def get_logs(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Return lines, oldest first. ref: Get a server's logs.

        file     of the game's own log, else of the newest run    raw    as the game wrote them
        colors   marked up for a page                             html   as a piece of a page, which is never raw
        """
        as_page, house = flag(request, "html"), product.house.get()
        lines = await _lines(product, views, actor, record, of_file=flag(request, "file"))
        raw, colours = flag(request, "raw") and not as_page, flag(request, "colors")
        ready = [shown(line, raw=raw, colours=colours, keywords=house.keywords) for line in lines]
        if as_page:
            return Response(page(ready).encode(), media_type="text/html", headers=SAFE)
        return show(ready)


async def _lines(product: Product, views: ServerViews, actor: Actor, record: Record, *, of_file: bool) -> list[str]:
    house = product.house.get()
    if not of_file:
        blocks = await product.console.last_lines(actor, record, house.terminal_lines)
        began = record.live.run_began_at
        since_us = microseconds(began) if began is not None else 0
        return [line.rstrip("\r") for block in blocks if block.time_us >= since_us for line in block.lines()]
    try:
        return await product.log_files.tail(actor, record, house.log_lines)
    except FileNotFound:
        where = views.log_path(record.server) or views.folder(record.server)
        return [f"Unable to find file to tail: {where}"]


ROUTES: tuple[type[Controller], ...] = (LogRoutes,)
