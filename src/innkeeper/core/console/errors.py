"""What can be wrong about consoles."""

from innkeeper.core.errors import Exhausted


class TooManyStreams(Exhausted):
    """Too many console streams are open."""
