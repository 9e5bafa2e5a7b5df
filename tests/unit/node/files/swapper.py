"""A hostile game as a process of its own: `python swapper.py ROOT OUTSIDE PARKING`, see `hostile_trees.swapping`."""

import ctypes
import os
import stat
import sys
from contextlib import suppress

EXCHANGE = 2


class Swapper:
    """The hostile process. It acts by descriptors alone, so that it never goes through its own links."""

    def __init__(self, root: str, outside: str, parking: str) -> None:
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY)
        self.parking = os.open(parking, os.O_PATH | os.O_DIRECTORY)
        self.outside = outside
        self._renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        self.parent = os.getppid()

    def run(self) -> None:
        rounds = 0
        while os.getppid() == self.parent:
            swapped = self._swap()
            rounds += 1
            if rounds == 2:
                sys.stdout.write("swapping\n")
                sys.stdout.flush()
            if not swapped:
                self.put_back()

    def _swap(self) -> bool:
        well = self._twice(self.root, b"flip", b"link-folder")
        flip = self.folder("flip")
        if flip >= 0:
            well &= self._twice(flip, b"nested", b"link-folder")
            well &= self._twice(flip, b"canary", b"link-file")
            os.close(flip)
        with suppress(OSError):
            os.rename("moving", "moving", src_dir_fd=self.root, dst_dir_fd=self.parking)
        with suppress(OSError):
            os.rename("moving", "moving", src_dir_fd=self.parking, dst_dir_fd=self.root)
        return well and flip >= 0

    def _twice(self, directory: int, one: bytes, other: bytes) -> bool:
        return self.exchange(directory, one, other) and self.exchange(directory, one, other)

    def exchange(self, directory: int, one: bytes, other: bytes) -> bool:
        """Let a name in a folder and one in the root change places; return whether they did."""
        return self._renameat2(directory, one, self.root, other, EXCHANGE) == 0

    def folder(self, name: str) -> int:
        try:
            return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.root)
        except OSError:
            return -1

    def put_back(self) -> None:
        """The user has removed or moved something: put new ones in its place."""
        for name, target in (("link-folder", self.outside), ("link-file", f"{self.outside}/canary")):
            self._make_link(name, target)
        for name in ("flip", "moving"):
            with suppress(OSError):
                if not stat.S_ISDIR(os.lstat(name, dir_fd=self.root).st_mode):
                    os.unlink(name, dir_fd=self.root)
            with suppress(OSError):
                os.mkdir(name, 0o755, dir_fd=self.root)
        flip = self.folder("flip")
        if flip >= 0:
            with suppress(OSError):
                os.mkdir("nested", 0o755, dir_fd=flip)
                nested = os.open("nested", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=flip)
                os.mkdir("folder", 0o755, dir_fd=nested)
                os.close(nested)
            with suppress(OSError):
                os.close(os.open("canary", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, dir_fd=flip))
            os.close(flip)

    def _make_link(self, name: str, target: str) -> None:
        with suppress(OSError):
            if os.readlink(name, dir_fd=self.root) == target:
                return
        with suppress(OSError):
            os.unlink(name, dir_fd=self.root)
        with suppress(OSError):
            os.symlink(target, name, dir_fd=self.root)


if __name__ == "__main__":
    Swapper(*sys.argv[1:]).run()
