"""Consoles over plain HTTP: read back, search, type a command, get a ticket for the stream."""

from datetime import datetime
from typing import Annotated, Any

from litestar import get, post, websocket
from litestar.connection import WebSocket
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, SkipValidation

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.model import Block
from innkeeper.core.console.service import MAX_TAIL
from innkeeper.kit.clock import from_microseconds, microseconds
from innkeeper.kit.pages import MAX_PAGE
from innkeeper.panel.api import views
from innkeeper.panel.api.params import Command, as_utc
from innkeeper.panel.api.streams import Streams
from innkeeper.panel.api.tickets import Tickets
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server

MAX_LINES = 5000
_LAST = (1 << 62) - 1

After = Annotated[int, QueryParameter(name="after", ge=0, le=_LAST, description="Only lines after this number.")]
LinesLimit = Annotated[
    int | None,
    QueryParameter(
        name="limit", ge=1, le=MAX_LINES, description="How many lines at most; as the house is set if left out."
    ),
]
FoundLimit = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_PAGE, description="How many lines at most.")]
StreamsHere = NamedDependency[SkipValidation[Streams]]
TicketsHere = NamedDependency[SkipValidation[Tickets]]


@get("/servers/{server:uuid}/console", opt=on_server(ServerPermission.LOGS_READ), tags=["console"])
async def read_console(
    product: House,
    actor: Asker,
    record: Reached,
    after: After = 0,
    limit: LinesLimit = None,
    tail: Annotated[
        int | None, QueryParameter(name="tail", ge=1, le=MAX_LINES, description="Only the last lines, so many.")
    ] = None,
) -> views.LinesView:
    """Read the console back: the last lines by `tail`, else those after a number."""
    if tail is not None:
        return views.LinesView(_lines(await product.console.last_lines(actor, record, tail)))
    most = limit if limit is not None else product.house.get().log_lines
    blocks, following = await product.console.read(actor, record, after, most)
    return views.LinesView(_lines(blocks), following)


@get("/servers/{server:uuid}/console/search", opt=on_server(ServerPermission.LOGS_READ), tags=["console"])
async def search_console(
    product: House,
    actor: Asker,
    record: Reached,
    text: Annotated[
        str, QueryParameter(name="text", min_length=1, max_length=500, description="Looked for in any case.")
    ],
    since: Annotated[datetime | None, QueryParameter(name="since", description="Only lines from then on.")] = None,
    until: Annotated[datetime | None, QueryParameter(name="until", description="Only lines before then.")] = None,
    after: After = 0,
    limit: FoundLimit = 100,
) -> views.LinesView:
    """Search the console, oldest lines first."""
    found, following = await product.console.search(
        actor,
        record,
        text=text,
        since_us=microseconds(as_utc(since)) if since is not None else None,
        until_us=microseconds(as_utc(until)) if until is not None else None,
        after_seq=after,
        limit=limit,
    )
    lines = [views.LineView(line.seq, from_microseconds(line.time_us), line.text) for line in found]
    return views.LinesView(lines, following)


@post(
    "/servers/{server:uuid}/command", opt=on_server(ServerPermission.CONSOLE_WRITE), tags=["console"], status_code=204
)
async def command(product: House, actor: Asker, record: Reached, data: JSONBody[Command]) -> None:
    """Type one line on the game's console."""
    await product.console.command(actor, record, data.command)


@post("/servers/{server:uuid}/console/tickets", opt=on_server(ServerPermission.CONSOLE_READ), tags=["console"])
async def create_ticket(tickets: TicketsHere, actor: Asker, record: Reached) -> views.TicketView:
    """Give out a ticket that opens this server's console stream once, within 30 seconds (`?ticket=`)."""
    return views.TicketView(*tickets.issue(actor, record.server.uuid))


@post(
    "/servers/{server:uuid}/console/share",
    opt=on_server(ServerPermission.LOGS_READ),
    tags=["console"],
    status_code=200,
)
async def share_log(product: House, actor: Asker, record: Reached) -> views.SharedLogView:
    """Upload the log, freed of addresses and tokens, to where people can be shown it; the same log only once."""
    shared = await product.sharing.share(actor, record)
    return views.SharedLogView(shared.id, shared.url, shared.raw)


@websocket("/servers/{server:uuid}/console/stream", opt=on_server(ServerPermission.CONSOLE_READ))
async def stream(
    product: House,
    streams: StreamsHere,
    actor: Asker,
    record: Reached,
    socket: WebSocket[Any, Any, Any],
    resume_from: Annotated[int | None, QueryParameter(name="resume_from", ge=0, le=_LAST)] = None,
    tail: Annotated[int | None, QueryParameter(name="tail", ge=0, le=MAX_TAIL)] = None,
) -> None:
    """Follow the console and the server's state, and type commands; see the reference's introduction."""
    first = tail if tail is not None else product.house.get().terminal_lines
    await streams.serve(socket, actor, record, resume_from, first)


def _lines(blocks: list[Block]) -> list[views.LineView]:
    found: list[views.LineView] = []
    for block in blocks:
        time: Any = from_microseconds(block.time_us)
        found.extend(views.LineView(seq, time, text) for seq, text in enumerate(block.lines(), block.first_seq))
    return found


HANDLERS = [read_console, search_console, command, share_log, create_ticket, stream]
