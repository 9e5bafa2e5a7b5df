"""Commands run for installers: what they see, what they say, and that nothing of them stays."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.contracts.runtime import ExecPlan, Isolation
from innkeeper.node.installs.process import CommandRunner, ServerCommandRunner, end_leftovers, mark_of

LONG = timedelta(seconds=30)


class Said(list[str]):
    """The lines reported, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def __call__(self, text: str, fraction: float | None = None) -> None:
        self.append(text)
        self._changed.set()

    async def wait_for(self, prefix: str) -> str:
        async with asyncio.timeout(20):
            while not (found := [line for line in self if line.startswith(prefix)]):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


async def run(said: Said, script: str, cwd: Path, env: Mapping[str, str] | None = None) -> int:
    return await CommandRunner(said, {})(shell(script), cwd, env or {}, LONG)


async def test_the_exit_code_and_the_lines_of_both_outputs_come_back(tmp_path: Path) -> None:
    said = Said()
    assert await run(said, "echo one; echo two >&2; printf 'half'; exit 7", tmp_path) == 7
    assert said == ["one", "two", "half"]
    assert await run(said, "kill -TERM $$", tmp_path) == -15


async def test_the_command_sees_nothing_of_the_daemons_environment_but_network_settings(tmp_path: Path) -> None:
    said = Said()
    host = {"HTTPS_PROXY": "http://proxy:1", "SSL_CERT_FILE": "/ca.pem", "DATABASE_PASSWORD": "secret", "HOME": "/x"}
    await CommandRunner(said, host)(["/usr/bin/env"], tmp_path, {"EXTRA": "1"}, LONG)
    seen = dict(line.split("=", 1) for line in said)
    del seen["INNKEEPER_COMMAND"]
    assert seen == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "HTTPS_PROXY": "http://proxy:1",
        "SSL_CERT_FILE": "/ca.pem",
        "EXTRA": "1",
    }


async def test_the_command_holds_no_terminal_no_input_and_no_descriptor_of_ours(tmp_path: Path) -> None:
    said = Said()
    ours = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        await run(said, "cat; ls /proc/self/fd | wc -l", tmp_path)
    finally:
        os.close(ours)
    assert int(said[0]) <= 4  # three, and the one by which `ls` reads the directory


async def test_endless_output_is_cut_and_does_not_stop_the_command(tmp_path: Path) -> None:
    said = Said()
    assert await run(said, "yes a | head -n 30000; yes | tr -d '\\n' | head -c 1000000", tmp_path) == 0
    assert len(said) == 10_001
    assert said[-1] == "… (what follows is not shown)"
    said.clear()
    await run(said, "yes | tr -d '\\n' | head -c 100000; printf '\\033[31mred\\033[0m\\r10%%\\r20%%\\n\\377'", tmp_path)
    assert max(map(len, said)) <= 2000
    assert said[-3:] == ["10%", "20%", "\N{REPLACEMENT CHARACTER}"]


LEAVES_MUCH_RUNNING = (
    "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &) ; echo started; "
)


