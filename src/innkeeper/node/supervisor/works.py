"""What a supervisor has under way for one server: at most one work of each name, and the timers that run.

Knows no server, and nothing of what the works are for.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from innkeeper.kit.tasks import TaskSet
from innkeeper.node.supervisor import events as on

log = structlog.get_logger(__name__)


class Works:
    """Works by name, as tasks of `tasks`. `happened` is told what comes of one that broke."""

    def __init__(self, tasks: TaskSet, label: str, happened: Callable[[on.Event], None]) -> None:
        self._tasks = tasks
        self._label = label
        self._happened = happened
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._given_up: dict[asyncio.Task[Any], str] = {}
        """What was cancelled and has not ended yet: an installation may have to wait for what it executes."""

    def __contains__(self, name: str) -> bool:
        return name in self._under_way

    def start(
        self,
        name: str,
        do_it: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[str], on.Event] | None = None,
    ) -> None:
        """Begin a work, in the place of an earlier one of that name, and not before that has ended.

        `failed` makes an event of what broke it.
        """
        self.cancel(name)
        earlier = [task for task, known in self._given_up.items() if known == name]

        async def work() -> None:
            try:
                if earlier:
                    await asyncio.wait(earlier)
                await do_it()
            except Exception as error:
                # Whatever is broken, the order behind it must end.
                log.exception("server.work.failed", server=self._label, work=name)
                if failed is not None:
                    self._happened(failed(f"internal error: {type(error).__name__}: {error}"))
            finally:
                if self._under_way.get(name) is asyncio.current_task():
                    del self._under_way[name]

        self._under_way[name] = self._tasks.start(work(), name=f"{name} of {self._label}", fatal=False)

    def cancel(self, name: str) -> None:
        """Give up the work of that name, if one is under way."""
        task = self._under_way.pop(name, None)
        if task is not None and task is not asyncio.current_task():
            self._given_up[task] = name
            task.add_done_callback(self._given_up.pop)
            task.cancel()

    async def aclose(self) -> None:
        """Give up all of them but the one that asks for it; return once they have ended."""
        asking = asyncio.current_task()
        for name in [name for name, task in self._under_way.items() if task is not asking]:
            self.cancel(name)
        if ending := [task for task in self._given_up if task is not asking]:
            await asyncio.wait(ending)


class Timers:
    """Timers by name. `happened` is told when one has elapsed."""

    def __init__(self, happened: Callable[[on.Event], None]) -> None:
        self._happened = happened
        self._running: dict[on.Timer, asyncio.TimerHandle] = {}

    def set(self, timer: on.Timer, seconds: float) -> None:
        """Have it elapse that long from now, in the place of an earlier one of that name."""
        self.cancel(timer)
        self._running[timer] = asyncio.get_running_loop().call_later(seconds, self._elapsed, timer)

    def cancel(self, timer: on.Timer) -> None:
        """Have it not elapse."""
        handle = self._running.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def clear(self) -> None:
        """Have none elapse."""
        for timer in list(self._running):
            self.cancel(timer)

    def _elapsed(self, timer: on.Timer) -> None:
        self._running.pop(timer, None)
        self._happened(on.Elapsed(timer))
