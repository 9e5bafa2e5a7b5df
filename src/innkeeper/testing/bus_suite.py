"""The contract of a bus, as tests: derive from `BusSuite`, provide `peers`, and pytest holds your bus to its promise.

    class TestMyBus(BusSuite):
        @pytest.fixture
        async def peers(self) -> AsyncIterator[tuple[Bus, Bus]]:
            ...yield two buses that reach each other; the same one twice where there is only one...

It knows the promise of `innkeeper.wire.bus` and nothing of how a bus keeps it. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

import pytest
from structlog.testing import capture_logs

from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.bus_messages import DEADLINE_S, SOON, Broken, Inbox, MessagesSuite, Peers, echo, eventually
from innkeeper.wire.bus import (
    MAX_PAYLOAD_BYTES,
    BusIsDown,
    Message,
    NoResponder,
    RequestTimedOut,
    ResponderFailed,
    ResponderIsBusy,
)

__all__ = ["DEADLINE_S", "SOON", "Broken", "BusSuite", "Inbox", "Peers", "echo", "eventually"]


class RequestsSuite:
    """What `request` and `serve` promise, and how a bus ends."""

    async def test_a_request_is_answered(self, peers: Peers) -> None:
        near, far = peers

        async def shout(payload: bytes) -> bytes:
            return payload.upper()

        await far.serve("node.7.ask", shout, name="shout")
        assert await near.request("node.7.ask", b"hello", SOON) == b"HELLO"
        assert await far.request("node.7.ask", b"myself", SOON) == b"MYSELF"

    async def test_a_request_nobody_serves_fails_at_once(self, peers: Peers) -> None:
        near, far = peers
        begun = monotonic()
        with pytest.raises(NoResponder):
            await near.request("nobody.serves", b"", timedelta(seconds=60))
        served = await far.serve("gone", echo, name="echo")
        await served.close()
        await served.close()
        with pytest.raises(NoResponder):
            await near.request("gone", b"", timedelta(seconds=60))
        assert monotonic() - begun < DEADLINE_S

    async def test_subscribers_see_no_requests_and_responders_no_messages(self, peers: Peers) -> None:
        near, far = peers
        inbox, asked = Inbox(), []

        async def handler(payload: bytes) -> bytes:
            asked.append(payload)
            return b"answer"

        await far.subscribe(">", inbox, name="everything")
        with pytest.raises(NoResponder):
            await near.request("a", b"question", SOON)
        await far.serve("a", handler, name="a")
        assert await near.request("a", b"question", SOON) == b"answer"
        await near.publish("a", b"message")
        await inbox.until(1)
        assert inbox.messages == [Message("a", b"message")]
        assert asked == [b"question"]

    async def test_an_answer_that_takes_too_long_is_a_timeout_and_comes_to_nobody(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        finished = asyncio.Event()

        async def slow(payload: bytes) -> bytes:
            await gate.wait()
            finished.set()
            return payload

        await far.serve("slow", slow, name="slow")
        with pytest.raises(RequestTimedOut):
            await near.request("slow", b"late", timedelta(milliseconds=50))
        gate.set()
        async with asyncio.timeout(DEADLINE_S):
            await finished.wait()
        assert await near.request("slow", b"in time", SOON) == b"in time"

    async def test_a_handler_that_raises_fails_the_request_at_once_and_is_logged(self, peers: Peers) -> None:
        near, far = peers

        async def fails(payload: bytes) -> bytes:
            if payload == b"cancelled":
                raise asyncio.CancelledError
            if payload == b"too large":
                return bytes(MAX_PAYLOAD_BYTES + 1)
            if payload:
                raise Broken("of secret matters")
            return b"well"

        await far.serve("fails", fails, name="fails")
        begun = monotonic()
        with capture_logs() as events:
            with pytest.raises(ResponderFailed) as caught:
                await near.request("fails", b"x", timedelta(seconds=60))
            with pytest.raises(ResponderFailed):
                await near.request("fails", b"cancelled", timedelta(seconds=60))
            with pytest.raises(ResponderFailed) as too_large:
                await near.request("fails", b"too large", timedelta(seconds=60))
        assert monotonic() - begun < DEADLINE_S
        assert caught.value.reason == "Broken" and "secret" not in str(caught.value)
        assert too_large.value.reason == "PayloadTooLarge"
        failed = [event for event in events if event["event"] == "bus.responder.failed"]
        assert [event["responder"] for event in failed] == ["fails", "fails"]
        assert await near.request("fails", b"", SOON) == b"well"

    async def test_requests_are_handled_at_once_up_to_the_bound_and_past_the_queue_refused(self, peers: Peers) -> None:
        near, far = peers
        gate = asyncio.Event()
        running = most = 0
        full = asyncio.Event()

        async def slow(payload: bytes) -> bytes:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 2:
                full.set()
            await gate.wait()
            running -= 1
            return payload

        served = await far.serve("slow", slow, name="slow", at_once=2)
        async with TaskSet("askers") as tasks, asyncio.timeout(DEADLINE_S):
            asked = [
                tasks.start(near.request("slow", str(n).encode(), SOON), name=f"asker {n}", fatal=False)
                for n in range(2 + 2 * 16)
            ]
            await full.wait()
            # The same publisher asks once more: it comes after the others, and finds all places taken.
            with pytest.raises(ResponderIsBusy):
                await near.request("slow", b"one too many", SOON)
            gate.set()
            answers = await asyncio.gather(*asked)
        assert answers == [str(n).encode() for n in range(34)]
        assert most == 2
        assert served.dropped == 1

    async def test_of_a_group_one_member_gets_each_request(self, peers: Peers) -> None:
        near, far = peers
        handled: dict[str, list[bytes]] = {"a": [], "b": []}

        def member(name: str) -> Callable[[bytes], Awaitable[bytes]]:
            async def handler(payload: bytes) -> bytes:
                handled[name].append(payload)
                return name.encode()

            return handler

        await near.serve("work", member("a"), name="a", group="workers")
        second = await far.serve("work", member("b"), name="b", group="workers")
        sent = [str(number).encode() for number in range(100)]
        for payload in sent:
            await near.request("work", payload, SOON)
        assert sorted(handled["a"] + handled["b"]) == sorted(sent)
        assert handled["a"] and handled["b"]
        await second.close()
        handled["a"].clear()
        for payload in sent[:10]:
            assert await far.request("work", payload, SOON) == b"a"
        assert handled["a"] == sent[:10]

    async def test_without_a_group_all_get_the_request_and_the_first_answer_counts(self, peers: Peers) -> None:
        near, far = peers
        reached = asyncio.Event()
        gate = asyncio.Event()

        async def silent(payload: bytes) -> bytes:
            reached.set()
            await gate.wait()
            return b"second"

        await far.serve("all", silent, name="silent")
        await near.serve("all", echo, name="echo")
        assert await near.request("all", b"first", SOON) == b"first"
        async with asyncio.timeout(DEADLINE_S):
            await reached.wait()
        gate.set()

    async def test_closing_a_responder_lets_it_answer_what_it_has_begun(self, peers: Peers) -> None:
        near, far = peers
        gate, begun = asyncio.Event(), asyncio.Event()

        async def slow(payload: bytes) -> bytes:
            begun.set()
            await gate.wait()
            return payload

        served = await far.serve("slow", slow, name="slow")
        async with TaskSet("test") as tasks, asyncio.timeout(DEADLINE_S):
            asked = tasks.start(near.request("slow", b"begun", SOON), name="asker")
            await begun.wait()
            closing = tasks.start(served.close(), name="closing")
            await asyncio.sleep(0)
            assert not closing.done()
            gate.set()
            assert await asked == b"begun"
            await closing

    async def test_a_cancelled_request_leaves_nothing_behind(self, peers: Peers) -> None:
        near, far = peers
        gate, begun = asyncio.Event(), asyncio.Event()

        async def slow(payload: bytes) -> bytes:
            begun.set()
            await gate.wait()
            return payload

        await far.serve("slow", slow, name="slow")
        async with TaskSet("test") as tasks, asyncio.timeout(DEADLINE_S):
            asked = tasks.start(near.request("slow", b"", SOON), name="asker")
            await begun.wait()
            asked.cancel()
            await asyncio.wait({asked})
        assert asked.cancelled()
        gate.set()
        await far.serve("echo", echo, name="echo")
        assert await near.request("echo", b"still here", SOON) == b"still here"

    async def test_closing_handles_what_is_pending_and_leaves_no_task(self, peers: Peers) -> None:
        near, _ = peers
        gate = asyncio.Event()
        inbox = Inbox(gate=gate)
        await near.subscribe("a", inbox, name="pending")
        witness = Inbox()
        await near.subscribe("a", witness, name="witness")
        for payload in (b"1", b"2", b"3"):
            await near.publish("a", payload)
        await witness.until(3)
        gate.set()
        await near.aclose()
        assert inbox.payloads == [b"1", b"2", b"3"]

    async def test_a_closed_bus_refuses_everything_and_may_be_closed_again(self, peers: Peers) -> None:
        near, far = peers
        before = near.connected
        subscription = await near.subscribe("a", Inbox(), name="a")
        await near.aclose()
        await near.aclose()
        await subscription.close()
        assert (before, near.connected) == (True, False)
        for call in (
            near.publish("a", b""),
            near.request("a", b"", SOON),
            near.subscribe("a", Inbox(), name="late"),
            near.serve("a", echo, name="late"),
        ):
            with pytest.raises(BusIsDown):
                await call
        await far.aclose()

    async def test_requests_open_when_the_bus_closes_are_told_so(self, peers: Peers) -> None:
        near, far = peers
        begun = asyncio.Event()

        async def never(payload: bytes) -> bytes:
            begun.set()
            await asyncio.Event().wait()
            return b""

        await far.serve("never", never, name="never")
        async with TaskSet("test") as tasks:
            asked = tasks.start(near.request("never", b"", timedelta(seconds=60)), name="asker", fatal=False)
            async with asyncio.timeout(DEADLINE_S):
                await begun.wait()
            await near.aclose()
            with capture_logs(), pytest.raises((BusIsDown, ResponderFailed)):
                await asked


class BusSuite(MessagesSuite, RequestsSuite):
    """The whole contract of a bus."""
