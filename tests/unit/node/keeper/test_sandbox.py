"""A game sees its own files at their own paths, and nothing of its neighbours. All as root, with real mounts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from innkeeper.node.keeper.client import LaunchFailed
from tests.unit.node.keeper.conftest import PYTHON

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a game its own view of the files")

UID = 65010


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two servers, below folders that only root may enter."""
    root = tmp_path / "data"
    for name in ("one", "two"):
        files = root / "servers" / name
        files.mkdir(parents=True)
        (files / "world").write_text(f"world of {name}\n")
        for path in (files, files / "world"):
            os.chown(path, UID, UID)
    (root / "database").write_text("secret")
    tmp_path.chmod(0o700)
    return root


async def shown(server, script: str, isolation: dict[str, object], **spec: object) -> list[str]:
    await server.start(["sh", "-c", script], uid=UID, gid=UID, isolation=isolation, **spec)
    await server.exited()
    return server.output().decode().splitlines()


async def test_its_own_files_are_writable_at_their_own_path_below_a_closed_folder(server, data):
    own = data / "servers" / "one"
    isolation = {"visible": [[str(own), "rw"]], "hide": [str(data)]}
    lines = await shown(server, "pwd; cat world; echo new > made && cat made", isolation, cwd=str(own))
    assert lines == [str(own), "world of one", "new"]
    assert (own / "made").read_text() == "new\n" and (own / "made").stat().st_uid == UID
    assert server.state["notes"] == []


async def test_the_neighbours_and_the_database_are_not_there(server, data):
    isolation = {"visible": [[str(data / "servers" / "one"), "rw"]], "hide": [str(data)]}
    lines = await shown(server, f"ls {data} {data}/servers; echo x > {data}/y || echo refused", isolation)
    text = "\n".join(lines)
    assert "one" in text and "two" not in text and "database" not in text and "refused" in text


async def test_hidden_folders_that_could_be_entered_are_hidden_all_the_same(server, data):
    isolation = {"visible": [[str(data / "servers" / "one"), "rw"]], "hide": ["/opt"]}
    assert await shown(server, "ls /opt", isolation) == []


async def test_a_read_only_folder_cannot_be_written(server, data, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    (shared / "tool").write_text("tool\n")
    isolation = {"visible": [[str(data / "servers" / "one"), "rw"], [str(shared), "ro"]], "hide": [str(data)]}
    lines = await shown(server, f"cat {shared}/tool; touch {shared}/x 2>/dev/null || echo refused", isolation)
    assert lines == ["tool", "refused"]


async def test_a_folder_reached_through_links_is_reached_by_the_same_name(server, data, tmp_path):
    (data / "servers" / "alias").symlink_to("one")
    (tmp_path / "link").symlink_to(data / "servers")
    path = tmp_path / "link" / "alias"
    isolation = {"visible": [[str(path), "rw"]], "hide": [str(data)]}
    lines = await shown(server, "cat world", isolation, cwd=str(path))
    assert lines == ["world of one"]


async def test_a_virtual_environment_below_a_closed_folder_works(server, data, tmp_path):
    environment = tmp_path / "venv"
    binary = environment / "bin" / "python"
    binary.parent.mkdir(parents=True)
    base = Path(os.path.realpath(sys.executable))
    binary.symlink_to(base)
    (environment / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    visible = [[str(data / "servers" / "one"), "rw"], [str(environment), "ro"], [str(base.parent.parent), "ro"]]
    isolation = {"visible": visible, "hide": [str(data)]}
    lines = await shown(server, f"{binary} -c 'import sys, json; print(sys.prefix)'", isolation)
    assert lines == [str(environment)]


async def test_proc_still_works_and_the_host_keeps_its_mounts(server, data):
    before = Path("/proc/self/mountinfo").read_text()
    isolation = {"visible": [[str(data / "servers" / "one"), "rw"]], "hide": [str(data)]}
    lines = await shown(server, "test -r /proc/self/status && echo yes; cat /proc/loadavg | wc -l", isolation)
    assert lines == ["yes", "1"]
    assert Path("/proc/self/mountinfo").read_text() == before


async def test_a_single_visible_file_and_a_hidden_folder_within_a_visible_one(server, data):
    own = data / "servers" / "one"
    (own / "secrets").mkdir()
    (own / "secrets" / "key").write_text("k")
    visible = [[str(own), "rw"], [str(data / "database"), "ro"]]
    isolation = {"visible": visible, "hide": [str(data), str(own / "secrets")]}
    (data / "database").chmod(0o644)
    lines = await shown(server, f"cat {data}/database; echo; ls {own}/secrets", isolation)
    assert lines == ["secret"]


async def test_a_visible_folder_that_is_missing_is_named(server, data):
    with pytest.raises(LaunchFailed, match="/no: No such file or directory"):
        await server.start(["true"], uid=UID, gid=UID, isolation={"visible": [["/no/such", "rw"]], "hide": []})


async def test_a_machine_that_lets_nobody_mount_is_noted_or_refused(server, data, tmp_path):
    """As the game's user nothing can be mounted: what a container without the capability is like."""
    open_folder = Path("/usr/share")
    program = f"""
from innkeeper.node.keeper import sandbox
os.setresuid({UID}, {UID}, {UID})
def tell(text): print('note', text, flush=True)
sandbox.enter({{'visible': [['{open_folder}', 'ro']], 'hide': ['/opt']}}, {UID}, {UID}, tell)
"""
    source = Path(__file__).parents[4] / "src"
    environment = {"PATH": "/usr/bin:/bin"}
    script = f"import os, sys; sys.path.append({str(source)!r})" + program
    await server.start([PYTHON, "-I", "-S", "-c", script], env=environment)
    await server.exited()
    assert server.output().decode().startswith("note other servers' files are not hidden from this one: ")


async def test_its_user_has_a_name_which_only_the_game_sees(server, data):
    own = data / "servers" / "one"
    line = f"server-7:x:{UID}:{UID}::{own}:/bin/sh"
    isolation = {"visible": [[str(own), "rw"]], "hide": [str(data)], "user": line}
    lines = await shown(
        server,
        "whoami; echo ~server-7; ls /tmp | wc -l; echo x >> /etc/passwd || echo refused",
        isolation,
        cwd=str(own),
    )
    assert lines[:2] == ["server-7", str(own)] and lines[-1] == "refused" and int(lines[2]) > 0
    assert "server-7" not in Path("/etc/passwd").read_text()
    assert server.state["notes"] == []


async def test_it_sees_its_own_processes_and_nobody_elses_command_line(server, data):
    own = data / "servers" / "one"
    lines = await shown(
        server,
        "ls -d /proc/[0-9]* | wc -l; cat /proc/$$/comm; cat /proc/1/cmdline 2>/dev/null || echo hidden",
        {"visible": [[str(own), "rw"]], "hide": [str(data)]},
        cwd=str(own),
    )
    assert int(lines[0]) < 6 and lines[2] == "hidden", lines
    assert lines[1] in ("sh", "dash", "bash")
    assert server.state["notes"] == []
