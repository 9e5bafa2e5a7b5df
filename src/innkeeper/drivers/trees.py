"""Trees that servers share: made out of sight, closed to writers, and named when whole.

    working = shared/KIND/.making-…   ▶ publish(working/tree, shared/KIND/KEY)   ▶ remove(working)

Whatever has its name is complete and never changes again. Used by the installers that fill `Place.shared`; knows
nothing of what is in a tree.
"""

import os
import secrets
import shutil
import stat
from pathlib import Path

import structlog

from innkeeper.contracts.installer import InstallFailed

_WORKING = ".making-"

_log = structlog.get_logger(__name__)


def working_folder(folder: Path) -> Path:
    """Return a new name beside the trees of `folder`; whoever makes it closes it to others."""
    return folder / f"{_WORKING}{secrets.token_hex(8)}"


def publish(tree: Path, target: Path) -> None:
    """Let everybody read and nobody write, see it on the disk, and name it; another's equal tree is as good."""
    for directory, _, files in os.walk(tree):
        _let_read(Path(directory))
        for name in files:
            _let_read(Path(directory, name))
    os.sync()
    # To move a directory elsewhere is to write to it: only then is it closed too.
    tree.chmod(0o755)
    try:
        tree.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise InstallFailed(f"{target.name} cannot be stored: {error}") from error
        return
    target.chmod(0o555)


def remove(working: Path) -> None:
    """Remove a working folder, with what is closed in it."""
    for directory, _, _ in os.walk(working):
        Path(directory).chmod(0o700)
    shutil.rmtree(working, onerror=_complain)


def remove_unfinished(shared: Path) -> None:
    """Remove what an earlier life of the node was making when it ended; nobody may be making anything yet. Blocks."""
    for working in sorted(shared.glob(f"*/{_WORKING}*")):
        _log.info("tree.unfinished.removed", path=str(working))
        remove(working)


def _let_read(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return
    executable = stat.S_ISDIR(mode) or mode & 0o100
    path.chmod(0o555 if executable else 0o444)


def _complain(_: object, path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(error[1], FileNotFoundError):
        _log.warning("tree.cleanup.failed", path=path, error=str(error[1]))
