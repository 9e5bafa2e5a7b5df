"""The parts of a file on its way: cut to one size, and the next one made ready while the last is being sent.

Bounded: besides the part that the caller has, one more is held, and no third is asked for. Knows no servers or nodes.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from innkeeper.kit.tasks import TaskSet

T = TypeVar("T")


async def in_parts(content: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Give the same bytes in parts of `size` bytes, the last one shorter."""
    gathered, held = bytearray(size), 0
    async for chunk in content:
        rest = memoryview(chunk)
        while rest:
            taken = min(len(rest), size - held)
            gathered[held : held + taken] = rest[:taken]
            held += taken
            rest = rest[taken:]
            if held == size:
                yield bytes(gathered)
                held = 0
    if held:
        yield bytes(memoryview(gathered)[:held])


async def one_ahead(parts: AsyncGenerator[T, None], *, name: str) -> AsyncGenerator[T, None]:
    """Give what `parts` gives, having it make the next part while the caller is busy with the last; closes `parts`.

    What `parts` raises is raised in its turn, behind all that came before it.
    """
    tasks = TaskSet(name).start_set()
    async with aclosing(parts):
        try:
            coming = tasks.start(_next(parts), name=f"next part of {name}")
            while (came := await coming) is not None:
                if isinstance(came, Exception):
                    raise came
                coming = tasks.start(_next(parts), name=f"next part of {name}")
                yield came[0]
        finally:
            await tasks.aclose()


async def _next(parts: AsyncIterator[T]) -> tuple[T] | Exception | None:
    """Return the next part, or what was raised instead; None at the end."""
    try:
        async for part in parts:
            return (part,)
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return error
    return None
