"""What every test is held to: it leaves no task, process, thread or listening socket behind.

Knows nothing of the product. Whatever a fixture of wider scope holds (a database server, a broker) exists before
the test's own checks begin, and is therefore left alone until that fixture ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import psutil
import pytest

# Its suites assert as tests do. Said before anything imports them.
pytest.register_assert_rewrite("innkeeper.testing")

GRACE_SECONDS = 2.0
ACCEPTANCE = "tests/acceptance/"
ACCEPTANCE_S = 600
"""For one test that starts the whole product, maybe on a loaded machine; what it waits for gives up long before."""
MARK = "INNKEEPER_TEST_RUN"
# Children that the standard library starts once for the whole process, on first use.
STANDARD_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
# Pools that live as long as their loop, or stop with the interpreter.
STANDARD_THREADS = ("asyncio_", "ThreadPoolExecutor")

os.environ[MARK] = f"{os.getpid()}-{uuid.uuid4()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that race real processes for the machine a second try; pytest's closing line counts those who took it.

    All others must pass at once.
    """
    for item in items:
        if item.nodeid.startswith(ACCEPTANCE):
            item.add_marker(pytest.mark.timeout(ACCEPTANCE_S))
        if item.nodeid.startswith(ACCEPTANCE) or item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a process, a listening socket or a thread behind; end the processes it left."""
    pids = set(psutil.pids())
    sockets = set(_listening_sockets())
    threads = set(threading.enumerate())
    if asyncio.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_task_is_left_behind")
    yield
    left = [
        *_settled(lambda: _processes_since(pids)),
        *_settled(lambda: [name for fd, name in _listening_sockets().items() if fd not in sockets]),
        *_settled(lambda: [_describe_thread(thread) for thread in _threads_since(threads)]),
    ]
    _end_processes_since(pids)
    if left:
        pytest.fail("this test left behind:\n" + "\n".join(f"  - {what}" for what in left), pytrace=False)


@pytest.fixture
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that leaves a task running in its event loop; cancel what it left."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_SECONDS / 4)
    if left:
        lines = "\n".join(f"  - task {task.get_name()!r}: {task.get_coro()!r}" for task in left)
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=GRACE_SECONDS)
        pytest.fail(f"this test left behind:\n{lines}", pytrace=False)


def _settled(look: Callable[[], list[str]]) -> list[str]:
    """Return what `look` still sees after a moment of grace, for what ends by itself only just after the test."""
    deadline = time.monotonic() + GRACE_SECONDS
    while seen := look():
        if time.monotonic() > deadline:
            return seen
        time.sleep(0.02)
    return []


def _processes_since(pids: set[int]) -> list[str]:
    return [_describe_process(process) for process in _left_processes(pids)]


def _left_processes(pids: set[int]) -> list[psutil.Process]:
    """Return processes that were not in `pids` and come from this test run, daemonised ones included."""
    left = []
    for pid in set(psutil.pids()) - pids:
        try:
            process = psutil.Process(pid)
            if _is_ours(process, pids) and not any(name in _command_line(process) for name in STANDARD_HELPERS):
                left.append(process)
        except psutil.Error:  # it has just ended, or belongs to somebody whose processes we may not read
            continue
    return left


def _is_ours(process: psutil.Process, pids: set[int]) -> bool:
    """Say whether a new process descends from this one, or carries this run's mark, and no older fixture owns it."""
    marked = _is_marked(process)
    for ancestor in process.parents():
        if ancestor.pid == os.getpid():
            return True
        if ancestor.pid in pids and _is_marked(ancestor):
            return False
        marked = marked or _is_marked(ancestor)
    return marked


def _is_marked(process: psutil.Process) -> bool:
    try:
        return process.environ().get(MARK) == os.environ[MARK]
    except (psutil.Error, OSError):
        return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.ZombieProcess:
        return ""


def _describe_process(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"process {process.pid} ({process.name()}): a zombie, nobody waited for it"
        return f"process {process.pid}: {_command_line(process) or process.name()}"
    except psutil.NoSuchProcess:
        return f"process {process.pid}: ended only now"


def _end_processes_since(pids: set[int]) -> None:
    """Kill and reap what a test left, so that the next test starts from nothing."""
    left = _left_processes(pids)
    for process in left:
        try:
            process.kill()
        except psutil.Error:  # it ended first, which is what we want
            continue
    psutil.wait_procs(left, timeout=GRACE_SECONDS)


def _listening_sockets() -> dict[tuple[int, int], str]:
    """Return this process's listening sockets: (descriptor, inode) and a description of each."""
    found = {}
    for entry in os.scandir("/proc/self/fd"):
        fd = int(entry.name)
        try:
            status = os.fstat(fd)
            if not stat.S_ISSOCK(status.st_mode):
                continue
            with socket.socket(fileno=os.dup(fd)) as copy:
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found[fd, status.st_ino] = f"listening socket {copy.getsockname()!r} (descriptor {fd})"
        except OSError:  # closed meanwhile, or of a family that Python cannot wrap
            continue
    return found


def _threads_since(threads: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in set(threading.enumerate()) - threads
        if not thread.daemon and not thread.name.startswith(STANDARD_THREADS)
    ]


def _describe_thread(thread: threading.Thread) -> str:
    return f"thread {thread.name!r}: {type(thread).__name__}"
