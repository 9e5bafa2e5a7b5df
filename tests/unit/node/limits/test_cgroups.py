"""Where control groups are found and what is written into them.

Version 2 is played by plain folders with the names of its files: what the kernel would do with them is not shown here.
Version 1 is tried for real in `test_containment`.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.contracts.runtime import Limits
from innkeeper.node.keeper import groups
from innkeeper.node.limits import cgroups
from innkeeper.node.limits.cgroups import LEAF, ControlGroups, Version2, detect

SERVER = UUID(int=7)
ALL = "cpuset cpu io memory hugetlb pids rdma misc"
LIMITS = Limits(memory_mib=512, cpu_percent=150, processes=100)


class Host:
    """A host whose cgroup v2 tree is a plain folder; `own` is our group in it."""

    def __init__(self, root: Path, own: str, controllers: str = ALL) -> None:
        self.top = root / "unified"
        self.own = self.top / own.lstrip("/")
        self.process = root / "self"
        self.process.mkdir()
        (self.process / "cgroup").write_text(f"0::{own}\n")
        self.mounts(f"35 24 0:30 / {self.top} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate")
        folder = self.own
        folder.mkdir(parents=True)
        while True:
            (folder / "cgroup.controllers").write_text(controllers)
            (folder / "cgroup.subtree_control").write_text("")
            if folder == self.top:
                break
            folder = folder.parent

    def mounts(self, *lines: str) -> None:
        (self.process / "mountinfo").write_text("\n".join(["21 1 254:0 / / rw - ext4 /dev/vda rw", *lines]) + "\n")

    def detect(self, *, as_root: bool = True) -> ControlGroups:
        return detect(Path("/data"), process=self.process, as_root=as_root)


def read(folder: str | Path, name: str) -> str:
    return (Path(folder) / name).read_text()


@pytest.mark.parametrize(
    ("own", "as_root", "place"),
    [
        ("/system.slice/innkeeper.service/innkeeper", False, "/system.slice/innkeeper.service"),
        ("/system.slice/innkeeper.service", True, "/"),
        ("/user.slice/user-0.slice/session-3.scope", True, "/"),
        ("/docker/0123", True, "/docker/0123"),
        ("/", True, "/"),
    ],
)
def test_version_2_is_divided_where_systemd_does_not_mind(tmp_path: Path, own: str, as_root: bool, place: str) -> None:
    host = Host(tmp_path, own)
    found = host.detect(as_root=as_root)
    (ours,) = found.places
    assert ours.parent == host.top / place.lstrip("/")
    assert found.bounds == {"memory", "cpu", "processes"}
    assert found.describe() == "cgroup v2"
    assert read(ours, "cgroup.subtree_control") == read(ours.parent, "cgroup.subtree_control") == "+cpu +memory +pids"


def test_a_unit_that_delegates_nothing_leaves_an_ordinary_user_without_limits(tmp_path: Path) -> None:
    found = Host(tmp_path, "/user.slice/user@1000.service/app.slice/innkeeper.service").detect(as_root=False)
    assert (found.bounds, found.places) == (frozenset(), [])
    assert found.describe() == "no control group is delegated to the node"
    assert found.confine(SERVER, "run", LIMITS).folders == []


def test_only_what_is_delegated_is_promised(tmp_path: Path) -> None:
    found = Host(tmp_path, "/a.service/innkeeper", "memory pids").detect(as_root=False)
    assert found.bounds == {"memory", "processes"}


def test_a_group_of_version_2_has_all_limits(tmp_path: Path) -> None:
    found = Host(tmp_path, "/").detect()
    made = found.confine(SERVER, "run", LIMITS)
    (folder,) = made.folders
    assert made.notes == []
    assert Path(folder).name == f"{SERVER}.run"
    names = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max")
    assert [read(folder, name) for name in names] == [str(512 << 20), "0", "1", "150000 100000", "100"]


def test_what_is_not_limited_is_not_written(tmp_path: Path) -> None:
    (folder,) = Host(tmp_path, "/").detect().confine(SERVER, "run", Limits()).folders
    assert {path.name: path.read_text() for path in Path(folder).iterdir()} == {"pids.max": "max"}


def test_a_place_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    found = Host(tmp_path, "/").detect()
    (place,) = found.places
    (place / "cgroup.subtree_control").unlink()
    place.rmdir()
    assert found.confine(SERVER, "run", LIMITS).notes == []
    assert read(place, "cgroup.subtree_control") == "+cpu +memory +pids"


def test_our_own_processes_move_aside_where_they_hinder_the_division(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path, "/container")
    (host.own / "cgroup.procs").write_text("11\n12\n")
    moved: list[str] = []
    write = cgroups._write

    def as_the_kernel(file: Path, value: str) -> None:
        if file == host.own / "cgroup.subtree_control" and len(moved) < 2:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if file == host.own / LEAF / "cgroup.procs":
            moved.append(value)
        write(file, value)

    monkeypatch.setattr(cgroups, "_write", as_the_kernel)
    assert len(host.detect(as_root=False).bounds) == 3
    assert moved[:2] == ["11", "12"]


def test_a_hybrid_hosts_empty_version_2_counts_as_version_1(tmp_path: Path) -> None:
    host = Host(tmp_path, "/", "")
    for name in ("memory", "pids"):
        (tmp_path / name / "inner").mkdir(parents=True)
    host.mounts(
        f"36 31 0:31 / {host.top} rw - cgroup2 cgroup2 rw",
        f"37 31 0:32 / {tmp_path}/memory rw,relatime - cgroup cgroup rw,memory",
        f"38 31 0:33 /docker/0123 {tmp_path}/pids rw,relatime shared:3 - cgroup cgroup rw,pids",
    )
    (host.process / "cgroup").write_text("8:pids:/docker/0123\n4:memory:/inner\n1:name=systemd:/\n0::/\n")
    found = host.detect()
    assert found.describe() == "cgroup v1"
    assert found.bounds == {"memory", "processes"}
    assert [place.parent for place in found.places] == [tmp_path / "memory" / "inner", tmp_path / "pids"]


def test_a_host_without_control_groups_says_so(tmp_path: Path) -> None:
    host = Host(tmp_path, "/")
    host.mounts()
    assert host.detect().describe() == "this host has no control groups"
    assert detect(Path("/data"), process=tmp_path / "missing").describe().startswith("the host's control groups cannot")


def test_each_data_folder_has_its_own_place(tmp_path: Path) -> None:
    host = Host(tmp_path, "/")
    one, other = (detect(Path(data), process=host.process, as_root=True).places for data in ("/a", "/b"))
    assert one != other


def test_the_group_of_a_start_that_was_never_made_goes_with_the_next(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    found = ControlGroups(Version2(place, []))
    (first,) = found.confine(SERVER, "first", Limits()).folders
    found.confine(SERVER, "second", Limits())
    assert not Path(first).exists()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"memory.events": "low 0\nmax 9\noom 1\noom_kill 2\n", "memory.max": "67108864\n"}, (2, 64 << 20)),
        ({"memory.events": "max 0\noom 0\noom_kill 1\n", "memory.max": "67108864\n"}, (1, None)),
        ({"memory.events": "max 0\noom 0\noom_kill 0\n", "memory.max": "max\n"}, None),
        ({"memory.oom_control": "oom_kill 0\n", "memory.limit_in_bytes": "67108864\n"}, None),
        ({"pids.max": "9\n"}, None),
    ],
)
def test_who_was_killed_for_memory_is_read_from_either_version(
    tmp_path: Path, files: dict[str, str], told: tuple[int, int | None] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = groups.memory_told([str(tmp_path)])
    assert (found and (found["oom_kills"], found["memory_limit"])) == (told or {})


def test_a_group_that_cannot_be_joined_is_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    note: Callable[[str], None] = notes.append
    groups.join([str(tmp_path / "gone")], note)
    assert len(notes) == 1
    assert "cannot be joined" in notes[0]
