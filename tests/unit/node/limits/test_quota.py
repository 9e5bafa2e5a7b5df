"""What is asked of a file system that has project quotas.

No file system here has them: the kernel is played by two functions that keep what they are given. What this shows is
that the structures are those of quotactl(2) and `linux/fs.h`, and what becomes of servers.
"""

import errno
import os
import struct
from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.node.files.errors import NoSpace
from innkeeper.node.layout import DataFolder
from innkeeper.node.limits.cgroups import ControlGroups
from innkeeper.node.limits.guard import Guard
from innkeeper.node.limits.quota import FIRST_PROJECT, ProjectQuota

SERVER = UUID(int=7)
PROJECT = FIRST_PROJECT + 7
MIB = 1 << 20


class Kernel:
    """Keeps quotas and attributes."""

    def __init__(self) -> None:
        self.limits: dict[int, int] = {}
        self.used: dict[int, int] = {}
        self.attributes: dict[int, bytes] = {}
        self.fails = False

    def quotactl(self, command: int, device: bytes, project: int, structure: bytearray) -> None:
        assert (device, command & 0xFF, len(structure)) == (b"/dev/vda", 2, 72)
        if self.fails:
            raise OSError(errno.ESRCH, "no quota")
        if command >> 8 == 0x800008:
            hard, soft, *_, valid = struct.unpack("=8QI4x", structure)
            assert (hard, valid) == (soft, 1)
            self.limits[project] = hard * 1024
        else:
            assert command >> 8 == 0x800007
            structure[:] = struct.pack("=8QI4x", 0, 0, self.used.get(project, 0), 0, 0, 0, 0, 0, 63)

    def ioctl(self, descriptor: int, request: int, structure: bytearray) -> None:
        inode = os.fstat(descriptor).st_ino
        if request == 0x801C581F:
            structure[:] = self.attributes.get(inode, bytes(28))
        else:
            assert request == 0x401C5820
            self.attributes[inode] = bytes(structure)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    data = DataFolder(tmp_path)
    data.prepare()
    data.make_server(SERVER, None)
    return data


def guard(kernel: Kernel, data: DataFolder) -> Guard:
    return Guard(ControlGroups(None, "none"), data, ProjectQuota("/dev/vda", kernel.quotactl, kernel.ioctl))


def test_a_new_server_is_bounded_by_the_file_system_and_its_use_is_read_from_it(
    kernel: Kernel, data: DataFolder
) -> None:
    house = guard(kernel, data)
    storage = house.storage(SERVER, 7, 8)
    inode = data.place(SERVER).files.stat().st_ino
    flags, _, _, project, _ = struct.unpack("=5I8x", kernel.attributes[inode])
    assert (flags & 0x200, project, kernel.limits) == (0x200, PROJECT, {PROJECT: 8 * MIB})
    kernel.used[PROJECT] = 9 * MIB
    assert storage.measure() == 9 * MIB
    with pytest.raises(NoSpace):
        storage.take(1, "a")
    house.storage(SERVER, 7, 16)
    assert kernel.limits == {PROJECT: 16 * MIB}
    storage.take(1, "a")
    assert house.describe() == ["Storage is limited by project quotas of the file system."]
    house.forget(SERVER)
    assert kernel.limits == {PROJECT: 0}


def test_it_is_found_again_after_a_restart_of_the_node(kernel: Kernel, data: DataFolder) -> None:
    guard(kernel, data).storage(SERVER, 7, 8)
    (data.place(SERVER).files / "world").write_bytes(bytes(MIB))
    kernel.used[PROJECT] = 5
    assert guard(kernel, data).storage(SERVER, 7, 8).measure() == 5


@pytest.mark.parametrize("trouble", ["files of before", "refused"])
def test_where_the_file_system_does_not_bound_a_server_its_files_are_counted(
    kernel: Kernel, data: DataFolder, trouble: str
) -> None:
    (data.place(SERVER).files / "world").write_bytes(bytes(MIB))
    kernel.fails = trouble == "refused"
    storage = guard(kernel, data).storage(SERVER, 7, 8)
    assert storage.measure() >= MIB
    assert kernel.limits == {}


def test_a_file_system_without_quotas_has_none(tmp_path: Path) -> None:
    assert ProjectQuota.of(Path("/proc")) is None
    assert ProjectQuota.of(tmp_path) is None or os.geteuid() == 0
