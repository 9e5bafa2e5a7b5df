"""What an index driver promises: to read a vendor's list of versions, and what one version consists of.

Runs where the panel is and fetches only by what it is handed. Refuses to know games, servers and caches.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class IndexUnreadable(Exception):
    """The vendor's answer is not what it documents; the text says what, for people."""


class NotOffered(Exception):
    """The vendor has no such version."""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the vendor offers; `path` is where it belongs below the server's folder."""

    url: str
    path: str
    algorithm: str | None = None
    """sha256, sha1, md5 or sha512; None: the vendor gives no checksum."""
    digest: str = ""
    size: int | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One version. `facts`: whatever else an install step goes by, as texts."""

    version: str
    game_version: str = ""
    downloads: tuple[Download, ...] = ()
    java: int | None = None
    facts: dict[str, str] = {}


class VersionIndex(msgspec.Struct, frozen=True, kw_only=True):
    """All versions, newest first; aliases: name → version; titles: version → text for people, where it differs."""

    versions: tuple[str, ...]
    aliases: dict[str, str] = {}
    titles: dict[str, str] = {}
    synonyms: dict[str, str] = {}
    """Other names that a version may be asked for by, which nobody is shown → version."""


class Fetch(Protocol):
    """GET a vendor's document."""

    async def __call__(self, url: str) -> bytes:
        """Return the whole body of a 200; raises what the driver lets through (no answer), `NotOffered` for a 404.

        Asking for the same again soon is cheap: a vendor that tells by validators that nothing changed sends nothing.
        """
        ...


class IndexDriver(Protocol):
    """One vendor's way to tell versions."""

    @property
    def name(self) -> str:
        """The value of `uses` by which a package asks for this driver."""
        ...

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        """Return what there is: names of letters, digits and ".", "_", "+", "-" only. Raises IndexUnreadable.

        An index without versions is a promise kept, too: whether it is believed is the caller's matter.
        """
        ...

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        """Return what one version of the index (never an alias) consists of. Raises IndexUnreadable, NotOffered."""
        ...
