"""What knowing vendors' versions needs of storage."""

from datetime import datetime
from typing import Protocol

import msgspec

from innkeeper.core.catalog.versions import IndexSource, VersionIndex
from innkeeper.core.servers.model import Release


class KeptIndex(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor told of a runtime's versions, when last it told anything."""

    package: str
    runtime: str
    source: IndexSource
    """Where it was told; what another source told is worth nothing."""
    index: VersionIndex
    fetched_at: datetime


class KeptRelease(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor told of one version of a runtime, when last it was chosen."""

    package: str
    runtime: str
    version: str
    release: Release
    fetched_at: datetime


class IndexStore(Protocol):
    """Indexes and releases, at rest."""

    async def indexes(self) -> list[KeptIndex]:
        """Return every index, by package and runtime."""
        ...

    async def releases(self) -> list[KeptRelease]:
        """Return every release, by package, runtime and version."""
        ...

    async def put_index(self, kept: KeptIndex) -> None:
        """Keep an index in place of an older one; one that is newer stays.

        Where the one before was of another source, the runtime's releases go with it.
        """
        ...

    async def put_release(self, kept: KeptRelease) -> None:
        """Keep a release in place of an older one; one that is newer stays."""
        ...
