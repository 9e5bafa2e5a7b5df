"""Jails to attack, one per way of resolving, and the canaries outside that nobody may touch."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from innkeeper.node.files.jail import Jail
from innkeeper.node.files.resolve import KernelResolver, Resolver, WalkingResolver

SECRET = b"the canary's secret"


@dataclass
class Outside:
    """A directory beside the jail; `untouched` tells whether it is byte for byte and bit for bit what it was."""

    path: Path

    def __post_init__(self) -> None:
        (self.path / "folder").mkdir(parents=True)
        (self.path / "canary").write_bytes(SECRET)
        (self.path / "folder" / "canary").write_bytes(SECRET)
        self._before = self._picture()

    def _picture(self) -> list[tuple[object, ...]]:
        picture: list[tuple[object, ...]] = []
        for path in sorted([self.path, *self.path.rglob("*")]):
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            # The game may give a file a second name, which changes its ctime and link count: neither is compared.
            picture.append((str(path), status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content))
        return picture

    def untouched(self) -> bool:
        return self._picture() == self._before


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "outside")


@pytest.fixture(params=["kernel", "walking"])
def resolver(request: pytest.FixtureRequest) -> Resolver:
    return KernelResolver() if request.param == "kernel" else WalkingResolver()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def jail(root: Path, resolver: Resolver) -> Jail:
    return Jail(root, None, resolver)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before
