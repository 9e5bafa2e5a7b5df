"""The leak checks of tests/conftest.py catch what they promise, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

LEAKS = """
import asyncio, os, socket, subprocess, sys, threading, time
import pytest

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
kept = []

async def test_task():
    kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten pump"))

def test_child():
    kept.append(subprocess.Popen(SLEEP))

def test_child_without_environment():
    kept.append(subprocess.Popen(SLEEP, env={}))

def test_daemon():
    script = f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True)"
    subprocess.run([sys.executable, "-c", script], check=True)

def test_zombie():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

async def test_server():
    kept.append(await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0))

def test_listening_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_thread():
    kept.append(threading.Thread(target=time.sleep, args=(1.5,), name="forgotten worker"))
    kept[-1].start()
"""

CLEAN = """
import asyncio, socket, subprocess, sys, threading
import pytest

@pytest.fixture(scope="module")
def server():
    script = "import subprocess, sys; " \\
        "[subprocess.Popen([sys.executable, '-c', 'input()'], stdin=sys.stdin).wait() for _ in iter(input, 'end')]"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, text=True) as process:
        with socket.create_server(("127.0.0.1", 0)):
            yield process
        process.stdin.write("\\nend\\n")

def test_child_of_a_wider_fixture(server):
    server.stdin.write("more\\n")
    server.stdin.flush()

async def test_everything_is_ended():
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    listening.close()
    await listening.wait_closed()
    await asyncio.to_thread(sum, [1])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    assert await process.wait() == 0

async def test_process_that_ends_just_after():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    process.kill()
    await process.wait()
"""


def run(tmp_path: Path, tests: str, grace_seconds: float) -> str:
    """Run `tests` under our conftest in a process of their own; return pytest's report."""
    (tmp_path / "conftest.py").write_text(
        CONFTEST.read_text().replace("GRACE_SECONDS = 2.0", f"GRACE_SECONDS = {grace_seconds}")
    )
    (tmp_path / "test_given.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rpE", "-p", "no:cacheprovider", "-W", "ignore", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.slow
def test_each_leak_fails_the_test_that_left_it(tmp_path: Path) -> None:
    report = run(tmp_path, LEAKS, grace_seconds=0.4)
    for name in (
        "task",
        "child",
        "child_without_environment",
        "daemon",
        "zombie",
        "server",
        "listening_socket",
        "thread",
    ):
        assert f"ERROR test_given.py::test_{name} - Failed: this test left behind" in report, report
    assert "task 'forgotten pump'" in report
    assert "a zombie, nobody waited for it" in report
    assert "listening socket ('127.0.0.1', " in report
    assert "thread 'forgotten worker'" in report
    assert "8 passed, 8 errors" in report


@pytest.mark.slow
def test_what_is_ended_or_belongs_to_a_wider_fixture_is_no_leak(tmp_path: Path) -> None:
    report = run(tmp_path, CLEAN, grace_seconds=10)
    assert "3 passed" in report, report
    assert "error" not in report, report
