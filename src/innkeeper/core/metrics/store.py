"""What the metrics service needs of storage."""

from datetime import datetime
from typing import Literal, Protocol

from innkeeper.core.metrics.model import HostPoint, HostSample, Step, UsagePoint
from innkeeper.core.servers.model import Usage


class MetricStore(Protocol):
    """Samples at rest, and what they were gathered into.

    A sample counts in its minute and its hour from the transaction on that keeps it, and once: however often it is
    given, by however many panels, in whatever order. What is gathered outlives the samples.
    """

    async def add(self, samples: list[tuple[int, Usage]]) -> None:
        """Keep samples by server id, in one statement; one for a server and moment that exists is dropped."""
        ...

    async def of_server(self, server_id: int, since: datetime, until: datetime, limit: int) -> list[Usage]:
        """Return a server's samples with since ≤ at < until, oldest first."""
        ...

    async def gathered(
        self, span: Literal["minute", "hour"], server_id: int, since: datetime, until: datetime, limit: int
    ) -> list[UsagePoint]:
        """Return a server's spans that begin with since ≤ at < until, oldest first; where it did not live is none."""
        ...

    async def add_hosts(self, samples: list[tuple[int, HostSample]]) -> None:
        """Do with samples of hosts, by node id, as `add` does with those of servers."""
        ...

    async def of_host(self, step: Step, node_id: int, since: datetime, until: datetime, limit: int) -> list[HostPoint]:
        """Return a host's samples, or spans, with since ≤ at < until, oldest first; where it was not seen is none."""
        ...

    async def delete_before(self, moment: datetime, *, of: Step = "raw", most: int | None = None) -> int:
        """Delete what is older, the oldest first, of servers and of hosts `most` each; return the larger number."""
        ...
