# ruff: noqa: PTH115, PTH118, PTH123
"""What a folder holds, in a form that can be compared: everything that a restore promises."""

import os
import stat
from pathlib import Path


def picture(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Describe every name beneath: kind, mode, time, content, where a link leads, and which names are one file."""
    found: dict[bytes, tuple[object, ...]] = {}
    names: dict[tuple[int, int], list[bytes]] = {}
    base = os.fsencode(root)
    for folder, folders, files in os.walk(base):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            shown = os.path.relpath(path, base)
            if stat.S_ISLNK(status.st_mode):
                found[shown] = ("link", os.readlink(path), status.st_mtime_ns)
            elif stat.S_ISDIR(status.st_mode):
                found[shown] = ("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
            elif stat.S_ISREG(status.st_mode):
                names.setdefault((status.st_dev, status.st_ino), []).append(shown)
                with open(path, "rb") as file:
                    content = file.read() if status.st_size < 64 << 20 else sparse_content(file.fileno())
                found[shown] = (
                    "file",
                    stat.S_IMODE(status.st_mode),
                    status.st_mtime_ns,
                    status.st_size,
                    content,
                    names[status.st_dev, status.st_ino],
                )
            else:
                found[shown] = ("other",)
    return {path: (*told[:-1], sorted(told[-1])) if told[0] == "file" else told for path, told in found.items()}


def sparse_content(descriptor: int) -> list[tuple[int, bytes]]:
    """Give where the data of a file with large holes are, without zeros."""
    found, at, end = [], 0, os.fstat(descriptor).st_size
    while at < end:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        data = os.pread(descriptor, at - start, start)
        stripped = data.lstrip(b"\0")
        if stripped:
            found.append((start + len(data) - len(stripped), stripped.rstrip(b"\0")))
    return found
