"""The receiving half every bus shares: bounded queues, the tasks that run handlers, and requests awaiting an answer.

It refuses to know how messages arrive: a bus hands them in with `offer`, which returns at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from time import monotonic

import structlog

from innkeeper.kit.tasks import TaskSet
from innkeeper.wire.bus import (
    BusError,
    GapCallback,
    Message,
    MessageHandler,
    PendingLimit,
    RequestHandler,
    RequestTimedOut,
    ResponderFailed,
    ResponderIsBusy,
    StateCallback,
    check_payload,
)

log = structlog.get_logger(__name__)

CLOSE_PATIENCE = timedelta(seconds=5)
WAITING_PER_RUNNING = 16
TURN_S = 0.004  # how long handlers that never suspend may hold the event loop; shorter, and a burst outruns the pump
LOOK_AT_CLOCK = 32  # messages

BUSY = ResponderIsBusy.__name__
CANCELLED = "HandlerCancelled"

Forget = Callable[[], Awaitable[None]]
Answer = Callable[[bytes, str | None], Awaitable[None]]
"""Takes the answer and None, or nothing and the reason why there is none."""


class _Gap:
    __slots__ = ("missed",)

    def __init__(self) -> None:
        self.missed = 0


class Pump:
    """One subscription's bounded queue and the task that hands it to the handler, message by message."""

    def __init__(
        self,
        subject: str,
        handler: MessageHandler,
        *,
        name: str,
        tasks: TaskSet,
        forget: Callable[[Pump], Awaitable[None]],
        on_gap: GapCallback | None,
        limit: PendingLimit | None,
        patience: timedelta,
    ) -> None:
        limit = limit or PendingLimit()
        self.subject = subject
        self.name = name
        self.dropped = 0
        self._handler = handler
        self._forget = forget
        self._patience = patience
        self._on_gap = on_gap
        self._max_messages = limit.messages
        self._max_bytes = limit.bytes
        self._queue: deque[Message | _Gap] = deque()
        self._bytes = 0
        self._gap: _Gap | None = None  # the one being dropped into now
        self._wake: asyncio.Future[None] | None = None
        self._closing = False
        self._task = tasks.start(self._run(), name=f"bus subscription {name}", fatal=False)

    def offer(self, message: Message) -> None:
        """Queue a message for the handler, or drop it when too much waits."""
        if self._closing:
            return
        size = len(message.payload)
        queue = self._queue
        if self._gap is not None or len(queue) >= self._max_messages or self._bytes + size > self._max_bytes:
            if not self._has_room(size):
                self._drop()
                return
            self._gap = None
        queue.append(message)
        self._bytes += size
        if self._wake is not None:
            self._wake.set_result(None)
            self._wake = None

    async def close(self) -> None:
        await self._close(drain=False)

    async def drain(self) -> None:
        """Close, letting the handler have what is queued as long as it takes no longer than closing may."""
        await self._close(drain=True)

    async def _close(self, *, drain: bool) -> None:
        if not drain:
            self._queue.clear()
        if not self._closing:
            self._closing = True
            if self._wake is not None:
                self._wake.set_result(None)
                self._wake = None
            await self._forget(self)
        if self._task is not asyncio.current_task():
            await _end({self._task}, self.name, self._patience)

    def _has_room(self, size: int) -> bool:
        if not self._queue:
            return True
        if self._gap is None:
            return False
        return len(self._queue) <= self._max_messages // 2 and self._bytes + size <= self._max_bytes // 2

    def _drop(self) -> None:
        self.dropped += 1
        if self._gap is None:
            self._gap = _Gap()
            self._queue.append(self._gap)
            log.warning("bus.subscription.overflowed", subscription=self.name, subject=self.subject)
        self._gap.missed += 1

    async def _run(self) -> None:
        queue = self._queue
        while True:
            handled = 0
            began = monotonic()
            while queue:
                item = queue.popleft()
                if isinstance(item, _Gap):
                    self._announce(item)
                    continue
                self._bytes -= len(item.payload)
                try:
                    await self._handler(item)
                except Exception:
                    log.exception("bus.handler.failed", subscription=self.name, subject=item.subject)
                except asyncio.CancelledError:
                    if _is_being_cancelled():
                        raise
                    # The handler awaited something that others cancelled: its failure, not the end of ours.
                    log.exception("bus.handler.failed", subscription=self.name, subject=item.subject)
                handled += 1
                if handled >= LOOK_AT_CLOCK:
                    handled = 0
                    if monotonic() - began >= TURN_S:
                        await asyncio.sleep(0)
                        began = monotonic()
            if self._closing:
                return
            self._bytes = 0
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    def _announce(self, gap: _Gap) -> None:
        if gap is self._gap:
            self._gap = None
        log.warning("bus.subscription.missed", subscription=self.name, subject=self.subject, missed=gap.missed)
        if self._on_gap is not None:
            try:
                self._on_gap(gap.missed)
            except Exception:
                log.exception("bus.gap_callback.failed", subscription=self.name)


