"""The directories of this host from which the administrator lets servers be imported; knows no installers."""

import os
from collections.abc import Sequence
from pathlib import Path

from innkeeper.contracts.installer import InstallFailed
from innkeeper.node.files.jail import Jail


class ImportRoots:
    """The `source` of `contracts.installer.Place`; each root is a jail, so nothing above or beside it is reached."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """`roots` are absolute; what they hold is read with the daemon's rights."""
        self._roots = sorted((Path(os.path.normpath(root)) for root in roots), key=lambda root: -len(root.parts))

    def __call__(self, path: str) -> tuple[Jail, str]:
        """Give the root above the absolute `path`, as a jail, and the path in it; `InstallFailed` where none is."""
        if "\0" not in path and path.startswith("/") and ".." not in path.split("/"):
            for root in self._roots:
                if Path(path).is_relative_to(root):
                    within = Path(path).relative_to(root).as_posix()
                    return Jail(root), "" if within == "." else within
        raise InstallFailed("This path is not beneath a directory that the administrator has opened to imports")
