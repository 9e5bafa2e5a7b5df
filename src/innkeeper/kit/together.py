"""Do at once what many ask for one by one: what each time costs much is paid once for all who wait.

    asked ──nothing is under way──▶ done, in a task of its own
      └─────something is──────────▶ waits ──▶ done with all who wait by then, so many at most

Who is alone waits for nobody; the more ask, the more are done at a time. Knows nothing of what is done.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from innkeeper.kit.tasks import TaskSet

T = TypeVar("T")

MOST = 100


class Together(Generic[T]):
    """Collects what is asked for while the last lot is being done.

    `do` is given what was asked, in that order. Where it fails for several, it is asked to do each by itself, so that
    nobody fails with another; an error of the kinds `of_all` is everybody's at once.
    """

    def __init__(
        self,
        do: Callable[[list[T]], Awaitable[None]],
        *,
        tasks: TaskSet,
        name: str,
        of_all: tuple[type[Exception], ...] = (),
        most: int = MOST,
    ) -> None:
        self._do = do
        self._tasks = tasks
        self._name = name
        self._of_all = of_all
        self._most = most
        self._waiting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._lot: list[tuple[T, asyncio.Future[None]]] = []
        self._is_busy = False

    async def __call__(self, item: T) -> None:
        """Return once `item` is done; raise what that raised, TaskSetIsDown.

        It is done to its end whether or not the caller is cancelled.
        """
        if not self._is_busy:
            self._tasks.start(self._work_off(), name=self._name, fatal=False).add_done_callback(self._rest)
            self._is_busy = True
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        await done

    async def _work_off(self) -> None:
        while self._waiting:
            self._lot = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
            await self._do_all(self._lot)
        self._lot, self._is_busy = [], False

    def _rest(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for what will not be done: the task may have ended in the midst of it, or before it began."""
        if not task.cancelled() and task.exception() is None:
            return
        self._is_busy = False
        for _item, done in (*self._lot, *self._waiting):
            done.cancel()
        self._lot.clear()
        self._waiting.clear()

    async def _do_all(self, lot: list[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            await self._do([item for item, _ in lot])
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            if len(lot) == 1 or isinstance(error, self._of_all):
                for _, done in lot:
                    if not done.done():
                        done.set_exception(error)
                return
            for one in lot:
                await self._do_all([one])
            return
        for _, done in lot:
            if not done.done():
                done.set_result(None)
