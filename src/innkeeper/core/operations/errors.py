"""What can be wrong about operations."""

from innkeeper.core.errors import NotFound


class NoSuchOperation(NotFound):
    """There is no such operation."""
