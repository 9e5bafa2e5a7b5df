"""The way from a supervisor to the keeper of its game: launch, find again, follow, ask.

Turns what the keeper says into the machine's events and the listener's lines. Decides nothing, remembers nothing that
is not the keeper's.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from innkeeper.contracts.runtime import ExecPlan
from innkeeper.kit.tasks import in_thread
from innkeeper.node.keeper.client import (
    Ended,
    Exited,
    Failed,
    KeeperError,
    KeeperLink,
    Lagged,
    Lost,
    NotRunning,
    Running,
    Zygote,
    inspect,
    kill_lost,
)
from innkeeper.node.keeper.frames import SPEC_NAME
from innkeeper.node.supervisor import events as on
from innkeeper.node.supervisor.ending import cause_of
from innkeeper.node.supervisor.listening import Listener
from innkeeper.node.supervisor.memory import Memory
from innkeeper.node.supervisor.place import ServerPlace, write_private
from innkeeper.wire.messages import Block

log = structlog.get_logger(__name__)

RECONNECT_S = 0.2
LOST = "its keeper was killed, and the game with it"
LINK_PATIENCE_S = 5.0


class Keeping:
    """One server's keeper, as far as it can be reached. `heard` is called after lines were taken in."""

    def __init__(
        self,
        *,
        place: ServerPlace,
        zygote: Zygote,
        listener: Callable[[], Listener],
        heard: Callable[[], None],
        happened: Callable[[on.Event], None],
        seen_alive: Callable[[str], int | None],
        label: str,
    ) -> None:
        """`seen_alive` tells when a run was last noted to be alive, in µs since 1970, where that was."""
        self._place = place
        self._zygote = zygote
        self._listener = listener
        self._heard = heard
        self._happened = happened
        self._seen_alive = seen_alive
        self._label = label
        self._link: KeeperLink | None = None
        self._linked = asyncio.Event()
        self.notes: list[str] = []
        """What of the asked isolation and limits the host could not give to the run under way."""

    @property
    def pid(self) -> int:
        """The game's process, of the last link; 0 before the first."""
        return self._link.hello.pid if self._link is not None else 0

    @property
    def next_seq(self) -> int:
        """The line with which the last link began: what stands before it is in the journal."""
        return self._link.hello.next_seq if self._link is not None else 1

    async def launch(self, run_id: str, plan: ExecPlan, *, retain_bytes: int) -> on.Launched:
        """Execute the game; its process id is 0 where it has ended already. Raises LaunchFailed."""
        await self.close()
        wanted = msgspec.json.encode(spec(run_id, plan, retain_bytes))
        await in_thread(_write_anew, self._place.keeper / SPEC_NAME, wanted)
        await self._zygote.spawn(self._place.keeper, self._place.journal)
        await self._connect()
        found = await in_thread(inspect, self._place.keeper)
        if not isinstance(found, Running | Ended):
            return on.Launched(self.pid)
        self.notes = found.notes
        return on.Launched(self.pid, found.started_us)

    async def find(self, memory: Memory, *, booted: bool) -> on.Event:
        """After a start of the node: return what became of the game of which `memory` knows, and link to it."""
        for _ in range(5):
            match await in_thread(inspect, self._place.keeper):
                case Running(notes=notes):
                    if await self._connect() and self._link is not None:
                        self.notes, hello = notes, self._link.hello
                        return on.Adopted(hello.run_id, hello.pid, hello.started_us)
                    await asyncio.sleep(RECONNECT_S)
                case Ended(run_id=run_id, exit=end, started_us=began) if booted and self._is_news(memory, run_id):
                    return on.HostBooted(False, end.at_us, began)
                case Lost(run_id=run_id, started_us=began) if booted and self._is_news(memory, run_id):
                    return on.HostBooted(False, await self._last_alive(run_id, began), began)
                case _ if booted:
                    return on.HostBooted(False, await self._alive_of(memory))
                case Ended(run_id=run_id, exit=end, started_us=began) if self._is_news(memory, run_id):
                    return _exited(end, began)
                case Failed(run_id=run_id, text=text) if self._is_news(memory, run_id):
                    return on.LaunchFailed(text) if memory.process == "launching" else on.KeeperLost(text)
                case Lost() as lost if lost.leftovers or self._is_news(memory, lost.run_id):
                    return await self._lost(lost, seen=False)
                case _:
                    return on.NothingFound(await self._alive_of(memory))
        return on.KeeperLost("its keeper does not answer")

    async def forgotten(self, memory: Memory) -> on.RunFound | None:
        """After a start of the node: return the last run if it has ended and the memory of it was lost."""
        match await in_thread(inspect, self._place.keeper):
            case Ended(run_id=run_id, exit=end, started_us=began) if self._is_unheard_of(memory, run_id):
                return on.RunFound(run_id, began, end.at_us)
            case Lost(run_id=run_id, started_us=began) if self._is_unheard_of(memory, run_id):
                return on.RunFound(run_id, began, await self._last_alive(run_id, began))
        return None

    async def follow(self) -> None:
        """Take in lines until the game has ended, and tell that; find the keeper again where the link breaks."""
        while True:
            if self._link is not None:
                await self._listener().catch_up(self._link.hello.next_seq)
                self._heard()
                if await self._follow_link(self._link):
                    return
            match await in_thread(inspect, self._place.keeper):
                case Running():
                    if not await self._connect():
                        await asyncio.sleep(RECONNECT_S)
                case Ended(exit=end):
                    await self._end(_exited(end))
                    return
                case Lost() as lost:
                    await self._end(await self._lost(lost, seen=True))
                    return
                case _:
                    await self._end(on.KeeperLost(LOST))
                    return

    async def send(self, data: bytes) -> None:
        """Type `data` on the game's console. Raises NotRunning, RequestRefused."""
        await (await self._reached()).send(data)

    async def signal(self, name: str) -> None:
        """Send a signal to the game's process. Raises NotRunning, RequestRefused."""
        await (await self._reached()).signal(signal.Signals[name])

    async def kill(self) -> None:
        """Kill the game and all it started; its end is told by `follow`."""
        try:
            await (await self._reached()).kill()
        except KeeperError as error:
            log.info("server.kill.unheard", server=self._label, error=str(error))

    async def close(self) -> None:
        """Let go of the keeper, which goes on."""
        self._linked.clear()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    async def _connect(self) -> bool:
        await self.close()
        try:
            self._link = await KeeperLink.connect(self._place.keeper)
        except NotRunning:
            return False
        self._linked.set()
        return True

    async def _follow_link(self, link: KeeperLink) -> bool:
        """Take in what comes over `link`; return whether it told the game's end."""
        async for items in link.blocks:
            pending: list[Block] = []
            for item in items:
                if isinstance(item, Lagged):
                    self._take(pending)
                    await self._listener().catch_up(item.next_seq)
                elif isinstance(item, Exited):
                    self._take(pending)
                    await self._end(_exited(item))
                    return True
                else:
                    if not pending and item.first_seq > self._listener().next_seq:
                        await self._listener().catch_up(item.first_seq)
                    pending.append(Block(item.first_seq, item.time_us, item.payload))
            self._take(pending)
        return False

    def _take(self, pending: list[Block]) -> None:
        if pending:
            self._listener().take(pending)
            pending.clear()
            self._heard()

    async def _lost(self, lost: Lost, *, seen: bool) -> on.KeeperLost:
        """Kill what is left of a run. `seen`: it lived until just now, as it did where anything is left of it."""
        alive_us = None if seen or lost.leftovers else await self._last_alive(lost.run_id, lost.started_us)
        left = await in_thread(kill_lost, lost)
        if left:
            log.error("server.leftovers", server=self._label, processes=left)
        return on.KeeperLost(LOST, alive_us, lost.started_us)

    async def _alive_of(self, memory: Memory) -> int | None:
        if memory.run_id is None or memory.started_us is None or memory.process == "none":
            return None
        return await self._last_alive(memory.run_id, memory.started_us)

    async def _last_alive(self, run_id: str, started_us: int) -> int:
        """Return the last moment at which a run that is gone is known to have been alive."""
        printed_us = await self._listener().last_printed_us()
        return max(started_us, self._seen_alive(run_id) or 0, printed_us or 0)

    async def _end(self, event: on.Event) -> None:
        await self._listener().catch_up()
        await self.close()
        self._heard()
        self._happened(event)

    async def _reached(self) -> KeeperLink:
        try:
            async with asyncio.timeout(LINK_PATIENCE_S):
                await self._linked.wait()
        except TimeoutError as error:
            raise NotRunning("its keeper cannot be reached") from error
        if self._link is None:
            raise NotRunning("the server is not running")
        return self._link

    @staticmethod
    def _is_news(memory: Memory, run_id: str) -> bool:
        return memory.process != "none" and memory.run_id == run_id

    @staticmethod
    def _is_unheard_of(memory: Memory, run_id: str) -> bool:
        return run_id not in (memory.run_id, memory.last_run)


def _exited(end: Exited, started_us: int | None = None) -> on.Exited:
    return on.Exited(end.code, end.signal, end.at_us, started_us, cause_of(end))


def _write_anew(path: Path, data: bytes) -> None:
    """Write what this launch alone reads: the file system syncs what takes another's place, which a start need not."""
    path.unlink(missing_ok=True)
    write_private(path, data)


def spec(run_id: str, plan: ExecPlan, retain_bytes: int) -> dict[str, object]:
    """Return what the keeper reads from spec.json."""
    return {
        "run_id": run_id,
        "argv": plan.argv,
        "env": plan.env,
        "cwd": plan.cwd,
        "uid": plan.uid,
        "gid": plan.gid,
        "umask": plan.umask,
        "rlimits": plan.rlimits,
        "no_new_privs": plan.no_new_privs,
        "isolation": plan.isolation,
        "cgroups": plan.cgroups,
        "notes": plan.notes,
        "terminal": {"rows": plan.rows, "cols": plan.columns},
        "journal": {"retain_bytes": retain_bytes},
    }
