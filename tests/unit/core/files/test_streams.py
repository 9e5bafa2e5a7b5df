"""Files in parts: of one size, one ahead and no more, and errors in their turn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.files.streams import in_parts, one_ahead


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    for part in parts:
        yield part


@given(st.lists(st.binary(max_size=40)), st.integers(1, 16))
def test_parts_are_of_one_size_and_the_same_bytes(given_in: list[bytes], size: int) -> None:
    async def cut() -> list[bytes]:
        return [part async for part in one_ahead(in_parts(chunks(*given_in), size), name="test")]

    parts = asyncio.run(cut())
    assert b"".join(parts) == b"".join(given_in)
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)


class Source:
    """Numbers, as many as asked for; it knows how many were made and whether it was closed."""

    def __init__(self, error: BaseException | None = None, after: int = 3) -> None:
        self.made = 0
        self.closed = False
        self.error = error
        self.after = after

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            while self.made < self.after:
                self.made += 1
                yield self.made
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_is_made_while_the_last_is_in_use_and_no_more() -> None:
    source = Source(after=100)
    async with aclosing(one_ahead(source.numbers(), name="test")) as ahead:
        async for number in ahead:
            await turns()
            assert source.made == number + 1
            if number == 10:
                break
    assert source.closed


@pytest.mark.parametrize("error", [ConnectionError("gone"), asyncio.CancelledError()])
async def test_an_error_comes_behind_all_that_came_before_it(error: BaseException) -> None:
    source, seen = Source(error), []
    with pytest.raises(type(error)):
        async for number in one_ahead(source.numbers(), name="test"):
            seen.append(number)
            await turns()
    assert seen == [1, 2, 3]
    assert source.closed


async def test_who_is_cancelled_while_waiting_for_a_part_closes_the_source() -> None:
    source = Source()

    async def take() -> None:
        async with aclosing(one_ahead(source.numbers(), name="test")) as ahead:
            async for _ in ahead:
                pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(take(), 0.02)
    assert source.closed
