"""Commands run for installers: what they see, what they say, and that nothing of them stays."""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.node.installs.process import CommandRunner

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
