"""Reach the folders of a tree by descriptors, one component at a time, links never followed, for a restore.

A game may swap a folder for a link at any moment: what is opened here is then refused, and what was opened before is
still the folder it was. Few descriptors are held, however deep the tree is. This module knows nothing of snapshots.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from innkeeper.node.files.jail import Opened
from innkeeper.node.files.opening import change_mode, fresh_name, locate_child, make_owned_directory
from innkeeper.node.files.removing import remove_tree
from innkeeper.node.files.room import BLOCK

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = 64


class Descent:
    """The way down to the folder that was asked for last."""

    def __init__(self, opened: Opened) -> None:
        """Begin at the root, which stays open."""
        self._opened = opened
        self._names: list[bytes] = []
        self._held = [os.open(b".", _DIRECTORY, dir_fd=opened.root)]
        self._deep: tuple[list[bytes], int] | None = None

    def close(self) -> None:
        """Close all."""
        self._leave_deep()
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()

    def folder(self, parts: Sequence[bytes]) -> int:
        """Give a descriptor of the folder, good until the next call; `OSError` where there is none."""
        upper = list(parts[:_HELD])
        common = 0
        while common < min(len(upper), len(self._names)) and upper[common] == self._names[common]:
            common += 1
        if len(upper) < _HELD or common < _HELD:
            self._leave_deep()
        while len(self._names) > common:
            self._names.pop()
            os.close(self._held.pop())
        for name in upper[common:]:
            self._held.append(os.open(name, _DIRECTORY, dir_fd=self._held[-1]))
            self._names.append(name)
        return self._held[-1] if len(parts) <= _HELD else self._deeper(list(parts))

    def _deeper(self, parts: list[bytes]) -> int:
        if self._deep is not None:
            if self._deep[0] == parts:
                return self._deep[1]
            self._leave_deep()
        descriptor = os.dup(self._held[-1])
        for name in parts[_HELD:]:
            above = descriptor
            try:
                descriptor = os.open(name, _DIRECTORY, dir_fd=above)
            finally:
                os.close(above)
        self._deep = parts, descriptor
        return descriptor

    def _leave_deep(self) -> None:
        if self._deep is not None:
            os.close(self._deep[1])
            self._deep = None

    def make_folder(self, parts: Sequence[bytes]) -> None:
        """Have a folder there that we may enter; what stands in its place and is none goes."""
        parent, name = self.folder(parts[:-1]), parts[-1]
        while True:
            try:
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                self._opened.room.take(BLOCK, os.fsdecode(b"/".join(parts)))
                with suppress(FileExistsError):
                    make_owned_directory(parent, name, self._opened.owner)
                    return
                continue
            if stat.S_ISDIR(status.st_mode):
                if status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
                    located = locate_child(parent, name)
                    try:
                        if stat.S_ISDIR(os.fstat(located).st_mode):
                            change_mode(located, stat.S_IMODE(status.st_mode) & 0o777 | 0o700)
                    finally:
                        os.close(located)
                return
            self.remove(parent, name)

    def remove(self, parent: int, name: bytes) -> None:
        """Remove whatever has this name, with all beneath it; links are not followed."""
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._remove_folder(parent, name)
            else:
                os.unlink(name, dir_fd=parent)

    def _remove_folder(self, parent: int, name: bytes) -> None:
        # It vanishes from its place at once, and is swept later if we do not get to the end.
        hidden = fresh_name("trash")
        try:
            os.rename(name, hidden, src_dir_fd=parent, dst_dir_fd=self._opened.root)
        except OSError:
            remove_tree(parent, name)
        else:
            remove_tree(self._opened.root, hidden)

    def put_in_place(self, parent: int, hidden: bytes, name: bytes) -> None:
        """Rename what was made under a hidden name to its own; a folder that stands there goes."""
        try:
            os.rename(hidden, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            self.remove(parent, name)
            os.rename(hidden, name, src_dir_fd=parent, dst_dir_fd=parent)
