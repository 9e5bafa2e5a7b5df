"""What the process runtime plans, on this host's real file system."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from innkeeper.contracts.runtime import Bound, Confined, Launch, Limits, Owner, RuntimeRefused
from innkeeper.drivers.runtimes.process import FIRST_UID, ProcessRuntime

SERVER = UUID(int=7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "files"
    path.mkdir()
    return path


def launch(folder: Path, *argv: str, **changes: object) -> Launch:
    return msgspec.structs.replace(
        Launch(server=SERVER, number=7, run_id="r1", argv=list(argv), environment={}, folder=folder), **changes
    )


def script(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_a_program_is_found_on_the_games_path_and_the_rest_stays(folder: Path) -> None:
    plan = ProcessRuntime(as_root=True).plan(launch(folder, "sh", "-c", "echo {x}", environment={"A": "1"}))
    assert plan.argv == ["/usr/bin/sh", "-c", "echo {x}"]
    assert plan.env["A"] == "1"
    assert plan.env["HOME"] == plan.cwd == str(folder)
    assert "INVOCATION_ID" not in plan.env


def test_as_root_every_server_has_its_own_user_and_sees_only_its_own(folder: Path, tmp_path: Path) -> None:
    runtime = ProcessRuntime(tools=[tmp_path, tmp_path / "missing"], as_root=True)
    shared = tmp_path / "shared"
    plan = runtime.plan(launch(folder, "/bin/sh", readable=[shared], hidden=[tmp_path], limits=Limits(processes=9)))
    assert (plan.uid, plan.gid) == (FIRST_UID + 7, FIRST_UID + 7)
    assert runtime.owner(7) == Owner(FIRST_UID + 7, FIRST_UID + 7)
    assert plan.isolation is not None
    assert plan.isolation.visible == [(str(folder), "rw"), (str(shared), "ro"), (str(tmp_path), "ro")]
    assert plan.isolation.hide == [str(tmp_path)]
    assert plan.rlimits == {"CORE": (0, 0), "NPROC": (9, 9)}
    assert plan.no_new_privs


def test_without_root_everything_stays_ours_and_says_so(folder: Path) -> None:
    runtime = ProcessRuntime(as_root=False)
    plan = runtime.plan(launch(folder, "sh", limits=Limits(processes=9, open_files=64)))
    assert (plan.uid, plan.isolation, runtime.owner(7)) == (None, None, None)
    assert plan.rlimits == {"CORE": (0, 0), "NOFILE": (64, 64)}
    notes = runtime.shortcomings(Limits(memory_mib=100, cpu_percent=50, processes=9, open_files=64))
    assert len(notes) == 3


def test_a_limit_above_our_own_is_lowered_to_it(folder: Path) -> None:
    soft, hard = ProcessRuntime().plan(launch(folder, "sh", limits=Limits(open_files=1 << 40))).rlimits["NOFILE"]
    assert soft == hard < 1 << 40


def test_a_file_of_the_server_can_be_the_program(folder: Path) -> None:
    script(folder / "bin/game")
    assert ProcessRuntime(as_root=True).plan(launch(folder, "./bin/game")).argv == [str(folder / "bin/game")]


def test_a_tool_folder_is_searched_and_reached_below_a_closed_folder(folder: Path, tmp_path: Path) -> None:
    program = script(tmp_path / "home/tool/bin/runner")
    (tmp_path / "home").chmod(0o700)
    tool = program.parent.parent
    runtime = ProcessRuntime(tools=[tool], tool_binaries=[program.parent], as_root=True)
    assert runtime.plan(launch(folder, "runner")).argv == [str(program)]


@pytest.mark.parametrize("name", ["no-such-program", "./missing", "/missing/program", "./plain", "./folder", ""])
def test_what_cannot_be_executed_is_refused(folder: Path, name: str) -> None:
    script(folder / "plain", mode=0o644)
    (folder / "folder").mkdir()
    with pytest.raises(RuntimeRefused):
        ProcessRuntime(as_root=True).plan(launch(folder, name))


def test_a_program_below_a_folder_closed_to_the_user_is_refused(folder: Path, tmp_path: Path) -> None:
    program = script(tmp_path / "home/bin/runner")
    (tmp_path / "home").chmod(0o700)
    with pytest.raises(RuntimeRefused, match="may not enter /"):
        ProcessRuntime(as_root=True).plan(launch(folder, str(program)))


def test_a_program_in_a_visible_folder_is_reached_through_a_link_too(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "closed/shared"
    script(real / "games/runner")
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "shared").symlink_to(real)
    there = launch(folder, str(tmp_path / "shared/games/runner"))
    with pytest.raises(RuntimeRefused, match="may not enter /"):
        ProcessRuntime(as_root=True).plan(there)
    there = msgspec.structs.replace(there, readable=[tmp_path / "shared"])
    assert ProcessRuntime(as_root=True).plan(there).argv == [str(tmp_path / "shared/games/runner")]


def test_a_nul_character_is_refused(folder: Path) -> None:
    with pytest.raises(RuntimeRefused, match="NUL"):
        ProcessRuntime(as_root=True).plan(launch(folder, "sh", "a\0b"))


def test_a_number_beyond_the_range_has_no_user() -> None:
    with pytest.raises(RuntimeRefused, match="user id"):
        ProcessRuntime(as_root=True).owner(1 << 40)


class Bounding:
    """Groups that can be made for anything but cpu."""

    bounds: frozenset[Bound] = frozenset({"memory", "processes"})

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, str, Limits]] = []

    def describe(self) -> str:
        return "cgroup v1"

    def confine(self, server: UUID, run_id: str, limits: Limits) -> Confined:
        self.asked.append((server, run_id, limits))
        return Confined(folders=["/groups/x"], notes=["well"])


def test_each_run_is_bounded_by_groups_of_its_own(folder: Path) -> None:
    bounding = Bounding()
    runtime = ProcessRuntime(as_root=False, confinement=bounding)
    limits = Limits(memory_mib=100, cpu_percent=50, processes=9, storage_mib=3)
    plan = runtime.plan(launch(folder, "sh", limits=limits))
    assert (plan.cgroups, plan.notes) == (["/groups/x"], ["well"])
    assert bounding.asked == [(SERVER, "r1", limits)]
    assert plan.rlimits["FSIZE"] == (3 << 20, 3 << 20)
    assert runtime.shortcomings(limits) == ["the cpu limit of 50 % is not enforced by this node"]
    assert "Limited by control groups (cgroup v1): memory, processes." in runtime.describe()
    assert "Not limited: cpu." in runtime.describe()


def test_no_group_is_made_for_what_cannot_be_executed(folder: Path) -> None:
    bounding = Bounding()
    with pytest.raises(RuntimeRefused):
        ProcessRuntime(as_root=True, confinement=bounding).plan(launch(folder, "no-such-program"))
    assert bounding.asked == []
