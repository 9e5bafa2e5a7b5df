"""The task set: what it waits for, what it brings down, what it says, and how it ends."""

import asyncio
import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from innkeeper.kit.tasks import NeverReady, Ready, TaskSet, TaskSetIsDown, every, in_thread

DEADLINE = 5.0


class Broken(Exception):
    """Something broke."""


async def breaks() -> None:
    raise Broken


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_leaving_the_block_waits_for_the_tasks() -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        done.append(name)

    async with TaskSet("test") as tasks:
        tasks.start(work("a"), name="work a")
        tasks.start(work("b"), name="work b")
        assert tasks.names == ("work a", "work b")
    assert done == ["a", "b"]
    assert len(tasks) == 0


async def test_a_task_bears_its_name_and_gives_its_result() -> None:
    async def answer() -> int:
        return 42

    async with TaskSet("test") as tasks:
        task = tasks.start(answer(), name="answer of 7f3a")
        assert task.get_name() == "answer of 7f3a"
        assert await task == 42


async def test_a_fatal_failure_cancels_block_and_siblings_and_is_raised_and_logged() -> None:
    with capture_logs() as events, pytest.raises(ExceptionGroup) as caught:
        async with TaskSet("test") as tasks:
            sibling = tasks.start(for_ever(), name="sibling")
            tasks.start(breaks(), name="pump of 7f3a")
            await for_ever()
    assert [type(error) for error in caught.value.exceptions] == [Broken]
    assert sibling.cancelled()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    (event,) = [e for e in events if e["event"] == "task.failed"]
    assert event["task"] == "pump of 7f3a" and event["task_set"] == "test" and event["fatal"] is True


async def test_a_failure_that_is_not_fatal_is_logged_and_the_others_carry_on() -> None:
    release = asyncio.Event()
    with capture_logs() as events:
        async with TaskSet("test") as tasks:
            sibling = tasks.start(release.wait(), name="sibling")
            broken = tasks.start(breaks(), name="pump", fatal=False)
            await asyncio.wait({broken})
            release.set()
    assert sibling.result() is True
    assert [(e["event"], e["fatal"]) for e in events] == [("task.failed", False)]


async def test_an_exception_in_the_block_cancels_the_tasks_and_is_raised_in_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with TaskSet("test") as tasks:
            task = tasks.start(for_ever(), name="for ever")
            raise Broken
    assert [type(error) for error in caught.value.exceptions] == [Broken]
    assert task.cancelled()


async def test_cancelling_the_owner_from_outside_ends_the_tasks_and_stays_a_cancellation() -> None:
    entered = asyncio.Event()
    inner: list[asyncio.Task[None]] = []

    async def owner(wait_inside: bool) -> None:
        async with TaskSet("inner") as tasks:
            inner.append(tasks.start(for_ever(), name="for ever"))
            entered.set()
            if wait_inside:
                await for_ever()

    for wait_inside in (True, False):
        entered.clear()
        async with TaskSet("outer") as outer:
            task = outer.start(owner(wait_inside), name="owner")
            await entered.wait()
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled() and inner[-1].cancelled()


async def test_a_sibling_that_fails_while_being_cancelled_is_raised_too() -> None:
    async def fails_late() -> None:
        try:
            await for_ever()
        finally:
            raise Broken

    with capture_logs(), pytest.raises(ExceptionGroup) as caught:
        async with TaskSet("test") as tasks:
            tasks.start(fails_late(), name="late")
            tasks.start(breaks(), name="early")
    assert len(caught.value.exceptions) == 2


async def test_stop_cancels_all_and_returns_when_they_have_ended() -> None:
    cleaned: list[int] = []

    async def cleans_up() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    tasks = TaskSet("test").start_set()
    for n in range(3):
        tasks.start(cleans_up(), name=f"cleaner {n}")
    await asyncio.sleep(0)
    assert await tasks.stop() == ()
    assert cleaned == [1, 1, 1] and tasks.is_down
    await tasks.aclose()


async def test_a_task_is_cancelled_once_however_often_stop_is_called() -> None:
    cleaned = asyncio.Event()
    cleaning = asyncio.Event()

    async def cleans_up() -> None:
        try:
            await for_ever()
        finally:
            cleaning.set()
            await cleaned.wait()

    tasks = TaskSet("test").start_set()
    task = tasks.start(cleans_up(), name="cleaner")
    await asyncio.sleep(0)
    with capture_logs():
        await tasks.stop(patience=timedelta(milliseconds=1))
        await cleaning.wait()
        await tasks.stop(patience=timedelta(milliseconds=1))
    assert not task.done()
    cleaned.set()
    assert await tasks.stop() == ()


