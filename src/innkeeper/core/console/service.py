"""What may be done with a console: follow it, read back, search it, type a command."""

from collections import deque

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.console.hub import ConsoleHub, Subscription
from innkeeper.core.console.model import Block, FoundLine
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import CommandIsInvalid, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.work import Works
from innkeeper.kit.lines import NOT_IN_A_LINE

MAX_COMMAND_BYTES = 4096
MAX_TAIL = 10_000


class ConsoleService:
    """Consoles, for those who may."""

    def __init__(
        self,
        *,
        works: Works,
        gateway: NodeGateway,
        hub: ConsoleHub,
        servers: ServerDirectory,
        activity: ActivityService,
    ) -> None:
        self._works = works
        self._gateway = gateway
        self._hub = hub
        self._servers = servers
        self._activity = activity

    def follow(self, actor: Actor, record: Record, *, resume_from: int | None = None, tail: int = 0) -> Subscription:
        """Return a subscription to the console; needs `console.read`."""
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        return self._hub.subscribe(record.server, resume_from=resume_from, tail=max(0, min(tail, MAX_TAIL)))

    async def command(self, actor: Actor, record: Record, line: str) -> None:
        """Type one line; needs `console.write`.

        Raises CommandIsInvalid for anything that is not one line, ServerIsNotRunning, NodeIsOffline, ConsoleIsNotRead.
        """
        self._servers.reach(actor, record, ServerPermission.CONSOLE_WRITE)
        check_command(line)
        if self._servers.get(record.server.id).live.state not in ALIVE:
            raise ServerIsNotRunning
        await self._gateway.send_line(record.server, line)
        async with self._works() as work:
            await self._activity.note(work, actor, "console.command", server_id=record.server.id, data={"line": line})

    async def last_lines(self, actor: Actor, record: Record, count: int) -> list[Block]:
        """Return blocks holding the last `count` lines, cut to them; needs `console.read`."""
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        lines = await self._gateway.tail_console(record.server, count)
        if not lines.blocks:
            return []
        first = lines.blocks[-1].last_seq - count
        return [part for block in lines.blocks if (part := block.after(first)) is not None]

    async def newest(self, actor: Actor, record: Record, *, last: int, lines: int, most_bytes: int) -> list[Block]:
        """Return what holds the newest lines up to the line `last`: `lines` at most, and about `most_bytes` of them.

        As many reads as that takes, where `last_lines` gives what fits one message; needs `console.read`.
        """
        found: deque[Block] = deque()
        after: int | None = max(0, last - lines)
        size = 0
        while after is not None and after < last:
            blocks, after = await self.read(actor, record, after, last - after)
            for block in blocks:
                found.append(block)
                size += len(block.payload)
                while size > most_bytes and len(found) > 1:
                    size -= len(found.popleft().payload)
        return list(found)

    async def last_seq(self, actor: Actor, record: Record) -> int:
        """Return the number of the newest line, 0 where there is none; needs `console.read`."""
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        return (await self._gateway.tail_console(record.server, 1)).next_seq - 1

    async def read(self, actor: Actor, record: Record, after_seq: int, limit: int) -> tuple[list[Block], int | None]:
        """Return at most `limit` lines after a number, and the number to go on after (None: the end so far)."""
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        lines = await self._gateway.read_console(record.server, after_seq)
        found: list[Block] = []
        room = limit
        for block in lines.blocks:
            if room <= 0:
                break
            count = block.count
            found.append(block if count <= room else _first(block, room))
            room -= count
        last = found[-1].last_seq if found else after_seq
        return found, last if last + 1 < lines.next_seq and found else None

    async def search(
        self,
        actor: Actor,
        record: Record,
        *,
        text: str,
        since_us: int | None,
        until_us: int | None,
        after_seq: int,
        limit: int,
    ) -> tuple[list[FoundLine], int | None]:
        """Return lines that hold `text` (any case) within a span of time, oldest first; needs `console.read`."""
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        return await self._gateway.search_console(record.server, text, since_us, until_us, after_seq, limit)


def check_command(line: str) -> None:
    """Raise CommandIsInvalid unless `line` is one line that a game may be given."""
    if not line.strip() or len(line.encode("utf-8", "surrogatepass")) > MAX_COMMAND_BYTES:
        raise CommandIsInvalid
    if NOT_IN_A_LINE.search(line):
        raise CommandIsInvalid


def _first(block: Block, count: int) -> Block:
    end = 0
    for _ in range(count):
        end = block.payload.index(b"\n", end) + 1
    return Block(block.first_seq, block.time_us, block.payload[:end])
