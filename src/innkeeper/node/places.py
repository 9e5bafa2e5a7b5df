"""What an installer may use on this node: the server's folder, shared content, uploads, imports, tools.

Knows folders and nothing of what is installed. An import is read through a jail of the directory that the
administrator opened, so no link in it leads anywhere else.
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from innkeeper.contracts.installer import InstallFailed, Place, Report, Run, RunAsServer
from innkeeper.node.files.imports import ImportRoots
from innkeeper.node.files.jail import Jail
from innkeeper.node.java import ChooseJava, NoSuchJava, no_java
from innkeeper.node.layout import DataFolder
from innkeeper.node.supervisor.installing import Export
from innkeeper.wire.messages import DesiredServer

MakeRun = Callable[[Report], Run]
"""Gives the way to run commands whose output is reported there."""
MakeRunAsServer = Callable[[DesiredServer, Report], RunAsServer]
"""Gives the way to run commands as the user of a server."""


class Places:
    """Makes the `Place` of each installation. `imports` are the directories opened to imports."""

    def __init__(
        self,
        data: DataFolder,
        *,
        make_run: MakeRun,
        make_run_as_server: MakeRunAsServer,
        imports: Sequence[Path],
        tools_path: str,
        choose_java: ChooseJava = no_java,
    ) -> None:
        self._data = data
        self._make_run = make_run
        self._make_run_as_server = make_run_as_server
        self._choose_java = choose_java
        self.source = ImportRoots([path.absolute() for path in imports])
        """Finds what may be imported: see `Place.source`."""
        self._tools_path = tools_path

    def __call__(self, desired: DesiredServer, jail: Jail, report: Report, export: Export) -> Place:
        """Return what the installation of `desired` may use."""
        return Place(
            folder=jail,
            shared=self._data.shared,
            uploads=Jail(self._data.archives(desired.uuid)),
            source=self.source,
            run=self._make_run(report),
            report=report,
            tool=partial(self.tool, java=desired.java),
            home=jail.root,
            as_server=self._make_run_as_server(desired, report),
            export=export,
        )

    def tool(self, name: str, *, java: int | None = None) -> Path:
        """Return the executable `name`, Java of that major; raise InstallFailed where this node has none."""
        if name == "java":
            try:
                return self._choose_java(java).program
            except NoSuchJava as error:
                raise InstallFailed(str(error)) from error
        found = shutil.which(name, path=self._tools_path)
        if found is None:
            raise InstallFailed(f"this node has no {name}")
        return Path(found)
