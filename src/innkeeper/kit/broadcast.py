"""One thing happens, several wait for it: a topic of values with a queue per listener.

Knows nothing of what is told. A listener that does not keep up is told so (`Overflowed`) and has to look at the
whole again; it never holds up the others and never grows without bound.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Overflowed(Exception):
    """The listener fell too far behind: values were dropped."""


class Listener(Generic[T]):
    """What one listener has not taken yet. Use as a context manager."""

    def __init__(self, topic: "Topic[T]", limit: int) -> None:
        self._topic = topic
        self._limit = limit
        self._pending: deque[T] = deque()
        self._overflowed = False
        self._wake = asyncio.Event()

    def __enter__(self) -> "Listener[T]":
        self._topic.listeners.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._topic.listeners.discard(self)

    def put(self, value: T) -> None:
        """Add a value; past the limit everything pending is dropped and the listener is told."""
        if len(self._pending) >= self._limit:
            self._pending.clear()
            self._overflowed = True
        else:
            self._pending.append(value)
        self._wake.set()

    async def get(self) -> T:
        """Return the next value, waiting for it; raise Overflowed once after values were dropped."""
        while not self._pending:
            if self._overflowed:
                self._overflowed = False
                raise Overflowed
            self._wake.clear()
            await self._wake.wait()
        if self._overflowed:
            self._pending.clear()
            self._overflowed = False
            raise Overflowed
        return self._pending.popleft()


class Topic(Generic[T]):
    """Values told to everybody who listens at that moment."""

    def __init__(self) -> None:
        self.listeners: set[Listener[T]] = set()

    def tell(self, value: T) -> None:
        """Give `value` to every listener."""
        for listener in self.listeners:
            listener.put(value)

    def listen(self, limit: int = 1000) -> Listener[T]:
        """Return a listener; it hears from `with` on."""
        return Listener(self, limit)
