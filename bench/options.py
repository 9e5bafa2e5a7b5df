"""What was asked of a run."""

import msgspec


class Options(msgspec.Struct, frozen=True):
    """How long and how often to measure."""

    repeats: int = 3
    seconds: float = 2.0
    """Of each load on the API."""
    idle_seconds: float = 20.0
    idle_servers: tuple[int, ...] = (0, 50, 200)
