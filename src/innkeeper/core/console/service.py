"""What may be done with a console: follow it, read back, search it, type a command."""

from collections import deque

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.console.hub import ConsoleHub, Subscription
from innkeeper.core.console.model import Block, FoundLine
from innkeeper.core.errors import Unavailable
from innkeeper.core.happenings import Happening
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import CommandIsInvalid, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.webhooks.noting import Happenings
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.lines import NOT_IN_A_LINE
from innkeeper.kit.tasks import TaskSet
from innkeeper.kit.together import Together

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
        happenings: Happenings,
        clock: Clock,
        tasks: TaskSet,
    ) -> None:
        self._works = works
        self._gateway = gateway
        self._hub = hub
        self._servers = servers
        self._activity = activity
        self._happenings = happenings
        self._clock = clock
        self._noted = Together(self._note, tasks=tasks, name="noting commands", of_all=(Unavailable,))

    def follow(self, actor: Actor, record: Record, *, resume_from: int | None = None, tail: int = 0) -> Subscription:
        """Return a subscription to the console; needs `console.read`.

        It begins with the last `tail` lines, or resumes after the line `resume_from`: without `logs.read` no further
        back than the longest tail reaches.
        """
        self._servers.reach(actor, record, ServerPermission.CONSOLE_READ)
        reads_back = ServerPermission.LOGS_READ in actor.on(record.server.id, record.server.owner_id)
        return self._hub.subscribe(
            record.server,
            resume_from=resume_from,
            tail=max(0, min(tail, MAX_TAIL)),
            furthest=None if reads_back else MAX_TAIL,
        )

    async def command(self, actor: Actor, record: Record, line: str) -> None:
        """Type one line; needs `console.write`.

        Raises CommandIsInvalid for anything that is not one line, ServerIsNotRunning, NodeIsOffline, ConsoleIsNotRead.
        """
        self._servers.reach(actor, record, ServerPermission.CONSOLE_WRITE)
        check_command(line)
        if self._servers.get(record.server.id).live.state not in ALIVE:
            raise ServerIsNotRunning
        await self._gateway.send_line(record.server, line)
        await self._noted((actor, record.server.id, line))

    async def _note(self, typed: list[tuple[Actor, int, str]]) -> None:
        """Note in one transaction what was typed, on whichever servers."""
        async with self._works() as work:
            for actor, server_id, line in typed:
                await self._activity.note(work, actor, "console.command", server_id=server_id, data={"line": line})
                await self._happenings.note(
                    work,
                    Happening(
                        kind="command_sent",
                        server_id=server_id,
                        at=self._clock.now(),
                        key=str(uuid7()),
                        account_id=actor.account.id,
                        via=actor.via,
                        data={"command": line},
                    ),
                )

    async def last_lines(self, actor: Actor, record: Record, count: int) -> list[Block]:
        """Return blocks holding the last `count` lines, cut to them; needs `logs.read`."""
        self._servers.reach(actor, record, ServerPermission.LOGS_READ)
        lines = await self._gateway.tail_console(record.server, count)
        if not lines.blocks:
            return []
        first = lines.blocks[-1].last_seq - count
        return [part for block in lines.blocks if (part := block.after(first)) is not None]

    async def newest(self, actor: Actor, record: Record, *, last: int, lines: int, most_bytes: int) -> list[Block]:
        """Return what holds the newest lines up to the line `last`: `lines` at most, and about `most_bytes` of them.

        As many reads as that takes, where `last_lines` gives what fits one message; needs `logs.read`.
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
        """Return the number of the newest line, 0 where there is none; needs `console.read` or `logs.read`."""
        held = actor.on(record.server.id, record.server.owner_id)
        either = ServerPermission.CONSOLE_READ if ServerPermission.CONSOLE_READ in held else ServerPermission.LOGS_READ
        self._servers.reach(actor, record, either)
        return (await self._gateway.tail_console(record.server, 1)).next_seq - 1

    async def read(self, actor: Actor, record: Record, after_seq: int, limit: int) -> tuple[list[Block], int | None]:
        """Return at most `limit` lines after a number, and the number to go on after (None: the end so far).

        Needs `logs.read`.
        """
        self._servers.reach(actor, record, ServerPermission.LOGS_READ)
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
        """Return lines that hold `text` (any case) within a span of time, oldest first; needs `logs.read`."""
        self._servers.reach(actor, record, ServerPermission.LOGS_READ)
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
