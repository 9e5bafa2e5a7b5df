"""What is seen of servers and was done with them: samples, activity."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.activity.model import Activity
from innkeeper.core.metrics.model import HostPoint, HostUsage, UsagePoint
from innkeeper.core.servers.model import Usage
from innkeeper.kit.clock import from_microseconds, microseconds
from innkeeper.kit.pages import DEFAULT_PAGE, MAX_PAGE, BadCursor, Page, decode_integer_cursor, encode_cursor
from innkeeper.panel.api import views
from innkeeper.panel.api.params import Cursor, Limit, as_utc
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_product, on_server, signed_in
from innkeeper.panel.product import Product

_SHOWN = timedelta(hours=1)
Since = Annotated[datetime | None, QueryParameter(name="since", description="From then on; an hour ago if left out.")]
Until = Annotated[datetime | None, QueryParameter(name="until", description="Before then; now if left out.")]
Span = Annotated[
    Literal["raw", "minute", "hour"] | None,
    QueryParameter(name="step", description="How long a point is; the finest that fits into a page if left out."),
]
P = TypeVar("P", Usage, UsagePoint, HostPoint)


class HistoryView(msgspec.Struct, frozen=True):
    """What a server used over time, and the cursor that continues (null at the end)."""

    step: Literal["raw", "minute", "hour"]
    """How long each point is: one sample, or all of a minute or an hour."""
    items: list[UsagePoint]
    next: str | None = None


class HostHistoryView(msgspec.Struct, frozen=True):
    """What a host used over time, and the cursor that continues (null at the end)."""

    step: Literal["raw", "minute", "hour"]
    """How long each point is: one sample, or all of a minute or an hour."""
    items: list[HostPoint]
    next: str | None = None


@get("/servers/{server:uuid}/samples", opt=on_server(ServerPermission.METRICS_READ), tags=["metrics"])
async def list_samples(
    product: House,
    record: Reached,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = MAX_PAGE,
) -> views.ListView[Usage]:
    """List the samples of a server that are kept, one in so many seconds as the house is set, oldest first."""
    begin, end = _span(product, since, until, cursor)
    found = await product.metrics.samples(record.server.id, begin, end, limit + 1)
    return _page(found, limit)


@get("/servers/{server:uuid}/history", opt=on_server(ServerPermission.METRICS_READ), tags=["metrics"])
async def list_history(
    product: House,
    record: Reached,
    since: Since = None,
    until: Until = None,
    step: Span = None,
    cursor: Cursor = None,
    limit: Limit = MAX_PAGE,
) -> HistoryView:
    """List what a server used in each minute or hour, as mean and maximum, oldest first; a gap is a gap."""
    begin, end = _span(product, since, until, cursor)
    chosen = step or product.metrics.step_for(_begin(product, since), end, limit)
    page = _page(await product.metrics.history(record.server.id, begin, end, step=chosen, limit=limit + 1), limit)
    return HistoryView(chosen, page.items, page.next)


@get("/nodes/{node:uuid}/usage", opt=on_product(ProductPermission.HOUSE_READ), tags=["nodes"])
async def get_node_usage(product: House, actor: Asker, node: FromPath[UUID]) -> HostUsage:
    """Show what the host of a node uses now, all its programs together."""
    return product.metrics.host(actor, product.nodes.by_uuid(node).id)


@get("/nodes/{node:uuid}/history", opt=on_product(ProductPermission.HOUSE_READ), tags=["nodes"])
async def list_node_history(
    product: House,
    actor: Asker,
    node: FromPath[UUID],
    since: Since = None,
    until: Until = None,
    step: Span = None,
    cursor: Cursor = None,
    limit: Limit = MAX_PAGE,
) -> HostHistoryView:
    """List what the host of a node used in each minute or hour, all its programs together, as of a server."""
    begin, end = _span(product, since, until, cursor)
    chosen = step or product.metrics.step_for(_begin(product, since), end, limit)
    node_id = product.nodes.by_uuid(node).id
    found = await product.metrics.host_history(actor, node_id, begin, end, step=chosen, limit=limit + 1)
    page = _page(found, limit)
    return HostHistoryView(chosen, page.items, page.next)


@get("/servers/{server:uuid}/activity", opt=on_server(ServerPermission.ACTIVITY_READ), tags=["activity"])
async def list_server_activity(
    product: House, actor: Asker, record: Reached, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.ActivityView]:
    """List what was done with a server, newest first."""
    return _activity(product, actor, await product.activity.of_server(record.server.id, cursor, limit))


@get("/activity", opt=signed_in(), tags=["activity"])
async def list_activity(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.ActivityView]:
    """List what was done, newest first: with `activity.read_all` by everybody, else by oneself."""
    return _activity(product, actor, await product.activity.recent(actor, cursor, limit))


def _activity(product: Product, actor: Actor, page: Page[Activity]) -> views.ListView[views.ActivityView]:
    """Show entries; from where somebody else asked is for those to know who may read all activity."""
    all_of_it = actor.may(ProductPermission.ACTIVITY_READ_ALL)
    items = [
        views.activity(product, item, with_address=all_of_it or item.account_id == actor.account.id)
        for item in page.items
    ]
    return views.ListView(items, page.next)


def _begin(product: Product, since: datetime | None) -> datetime:
    return as_utc(since) if since is not None else product.clock.now() - _SHOWN


def _span(
    product: Product, since: datetime | None, until: datetime | None, cursor: str | None
) -> tuple[datetime, datetime]:
    """Return from when on and before when; raise BadCursor."""
    end = as_utc(until) if until is not None else product.clock.now()
    after = decode_integer_cursor(cursor)
    if after is None:
        return _begin(product, since), end
    try:
        return from_microseconds(after), end
    except (OverflowError, ValueError) as error:
        raise BadCursor("the cursor is not one that this list gave out") from error


def _page(found: list[P], limit: int) -> views.ListView[P]:
    """Return a page; the cursor is the moment of the next item."""
    more = len(found) > limit
    return views.ListView(found[:limit], encode_cursor(microseconds(found[limit].at)) if more else None)


HANDLERS = [list_samples, list_history, get_node_usage, list_node_history, list_server_activity, list_activity]
