"""Own every asyncio task of the house: named, watched, and ended in order.

A `TaskSet` holds tasks the way `asyncio.TaskGroup` does, and adds what a long-lived service needs: each task has a
name a human can read, each failure is a log event, a task may fail without taking the others down, and the end is
bounded in time and says who would not go.

It refuses to know what the tasks are for, and it never restarts one: whoever wants a retry writes the loop.

    open ──start()──▶ open ──a fatal task fails──▶ down (the others are cancelled)
      └────────────────stop() / aclose()─────────▶ down (all are cancelled and waited for)
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import structlog

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

STOP_PATIENCE = timedelta(seconds=10)


class TaskSetIsDown(RuntimeError):
    """The task set is down and takes no new task."""


class NeverReady(RuntimeError):
    """The task ended before it said it was ready."""


class Pace(Protocol):
    """What `every` needs of a clock: a simulated one makes periodic work exact in tests."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    async def sleep(self, seconds: float, /) -> None:
        """Return when that many seconds have passed; at the next loop turn for zero."""


class Ready:
    """What a task started by `TaskSet.start_until_ready` calls once its service can be used."""

    def __init__(self) -> None:
        self._reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __call__(self) -> None:
        """Say that the task is ready; saying it again changes nothing."""
        if not self._reached.done():
            self._reached.set_result(None)


@dataclass(slots=True)
class _Entry:
    name: str
    fatal: bool
    cancelled: bool = False  # once is enough: a second cancellation would interrupt the task's own clean-up


