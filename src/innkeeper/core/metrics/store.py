"""What the metrics service needs of storage."""

from datetime import datetime
from typing import Protocol

from innkeeper.core.servers.model import Usage


class MetricStore(Protocol):
    """Samples at rest."""

    async def add(self, samples: list[tuple[int, Usage]]) -> None:
        """Keep samples by server id, in one statement; one for a server and moment that exists is dropped."""
        ...

    async def of_server(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        """Return a server's samples with since ≤ at < until, oldest first."""
        ...

    async def delete_before(self, moment: datetime) -> int:
        """Delete what is older; return how many."""
        ...
