"""Sums of credits as whole micro-credits, and the arithmetic that loses none of them.

Knows nothing of whose they are. One credit is 1 000 000 micro-credits, everywhere a plain `int`; a float is only ever
shown. Nothing here rounds but `from_credits`, which says how.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

MICRO = 1_000_000
"""Micro-credits in a credit."""


def from_credits(amount: Decimal | float | str) -> int:
    """Return credits as micro-credits, rounded half to even; raise ValueError for what is no finite number."""
    exact = Decimal(str(amount)) if not isinstance(amount, Decimal) else amount
    if not exact.is_finite():
        raise ValueError(f"{amount} is no sum of credits")
    return int((exact * MICRO).to_integral_value(ROUND_HALF_EVEN))


def to_credits(micro: int) -> float:
    """Return micro-credits as credits, for people."""
    return micro / MICRO


def written(micro: int) -> str:
    """Return micro-credits as credits in plain decimals: "1.5", "-0.000001"."""
    whole, part = divmod(abs(micro), MICRO)
    decimals = f".{part:06}".rstrip("0") if part else ""
    return f"{'-' if micro < 0 else ''}{whole}{decimals}"


def proportionally(amount: int, weights: Sequence[int]) -> list[int]:
    """Split `amount` (≥ 0) by weights (≥ 0, not all of them 0), exactly: the parts sum to it.

    Each part is rounded down, and what is left goes, one micro-credit each, to the largest remainders (of equal ones
    to the first). As long as `amount` is at most the sum of the weights, no part exceeds its weight.
    """
    total = sum(weights)
    if amount < 0 or total <= 0 or min(weights) < 0:
        raise ValueError("a sum of 0 or more is split by weights of 0 or more, one of them above 0")
    shares = [divmod(amount * weight, total) for weight in weights]
    parts = [whole for whole, _ in shares]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-shares[index][1], index))
    for index in by_remainder[: amount - sum(parts)]:
        parts[index] += 1
    return parts
