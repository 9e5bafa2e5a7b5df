"""The promise of a bus: bytes go from whoever publishes or asks to whoever subscribed or serves, at most once.

It carries bytes and refuses to know what they mean: encoding is above it. It keeps nothing: what was published while
nobody listened, or while the connection was down, is gone. Everything on the wire therefore carries sequence numbers,
and receivers heal themselves from the sender's journal.

    subject  = token *("." token)            "node.7.state"
    pattern  = as a subject, where the token "*" stands for any one token and a last ">" for one or more

Messages (`publish`, `subscribe`) and requests (`request`, `serve`) are separate worlds: a subscriber never sees a
request, a responder never sees a message.

    BusError
    ├── BusIsDown          not connected, or closed
    ├── NoResponder        nobody serves the subject
    ├── RequestTimedOut    somebody serves it, and did not answer in time
    ├── ResponderFailed    the handler raised
    │   └── ResponderIsBusy    it has as many requests waiting as it takes
    ├── PayloadTooLarge
    └── SubjectIsInvalid
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from typing import Protocol

import msgspec

MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_SUBJECT_CHARS = 255
MAX_REQUESTS_AT_ONCE = 64


class BusError(Exception):
    """The bus could not do what was asked."""

    def __init__(self, detail: str = "") -> None:
        summary = (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(f"{summary} ({detail})" if detail else summary)
        self.detail = detail


class BusIsDown(BusError):
    """The bus is not connected or was closed."""


class NoResponder(BusError):
    """Nobody serves this subject."""


class RequestTimedOut(BusError):
    """The request was not answered in time."""


class ResponderFailed(BusError):
    """The responder's handler failed.

    `reason` is the class name of what it raised, and nothing more of it: the rest is in the responder's log.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.reason = reason


class ResponderIsBusy(ResponderFailed):
    """The responder has as many requests waiting as it takes."""


class PayloadTooLarge(BusError):
    """The payload is larger than the bus carries."""


class SubjectIsInvalid(BusError, ValueError):
    """The subject or pattern is not one a bus can route."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as a subscriber gets it: the subject it was published under, and its bytes."""

    subject: str
    payload: bytes


class PendingLimit(msgspec.Struct, frozen=True):
    """How much may wait for one subscription's handler before messages are dropped."""

    messages: int = 65_536
    bytes: int = 64 * 1024 * 1024


MessageHandler = Callable[[Message], Awaitable[None]]
RequestHandler = Callable[[bytes], Awaitable[bytes]]
GapCallback = Callable[[int], None]
StateCallback = Callable[[bool], None]


class Subscription(Protocol):
    """What `subscribe` and `serve` return: the standing interest, until it or the bus is closed."""

    @property
    def subject(self) -> str:
        """The subject or pattern it listens to."""

    @property
    def name(self) -> str:
        """What it is called in logs and task lists."""

    @property
    def dropped(self) -> int:
        """How many messages were dropped because the handler did not keep up (requests: refused as busy)."""

    async def close(self) -> None:
        """Stop listening.

        Once it returns, no handler call of this subscription runs or will start, save the one it is called from.
        Waiting messages are discarded; waiting requests are still answered. A handler call that runs gets five seconds
        (or what the bus was made to wait) to finish and is then cancelled. Closing again, or after the bus, does
        nothing.
        """


