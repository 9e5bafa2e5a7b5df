"""What a supervisor asks for its turn to start. Knows not who gives it."""

from typing import Protocol


class Slots(Protocol):
    """Turns to start, given out slowly after a boot of the host."""

    async def acquire(self, order_key: int) -> None:
        """Return when it is the turn; lower keys come first."""
        ...
