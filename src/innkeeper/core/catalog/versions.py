"""What versions a runtime has, as its vendor's index says, and what one of them consists of.

Who asks the vendors is handed in (`Vendors`). Knows no vendor, no HTTP, and no server but by its releases.
"""

from typing import Protocol

import msgspec

from innkeeper.core.servers.model import Release


class VersionIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a runtime."""

    versions: tuple[str, ...]
    """Newest first."""
    aliases: dict[str, str] = {}
    """Name ("latest", "recommended", "stable", …) → version."""
    titles: dict[str, str] = {}
    """Version → what people read, where that is something else."""
    synonyms: dict[str, str] = {}
    """Other names that a version may be asked for by, which nobody is shown → version."""

    def resolve(self, wanted: str) -> str | None:
        """Return the version that a version, an alias or another name of one means; None: there is none."""
        version = self.aliases.get(wanted) or self.synonyms.get(wanted) or wanted
        return version if version in self.versions else None


class IndexSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a package says that a runtime's versions are told."""

    uses: str
    """The name of an index driver."""
    url: str
    options: dict[str, str] = {}
    """Whatever else the driver wants to know."""


class Vendors(Protocol):
    """Asks vendors. Raises VendorIsUnavailable, and `release` NoSuchVersion."""

    async def index(self, source: IndexSource) -> VersionIndex: ...

    async def release(self, source: IndexSource, version: str) -> Release: ...