class Responder:
    """One served subject: runs its handler for many requests at once and answers every one of them."""

    def __init__(
        self,
        subject: str,
        handler: RequestHandler,
        *,
        name: str,
        tasks: TaskSet,
        forget: Callable[[Responder], Awaitable[None]],
        at_once: int,
        patience: timedelta,
    ) -> None:
        if at_once < 1:
            raise ValueError(f"{name!r} must serve at least one request at once")
        self.subject = subject
        self.name = name
        self.dropped = 0
        self._handler = handler
        self._forget = forget
        self._patience = patience
        self._tasks = tasks
        self._at_once = at_once
        self._waiting: deque[tuple[bytes, Answer]] = deque()
        self._running = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._forgotten = False
        self._closing = False

    async def offer(self, payload: bytes, answer: Answer) -> None:
        """Take a request, or refuse it as busy."""
        if self._closing:
            await answer(b"", CANCELLED)
        elif self._running < self._at_once:
            self._running += 1
            task = self._tasks.start(
                self._work(payload, answer), name=f"bus responder {self.name} {next(self._numbers)}", fatal=False
            )
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)
        elif len(self._waiting) < self._at_once * WAITING_PER_RUNNING:
            self._waiting.append((payload, answer))
        else:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("bus.responder.overflowed", responder=self.name, subject=self.subject)
            await answer(b"", BUSY)

    async def close(self) -> None:
        if not self._forgotten:
            self._forgotten = True
            await self._forget(self)  # requests may come until this returns, and are answered
        self._closing = True
        await _end(self._workers - {asyncio.current_task()}, self.name, self._patience)
        while self._waiting:
            _, answer = self._waiting.popleft()
            await answer(b"", CANCELLED)

    async def drain(self) -> None:
        """Close: what was accepted is answered in either case."""
        await self.close()

    async def _work(self, payload: bytes, answer: Answer) -> None:
        try:
            while True:
                await self._respond(payload, answer)
                if not self._waiting:
                    return
                payload, answer = self._waiting.popleft()
        finally:
            # In the same step as the look at the queue: else a request could be queued for a worker that has left.
            self._running -= 1

    async def _respond(self, payload: bytes, answer: Answer) -> None:
        try:
            result = await self._handler(payload)
            check_payload(result)
        except Exception as error:
            log.exception("bus.responder.failed", responder=self.name, subject=self.subject)
            await answer(b"", type(error).__name__)
        except asyncio.CancelledError:
            log.warning("bus.responder.cancelled", responder=self.name, subject=self.subject)
            await answer(b"", CANCELLED)
            if _is_being_cancelled():
                raise
        else:
            await answer(result, None)


class Asks:
    """Requests of ours that wait for an answer, by number."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, asyncio.Future[bytes]]] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, subject: str) -> int:
        """Note a request about to be sent; return its number."""
        number = next(self._numbers)
        self._open[number] = (subject, asyncio.get_running_loop().create_future())
        return number

    async def wait(self, number: int, timeout: timedelta) -> bytes:
        """Return the answer, raise what it says, or raise `RequestTimedOut`; the request is forgotten then."""
        _, future = self._open[number]
        timer = asyncio.get_running_loop().call_later(timeout.total_seconds(), self._expire, number, timeout)
        try:
            return await future
        finally:
            timer.cancel()
            del self._open[number]

    def forget(self, number: int) -> None:
        """Drop a request that could not be sent."""
        _, future = self._open.pop(number)
        future.cancel()

    def settle(self, number: int, payload: bytes, reason: str | None) -> None:
        """Deliver an answer, or the reason for a failure; late and second ones find nobody."""
        if (ask := self._open.get(number)) is None:
            return
        subject, future = ask
        if future.done():
            return
        if reason is None:
            future.set_result(payload)
        else:
            future.set_exception((ResponderIsBusy if reason == BUSY else ResponderFailed)(subject, reason))

    def fail(self, number: int, error: BusError) -> None:
        """Have the request raise `error`."""
        if (ask := self._open.get(number)) is not None and not ask[1].done():
            ask[1].set_exception(error)

    def fail_all(self, error: Callable[[str], BusError]) -> None:
        """Have every open request raise `error(subject)`."""
        for number, (subject, _) in tuple(self._open.items()):
            self.fail(number, error(subject))

    def _expire(self, number: int, timeout: timedelta) -> None:
        if (ask := self._open.get(number)) is not None:
            self.fail(number, RequestTimedOut(f"{ask[0]} in {timeout.total_seconds():g} s"))


class StateCallbacks:
    """Whoever wants to hear of the connection coming and going."""

    def __init__(self) -> None:
        self._callbacks: dict[object, StateCallback] = {}

    def add(self, callback: StateCallback) -> Callable[[], None]:
        """Register; return what undoes it."""
        key = object()
        self._callbacks[key] = callback

        def undo() -> None:
            self._callbacks.pop(key, None)

        return undo

    def tell(self, connected: bool) -> None:
        """Call everyone, whatever one of them raises."""
        for callback in tuple(self._callbacks.values()):
            try:
                callback(connected)
            except Exception:
                log.exception("bus.state_callback.failed", connected=connected)


async def drain_all(receivers: list[Pump | Responder]) -> None:
    """Drain many at once; together they take no longer than one may."""
    if receivers:
        await asyncio.gather(*(receiver.drain() for receiver in receivers))


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _end(tasks: set[asyncio.Task[None]], name: str, patience: timedelta) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=patience.total_seconds())
    if late:
        log.warning("bus.handler.cancelled", subscription=name, running=len(late))
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=patience.total_seconds())
