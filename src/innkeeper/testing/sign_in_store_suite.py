"""What every keeper of failed sign-ins must hold to; see `store_suite`."""

import asyncio

from innkeeper.testing.store_samples import NOON, SECOND, Stores


class FailedSignInPromises:
    """Failed sign-ins, counted until they end."""

    async def test_each_name_counts_for_itself_until_its_end_and_then_from_one_again(self, stores: Stores) -> None:
        first, later = NOON + SECOND, NOON + 2 * SECOND
        async with stores.works() as work:
            counted = await work.accounts.count_failed_sign_in(["b", "a"], NOON, first)
            assert {one.name: (one.failures, one.ends_at) for one in counted} == {"a": (1, first), "b": (1, first)}
        async with stores.works() as work:
            assert [one.failures for one in await work.accounts.count_failed_sign_in(["a"], NOON, later)] == [2]
            found = await work.accounts.failed_sign_ins(["a", "b", "c"], NOON)
            assert {one.name: (one.failures, one.ends_at) for one in found} == {"a": (2, first), "b": (1, first)}
            assert await work.accounts.failed_sign_ins(["a"], first) == []
            begun = await work.accounts.count_failed_sign_in(["a"], first, later)
            assert [(one.failures, one.ends_at) for one in begun] == [(1, later)]
            await work.accounts.forget_failed_sign_ins("a")
            await work.accounts.forget_failed_sign_ins("a")
            assert [one.name for one in await work.accounts.failed_sign_ins(["a", "b"], NOON)] == ["b"]

    async def test_what_has_ended_is_deleted_and_of_too_many_those_of_the_fewest_failures(self, stores: Stores) -> None:
        async with stores.works() as work:
            for number, name in enumerate("abcdef"):
                await work.accounts.count_failed_sign_in([name], NOON, NOON + (number + 1) * SECOND)
            await work.accounts.count_failed_sign_in(["b"], NOON, NOON + SECOND)
            await work.accounts.delete_failed_sign_ins(NOON + SECOND, most=5)
        assert await counted_in(stores, "abcdef") == {"b": 2, "c": 1, "d": 1, "e": 1, "f": 1}
        async with stores.works() as work:
            await work.accounts.delete_failed_sign_ins(NOON, most=3)
        assert await counted_in(stores, "abcdef") == {"b": 2, "e": 1, "f": 1}

    async def test_of_several_who_count_a_name_at_once_each_is_told_another_number(self, stores: Stores) -> None:
        async def count(number: int) -> int:
            async with stores.works() as work:
                names = ["a", "b"] if number % 2 else ["b", "a"]
                first, second = await work.accounts.count_failed_sign_in(names, NOON, NOON + SECOND)
                await work.accounts.delete_failed_sign_ins(NOON, most=100)
                assert first.failures == second.failures
                return first.failures

        assert sorted(await asyncio.gather(*(count(number) for number in range(8)))) == list(range(1, 9))

    async def test_who_counts_and_who_deletes_at_once_do_not_wait_for_each_other(self, stores: Stores) -> None:
        async def count(number: int) -> None:
            async with stores.works() as work:
                names = [f"{number}", "shared", f"{number + 1}"]
                await work.accounts.count_failed_sign_in(names, NOON + number * SECOND, NOON + (number + 3) * SECOND)
                await work.accounts.delete_failed_sign_ins(NOON + number * SECOND, most=4)

        await asyncio.gather(*(count(number) for number in range(20)))
        async with stores.works() as work:
            await work.accounts.delete_failed_sign_ins(NOON, most=4)
        assert len(await counted_in(stores, "shared", *map(str, range(21)))) <= 4


async def counted_in(stores: Stores, *names: str) -> dict[str, int]:
    """Return how often each of these names, or of the letters of one text, failed."""
    asked = list(names[0]) if len(names) == 1 else names
    async with stores.works() as work:
        return {one.name: one.failures for one in await work.accounts.failed_sign_ins(asked, NOON)}
