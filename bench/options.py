"""What was asked of a run."""

import msgspec


class Options(msgspec.Struct, frozen=True):
    """How long and how often to measure."""

    repeats: int = 3
    seconds: float = 1.5
    """Of each load on the API."""
    idle_seconds: float = 15.0
    idle_servers: tuple[int, ...] = (0, 50, 200)