class TaskSet:
    """Hold named tasks and bring them to an orderly end.

    Three ways to use one:

    - `async with TaskSet("node") as tasks:` keeps the promises of `asyncio.TaskGroup`: leaving the block waits for the
      tasks; an exception in the block cancels them; a fatal task that fails cancels the block and the other tasks, and
      the failures are raised as an exception group.
    - an object that lives long calls `start_set()`, later `await aclose()`. A fatal failure then cancels the other
      tasks and calls `on_failure`; `wait()` raises it.
    - either may call `await stop()`, which cancels everything at once.

    `name` appears in log events. `on_failure(error)` is called from the event loop, once, at the first fatal failure.
    """

    def __init__(
        self,
        name: str,
        *,
        on_failure: Callable[[BaseException], None] | None = None,
        patience: timedelta = STOP_PATIENCE,
    ) -> None:
        self.name = name
        self._on_failure = on_failure
        self._patience = patience
        self._entries: dict[asyncio.Task[Any], _Entry] = {}
        self._failures: list[BaseException] = []
        self._opened = False
        self._down = False
        self._turned: asyncio.Future[None] | None = None  # set when the set becomes empty or goes down
        self._body: asyncio.Task[Any] | None = None
        self._body_cancelled = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks that have not ended, oldest first."""
        return tuple(entry.name for entry in self._entries.values())

    @property
    def is_down(self) -> bool:
        """Whether the set was stopped or brought down, and takes no new task."""
        return self._down

    def __len__(self) -> int:
        return len(self._entries)

    # -- starting ---------------------------------------------------------------------------------------------------

    def start_set(self) -> Self:
        """Open the set outside an `async with` block; whoever opened it awaits `aclose()`."""
        if self._opened:
            raise RuntimeError(f"task set {self.name!r} was opened before")
        self._opened = True
        return self

    def start(self, coro: Coroutine[Any, Any, T], *, name: str, fatal: bool = True) -> asyncio.Task[T]:
        """Run `coro` as a task of this set, named for a human: `"console pump of 7f3a"`.

        A task that raises is logged as `task.failed`. With `fatal`, it also brings the whole set down; without, the
        others carry on. A task that is cancelled, by whomever, has not failed.

        Raises `TaskSetIsDown` when the set was not opened or is down; `coro` is then closed unrun.
        """
        if self._down or not self._opened:
            coro.close()
            raise TaskSetIsDown(f"task set {self.name!r} is {'down' if self._down else 'not open'}: no {name!r}")
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._entries[task] = _Entry(name, fatal)
        task.add_done_callback(self._ended)
        return task

    async def start_until_ready(
        self, fn: Callable[[Ready], Coroutine[Any, Any, T]], *, name: str, fatal: bool = True
    ) -> asyncio.Task[T]:
        """Start `fn(ready)` and return once it has called `ready()`.

        Until then its failure belongs to the caller: it is raised here and leaves the set up. A task that ends without
        a word raises `NeverReady`. A caller that is cancelled meanwhile takes the task with it.
        """
        ready = Ready()
        task = self.start(fn(ready), name=name, fatal=False)
        entry = self._entries[task]
        try:
            awaited: set[asyncio.Future[Any]] = {task, ready._reached}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=self._patience.total_seconds())
            raise
        if task.done():
            if not task.cancelled() and (error := task.exception()) is not None:
                # Ready first and failed in the same turn: the failure is the set's, as it would be a moment later.
                if ready._reached.done() and fatal:
                    self._fail(error)
                raise error
            if not ready._reached.done():
                raise NeverReady(f"{name!r} ended before it was ready")
        entry.fatal = fatal
        return task

    # -- ending -----------------------------------------------------------------------------------------------------

    async def stop(self, *, patience: timedelta | None = None) -> tuple[str, ...]:
        """Cancel every task and wait until they have ended, `patience` at most.

        Return the names of those that would not end (empty when all is well); they are logged as `tasks.stop.stuck`
        and stay cancelled. The set is down from the first moment. Called by one of the set's own tasks, it spares that
        task. Stopping again waits again.
        """
        self._bring_down()
        caller = asyncio.current_task()
        pending = {task for task in self._entries if task is not caller}
        if not pending:
            return ()
        limit = self._patience if patience is None else patience
        _, stuck = await asyncio.wait(pending, timeout=limit.total_seconds())
        names = tuple(sorted(task.get_name() for task in stuck))
        if names:
            log.error("tasks.stop.stuck", task_set=self.name, tasks=names, waited_s=limit.total_seconds())
        return names

    async def aclose(self) -> None:
        """End a set opened by `start_set()`: `stop()`, with failures logged and not raised."""
        await self.stop()

    async def wait(self) -> None:
        """Wait until no task is left or the set is down; raise the fatal failures as an exception group."""
        await self._until_empty_or_down()
        self._raise_failures()

    async def __aenter__(self) -> Self:
        self.start_set()
        self._body = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        body, self._body = self._body, None
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        if self._body_cancelled and body is not None and body.uncancel() == 0:
            # The cancellation was ours, to interrupt the block: the failure that caused it is what is raised.
            cancelled = None
        try:
            if error is None:
                await self._until_empty_or_down()
        except asyncio.CancelledError as late:
            cancelled = late
        await self.stop()
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            return False
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._failures.insert(0, error)
        self._raise_failures()
        if cancelled is not None and cancelled is not error:
            raise cancelled
        return False

    # -- inside -----------------------------------------------------------------------------------------------------

    def _ended(self, task: asyncio.Task[Any]) -> None:
        entry = self._entries.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task.failed", task_set=self.name, task=entry.name, fatal=entry.fatal, exc_info=error)
            if entry.fatal:
                self._fail(error)
        if not self._entries:
            self._turn()

    def _fail(self, error: BaseException) -> None:
        self._failures.append(error)
        self._bring_down()
        body = self._body
        if body is not None and not self._body_cancelled and body is not asyncio.current_task() and not body.done():
            self._body_cancelled = True
            body.cancel()
        if self._on_failure is not None and len(self._failures) == 1:
            self._on_failure(error)

    def _bring_down(self) -> None:
        self._down = True
        caller = asyncio.current_task()
        for task, entry in self._entries.items():
            if task is not caller and not entry.cancelled:
                entry.cancelled = True
                task.cancel()
        self._turn()

    async def _until_empty_or_down(self) -> None:
        while self._entries and not self._down:
            if self._turned is None:
                self._turned = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._turned)

    def _turn(self) -> None:
        if self._turned is not None:
            self._turned.set_result(None)
            self._turned = None

    def _raise_failures(self) -> None:
        if self._failures:
            raise BaseExceptionGroup(f"failures in task set {self.name!r}", list(self._failures))


class _LoopPace:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)


async def every(
    interval: timedelta, fn: Callable[[], Awaitable[object]], *, name: str, clock: Pace | None = None
) -> None:
    """Call `fn` now and then at each further multiple of `interval`, for ever: a coroutine to give to `TaskSet.start`.

    Calls never overlap and never pile up: one that outlasts the interval costs the ticks it covered, and the next falls
    on the grid again, so the period does not drift. A call that raises is logged as `periodic.failed` and the next tick
    comes all the same.
    """
    pace = clock if clock is not None else _LoopPace()
    step = interval.total_seconds()
    if step <= 0:
        raise ValueError(f"{name!r}: the interval must be positive, not {interval}")
    begun = pace.monotonic()
    tick = 0
    while True:
        try:
            await fn()
        except Exception:
            log.exception("periodic.failed", task=name)
        tick = max(tick + 1, math.floor((pace.monotonic() - begun) / step) + 1)
        await pace.sleep(max(0.0, begun + tick * step - pace.monotonic()))


async def in_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking `fn` in a worker thread and return what it returns.

    Threads cannot be cancelled: a caller that is cancelled stops waiting while `fn` runs on to its end, so `fn` must be
    safe to finish unobserved.
    """
    return await asyncio.to_thread(fn, *args, **kwargs)
