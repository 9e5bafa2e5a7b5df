"""Everything about limits that a node keeps for its servers: their control groups, their storage, and the watchdog.

Knows which server's figures are whose; how a group is made, a file counted or a game ended is others' business.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog

from innkeeper.contracts.runtime import Confinement
from innkeeper.node.files.jail import Jail
from innkeeper.node.keeper.client import Running, inspect
from innkeeper.node.layout import DataFolder
from innkeeper.node.limits.cgroups import ControlGroups
from innkeeper.node.limits.quota import FIRST_PROJECT, ProjectQuota
from innkeeper.node.limits.storage import MIB, Storage
from innkeeper.node.limits.watchdog import Watchdog, Watched

log = structlog.get_logger(__name__)

COUNTED = "Storage is limited by counting what is written and by watching games write: what is too much ends them."
BY_QUOTA = "Storage is limited by project quotas of the file system."


class Guard:
    """One for each node."""

    def __init__(self, groups: ControlGroups, data: DataFolder, quota: ProjectQuota | None = None) -> None:
        """`quota`: of the file system that holds `data`, where it has project quotas."""
        self._groups = groups
        self._data = data
        self._quota = quota
        self._projects: dict[UUID, int] = {}
        """The servers that the file system bounds itself."""
        self._files: dict[UUID, Storage] = {}
        self._archives: dict[UUID, Storage] = {}
        self._watchdog: Watchdog | None = None

    @property
    def confinement(self) -> Confinement:
        """What the runtimes of this node bound their servers with."""
        return self._groups

    def describe(self) -> list[str]:
        """Return how storage is limited, one sentence each, for people."""
        return [COUNTED if self._quota is None else BY_QUOTA]

    def watch(self, running: Callable[[], Iterable[Watched]]) -> Watchdog:
        """Return what watches the games that run, not yet begun."""
        self._watchdog = Watchdog(running, self._data.servers)
        return self._watchdog

    def storage(self, server: UUID, number: int, limit_mib: int | None) -> Storage:
        """Return the storage of a server's files, which exist and whose limit is that from now on. Blocks shortly."""
        found = self._files.get(server)
        if found is None:
            self._adopt(server, number)
            found = self._files[server] = Storage(self._measure(server))
            self._archives[server] = Storage(lambda: Jail(self._data.archives(server)).usage())
        self._bound(server, limit_mib)
        found.allow(limit_mib)
        self._archives[server].allow(limit_mib)
        return found

    def _adopt(self, server: UUID, number: int) -> None:
        """Put a server's files under the file system's quota, where that can be done."""
        project = FIRST_PROJECT + number
        try:
            if self._quota is not None and self._quota.adopt(self._data.place(server).files, project):
                self._quota.used(project)
                self._projects[server] = project
        except OSError as error:
            log.warning("quota.refused", server=str(server), error=str(error))

    def _measure(self, server: UUID) -> Callable[[], int]:
        quota, project = self._quota, self._projects.get(server)
        if quota is None or project is None:
            return Jail(self._data.place(server).files).usage
        return lambda: quota.used(project)

    def _bound(self, server: UUID, limit_mib: int | None) -> None:
        project = self._projects.get(server)
        if self._quota is None or project is None:
            return
        try:
            self._quota.bound(project, None if limit_mib is None else limit_mib * MIB)
        except OSError as error:  # what is counted bounds it all the same
            log.warning("quota.refused", server=str(server), error=str(error))

    def archives(self, server: UUID) -> Storage:
        """Return the storage of the archives that wait to be installed in a server: as much again as of its files."""
        return self._archives[server]

    def forget(self, server: UUID) -> None:
        """Drop what is kept of a server that was removed. Blocks."""
        self._bound(server, None)
        self._projects.pop(server, None)
        self._files.pop(server, None)
        self._archives.pop(server, None)
        self._groups.forget(server)

    def sweep(self) -> None:
        """Remove the groups of runs that are over. To be called while no server is being started. Blocks."""
        self._groups.sweep({UUID(path.name) for path in self._data.servers.iterdir() if _lives(path.name, self._data)})

    def close(self) -> None:
        """Let go of everything; what lives on keeps its groups."""
        if self._watchdog is not None:
            self._watchdog.close()
        self._groups.close()


def _lives(name: str, data: DataFolder) -> bool:
    """Tell whether a server has a keeper. Of one that cannot be asked it is believed."""
    try:
        return isinstance(inspect(data.place(UUID(name)).keeper), Running)
    except ValueError:
        log.warning("server.folder.strange", name=name)
        return False
    except OSError as error:
        log.warning("server.keeper.unreadable", server=name, error=str(error))
        return True
