"""Crafty's routes of what a server uses, now and over the last hour."""

from datetime import timedelta

from litestar import Controller, Response, get

from innkeeper.core.servers.directory import Record
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.crafty.auth import with_access
from innkeeper.panel.dialects.crafty.replies import show
from innkeeper.panel.dialects.crafty.server_views import Shown
from innkeeper.panel.http.given import House, Reached
from innkeeper.panel.product import Product

_SHOWN = timedelta(hours=1)
_MOST = 1000
_MEASURED_WITHIN = timedelta(days=30)
"""For so long it is looked back when the files of a server were measured that does not run."""


class StatsRoutes(Controller):
    """Statistics."""

    path = "/servers/{server:str}"

    @get("/stats", opt=with_access())
    async def get_stats(self, record: Reached, product: House, views: Shown) -> Response[bytes]:
        """Return what is seen of a server now. ref: Get a server's statistics."""
        return show(views.stats(record, product.clock.now(), await disk_bytes_of(product, record)))

    @get("/history", opt=with_access())
    async def get_history(self, record: Reached, product: House, views: Shown) -> Response[bytes]:
        """Return what was seen of a server in the last hour, oldest first."""
        now = product.clock.now()
        samples = await product.metrics.samples(record.server.id, now - _SHOWN, now, _MOST)
        return await in_thread(lambda: show([views.past(record, usage) for usage in samples]))


async def disk_bytes_of(product: Product, record: Record) -> int | None:
    """Return how many bytes a server's files had when they were measured last; None: that was never, or long ago."""
    usage, now = record.live.usage, product.clock.now()
    if usage is not None and usage.disk_bytes is not None:
        return usage.disk_bytes
    points = await product.metrics.history(record.server.id, now - _MEASURED_WITHIN, now, step="hour")
    return next((point.disk_max for point in reversed(points) if point.disk_max is not None), None)


ROUTES: tuple[type[Controller], ...] = (StatsRoutes,)
