"""How a server's files are put in place: by an installation, or by a backup that is restored.

Both are the phase "installing", in which no process lives. A restore stops a game that runs and starts it again behind
it; what it has begun to overwrite cannot be started before a restore has come to its end. Decides from the machine's
memory alone, as the machine does.
"""

from innkeeper.node.supervisor import commands as do
from innkeeper.node.supervisor.deeds import Deeds
from innkeeper.node.supervisor.memory import OrderMemory

SUSPENDED = "the server is suspended"


class Filling(Deeds):
    """What of the machine's decisions is about files."""

    @property
    def _filling(self) -> str:
        """What the order under way does with the files, for people."""
        order = self.memory.order
        return "restore" if order is not None and order.verb == "restore" else "installation"

    def _installed(self) -> None:
        memory = self.memory
        order = memory.order
        memory.installed = True
        if order is not None and order.verb == "restore":
            memory.half_restored = False
        self._rest("stopped")
        self._done("restored" if order is not None and order.verb == "restore" else "installed")
        self._start_again(order)

    def _install_failed(self, reason: str) -> None:
        memory = self.memory
        order = memory.order
        if order is None or order.verb != "restore":
            self._rest("stopped" if memory.installed else "created", f"the installation failed: {reason}")
            self._failed(reason)
            return
        self._rest("stopped", f"the restore failed: {reason}")
        self._failed(reason)
        if not memory.half_restored:
            self._start_again(order)

    def _start_again(self, order: OrderMemory | None) -> None:
        """Start a game that was stopped for an order which has ended."""
        if order is not None and order.start_after and not self.rules.suspended:
            self._prepare()

    def _missing_files(self) -> str | None:
        memory = self.memory
        if memory.half_restored:
            return "a restore did not come to its end: restore a backup first"
        if memory.installed or not self.rules.needs_install:
            return None
        return f"it is not installed: {memory.reason}" if memory.reason else "it is not installed"

    def _restore(self, order: OrderMemory) -> None:
        memory = self.memory
        if order.restore is None:
            self._finish(order, "nobody said what is to be restored")
            return
        order.start_after = memory.phase in ("preparing", "starting", "running")
        self._failed("superseded by a restore")
        if memory.phase == "preparing":
            self._give_up_work()
        if memory.phase not in ("starting", "running"):
            self._begin_restore(order)
            return
        memory.order = order
        self._begin_stop("stopping")

    def _begin_restore(self, order: OrderMemory) -> None:
        self._rest("installing", "a backup is being restored")
        self.memory.order = order
        self._out.append(self._work_of(order))

    @staticmethod
    def _work_of(order: OrderMemory | None) -> do.Command:
        """Return what an order has done while the server is being installed."""
        return do.RestoreFiles(order.restore) if order is not None and order.restore is not None else do.Install()
