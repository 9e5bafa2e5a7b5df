"""One server that a node keeps, and where its processes and control groups are found. Knows nothing of asks."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from innkeeper.contracts.runtime import Runtime
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.asks import Journal
from innkeeper.node.console.journal import JournalReader
from innkeeper.node.files.jail import Jail
from innkeeper.node.keeper.frames import STATE_NAME
from innkeeper.node.keeper.state import read_json
from innkeeper.node.limits.storage import Storage
from innkeeper.node.limits.watchdog import Watched
from innkeeper.node.samples.processes import Tree
from innkeeper.node.supervisor.ending import killed
from innkeeper.node.supervisor.installing import RestoreFiles
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.node.supervisor.runner import ServerRunner
from innkeeper.wire import messages as wire


class MakeRunner(Protocol):
    """Brings together what one server needs."""

    def __call__(
        self,
        desired: wire.DesiredServer,
        place: ServerPlace,
        runtime: Runtime,
        *,
        tasks: TaskSet,
        on_change: Callable[[wire.ObservedServer], None],
        on_blocks: Callable[[UUID, list[wire.Block]], None],
        seen_alive: Callable[[str], int | None],
        storage: Storage,
        restore_files: RestoreFiles,
    ) -> ServerRunner:
        """Return the runner of one server, which has done nothing yet; the callbacks come from the event loop."""
        ...


class KeptServer:
    """One server that is kept here."""

    def __init__(
        self, desired: wire.DesiredServer, place: ServerPlace, jail: Jail, storage: Storage, runner: ServerRunner
    ) -> None:
        self.desired = desired
        self.place = place
        self.jail = jail
        self.storage = storage
        self.runner = runner
        self.journal = Journal(JournalReader(place.journal), JournalReader(place.journal))
        self._tree: Tree | None = None
        self.groups: list[str] = []
        """The folders of the control groups that the game of `tree` is in."""

    def tree(self) -> Tree | None:
        """Return the game's processes, None while none lives. Reads one small file at each new process."""
        pid = self.runner.observed.pid
        if pid is None:
            self._tree = None
        elif self._tree is None or self._tree.game != pid:
            state = read_json(str(self.place.keeper), STATE_NAME) or {}
            keeper = state.get("keeper_pid") if state.get("pid") == pid else None
            self._tree = Tree(pid, keeper if isinstance(keeper, int) else None)
            self.groups = (state.get("cgroups") or []) if self._tree.keeper is not None else []
        return self._tree

    def watched(self, tree: Tree) -> Watched:
        """Return the game of `tree` as the watchdog must know it."""
        return Watched(
            uuid=self.runner.uuid,
            game=tree.game,
            keeper=tree.keeper,
            groups=self.groups,
            storage=self.storage,
            exceeded=lambda reason, at_once: self.runner.out_of_storage(reason, at_once=at_once),
            starved=lambda kills: self.runner.note(f"out of memory: {killed(kills)}, and the game lives on"),
        )
