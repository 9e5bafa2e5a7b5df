"""Bring a game to leave its files alone for a moment, and give it back what it is owed, whatever happened meanwhile.

    with a quiet rule   before lines ▶ hold lines ▶ it says that all is saved ▶ (snapshot) ▶ release lines ▶ after lines
    stop first          stopped ▶ (snapshot) ▶ started again

What is owed is written down before the first line is typed: a node that is killed in between gives it back at its next
start, if that run of the game lives still. Knows neither snapshots nor stores.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog
from msgspec.structs import replace

from innkeeper.kit.ids import uuid7
from innkeeper.node.backups.memory import Owed
from innkeeper.node.keeper.client import KeeperError, NotRunning
from innkeeper.node.supervisor.lines import BadLine
from innkeeper.node.supervisor.machine import ENDING, IDLE
from innkeeper.node.supervisor.patterns import Lines, compiled
from innkeeper.wire.messages import Block, DesiredServer, Job, ObservedServer, Order, QuietRule, Verb

log = structlog.get_logger(__name__)

ASK_AGAIN_S = 2.0


class Disturbed(Exception):
    """The game began or ended meanwhile, by itself or because somebody wanted it: what was read is of two moments."""


class NotQuiet(Exception):
    """The game cannot be brought to leave its files alone; the message says why, for people."""


class Runner(Protocol):
    """What of a server's supervisor is needed here."""

    @property
    def observed(self) -> ObservedServer: ...

    @property
    def desired(self) -> DesiredServer | None: ...

    async def apply(self, desired: DesiredServer) -> None: ...

    async def send_line(self, line: str) -> None: ...


class Quieting:
    """One server's game. `owe` writes down what it is owed, and returns once that is kept."""

    def __init__(
        self, runner: Callable[[], Runner], owed: Callable[[], Owed], owe: Callable[[Owed], Awaitable[None]], label: str
    ) -> None:
        self._runner = runner
        self._owed = owed
        self._owe = owe
        self._label = label
        self._moved = asyncio.Event()
        self._awaited: Lines[str] | None = None
        self._held = False

    # -- what is seen -----------------------------------------------------------------------------------------------

    def moved(self) -> None:
        """Take note that the game may be otherwise now."""
        self._moved.set()

    def hear(self, blocks: Sequence[Block]) -> None:
        """Take in what the game printed."""
        if self._awaited is not None and any(self._awaited.feed(block.payload) for block in blocks):
            self._held = True
            self._moved.set()

    @property
    def is_settled(self) -> bool:
        """Whether the game runs and is ready, or does not run."""
        return self._runner().observed.phase in ("running", *IDLE)

    async def settled(self) -> None:
        """Return once it is."""
        await self._until(lambda: self.is_settled)

    def moment(self) -> str | None:
        """Return what names the run under way, None where none is: another answer later means that it was disturbed."""
        return self._runner().observed.run_id

    # -- quiet ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def quiet(self, job: Job) -> AsyncIterator[str | None]:
        """Keep the game from its files within; gives why it may not be so, where the rule allows that.

        Raises NotQuiet, Disturbed; what the game is owed is given back at the end.
        """
        doubt = None
        try:
            if self._runner().observed.phase == "running":
                if job.stop_first:
                    await self._stop()
                else:
                    try:
                        await self._hold(job)
                    except NotQuiet as error:
                        if job.quiet is None or job.quiet.required:
                            raise
                        doubt = f"read while the game may have been writing: {error}"
            moment = self.moment()
            yield doubt
            if self.moment() != moment:
                raise Disturbed
        finally:
            await self.give_back()

    async def give_back(self) -> None:
        """Give the game what it is owed; it stays owed where that cannot be now: to be called again."""
        owed = self._owed()
        if owed == Owed():
            return
        try:
            if owed.lines and self.moment() == owed.run_id:
                for line in owed.lines:
                    await self._runner().send_line(line)
        except BadLine as error:  # of a policy: nobody can type it
            log.error("backup.release.refused", server=self._label, error=str(error))
        except KeeperError as error:
            if self.moment() == owed.run_id:
                log.error("backup.release.failed", server=self._label, error=str(error))
                return
        if owed.start:
            if self._runner().observed.phase == "installing":  # a restore needs the turn that the caller may have
                return
            await self._start()
        await self._owe(Owed())

    async def _hold(self, job: Job) -> None:
        rule = job.quiet or QuietRule()
        typed = [*job.before, *rule.hold]
        if not typed:
            return
        run_id = self.moment()
        await self._owe(Owed(run_id=run_id, lines=[*rule.release, *job.after]))
        self._listen(rule)
        try:
            for line in typed:
                await self._runner().send_line(line)
            if self._awaited is not None:
                async with asyncio.timeout(rule.timeout_s):
                    await self._ask(rule, lambda: self._held or self.moment() != run_id)
                if not self._held:
                    raise Disturbed
        except TimeoutError as error:
            raise NotQuiet(f"the game did not say within {rule.timeout_s:g} s that all is saved") from error
        except NotRunning as error:
            raise Disturbed from error
        except BadLine as error:
            raise NotQuiet(f"a command before the backup is none: {error}") from error
        except KeeperError as error:
            raise NotQuiet(f"the game does not read its console: {error}") from error
        finally:
            self._awaited = None

    async def _ask(self, rule: QuietRule, answered: Callable[[], bool]) -> None:
        while rule.ask and not answered():
            for line in rule.ask:
                await self._runner().send_line(line)
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN_S):
                    await self._until(answered)
        await self._until(answered)

    def _listen(self, rule: QuietRule) -> None:
        self._held = False
        if rule.held is None:
            return
        desired = self._runner().desired
        strip = desired.patterns.strip if desired is not None else None
        self._awaited = Lines(strip, [("held", compiled("held", rule.held))])

    # -- stopping and starting --------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        await self._owe(Owed(start=True))
        await self._order("stop")
        await self._until(lambda: self._runner().observed.phase in (*IDLE, "running", "installing"))
        if self._runner().observed.phase not in IDLE:
            raise Disturbed

    async def _start(self) -> None:
        """Start it again, unless somebody has said meanwhile that it shall be off."""
        runner = self._runner()
        await self._until(lambda: runner.observed.phase not in ENDING)
        if runner.desired is not None and runner.desired.running and runner.observed.phase in IDLE:
            await self._order("start")

    async def _order(self, verb: Verb) -> None:
        runner = self._runner()
        if runner.desired is None:
            raise Disturbed
        await runner.apply(replace(runner.desired, order=Order(id=uuid7(), verb=verb)))

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._moved.clear()
            await self._moved.wait()
