"""What is known of the use of servers and hosts: over spans of time, and at one moment."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Step = Literal["raw", "minute", "hour"]

SPANS: dict[Literal["minute", "hour"], timedelta] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
"""What samples are gathered into. Each begins at a whole minute or hour of UTC."""


class UsagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a server used within one span of time, or at one moment: then means and maxima are the same."""

    at: datetime
    """Where the span begins."""
    samples: int = 1
    """How many it was gathered from."""
    cpu_mean: float
    """In percent; 100 is one core."""
    cpu_max: float
    memory_mean: int
    """In bytes."""
    memory_max: int
    players_mean: float
    players_max: int
    disk_mean: int | None = None
    """In bytes; None where no sample told it."""
    disk_max: int | None = None


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a host's use at one moment."""

    at: datetime
    cpu_percent: float
    memory_bytes: int
    disk_bytes: int | None = None
    """Of all its disks together."""


class HostPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a host used within one span of time, or at one moment: then means and maxima are the same."""

    at: datetime
    """Where the span begins."""
    samples: int = 1
    """How many it was gathered from."""
    cpu_mean: float
    """In percent; 100 is all its cores."""
    cpu_max: float
    memory_mean: int
    """In bytes."""
    memory_max: int
    disk_mean: int | None = None
    """In bytes, of all its disks together; None where no sample told it."""
    disk_max: int | None = None


MOST_DISKS = 32
"""Of one host; more are not shown."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A mounted file system of a host, in bytes."""

    device: str
    mount: str
    filesystem: str
    total_bytes: int
    used_bytes: int
    free_bytes: int
    """What programs that are not root's may still take."""


class HostUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a host used at one moment, all its programs together."""

    at: datetime
    cpu_percent: float
    """100 is all its cores."""
    cpus: int
    cpu_mhz: float | None = None
    """None where the host does not tell, as many virtual ones."""
    cpu_mhz_max: float | None = None
    memory_bytes: int
    memory_total_bytes: int
    disks: tuple[Disk, ...] = ()
    booted_at: datetime

    def sample(self) -> HostSample:
        """Return what is kept of it; a disk that is mounted in several places counts once."""
        used = {disk.device: disk.used_bytes for disk in self.disks}
        return HostSample(
            at=self.at,
            cpu_percent=self.cpu_percent,
            memory_bytes=self.memory_bytes,
            disk_bytes=sum(used.values()) if used else None,
        )
