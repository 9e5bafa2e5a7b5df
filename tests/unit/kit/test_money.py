"""Sums of credits: exact, however they are split and written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.money import MICRO, from_credits, proportionally, to_credits, written

weights = st.lists(st.integers(0, 10**15), min_size=1, max_size=20).filter(any)


@given(st.integers(0, 10**15), weights)
def test_parts_sum_to_the_whole_and_no_weightless_part_gets_anything(amount: int, of: list[int]) -> None:
    parts = proportionally(amount, of)
    assert sum(parts) == amount
    assert all(part == 0 for part, weight in zip(parts, of, strict=True) if weight == 0)
    assert all(part * sum(of) - amount * weight < sum(of) for part, weight in zip(parts, of, strict=True))


@given(weights, st.data())
def test_no_part_is_more_than_its_weight_while_the_weights_suffice(of: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(of)))
    assert all(part <= weight for part, weight in zip(proportionally(amount, of), of, strict=True))


def test_what_is_left_by_rounding_goes_to_the_largest_remainders() -> None:
    assert proportionally(10, [1, 1, 1]) == [4, 3, 3]
    assert proportionally(5, [3, 1, 4]) == [2, 1, 2]
    assert proportionally(0, [3, 1]) == [0, 0]


@pytest.mark.parametrize(("amount", "of"), [(1, [0, 0]), (1, []), (-1, [1]), (1, [2, -1])])
def test_what_cannot_be_split_is_refused(amount: int, of: list[int]) -> None:
    with pytest.raises(ValueError, match="split"):
        proportionally(amount, of)


@pytest.mark.parametrize(
    ("credit", "micro"),
    [
        ("1.5", 1_500_000),
        (0.1, 100_000),
        (Decimal("-0.000001"), -1),
        ("0.0000005", 0),
        ("0.0000015", 2),
        (3, 3 * MICRO),
    ],
)
def test_credits_become_micro_credits(credit: Decimal | float | str, micro: int) -> None:
    assert from_credits(credit) == micro


@pytest.mark.parametrize("credit", ["NaN", "Infinity", float("inf")])
def test_what_is_no_number_of_credits_is_refused(credit: float | str) -> None:
    with pytest.raises(ValueError, match="no sum"):
        from_credits(credit)


@pytest.mark.parametrize(
    ("micro", "text"), [(0, "0"), (1, "0.000001"), (-1, "-0.000001"), (1_500_000, "1.5"), (-2_000_000, "-2")]
)
def test_micro_credits_are_written_in_plain_decimals(micro: int, text: str) -> None:
    assert written(micro) == text
    assert to_credits(micro) == float(text)
