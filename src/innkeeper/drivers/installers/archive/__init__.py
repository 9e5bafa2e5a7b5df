"""Fill a server's folder from an archive (`archive`) or from a folder of this host (`folder`).

Both go through one door: everything is made in a hidden stage of the folder, within limits, and moved to its place
only when all of it is there. This package refuses to know how archives get
to this host.
"""

from innkeeper.drivers.installers.archive.installer import ArchiveInstaller, FolderInstaller, unpack
from innkeeper.drivers.installers.archive.limits import Limits
from innkeeper.drivers.installers.archive.looking import look_into

__all__ = ["ArchiveInstaller", "FolderInstaller", "Limits", "look_into", "unpack"]
