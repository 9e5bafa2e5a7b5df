"""The bus within one process: the same bytes, the same promise, no transport.

It is connected as long as it is open. It refuses to be reached from another process, thread or event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from innkeeper.bus.delivery import CLOSE_PATIENCE, Asks, Pump, Responder, StateCallbacks, drain_all
from innkeeper.kit.tasks import TaskSet
from innkeeper.wire.bus import (
    MAX_PAYLOAD_BYTES,
    MAX_REQUESTS_AT_ONCE,
    BusIsDown,
    GapCallback,
    Message,
    MessageHandler,
    NoResponder,
    PendingLimit,
    RequestHandler,
    StateCallback,
    Subscription,
    check_pattern,
    check_payload,
    check_subject,
    is_wild,
    matches,
)

BURST = 64  # publishes before the subscribers get their turn: a publisher in a tight loop never suspends otherwise
MAX_ROUTES = 16_384


class InProcessBus:
    """A `Bus` for panel and node in one process. Open it in the event loop that uses it; end it with `aclose()`.

    `close_patience` is how long a handler that runs may take to finish when its subscription or the bus is closed.
    """

    def __init__(self, *, close_patience: timedelta = CLOSE_PATIENCE) -> None:
        self._patience = close_patience
        self._tasks = TaskSet("in-process bus").start_set()
        self._exact: dict[str, list[Pump]] = {}
        self._wild: list[Pump] = []
        self._routes: dict[str, tuple[Pump, ...]] = {}
        self._responders: dict[str, list[_Group]] = {}
        self._asks = Asks()
        self._states = StateCallbacks()
        self._burst = 0
        self._closing = False
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def connected(self) -> bool:
        return not self._closed

    def on_state(self, callback: StateCallback) -> Callable[[], None]:
        return self._states.add(callback)

    async def publish(self, subject: str, payload: bytes) -> None:
        if payload.__class__ is not bytes or len(payload) > MAX_PAYLOAD_BYTES:
            check_payload(payload)
        if self._closed:
            raise BusIsDown("closed")
        route = self._routes.get(subject)
        if route is None:
            route = self._find(subject)
        if not route:
            return
        message = Message(subject, payload)
        for pump in route:
            pump.offer(message)
        self._burst += 1
        if self._burst >= BURST:
            self._burst = 0
            await asyncio.sleep(0)

    async def subscribe(
        self,
        subject: str,
        handler: MessageHandler,
        *,
        name: str,
        on_gap: GapCallback | None = None,
        pending: PendingLimit | None = None,
    ) -> Subscription:
        check_pattern(subject)
        self._refuse_if_closing()
        pump = Pump(
            subject,
            handler,
            name=name,
            tasks=self._tasks,
            forget=self._forget_pump,
            on_gap=on_gap,
            limit=pending,
            patience=self._patience,
        )
        if is_wild(subject):
            self._wild.append(pump)
        else:
            self._exact.setdefault(subject, []).append(pump)
        self._reroute(subject)
        return pump

    async def request(self, subject: str, payload: bytes, timeout: timedelta) -> bytes:
        check_subject(subject)
        check_payload(payload)
        if self._closed:
            raise BusIsDown("closed")
        chosen = [group.choose() for group in self._responders.get(subject, ())]
        if not chosen:
            raise NoResponder(subject)
        number = self._asks.open(subject)

        async def answer(result: bytes, reason: str | None) -> None:
            self._asks.settle(number, result, reason)

        for responder in chosen:
            await responder.offer(payload, answer)
        return await self._asks.wait(number, timeout)

    async def serve(
        self,
        subject: str,
        handler: RequestHandler,
        *,
        name: str,
        group: str | None = None,
        at_once: int = MAX_REQUESTS_AT_ONCE,
    ) -> Subscription:
        check_subject(subject)
        if group is not None:
            check_subject(group)
        self._refuse_if_closing()
        responder = Responder(
            subject,
            handler,
            name=name,
            tasks=self._tasks,
            forget=self._forget_responder,
            at_once=at_once,
            patience=self._patience,
        )
        groups = self._responders.setdefault(subject, [])
        for present in groups:
            if group is not None and present.name == group:
                present.members.append(responder)
                break
        else:
            groups.append(_Group(group, responder))
        return responder

    async def aclose(self) -> None:
        if self._closing:
            await self._tasks.aclose()
            return
        self._closing = True
        pumps = [*self._wild, *(pump for pumps in self._exact.values() for pump in pumps)]
        responders = [member for groups in self._responders.values() for group in groups for member in group.members]
        await drain_all([*pumps, *responders])
        self._closed = True
        self._asks.fail_all(lambda subject: BusIsDown(f"closed before {subject} was answered"))
        await self._tasks.aclose()

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise BusIsDown("closed")

    def _find(self, subject: str) -> tuple[Pump, ...]:
        check_subject(subject)
        route = (*self._exact.get(subject, ()), *(pump for pump in self._wild if matches(pump.subject, subject)))
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[subject] = route
        return route

    def _reroute(self, subject: str) -> None:
        if is_wild(subject):
            self._routes.clear()
        else:
            self._routes.pop(subject, None)

    async def _forget_pump(self, pump: Pump) -> None:
        if is_wild(pump.subject):
            self._wild.remove(pump)
        else:
            pumps = self._exact[pump.subject]
            pumps.remove(pump)
            if not pumps:
                del self._exact[pump.subject]
        self._reroute(pump.subject)

    async def _forget_responder(self, responder: Responder) -> None:
        groups = self._responders[responder.subject]
        for group in groups:
            if responder in group.members:
                group.members.remove(responder)
        groups[:] = [group for group in groups if group.members]
        if not groups:
            del self._responders[responder.subject]


class _Group:
    """Those who share the requests of one subject, in turn."""

    def __init__(self, name: str | None, first: Responder) -> None:
        self.name = name
        self.members = [first]
        self._turn = 0

    def choose(self) -> Responder:
        self._turn = (self._turn + 1) % len(self.members)
        return self.members[self._turn]