async def test_stop_names_the_tasks_that_would_not_end() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    tasks = TaskSet("test").start_set()
    tasks.start(stubborn(), name="stubborn of 7f3a")
    tasks.start(for_ever(), name="meek")
    await asyncio.sleep(0)
    with capture_logs() as events:
        assert await tasks.stop(patience=timedelta(milliseconds=20)) == ("stubborn of 7f3a",)
    assert [(e["event"], e["tasks"]) for e in events] == [("tasks.stop.stuck", ("stubborn of 7f3a",))]
    release.set()
    assert await tasks.stop() == ()


async def test_a_task_may_stop_its_own_set_and_is_spared() -> None:
    survived: list[bool] = []

    async def stopper(tasks: TaskSet) -> None:
        await tasks.stop()
        survived.append(True)

    async with TaskSet("test") as tasks:
        sibling = tasks.start(for_ever(), name="sibling")
        tasks.start(stopper(tasks), name="stopper")
        await tasks.wait()
        await asyncio.wait({sibling})
    assert sibling.cancelled()


async def test_a_set_that_is_down_or_unopened_takes_no_task() -> None:
    tasks = TaskSet("test")
    with pytest.raises(TaskSetIsDown, match="not open"):
        tasks.start(for_ever(), name="too early")
    tasks.start_set()
    await tasks.aclose()
    with pytest.raises(TaskSetIsDown, match="down"):
        tasks.start(for_ever(), name="too late")


async def test_a_long_lived_owner_hears_of_a_fatal_failure_once_and_wait_raises_it() -> None:
    heard: list[BaseException] = []
    tasks = TaskSet("test", on_failure=heard.append).start_set()
    sibling = tasks.start(for_ever(), name="sibling")
    with capture_logs():
        tasks.start(breaks(), name="broken")
        tasks.start(breaks(), name="broken too")
        with pytest.raises(ExceptionGroup):
            await tasks.wait()
        await tasks.aclose()
    assert len(heard) == 1 and isinstance(heard[0], Broken)
    assert sibling.cancelled()


async def test_start_until_ready_returns_when_the_service_says_so() -> None:
    serving: list[str] = []

    async def service(ready: Ready) -> None:
        await asyncio.sleep(0)
        serving.append("ready")
        ready()
        ready()
        await for_ever()

    tasks = TaskSet("test").start_set()
    task = await tasks.start_until_ready(service, name="service")
    assert serving == ["ready"] and not task.done()
    await tasks.aclose()
    assert task.cancelled()


async def test_a_failure_before_readiness_is_the_callers_and_leaves_the_set_up() -> None:
    async def service(ready: Ready) -> None:
        raise Broken

    async def silent(ready: Ready) -> None:
        return None

    async with TaskSet("test") as tasks:
        with capture_logs(), pytest.raises(Broken):
            await tasks.start_until_ready(service, name="service")
        with pytest.raises(NeverReady):
            await tasks.start_until_ready(silent, name="silent")
        assert not tasks.is_down


async def test_a_failure_after_readiness_brings_the_set_down() -> None:
    fail = asyncio.Event()

    async def service(ready: Ready) -> None:
        ready()
        await fail.wait()
        raise Broken

    with capture_logs(), pytest.raises(ExceptionGroup):
        async with TaskSet("test") as tasks:
            await tasks.start_until_ready(service, name="service")
            fail.set()
            await for_ever()


class SimulatedPace:
    """A clock on which sleeping is instant and every moment is exact."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float, /) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def test_periodic_work_keeps_to_its_grid_and_skips_what_it_overran() -> None:
    pace = SimulatedPace()
    called_at: list[float] = []
    enough = asyncio.Event()
    lasting = iter([0.5, 2.5, 1.0, 0.0, 0.0])

    async def sample() -> None:
        called_at.append(pace.now)
        pace.now += next(lasting)
        if len(called_at) == 5:
            enough.set()

    tasks = TaskSet("test").start_set()
    tasks.start(every(timedelta(seconds=1), sample, name="sampler", clock=pace), name="sampler")
    async with asyncio.timeout(DEADLINE):
        await enough.wait()
    await tasks.aclose()
    assert called_at == [1000.0, 1001.0, 1004.0, 1006.0, 1007.0]


async def test_periodic_work_that_fails_is_logged_and_comes_again() -> None:
    calls = 0
    twice = asyncio.Event()

    async def sample() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            twice.set()
        raise Broken

    with capture_logs() as events:
        async with TaskSet("test") as tasks:
            tasks.start(every(timedelta(milliseconds=1), sample, name="sampler"), name="sampler")
            async with asyncio.timeout(DEADLINE):
                await twice.wait()
            await tasks.stop()
    assert [(e["event"], e["task"]) for e in events][:2] == [("periodic.failed", "sampler")] * 2


async def test_an_interval_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        await every(timedelta(0), for_ever, name="nonsense")


async def test_blocking_work_runs_in_another_thread() -> None:
    def where(prefix: str, *, suffix: str) -> tuple[str, int]:
        return prefix + suffix, threading.get_ident()

    text, ident = await in_thread(where, "a", suffix="b")
    assert text == "ab" and ident != threading.get_ident()
