"""What the host uses, all its programs together: processor, memory, and its mounted file systems.

Reads what the kernel tells, in a thread, and starts no process. A file system that does not answer (a network's) is
never asked: only those on devices of the host are, and the one that holds the node's data. Knows no servers.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
import structlog

from innkeeper.kit.clock import Clock, microseconds
from innkeeper.kit.tasks import TaskSet, every, in_thread
from innkeeper.wire.messages import DiskSample, HostSample, Samples

log = structlog.get_logger(__name__)

HOST_TICK = timedelta(seconds=10)
MOST_DISKS = 32
_READ_ONLY_IMAGES = frozenset({"squashfs", "iso9660", "erofs"})
"""They are full by nature, and nobody can do anything about it."""


class HostProbe:
    """Reads one host; `data` is a folder whose file system is told in any case. Its methods block."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._cpus = psutil.cpu_count() or 1
        self._frequency = True
        psutil.cpu_percent()  # the first reading has nothing to be compared with

    def read(self) -> HostSample:
        """Return what is used now; of the processor, since the reading before."""
        memory = psutil.virtual_memory()
        frequency = self._read_frequency()
        return HostSample(
            cpu_percent=psutil.cpu_percent(),
            cpus=self._cpus,
            cpu_mhz=frequency[0],
            cpu_mhz_max=frequency[1],
            memory_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            booted_us=int(psutil.boot_time() * 1_000_000),
            disks=self.disks(),
        )

    def disks(self) -> list[DiskSample]:
        """Return the file systems, each device once, where it is mounted nearest to the root; 32 at most."""
        found: dict[int, DiskSample] = {}
        partitions = [part for part in psutil.disk_partitions(all=False) if part.fstype not in _READ_ONLY_IMAGES]
        for part in sorted(partitions, key=lambda part: (len(part.mountpoint), part.mountpoint)):
            _add(found, part.device, part.mountpoint, part.fstype)
        self._add_own(found)
        return sorted(found.values(), key=lambda disk: disk.mount)[:MOST_DISKS]

    def _add_own(self, found: dict[int, DiskSample]) -> None:
        """Add the file system of the node's data, where it is on no device of its own (as in a container)."""
        for part in sorted(psutil.disk_partitions(all=True), key=lambda part: -len(part.mountpoint)):
            if self._data.is_relative_to(part.mountpoint):
                _add(found, part.device, part.mountpoint, part.fstype)
                return

    def _read_frequency(self) -> tuple[float | None, float | None]:
        if not self._frequency:
            return None, None
        try:
            known = psutil.cpu_freq()
        except (OSError, NotImplementedError, ValueError) as error:
            log.info("host.frequency.unknown", error=str(error))
            known = None
        if known is None:
            self._frequency = False  # a host that does not tell never will
            return None, None
        return round(known.current, 1) or None, round(known.max, 1) or None


def _add(found: dict[int, DiskSample], device: str, mount: str, filesystem: str) -> None:
    with suppress(OSError):  # unmounted meanwhile, or not ours to see
        number = Path(mount).stat().st_dev
        usage = os.statvfs(mount)
        if usage.f_blocks and number not in found and Path(mount).is_dir():
            found[number] = DiskSample(
                device=device,
                mount=mount,
                filesystem=filesystem,
                total_bytes=usage.f_blocks * usage.f_frsize,
                used_bytes=(usage.f_blocks - usage.f_bfree) * usage.f_frsize,
                free_bytes=usage.f_bavail * usage.f_frsize,
            )


class HostSampler:
    """Publishes what the host of `node` uses, every `interval`, whether a server runs or not."""

    def __init__(
        self,
        *,
        node: UUID,
        clock: Clock,
        data: Path,
        publish: Callable[[Samples], Awaitable[None]],
        interval: timedelta = HOST_TICK,
    ) -> None:
        self._node = node
        self._clock = clock
        self._data = data
        self._publish = publish
        self._interval = interval
        self._probe: HostProbe | None = None

    def start(self, tasks: TaskSet) -> None:
        """Begin, as a task of `tasks`."""
        tasks.start(every(self._interval, self.tick, name="host samples"), name="host samples", fatal=False)

    async def tick(self) -> None:
        """Take and publish one sample."""
        if self._probe is None:
            self._probe = await in_thread(HostProbe, self._data)
        sample = await in_thread(self._probe.read)
        await self._publish(Samples(node=self._node, at_us=microseconds(self._clock.now()), servers=[], host=sample))
