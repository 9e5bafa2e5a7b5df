"""Schedules: what is done with a server at its times."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.schedules.model import Schedule, ScheduleChanges, ScheduleDraft
from innkeeper.core.schedules.timetable import MOST_UPCOMING
from innkeeper.core.servers.directory import Record
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import schedule_views as shapes
from innkeeper.panel.api import views
from innkeeper.panel.api.params import Cursor, Limit
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server
from innkeeper.panel.product import Product

Upcoming = Annotated[int, QueryParameter(name="count", ge=1, le=MOST_UPCOMING, description="How many at most.")]


@get("/servers/{server:uuid}/schedules", opt=on_server(ServerPermission.SCHEDULES_READ), tags=["schedules"])
async def list_schedules(product: House, actor: Asker, record: Reached) -> views.ListView[shapes.ScheduleView]:
    """List a server's schedules, in the order in which they were made."""
    found = await product.schedules.of_server(actor, record)
    uuids = {item.id: item.uuid for item in found}
    return views.ListView([shapes.schedule(product, item, uuids) for item in found])


@post("/servers/{server:uuid}/schedules", opt=on_server(ServerPermission.SCHEDULES_WRITE), tags=["schedules"])
async def create_schedule(
    product: House, actor: Asker, record: Reached, data: JSONBody[shapes.CreateSchedule]
) -> shapes.ScheduleView:
    """Make a schedule, which runs on behalf of whoever makes it; needs the permission of its act, too."""
    draft = ScheduleDraft(
        name=data.name,
        trigger=shapes.trigger_of(data.trigger, await _ids(product, record)),
        act=shapes.act_of(data.act),
        enabled=data.enabled,
        zone=data.zone,
        once=data.once,
        missed=data.missed,
        labels=data.labels,
    )
    return await _shown(product, record, await product.schedules.create(actor, record, draft))


@get(
    "/servers/{server:uuid}/schedules/{schedule:uuid}",
    opt=on_server(ServerPermission.SCHEDULES_READ),
    tags=["schedules"],
)
async def get_schedule(product: House, actor: Asker, record: Reached, schedule: FromPath[UUID]) -> shapes.ScheduleView:
    """Show a schedule."""
    return await _shown(product, record, await product.schedules.get(actor, record, schedule))


@patch(
    "/servers/{server:uuid}/schedules/{schedule:uuid}",
    opt=on_server(ServerPermission.SCHEDULES_WRITE),
    tags=["schedules"],
)
async def change_schedule(
    product: House,
    actor: Asker,
    record: Reached,
    schedule: FromPath[UUID],
    data: JSONBody[shapes.ChangeSchedule],
) -> shapes.ScheduleView:
    """Change a schedule, which then runs on behalf of whoever changes it; with a new trigger it begins anew."""
    changes = ScheduleChanges(
        name=data.name,
        trigger=UNSET
        if isinstance(data.trigger, UnsetType)
        else shapes.trigger_of(data.trigger, await _ids(product, record)),
        act=UNSET if isinstance(data.act, UnsetType) else shapes.act_of(data.act),
        enabled=data.enabled,
        zone=data.zone,
        once=data.once,
        missed=data.missed,
        labels=data.labels,
    )
    return await _shown(product, record, await product.schedules.change(actor, record, schedule, changes))


@delete(
    "/servers/{server:uuid}/schedules/{schedule:uuid}",
    opt=on_server(ServerPermission.SCHEDULES_WRITE),
    tags=["schedules"],
)
async def delete_schedule(product: House, actor: Asker, record: Reached, schedule: FromPath[UUID]) -> None:
    """Delete a schedule with what is known of its runs; those that wait for it are disabled."""
    await product.schedules.delete(actor, record, schedule)


@post(
    "/servers/{server:uuid}/schedules/{schedule:uuid}/run",
    opt=on_server(ServerPermission.SCHEDULES_WRITE),
    tags=["schedules"],
    status_code=202,
)
async def run_schedule(
    product: House, actor: Asker, record: Reached, schedule: FromPath[UUID]
) -> shapes.ScheduleRunView:
    """Run a schedule now, beside its times; the list of its runs says what came of it."""
    return shapes.run(await product.schedules.run_now(actor, record, schedule))


@get(
    "/servers/{server:uuid}/schedules/{schedule:uuid}/runs",
    opt=on_server(ServerPermission.SCHEDULES_READ),
    tags=["schedules"],
)
async def list_schedule_runs(
    product: House,
    actor: Asker,
    record: Reached,
    schedule: FromPath[UUID],
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> views.ListView[shapes.ScheduleRunView]:
    """List the runs of a schedule that are still known, newest first."""
    page = await product.schedules.runs(actor, record, schedule, limit, cursor)
    return views.ListView([shapes.run(item) for item in page.items], page.next)


@get(
    "/servers/{server:uuid}/schedules/{schedule:uuid}/upcoming",
    opt=on_server(ServerPermission.SCHEDULES_READ),
    tags=["schedules"],
)
async def list_upcoming_runs(
    product: House, actor: Asker, record: Reached, schedule: FromPath[UUID], count: Upcoming = 5
) -> views.ListView[datetime]:
    """List the next moments at which a schedule is due, as far as is known by now."""
    found = await product.schedules.get(actor, record, schedule)
    return views.ListView(product.schedules.upcoming(found, count))


async def _ids(product: Product, record: Record) -> dict[UUID, int]:
    return {uuid: number for number, uuid in (await product.schedules.uuids(record)).items()}


async def _shown(product: Product, record: Record, item: Schedule) -> shapes.ScheduleView:
    return shapes.schedule(product, item, await product.schedules.uuids(record))


HANDLERS = [
    list_schedules,
    create_schedule,
    get_schedule,
    change_schedule,
    delete_schedule,
    run_schedule,
    list_schedule_runs,
    list_upcoming_runs,
]
