"""The first half of the bus contract: what `publish` and `subscribe` promise, and the helpers its tests share.

Whoever writes a bus derives from `innkeeper.testing.bus_suite.BusSuite`, which holds both halves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

import pytest
from structlog.testing import capture_logs

from innkeeper.kit.tasks import TaskSet
from innkeeper.wire.bus import (
    MAX_PAYLOAD_BYTES,
    Bus,
    Message,
    PayloadTooLarge,
    PendingLimit,
    SubjectIsInvalid,
)

DEADLINE_S = 10.0
SOON = timedelta(seconds=5)
Peers = tuple[Bus, Bus]


class Broken(Exception):
    """Something broke."""


class Inbox:
    """A handler that keeps what it gets and lets a test wait for it."""

    def __init__(self, *, gate: asyncio.Event | None = None) -> None:
        self.messages: list[Message] = []
        self.running = 0
        self.most_running = 0
        self._gate = gate
        self._changed = asyncio.Event()

    @property
    def payloads(self) -> list[bytes]:
        """The payloads so far, in the order they came."""
        return [message.payload for message in self.messages]

    async def __call__(self, message: Message) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.messages.append(message)
        self._changed.set()
        try:
            if self._gate is not None:
                await self._gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.running -= 1

    async def until(self, count: int) -> None:
        """Return when at least that many messages have come; TimeoutError past the deadline."""
        await self.until_true(lambda: len(self.messages) >= count)

    async def until_true(self, holds: Callable[[], bool]) -> None:
        """Return when `holds()` is true after some message."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


async def eventually(attempt: Callable[[], Awaitable[bool]], *, within_s: float = DEADLINE_S) -> None:
    """Return when `attempt()` says True, trying again until the deadline; AssertionError past it."""
    end = monotonic() + within_s
    while not await attempt():
        if monotonic() > end:
            raise AssertionError(f"not within {within_s} s")
        await asyncio.sleep(0.01)


async def echo(payload: bytes) -> bytes:
    """Answer with what was asked."""
    return payload


