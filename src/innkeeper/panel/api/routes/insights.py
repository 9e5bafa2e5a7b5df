"""What is seen of servers and was done with them: samples, activity."""

from datetime import datetime, timedelta
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.activity.model import Activity
from innkeeper.core.servers.model import Usage
from innkeeper.kit.clock import from_microseconds, microseconds
from innkeeper.kit.pages import DEFAULT_PAGE, MAX_PAGE, BadCursor, Page, decode_integer_cursor, encode_cursor
from innkeeper.panel.api import views
from innkeeper.panel.api.params import Cursor, Limit, as_utc
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server, signed_in
from innkeeper.panel.product import Product

_SHOWN = timedelta(hours=1)


@get("/servers/{server:uuid}/samples", opt=on_server(ServerPermission.METRICS_READ), tags=["metrics"])
async def list_samples(
    product: House,
    record: Reached,
    since: Annotated[
        datetime | None, QueryParameter(name="since", description="From then on; an hour ago if left out.")
    ] = None,
    until: Annotated[datetime | None, QueryParameter(name="until", description="Before then; now if left out.")] = None,
    cursor: Cursor = None,
    limit: Limit = MAX_PAGE,
) -> views.ListView[Usage]:
    """List what a server used, a sample a minute, oldest first."""
    now = product.clock.now()
    begin = as_utc(since) if since is not None else now - _SHOWN
    after = decode_integer_cursor(cursor)
    if after is not None:
        try:
            begin = from_microseconds(after + 1)
        except (OverflowError, ValueError) as error:
            raise BadCursor("the cursor is not one that this list gave out") from error
    found = await product.metrics.history(
        record.server.id, begin, as_utc(until) if until is not None else now, limit + 1
    )
    more = len(found) > limit
    return views.ListView(found[:limit], encode_cursor(microseconds(found[limit - 1].at)) if more else None)


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


HANDLERS = [list_samples, list_server_activity, list_activity]
