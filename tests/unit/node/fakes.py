"""What node tests share: a clock that moves when told, and a panel that answers on a real bus."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from innkeeper.wire.bus import Bus, Subscription
from innkeeper.wire.codec import decode, encode
from innkeeper.wire.messages import (
    PANEL_ENROL,
    PANEL_HELLO,
    PANEL_REPORT,
    Acknowledged,
    Enrol,
    Enrolled,
    Hello,
    NodeFacts,
    ObservedServer,
    Refusal,
    Report,
    Welcome,
)

NODE = UUID("0198a000-0000-7000-8000-000000000001")
DEADLINE_S = 15

FACTS = NodeFacts(
    version="0",
    hostname="inn",
    system="Linux",
    cpus=1,
    memory_mib=1,
    disk_mib=1,
    disk_free_mib=1,
    runtimes=["process"],
    tools={},
)


class FakeClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class FakePanel:
    """Answers what nodes say, and remembers it; `refusing` is answered instead, while it is set."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._subscriptions: list[Subscription] = []
        self._changed = asyncio.Event()
        self.hellos: list[Hello] = []
        self.enrols: list[Enrol] = []
        self.reports: list[Report] = []
        self.servers: dict[UUID, ObservedServer] = {}
        self.refusing: Refusal | None = None

    async def open(self) -> None:
        for subject, handler in (
            (PANEL_HELLO, self._hello),
            (PANEL_REPORT, self._report),
            (PANEL_ENROL, self._enrol),
        ):
            self._subscriptions.append(await self._bus.serve(subject, handler, name=subject))

    async def close(self) -> None:
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until `reached()` after something was said; AssertionError after the deadline."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise AssertionError(f"not reached; the panel knows {list(self.servers.values())}") from error

    async def _hello(self, payload: bytes) -> bytes:
        self.hellos.append(decode(payload, Hello))
        return self._answer(Welcome())

    async def _report(self, payload: bytes) -> bytes:
        report: Report = decode(payload, Report)
        self.reports.append(report)
        if self.refusing is None:
            if report.complete:
                self.servers.clear()
            self.servers.update({server.uuid: server for server in report.servers})
        return self._answer(Acknowledged())

    async def _enrol(self, payload: bytes) -> bytes:
        self.enrols.append(decode(payload, Enrol))
        return self._answer(Enrolled(node=NODE, secret="s3cret"))

    def _answer(self, answer: Welcome | Acknowledged | Enrolled) -> bytes:
        self._changed.set()
        return encode(self.refusing or answer)