def sleepers(mark: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state = (
                Path("/proc", pid, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            )
            environment = Path("/proc", pid, "environ").read_bytes()
        except OSError:
            continue
        if f"TEST_MARK={mark}".encode() in environment and state != b"Z":
            found.append(int(pid))
    return found


async def test_what_a_command_leaves_running_is_killed_when_it_ends(tmp_path: Path) -> None:
    mark = {"TEST_MARK": tmp_path.name + "-ends"}
    assert await run(Said(), LEAVES_MUCH_RUNNING, tmp_path, mark) == 0
    assert sleepers(mark["TEST_MARK"]) == []


async def test_a_cancelled_command_is_killed_wholly(tmp_path: Path) -> None:
    mark = {"TEST_MARK": tmp_path.name + "-cancelled"}
    said = Said()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run(said, LEAVES_MUCH_RUNNING + "sleep 1000", tmp_path, mark), name="command")
        await said.wait_for("started")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sleepers(mark["TEST_MARK"]) == []


async def test_a_command_that_takes_too_long_is_killed_wholly_and_said_so(tmp_path: Path) -> None:
    mark = {"TEST_MARK": tmp_path.name + "-late"}
    with pytest.raises(InstallFailed, match="longer than"):
        await CommandRunner(Said(), {})(
            shell(LEAVES_MUCH_RUNNING + "sleep 1000"), tmp_path, mark, timedelta(seconds=0.5)
        )
    assert sleepers(mark["TEST_MARK"]) == []


async def test_a_command_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    script = "import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(3)"
    assert await CommandRunner(Said(), {})([sys.executable, "-c", script], tmp_path, {}, LONG) == 3


@pytest.mark.parametrize("argv", [["/nowhere/at/all"], ["/etc/passwd"], ["sh\0"]])
async def test_a_command_that_cannot_start_is_said_so(tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(InstallFailed, match="could not be started"):
        await CommandRunner(Said(), {})(argv, tmp_path, {}, LONG)


# -- as the server's user ---------------------------------------------------------------------------------------------

USER = 1_900_777_123
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives servers users of their own")
Execute = Callable[..., ServerCommandRunner]


@pytest.fixture
def as_server(tmp_path: Path) -> Execute:
    """Give what makes a runner of commands in a server's folder, as the server's user where we are root."""
    folder, secret = tmp_path / "server", tmp_path / "secret"
    folder.mkdir()
    secret.mkdir()
    (secret / "key").touch()
    root = os.geteuid() == 0
    if root:
        os.chown(folder, USER, USER)

    def make(said: Said, host: Mapping[str, str] | None = None) -> ServerCommandRunner:
        def plan(argv: Sequence[str], environment: Mapping[str, str]) -> ExecPlan:
            isolation = Isolation(visible=[(str(folder), "rw")], hide=[str(tmp_path)]) if root else None
            return ExecPlan(
                argv=list(argv),
                env={"PATH": "/usr/bin:/bin", **environment},
                cwd=str(folder),
                uid=USER if root else None,
                gid=USER if root else None,
                rlimits={"NOFILE": (123, 123)},
                isolation=isolation,
            )

        return ServerCommandRunner(said, host or {}, mark_of(tmp_path), plan)

    return make


async def test_a_foreign_command_has_the_servers_user_view_limits_and_nothing_of_ours(
    as_server: Execute, tmp_path: Path
) -> None:
    said = Said()
    host = {"HTTPS_PROXY": "http://proxy:1", "DATABASE_PASSWORD": "secret"}
    ours = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        script = "pwd; ulimit -n; umask; cat; ls /proc/self/fd | wc -l; env | cut -d= -f1 | sort | tr '\\n' ' '; exit 7"
        assert await as_server(said, host)(shell(script), LONG, env={"EXTRA": "1"}) == 7
    finally:
        os.close(ours)
    assert said[:3] == [str(tmp_path / "server"), "123", "0027"]
    assert int(said[3]) <= 4
    assert said[4].split() == ["EXTRA", "HTTPS_PROXY", "INNKEEPER_COMMAND", "PATH", "PWD"]


@needs_root
async def test_a_foreign_command_cannot_reach_what_is_not_the_servers(as_server: Execute, tmp_path: Path) -> None:
    said = Said()
    script = f"id -u; id -g; ls {tmp_path}; grep -E 'NoNewPrivs|CapEff' /proc/self/status; echo 1 > file"
    assert await as_server(said)(shell(script), LONG) == 0
    assert said == [str(USER), str(USER), "server", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"]
    status = (tmp_path / "server" / "file").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (USER, 0o640)


async def test_what_a_foreign_command_says_goes_to_whoever_listens(as_server: Execute) -> None:
    said, heard = Said(), Said()
    assert await as_server(said)(shell("echo one; echo two >&2"), LONG, hear=heard) == 0
    assert (said, heard) == ([], ["one", "two"])


async def test_whoever_listens_hears_the_last_line_however_much_came_before(as_server: Execute) -> None:
    heard = Said()
    script = "yes 'some progress that is told again and again' | head -n 30000; echo Success!; exit 3"
    assert await as_server(Said())(shell(script), LONG, hear=heard) == 3
    assert heard[-1] == "Success!"
    assert "… (what follows is not shown)" not in heard


async def test_what_a_command_leaves_talking_holds_nobody_up(as_server: Execute) -> None:
    async with asyncio.timeout(20):
        script = "for one in 1 2 3 4; do cat /dev/zero & done; sleep 0.2; exit 3"
        assert await as_server(Said())(shell(script), LONG, hear=Said()) == 3


@pytest.mark.parametrize("argv", [["/nowhere/at/all"], ["/etc/passwd"]])
async def test_a_foreign_command_that_cannot_start_is_said_so(as_server: Execute, argv: list[str]) -> None:
    said = Said()
    with pytest.raises(InstallFailed, match=r"could not be started: .*(No such file|Permission denied)"):
        await as_server(said)(argv, LONG)
    assert said == []


def of_user(uid: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"\nUid:\t{uid}\t" in (status := Path("/proc", name, "status").read_text()) and "\tZ (" not in status:
                found.append(int(name))
        except OSError:
            continue
    return found


@needs_root
async def test_what_hides_from_its_mark_is_killed_by_its_user(as_server: Execute) -> None:
    hidden = "(setsid env -i sleep 1000 > /dev/null 2>&1 &); until pgrep -u $(id -u) sleep > /dev/null; do :; done; "
    said = Said()
    assert await as_server(said)(shell(hidden), LONG) == 0
    assert of_user(USER) == []
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(as_server(said)(shell(hidden + "echo started; sleep 1000"), LONG), name="command")
        await said.wait_for("started")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert of_user(USER) == []


async def test_a_foreign_command_that_takes_too_long_is_killed_wholly_and_said_so(as_server: Execute) -> None:
    with pytest.raises(InstallFailed, match="longer than"):
        await as_server(Said())(shell("sleep 1000"), timedelta(seconds=0.5))


async def test_a_node_ends_what_its_earlier_life_left_running_and_nobody_elses(tmp_path: Path) -> None:
    mine, others = mark_of(tmp_path / "mine"), mark_of(tmp_path / "others")
    left = [
        await asyncio.create_subprocess_exec(
            "sleep", "1000", env={"INNKEEPER_COMMAND": f"{mark}-abc"}, start_new_session=True
        )
        for mark in (mine, others)
    ]
    try:
        await asyncio.to_thread(end_leftovers, mine)
        async with asyncio.timeout(10):
            assert await left[0].wait() == -9
        assert left[1].returncode is None
    finally:
        left[1].kill()
        await left[1].wait()
