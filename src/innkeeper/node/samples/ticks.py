"""A game's own tick time: the command that asks for it is typed, and its answer found among the console's lines.

Knows neither who looks nor how a line reaches the game.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

from innkeeper.node.supervisor.patterns import BadPattern, Lines, compiled
from innkeeper.wire.messages import Block, TickRule

FRESH_S = 10.0
"""So long an answer holds."""
SLOWEST_MS = 1_000_000.0
GROUP = "ms"


class TickMeter:
    """Asks one game, and hears it answer. Raises BadPattern for an expression that cannot be used."""

    def __init__(self, rule: TickRule, strip: str | None, type_line: Callable[[str], Awaitable[None]]) -> None:
        pattern = compiled("tick", rule.pattern)
        if GROUP not in pattern.groupindex:
            raise BadPattern(f"the pattern 'tick' has no group named {GROUP}: {rule.pattern}")
        self.rule = rule
        self._lines = Lines(strip, [("tick", pattern)])
        self._type_line = type_line
        self._last: tuple[float, float] | None = None

    async def ask(self) -> None:
        """Type the command; raises what typing raises."""
        await self._type_line(self.rule.command)

    def hear(self, blocks: list[Block], now: float) -> None:
        """Take in what the game printed."""
        for block in blocks:
            for _, match in self._lines.feed(block.payload):
                with suppress(ValueError):  # it is the game's word, and no number
                    value = float(match.group(GROUP) or "")
                    if math.isfinite(value) and 0 <= value <= SLOWEST_MS:
                        self._last = (value, now)

    def value(self, now: float) -> float | None:
        """Return the average tick in milliseconds as the game told it last, None where that is too long ago."""
        if self._last is None or now - self._last[1] > FRESH_S:
            return None
        return self._last[0]
