"""Who is looked at closely, and for how long yet: those servers are sampled and asked more often than the others.

    Attend ─▶ a deadline for each kind of attention ─▶ one beat a second while any lasts ─▶ nothing at all

Costs nothing while nobody attends. Knows neither /proc nor the console: what a beat does is handed in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.keeper.client import KeeperError
from innkeeper.node.refusals import Refused
from innkeeper.node.samples.ticks import TickMeter
from innkeeper.node.supervisor.lines import BadLine
from innkeeper.node.supervisor.patterns import BadPattern
from innkeeper.wire.messages import Attend, Attention, Block, DesiredServer, Done, ObservedServer

log = structlog.get_logger(__name__)

BEAT = timedelta(seconds=1)
TICK_EVERY = timedelta(seconds=3)
"""Between two questions for a game's tick time."""
LONGEST_S = 60.0
_RUNS = frozenset({"starting", "running", "stopping", "saving", "restarting"})


class Attended(Protocol):
    """What must be known of a server that is attended to."""

    @property
    def desired(self) -> DesiredServer | None:
        """What it should be."""
        ...

    @property
    def observed(self) -> ObservedServer:
        """How it is."""
        ...

    async def send_line(self, line: str) -> None:
        """Type a line; raise BadLine, KeeperError."""
        ...


class _Look:
    """What is left of the attention to one server."""

    def __init__(self, server: Attended) -> None:
        self.server = server
        self.until: dict[Attention, float] = {}
        """The end of each kind of attention, by the monotonic clock."""
        self.meter: TickMeter | None = None
        self.ask_at = 0.0
        self.asking: asyncio.Task[None] | None = None


class Attending:
    """Keeps attention to servers.

    `find` returns a server or raises Refused. `sample` takes a sample of some servers. `listen` has a server's
    management server listened to for some seconds, or raises Refused.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        tasks: TaskSet,
        find: Callable[[UUID], Attended],
        sample: Callable[[Collection[UUID]], Awaitable[None]],
        listen: Callable[[UUID, float], Awaitable[None]],
        beat: timedelta = BEAT,
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._find = find
        self._sample = sample
        self._listen = listen
        self._beat_s = beat.total_seconds()
        self._looks: dict[UUID, _Look] = {}
        self._beating: asyncio.Task[None] | None = None

    async def attend(self, ask: Attend) -> Done:
        """Attend to a server from now on, or for longer; raise Refused where nothing runs."""
        server = self._find(ask.server)
        if server.observed.phase not in _RUNS:
            raise Refused("server_is_not_running")
        seconds = min(max(ask.for_s, 0.0), LONGEST_S)
        closely = [what for what in ask.what if what != "management"]
        if closely:
            self._look(ask.server, server, closely, seconds)
        if "management" in ask.what:
            await self._listen(ask.server, seconds)
        return Done()

    def _look(self, uuid: UUID, server: Attended, what: Collection[Attention], seconds: float) -> None:
        now = self._clock.monotonic()
        look = self._looks.setdefault(uuid, _Look(server))
        look.server = server
        for one in what:
            look.until[one] = max(now + seconds, look.until.get(one, 0.0))
        if self._beating is None or self._beating.done():
            self._beating = self._tasks.start(self._run(), name="attention", fatal=False)
        self._ask_when_due(uuid, look, now)

    def hear(self, server: UUID, blocks: list[Block]) -> None:
        """Take in what a game printed."""
        look = self._looks.get(server)
        if look is not None and look.meter is not None:
            look.meter.hear(blocks, self._clock.monotonic())

    def tick_ms(self, server: UUID) -> float | None:
        """Return a game's average tick as it told it lately, None while nobody asks or it does not run."""
        look = self._looks.get(server)
        if look is None or look.meter is None or look.server.observed.phase != "running":
            return None
        return look.meter.value(self._clock.monotonic())

    def forget(self, server: UUID) -> None:
        """Attend no longer to a server that was removed."""
        self._looks.pop(server, None)

    async def _run(self) -> None:
        while self._looks:
            await asyncio.sleep(self._beat_s)
            try:
                await self._beat()
            except Exception:  # whatever is wrong with one beat, the next comes
                log.exception("attention.beat.failed")

    async def _beat(self) -> None:
        now = self._clock.monotonic()
        for uuid, look in list(self._looks.items()):
            look.until = {what: until for what, until in look.until.items() if until > now}
            if not look.until or look.server.observed.phase not in _RUNS:
                del self._looks[uuid]
            else:
                self._ask_when_due(uuid, look, now)
        if self._looks:  # a tick time is told in a sample: who wants the one gets the other
            await self._sample(self._looks.keys())

    def _ask_when_due(self, uuid: UUID, look: _Look, now: float) -> None:
        if "tick" not in look.until:
            look.meter = None
            return
        if now < look.ask_at or look.server.observed.phase != "running":
            return
        self._measure(uuid, look)
        if look.meter is None or (look.asking is not None and not look.asking.done()):
            return
        look.ask_at = now + TICK_EVERY.total_seconds()
        look.asking = self._tasks.start(_ask(uuid, look.meter), name=f"tick of {str(uuid)[:8]}", fatal=False)

    @staticmethod
    def _measure(uuid: UUID, look: _Look) -> None:
        """Have the meter that the server's rule demands, if it has one."""
        desired = look.server.desired
        rule = desired.tick if desired is not None else None
        if rule is None or desired is None:
            look.meter = None
        elif look.meter is None or look.meter.rule != rule:
            try:
                look.meter = TickMeter(rule, desired.patterns.strip, look.server.send_line)
            except BadPattern as error:
                look.meter = None
                log.warning("server.tick.refused", server=str(uuid), error=str(error))


async def _ask(server: UUID, meter: TickMeter) -> None:
    try:
        await meter.ask()
    except (KeeperError, BadLine) as error:
        log.info("server.tick.unasked", server=str(server), error=str(error))