class MessagesSuite:
    """What `publish` and `subscribe` promise."""

    async def test_a_message_reaches_the_subscribers_of_its_subject_and_no_other(self, peers: Peers) -> None:
        near, far = peers
        inbox, own, other = Inbox(), Inbox(), Inbox()
        await far.subscribe("node.7.state", inbox, name="far")
        await near.subscribe("node.7.state", own, name="near")
        await far.subscribe("node.8.state", other, name="other")
        await near.publish("node.7.state", b"up")
        await near.publish("node.8.state", b"down")
        await inbox.until(1)
        await own.until(1)
        await other.until(1)
        assert inbox.messages == own.messages == [Message("node.7.state", b"up")]
        assert other.payloads == [b"down"]

    @pytest.mark.parametrize(
        ("pattern", "taken"),
        [
            ("a.*.c", ["a.b.c", "a.x.c"]),
            ("a.>", ["a.b", "a.b.c", "a.x.c", "a.b.c.d"]),
            ("*.*", ["a.b", "b.c"]),
            (">", ["a.b", "a.b.c", "a.x.c", "a.b.c.d", "b.c", "b"]),
            ("*", ["b"]),
            ("a.b.>", ["a.b.c", "a.b.c.d"]),
        ],
    )
    async def test_wildcards_stand_for_one_token_or_for_the_rest(
        self, peers: Peers, pattern: str, taken: list[str]
    ) -> None:
        near, far = peers
        inbox, last = Inbox(), Inbox()
        await far.subscribe(pattern, inbox, name="pattern")
        await far.subscribe("end", last, name="end")
        for subject in ("a.b", "a.b.c", "a.x.c", "a.b.c.d", "b.c", "b"):
            await near.publish(subject, subject.encode())
        await inbox.until(len(taken))
        await near.publish("end", b"")
        await last.until(1)
        assert [message.subject for message in inbox.messages if message.subject != "end"] == taken

    async def test_messages_of_one_publisher_arrive_one_at_a_time_in_the_order_sent(self, peers: Peers) -> None:
        near, far = peers
        inbox = Inbox()
        await far.subscribe("console.>", inbox, name="console")
        sent = [str(number).encode() for number in range(3000)]
        for payload in sent:
            await near.publish("console.7f3a", payload)
        await inbox.until(len(sent))
        assert inbox.payloads == sent
        assert inbox.most_running == 1

    async def test_two_publishers_each_keep_their_order(self, peers: Peers) -> None:
        near, far = peers
        inbox = Inbox()
        await far.subscribe("log", inbox, name="log")

        async def send(bus: Bus, letter: bytes) -> None:
            for number in range(300):
                await bus.publish("log", b"%b%d" % (letter, number))

        async with TaskSet("publishers") as tasks:
            tasks.start(send(near, b"n"), name="near publisher")
            tasks.start(send(far, b"f"), name="far publisher")
        await inbox.until(600)
        for letter in (b"n", b"f"):
            assert [p for p in inbox.payloads if p.startswith(letter)] == [b"%b%d" % (letter, n) for n in range(300)]

    async def test_publishing_to_nobody_is_no_error(self, peers: Peers) -> None:
        await peers[0].publish("nobody.listens", b"hello")

    async def test_a_handler_runs_in_its_own_task_and_never_inside_publish(self, peers: Peers) -> None:
        near, far = peers
        handled_by: list[asyncio.Task[object] | None] = []
        done = asyncio.Event()

        async def handler(message: Message) -> None:
            handled_by.append(asyncio.current_task())
            done.set()

        await far.subscribe("a", handler, name="console pump of 7f3a")
        await near.publish("a", b"")
        async with asyncio.timeout(DEADLINE_S):
            await done.wait()
        (task,) = handled_by
        assert task is not None and task is not asyncio.current_task()
        assert "console pump of 7f3a" in task.get_name()

    async def test_a_handler_that_raises_is_logged_and_gets_the_next_message(self, peers: Peers) -> None:
        near, far = peers
        inbox = Inbox()

        async def handler(message: Message) -> None:
            if message.payload == b"bad":
                raise Broken
            if message.payload == b"cancelled":
                raise asyncio.CancelledError
            await inbox(message)

        with capture_logs() as events:
            await far.subscribe("a", handler, name="touchy")
            for payload in (b"bad", b"cancelled", b"good"):
                await near.publish("a", payload)
            await inbox.until(1)
        assert inbox.payloads == [b"good"]
        failed = [event for event in events if event["event"] == "bus.handler.failed"]
        assert [event["subscription"] for event in failed] == ["touchy", "touchy"]

    async def test_a_slow_subscriber_holds_up_neither_publisher_nor_others(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        slow, quick = Inbox(gate=gate), Inbox()
        await far.subscribe("a", slow, name="slow")
        await far.subscribe("a", quick, name="quick")
        for number in range(200):
            await near.publish("a", str(number).encode())
        await quick.until(200)
        assert len(slow.messages) <= 1
        gate.set()
        await slow.until(200)

    async def test_past_the_pending_limit_messages_are_dropped_counted_and_announced_once(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        inbox, witness = Inbox(gate=gate), Inbox()
        gaps: list[tuple[int, int]] = []
        subscription = await far.subscribe(
            "a",
            inbox,
            name="overrun",
            on_gap=lambda missed: gaps.append((missed, len(inbox.messages))),
            pending=PendingLimit(messages=10),
        )
        await far.subscribe("a", witness, name="witness")
        await near.publish("a", b"first")
        await inbox.until(1)
        for number in range(50):
            await near.publish("a", str(number).encode())
        await witness.until(51)
        with capture_logs():
            gate.set()
            await inbox.until(11)
            await eventually(lambda: _true(bool(gaps)))
            await near.publish("a", b"after")
            await inbox.until(12)
        assert inbox.payloads == [b"first", *(str(n).encode() for n in range(10)), b"after"]
        assert subscription.dropped == 40
        assert gaps == [(40, 11)]

    async def test_the_pending_limit_counts_bytes_too(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        inbox, witness = Inbox(gate=gate), Inbox()
        subscription = await far.subscribe("a", inbox, name="overrun", pending=PendingLimit(bytes=1000))
        await far.subscribe("a", witness, name="witness")
        await near.publish("a", b"first")
        await inbox.until(1)
        for _ in range(5):
            await near.publish("a", bytes(400))
        await witness.until(6)
        gate.set()
        await inbox.until(3)
        assert subscription.dropped == 3

    async def test_a_gap_callback_that_raises_is_logged_and_messages_go_on(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        inbox, witness = Inbox(gate=gate), Inbox()

        def on_gap(missed: int) -> None:
            raise Broken

        await far.subscribe("a", inbox, name="overrun", on_gap=on_gap, pending=PendingLimit(messages=1))
        await far.subscribe("a", witness, name="witness")
        with capture_logs() as events:
            for payload in (b"1", b"2", b"3", b"4"):
                await near.publish("a", payload)
            await witness.until(4)
            gate.set()
            await eventually(lambda: _true(any(e["event"] == "bus.gap_callback.failed" for e in events)))
            await near.publish("a", b"after")
            await inbox.until_true(lambda: b"after" in inbox.payloads)

    async def test_after_close_no_handler_runs_or_starts(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        inbox, witness = Inbox(gate=gate), Inbox()
        subscription = await far.subscribe("a", inbox, name="closing")
        await far.subscribe("a", witness, name="witness")
        await near.publish("a", b"1")
        await near.publish("a", b"2")
        await inbox.until(1)
        await witness.until(2)
        async with TaskSet("test") as tasks:
            closing = tasks.start(subscription.close(), name="closing")
            await asyncio.sleep(0)
            assert not closing.done()
            gate.set()
        assert inbox.running == 0
        await near.publish("a", b"3")
        await witness.until(3)
        await subscription.close()
        assert inbox.payloads == [b"1"]

    async def test_a_handler_may_close_its_own_subscription(self, peers: Peers) -> None:
        near, far = peers
        closed = asyncio.Event()
        calls: list[bytes] = []

        async def once(message: Message) -> None:
            calls.append(message.payload)
            await subscription.close()
            closed.set()

        witness = Inbox()
        subscription = await far.subscribe("a", once, name="once")
        await far.subscribe("a", witness, name="witness")
        await near.publish("a", b"1")
        async with asyncio.timeout(DEADLINE_S):
            await closed.wait()
        await near.publish("a", b"2")
        await witness.until(2)
        assert calls == [b"1"]

    async def test_a_payload_of_the_limit_passes_and_one_byte_more_is_refused(self, peers: Peers) -> None:
        near, far = peers
        inbox = Inbox()
        await far.subscribe("a", inbox, name="large")
        await far.serve("q", echo, name="echo")
        largest = bytes(MAX_PAYLOAD_BYTES)
        await near.publish("a", largest)
        await inbox.until(1)
        assert inbox.payloads == [largest]
        assert await near.request("q", largest, SOON) == largest
        with pytest.raises(PayloadTooLarge):
            await near.publish("a", largest + b"x")
        with pytest.raises(PayloadTooLarge):
            await near.request("q", largest + b"x", SOON)

    async def test_an_empty_payload_is_a_payload(self, peers: Peers) -> None:
        near, far = peers
        inbox = Inbox()
        await far.subscribe("a", inbox, name="empty")
        await far.serve("q", echo, name="echo")
        await near.publish("a", b"")
        await inbox.until(1)
        assert inbox.payloads == [b""]
        assert await near.request("q", b"", SOON) == b""

    async def test_a_payload_that_is_not_bytes_is_refused(self, peers: Peers) -> None:
        with pytest.raises(TypeError):
            await peers[0].publish("a", bytearray(b"mutable"))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "subject", ["", ".", "a..b", ".a", "a.", "a b", "a\r\nPUB b 1", "a.*", ">", "a.\x00", "é\u2028", "a" * 256]
    )
    async def test_a_subject_that_cannot_be_routed_is_refused(self, peers: Peers, subject: str) -> None:
        near, _ = peers
        with pytest.raises(SubjectIsInvalid):
            await near.publish(subject, b"")
        with pytest.raises(SubjectIsInvalid):
            await near.request(subject, b"", SOON)
        with pytest.raises(SubjectIsInvalid):
            await near.serve(subject, echo, name="echo")

    @pytest.mark.parametrize("pattern", ["", "a..b", "a.>.b", "a b", ">.a", "a.b*", "**", "a.>>"])
    async def test_a_pattern_that_means_nothing_is_refused(self, peers: Peers, pattern: str) -> None:
        with pytest.raises(SubjectIsInvalid):
            await peers[0].subscribe(pattern, Inbox(), name="nonsense")


async def _true(value: bool) -> bool:
    return value
