"""Crafty's routes of tasks: what is done with a server by itself, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.access.model import Actor
from innkeeper.core.schedules.errors import NoSuchSchedule, ScheduleIsInvalid
from innkeeper.core.schedules.model import After, Schedule
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.errors import Refused
from innkeeper.panel.dialects.crafty.ids import number
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import bare, done, show
from innkeeper.panel.dialects.crafty.server_schemas import TASK, TASK_PATCH
from innkeeper.panel.dialects.crafty.server_views import Shown
from innkeeper.panel.dialects.crafty.task_views import changes_of, draft_of, task
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.product import Product


class TaskRoutes(Controller):
    """Tasks."""

    path = "/servers/{server:str}/tasks"

    @get("/", opt=on_server(ServerBit.SCHEDULE))
    async def list_tasks(self, actor: Asker, record: Reached, product: House, views: Shown) -> Response[bytes]:
        """Return all tasks of a server; the original only fails here."""
        found = await product.schedules.of_server(actor, record)
        return show([task(schedule, views.server(record), found) for schedule in found])

    @post("/", status_code=200, opt=on_server(ServerBit.SCHEDULE))
    async def create(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Make a task. ref: Create a Schedule For a Server, whose id is a string."""
        draft = draft_of(await read(request, TASK))
        with _said():
            schedule = await product.schedules.create(actor, record, draft)
        return show({"schedule_id": str(schedule.id)})

    @get("/{task:str}", opt=on_server(ServerBit.SCHEDULE))
    async def get_task(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Return one task, bare as the original does."""
        schedule = await _found(product, actor, record, request)
        known = await product.schedules.of_server(actor, record)
        return bare(task(schedule, views.server(record), known))

    @patch("/{task:str}", opt=on_server(ServerBit.SCHEDULE))
    async def change(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Change a task. ref: Modify a Schedule For a Server."""
        schedule = await _found(product, actor, record, request)
        changes = changes_of(schedule, await read(request, TASK_PATCH))
        with _said():
            await product.schedules.change(actor, record, schedule.id, changes)
        return done()

    @delete("/{task:str}", status_code=200, opt=on_server(ServerBit.SCHEDULE))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Remove a task. ref: Remove A Schedule."""
        await product.schedules.delete(actor, record, (await _found(product, actor, record, request)).id)
        return done()

    @get("/{task:str}/children", opt=on_server(ServerBit.SCHEDULE))
    async def list_children(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House, views: Shown
    ) -> Response[bytes]:
        """Return the tasks that follow a task; the original says nothing here."""
        parent = await _found(product, actor, record, request)
        found = await product.schedules.of_server(actor, record)
        children = [one for one in found if isinstance(one.trigger, After) and one.trigger.schedule_id == parent.id]
        return show([task(one, views.server(record), found) for one in children])


async def _found(product: Product, actor: Actor, record: Record, request: Request[Any, Any, Any]) -> Schedule:
    which = number(request.path_params["task"])
    if which is None:
        raise NoSuchSchedule
    return await product.schedules.get(actor, record, which)


@contextmanager
def _said() -> Iterator[None]:
    """Say of a cron expression that it is wrong as the original does."""
    try:
        yield
    except ScheduleIsInvalid as error:
        if error.data.get("field") in ("expression", "cron"):
            raise Refused(error="Invalid Cron format detected", status=405, error_data=error.message) from error
        raise


ROUTES: tuple[type[Controller], ...] = (TaskRoutes,)
