"""Look into an archive: what is in one of its folders. Nothing is unpacked, and no name is trusted to be unique."""

import functools
import os
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.installers.archive.limits import Budget, Limits
from innkeeper.drivers.installers.archive.members import MemberKind, checked_parts
from innkeeper.drivers.installers.archive.reading import members
from innkeeper.kit.threads import in_stoppable_thread


async def look_into(file: BinaryIO, folder: str) -> dict[str, bool]:
    """Return what is in a folder of an archive ("": at its top): by name, whether it is a folder itself.

    `file` is seekable, stands at its beginning and stays open. Raises InstallFailed for what is no archive, is broken,
    holds what would not be unpacked, or has no such folder.
    """
    return await in_stoppable_thread(functools.partial(_look, file, checked_parts(folder.strip("/"))))


def _look(file: BinaryIO, root: tuple[str, ...], called_off: Callable[[], bool]) -> dict[str, bool]:
    size = os.fstat(file.fileno()).st_size
    found: dict[str, bool] = {}
    there = not root
    with closing(members(file, size, Budget(Limits(), size, called_off))) as content:
        for member in content:
            if member.parts[: len(root)] != root:
                continue
            within = member.parts[len(root) :]
            directory = member.kind is MemberKind.DIRECTORY or len(within) > 1
            there = there or directory or bool(within)
            if within:
                found[within[0]] = found.get(within[0], False) or directory
    if not there:
        raise InstallFailed(f"The archive has no folder {'/'.join(root)!r}")
    return found