class Bus(Protocol):
    """A connection to whatever carries the bytes. Use it from the event loop it was opened in."""

    @property
    def connected(self) -> bool:
        """Whether a publish or request made now would be handed to the transport. False once closed."""

    def on_state(self, callback: StateCallback) -> Callable[[], None]:
        """Have `callback(connected)` called at each change; return what undoes it.

        Called from the event loop; it must not block and its errors are logged. When it says True, every subscription
        is in force again and whatever was published meanwhile has been missed: the moment to heal. Registering says
        nothing about the present (ask `connected`), nor does closing call it. In one process it is never called.
        """

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send `payload` to every subscription that matches `subject`, our own included; at most once each.

        Returns when it is handed to the transport, never later because a subscriber is slow, and whether or not there
        is one. What one publisher sends under one subject arrives in the order sent. A handler never runs inside
        `publish`.

        Raises `BusIsDown` at once while disconnected (nothing is kept for later; a message handed over in the moment
        before the loss is noticed is lost without an error), `PayloadTooLarge` past `MAX_PAYLOAD_BYTES`,
        `SubjectIsInvalid` (a pattern is not a subject), TypeError when the payload is not `bytes`.
        """

    async def subscribe(
        self,
        subject: str,
        handler: MessageHandler,
        *,
        name: str,
        on_gap: GapCallback | None = None,
        pending: PendingLimit | None = None,
    ) -> Subscription:
        """Have `handler(message)` called for every message whose subject matches, one at a time, in order.

        Once it returns, what anybody then publishes is delivered. It survives reconnection; made while disconnected, it
        comes into force at the next connection. A handler that raises is logged as `bus.handler.failed` and gets the
        next message.

        `pending` bounds what waits for the handler. Past it messages are dropped until half of the backlog is worked
        off, and counted in `Subscription.dropped`. In their place in the order `on_gap(missed)` is called, once per
        gap: after the last message before the gap was handled and before the first one after it. It is called from the
        event loop, must not block, and its errors are logged.

        Raises `SubjectIsInvalid`; `BusIsDown` only when the bus was closed.
        """

    async def request(self, subject: str, payload: bytes, timeout: timedelta) -> bytes:
        """Ask whoever serves `subject`, and return the answer; the first, when several answer.

        Raises `NoResponder` at once when nobody serves it, `RequestTimedOut` after `timeout`, `ResponderFailed` at once
        when the handler raised, `ResponderIsBusy` at once when too many requests wait for it, `BusIsDown` at once while
        disconnected and when the connection goes or the bus is closed before the answer, `PayloadTooLarge`,
        `SubjectIsInvalid`. After `RequestTimedOut` and `BusIsDown` the responder may have done the work, may be doing
        it, or may never hear of it.
        """

    async def serve(
        self,
        subject: str,
        handler: RequestHandler,
        *,
        name: str,
        group: str | None = None,
        at_once: int = MAX_REQUESTS_AT_ONCE,
    ) -> Subscription:
        """Answer each request for `subject` (no pattern) with what `handler(payload)` returns.

        Up to `at_once` calls run concurrently; sixteen times as many requests may wait and the rest are refused as
        busy. Of all who serve a subject in the same `group` one gets each request; those in no group all get it.
        What the handler raises (or an answer that is too large) is logged as `bus.responder.failed` and told to the
        asker as `ResponderFailed`. A request whose asker gave up runs to its end all the same.

        Comes into force and survives as `subscribe` says. Raises `SubjectIsInvalid`; `BusIsDown` only when closed.
        """

    async def aclose(self) -> None:
        """Close every subscription and the connection; nothing of it is left running.

        Messages and requests already here are handled for at most five seconds (or what the bus was made to wait),
        then their handlers are cancelled.
        Requests of our own that are still unanswered raise `BusIsDown`, and so does every later call. Closing again
        does nothing.
        """


_PART = r"[^\s.*>\x00-\x20\x7f]+"
_SUBJECT = re.compile(rf"{_PART}(?:\.{_PART})*")
_PATTERN = re.compile(rf"(?:(?:{_PART}|\*)\.)*(?:{_PART}|\*|>)")


@lru_cache(maxsize=8192)
def check_subject(subject: str) -> None:
    """Raise `SubjectIsInvalid` unless `subject` can be published to, asked and served."""
    if len(subject) > MAX_SUBJECT_CHARS or not _SUBJECT.fullmatch(subject):
        raise SubjectIsInvalid(repr(subject[:MAX_SUBJECT_CHARS]))


@lru_cache(maxsize=8192)
def check_pattern(pattern: str) -> None:
    """Raise `SubjectIsInvalid` unless `pattern` can be subscribed to."""
    if len(pattern) > MAX_SUBJECT_CHARS or not _PATTERN.fullmatch(pattern):
        raise SubjectIsInvalid(repr(pattern[:MAX_SUBJECT_CHARS]))


def is_wild(pattern: str) -> bool:
    """Tell whether a valid pattern matches more than the one subject it spells."""
    return "*" in pattern or ">" in pattern


def matches(pattern: str, subject: str) -> bool:
    """Tell whether a valid `pattern` covers a valid `subject`."""
    wanted = pattern.split(".")
    given = subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return all(want in ("*", have) for want, have in zip(wanted, given, strict=False))


def check_payload(payload: bytes) -> None:
    """Raise TypeError unless `payload` is `bytes`, `PayloadTooLarge` past `MAX_PAYLOAD_BYTES`."""
    if not isinstance(payload, bytes):
        raise TypeError(f"a payload is bytes, not {type(payload).__name__}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"{len(payload)} bytes; the limit is {MAX_PAYLOAD_BYTES}")
