"""What is in an archive, whatever its format, with names that have been checked; opens nothing, writes nothing."""

import enum
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from innkeeper.contracts.installer import InstallFailed

_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
MAX_NAME_BYTES = 255
MAX_TARGET_BYTES = 4095


class MemberKind(enum.Enum):
    """The three kinds that may come out of an archive."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    LINK = enum.auto()


@dataclass(frozen=True, slots=True)
class Member:
    """One thing to be made: `parts` are its checked components, never none; `chunks` give a file's content once.

    `modified` is in seconds since 1970, `target` the text of a link, not yet checked.
    """

    parts: tuple[str, ...]
    kind: MemberKind
    chunks: Iterator[bytes]
    size: int = 0
    executable: bool = False
    modified: float | None = None
    target: str = ""


def checked_parts(name: str) -> tuple[str, ...]:
    """Split a member's name; raises `InstallFailed` for whatever would lead, or seem to lead, elsewhere.

    The root itself, which some archives name as `./`, gives the empty tuple.
    """
    if "\0" in name:
        raise InstallFailed(f"The archive holds a name with a NUL character: {name!r}")
    if name.startswith("/") or _DRIVE.match(name):
        raise InstallFailed(f"The archive holds an absolute name: {name!r}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise InstallFailed(f"The archive holds a name that climbs out of its folder: {name!r}")
    for part in parts:
        if len(part.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
            raise InstallFailed(f"The archive holds a name longer than {MAX_NAME_BYTES} bytes: {part[:40]!r}…")
    return parts


def check_target(parts: tuple[str, ...], target: str) -> None:
    """Raise `InstallFailed` unless the link `parts` with this target stays beneath the folder that is being filled.

    `..` counts only at the beginning, where it climbs real folders: then no chain of links can climb out either.
    """
    name = posixpath.join(*parts)
    steps = [step for step in target.split("/") if step not in ("", ".")]
    climbs = steps.count("..")
    if (
        not target
        or "\0" in target
        or target.startswith("/")
        or len(target.encode("utf-8", "surrogateescape")) > MAX_TARGET_BYTES
        or climbs >= len(parts)
        or steps[:climbs] != [".."] * climbs
    ):
        raise InstallFailed(f"The archive holds a link that leads out of its folder: {name!r} to {target!r}")
