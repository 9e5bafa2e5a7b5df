"""Carry out a server's install steps, one after another, and say how far it is.

Knows the order of steps and the folders; how a step is done is its installer's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from innkeeper.contracts.installer import FolderError, Installer, InstallFailed, Place, Report
from innkeeper.kit.tasks import in_thread
from innkeeper.node.files.jail import Jail
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.wire.messages import DesiredServer, Restore

REPORT_EVERY_S = 0.5

Export = Callable[[str, str], None]
MakePlace = Callable[[DesiredServer, Jail, Report, Export], Place]
"""Gives an installer all it may use, with the given ways to tell how far it is and to name values."""
RestoreFiles = Callable[
    [Restore, Callable[[], Awaitable[None]], Callable[[str | None, float | None], None]], Awaitable[None]
]
"""Puts a backup in the place of the server's files, and goes on with it when called again. It awaits the first
function before anything is overwritten, tells the second how far it is, and raises InstallBroken."""


class InstallBroken(Exception):
    """The installation, or the restore, ended without success; the message says why."""


async def no_backups(*_: object) -> None:
    """Restore nothing: there are no backups here. Raises InstallBroken."""
    raise InstallBroken("there are no backups here")


async def install(
    desired: DesiredServer,
    *,
    place: ServerPlace,
    jail: Jail,
    installers: Mapping[str, Installer],
    make_place: MakePlace,
    progressed: Callable[[str | None, float | None], None],
    export: Export,
) -> None:
    """Carry out every step of `desired.install`. Raises InstallBroken."""
    if not place.files.is_dir():
        raise InstallBroken(f"the folder {place.files.name} of the server is missing")
    await in_thread(jail.sweep)
    count = len(desired.install)
    for number, step in enumerate(desired.install):
        uses, key = str(step.get("uses", "")), str(step.get("key", ""))
        installer = installers.get(uses)
        if installer is None:
            raise InstallBroken(f"this node knows no installer {uses!r}")
        report = _Throttled(progressed, number, count)
        report.begin(key or uses)
        try:
            await installer.install(step, make_place(desired, jail, report, export))
        except InstallFailed as error:
            raise InstallBroken(error.reason) from error
        except FolderError as error:
            raise InstallBroken(str(error)) from error
        report.flush()


class _Throttled:
    """Passes an installer's reports on, not more often than anybody can read."""

    def __init__(self, progressed: Callable[[str | None, float | None], None], number: int, count: int) -> None:
        self._progressed = progressed
        self._number = number
        self._count = count
        self._last = 0.0
        self._held: tuple[str, float | None] | None = None

    def begin(self, name: str) -> None:
        self._progressed(f"step {self._number + 1} of {self._count}: {name}", self._number / self._count)

    def __call__(self, text: str, fraction: float | None = None) -> None:
        self._held = (text, fraction)
        now = asyncio.get_running_loop().time()
        if now - self._last >= REPORT_EVERY_S:
            self._last = now
            self.flush()

    def flush(self) -> None:
        if self._held is not None:
            (text, fraction), self._held = self._held, None
            whole = None if fraction is None else (self._number + min(max(fraction, 0.0), 1.0)) / self._count
            self._progressed(text, whole)
