"""What was asked of a run."""

import msgspec


class Options(msgspec.Struct, frozen=True):
    """How long and how often to measure."""

    repeats: int = 3
    seconds: float = 1.0
    """Of each load on the API."""
    idle_seconds: float = 15.0
    idle_servers: tuple[int, ...] = (0, 50, 200)
    transfer_mib: int = 1024
    backup_mb: int = 500

    def with_limit(self, repeat: int) -> bool:
        """Say whether the limit is measured with this repeat: with the first and the last."""
        return repeat in (0, self.repeats - 1)
