"""What versions can be had now: the vendors' indexes, in memory, and what is known of single releases.

    never asked ──▶ known ◀──▶ known, vendor down        (what was told last stays, also across restarts)
         └──────────▶ unknown, vendor down               (nobody can be told anything of it yet)

Nobody is asked before somebody looks. From then on an index is read again after some hours, by each panel for itself,
unless another has done so; after a failure it is tried again sooner, then ever later. A vendor that tells of no version
at all is taken for broken. What was once told of a release is kept as well: a server of it can be made while its vendor
is down.

Knows no vendor and no HTTP: `Vendors` asks. Refuses to know servers.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.catalog.errors import NoSuchVersion, VendorIsUnavailable
from innkeeper.core.catalog.index_store import KeptIndex, KeptRelease
from innkeeper.core.catalog.model import Package, Runtime
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import IndexSource, Vendors, VersionIndex
from innkeeper.core.servers.model import Release
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

TICK = timedelta(minutes=1)
"""How often it is looked whether an index is due."""
FRESH_FOR = timedelta(hours=6)
_SPREAD = 0.1
"""By so much of it one waits longer or shorter: panels and runtimes do not ask all at once."""
_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
_RELEASE_FRESH_FOR = timedelta(minutes=10)
_ASKED_LATELY = timedelta(minutes=1)
"""A version that is not known is not looked for again within it: anybody may ask for anything."""
PATIENCE = timedelta(seconds=10)
"""How long somebody who looks waits for what was never fetched; half of how long for a release that is chosen."""
_DEFAULTS = ("recommended", "stable", "latest")
_SHOWN = 50
_NOBODY = "vendors are not asked here"
_TOO_LATE = "the vendor does not answer in time"

Key = tuple[str, str]


class Chosen(msgspec.Struct, frozen=True):
    """A runtime in one version; `release` is what its vendor says of it, None for a runtime that has no index."""

    runtime: Runtime
    version: str
    release: Release | None


class OfferState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one runtime's index, as this panel knows it."""

    package: str
    runtime: str
    versions: int
    fetched_at: datetime | None
    """When its vendor told last; None: never."""
    failed_at: datetime | None
    """When asking failed; None: it did not since."""
    reason: str
    next_at: datetime | None
    """When it is asked next; None: nobody is asked here."""


class _Offer:
    """One runtime's index and how it stands with it."""

    def __init__(self, package: Package, runtime: Runtime, source: IndexSource) -> None:
        self.package = package.name
        self.runtime = runtime
        self.source = source
        self.index: VersionIndex | None = None
        self.fetched_at: datetime | None = None
        self.failed_at: datetime | None = None
        self.asked_at: datetime | None = None
        self.failures = 0
        self.reason = ""
        self.next_at: datetime | None = None
        """None: it is due."""
        self.releases: dict[str, tuple[datetime, Release]] = {}
        self.refusals = 0
        """How often asking for a release failed."""
        self.asking = asyncio.Lock()
        self.choosing = asyncio.Lock()


class Offers:
    """The versions of every runtime; empty until `load`."""

    def __init__(
        self,
        works: Works,
        clock: Clock,
        catalog: Catalog,
        vendors: Vendors | None,
        *,
        spread: Callable[[], float],
        patience: timedelta = PATIENCE,
    ) -> None:
        """`vendors` None: nobody is asked, and what is known from before is all there is."""
        self._works = works
        self._clock = clock
        self._catalog = catalog
        self._vendors = vendors
        self._patience = patience.total_seconds()
        self._spread = spread
        self._offers: dict[Key, _Offer] = {
            (package.name, runtime.name): _Offer(package, runtime, runtime.index)
            for package in catalog.all()
            for runtime in package.runtimes
            if runtime.index is not None
        }
        self.version = 0
        """Grows when what is offered changes."""

    # -- keeping it true ----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what is known from before; what another source than today's told is not."""
        async with self._works() as work:
            indexes, releases = await work.indexes.indexes(), await work.indexes.releases()
        for kept in indexes:
            offer = self._offers.get((kept.package, kept.runtime))
            if offer is not None and kept.source == offer.source:
                self._adopt(offer, kept)
        for item in releases:
            offer = self._offers.get((item.package, item.runtime))
            if offer is not None and offer.index is not None:
                known = offer.releases.get(item.version)
                if known is None or known[0] < item.fetched_at:
                    offer.releases[item.version] = item.fetched_at, item.release

    async def refresh(self) -> None:
        """Ask again about what is due; called on a timer. A vendor that nobody ever looked for is left alone."""
        if self._vendors is None or not any(map(self._is_to_refresh, self._offers.values())):
            return
        await self.load()  # another panel may have asked meanwhile
        due = filter(self._is_to_refresh, self._offers.values())
        await asyncio.gather(*(self._ask(offer, self._is_due) for offer in due))

    async def refresh_package(self, actor: Actor, package: Package) -> list[OfferState]:
        """Ask the vendors of a package again, now, and return how it stands; needs `selling.write`."""
        require(actor, ProductPermission.SELLING_WRITE)
        begun = self._clock.now()
        await asyncio.gather(*(self._ask(offer, lambda it: not _asked(it, begun)) for offer in self._of(package)))
        return self.state(actor, package)

    async def look(self, *packages: Package) -> None:
        """Wait, but not for long, for a first answer about what was never told; for no vendor that failed just now."""
        names = {package.name for package in packages}
        unknown = [offer for offer in self._offers.values() if offer.package in names and self._is_to_look_for(offer)]
        if self._vendors is None or not unknown:
            return
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.gather(*(self._ask(offer, self._is_to_look_for) for offer in unknown))
        except TimeoutError:
            for offer in filter(self._is_to_look_for, unknown):  # the next who looks need not wait, too
                self._note_failure(offer, VendorIsUnavailable(reason=_TOO_LATE))

    # -- reading ------------------------------------------------------------------------------------------------------

    def versions(self, package: Package, runtime: Runtime) -> VersionIndex:
        """Return what there is of a runtime as it is known now: empty where nothing is."""
        if runtime.index is None:
            return VersionIndex(versions=runtime.versions, aliases=runtime.aliases)
        offer = self._offers.get((package.name, runtime.name))
        return offer.index if offer is not None and offer.index is not None else VersionIndex(versions=())

    def title(self, package: Package, runtime: Runtime, version: str) -> str:
        """Return what people read in place of a version."""
        return self.versions(package, runtime).titles.get(version, version)

    def fetched_at(self, package: Package, runtime: Runtime) -> datetime | None:
        """Return when a runtime's vendor told last; None: never, or it has none."""
        offer = self._offers.get((package.name, runtime.name))
        return offer.fetched_at if offer is not None else None

    def state(self, actor: Actor, package: Package | None = None) -> list[OfferState]:
        """Return how it stands with every index, or with those of a package; needs `selling.write`."""
        require(actor, ProductPermission.SELLING_WRITE)
        offers = self._offers.values() if package is None else self._of(package)
        return [
            OfferState(
                package=offer.package,
                runtime=offer.runtime.name,
                versions=len(offer.index.versions) if offer.index is not None else 0,
                fetched_at=offer.fetched_at,
                failed_at=offer.failed_at,
                reason=offer.reason,
                next_at=(offer.next_at or self._clock.now()) if self._vendors is not None else None,
            )
            for offer in offers
        ]

    async def choose(self, package: Package, runtime_name: str | None, version: str | None) -> Chosen:
        """Return the runtime and version asked for, the defaults where None, with the release; aliases are resolved.

        Raises NoSuchRuntime, NoSuchVersion, and VendorIsUnavailable where the vendor is down and its answer is not
        known from before.
        """
        runtime = self._catalog.runtime(package, runtime_name)
        offer = self._offers.get((package.name, runtime.name))
        if offer is None:
            runtime, resolved = self._catalog.choose(package, runtime_name, version)
            return Chosen(runtime, resolved, None)
        index = await self._known(package, offer)
        found = self._resolve(index, version)
        if found is None:
            found = self._resolve(await self._newer(offer, index), version)
        if found is None:
            raise NoSuchVersion(
                f"{runtime.name} has no version {version!r}.", version=version, versions=list(index.versions[:_SHOWN])
            )
        return Chosen(runtime, found, await self._release(offer, found))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _of(self, package: Package) -> Iterator[_Offer]:
        return (offer for offer in self._offers.values() if offer.package == package.name)

    def _is_due(self, offer: _Offer) -> bool:
        now = self._clock.now()
        return offer.next_at is None or not now < offer.next_at < now + 2 * FRESH_FOR  # the clock may be set back

    def _is_to_refresh(self, offer: _Offer) -> bool:
        return (offer.index is not None or offer.failures > 0) and self._is_due(offer)

    def _is_to_look_for(self, offer: _Offer) -> bool:
        return offer.index is None and self._is_due(offer)

    async def _known(self, package: Package, offer: _Offer) -> VersionIndex:
        if offer.index is None:
            await self.look(package)
        if offer.index is None:
            raise VendorIsUnavailable(runtime=offer.runtime.name, reason=offer.reason or _NOBODY)
        return offer.index

    async def _newer(self, offer: _Offer, index: VersionIndex) -> VersionIndex:
        """Return an index that may know what this one does not: another panel's, or a new one."""
        if offer.asked_at is not None and self._clock.now() - offer.asked_at < _ASKED_LATELY:
            return index
        await self.load()
        if self._vendors is not None and offer.index is index:
            begun = self._clock.now()
            await self._ask(offer, lambda it: not _asked(it, begun))
        return offer.index or index

    @staticmethod
    def _resolve(index: VersionIndex, version: str | None) -> str | None:
        if version:
            return index.resolve(version)
        default = next((index.aliases[name] for name in _DEFAULTS if name in index.aliases), index.versions[0])
        return index.resolve(default)

    async def _ask(self, offer: _Offer, still: Callable[[_Offer], bool]) -> None:
        """Ask one vendor, unless somebody did while this one waited its turn; a failure is noted, not raised."""
        if self._vendors is None:
            return
        async with offer.asking:
            if not still(offer):
                return
            try:
                index = await self._vendors.index(offer.source)
                if not index.versions:
                    raise VendorIsUnavailable("The vendor tells of no version at all.")
            except VendorIsUnavailable as error:
                self._note_failure(offer, error)
                return
            kept = KeptIndex(
                package=offer.package,
                runtime=offer.runtime.name,
                source=offer.source,
                index=index,
                fetched_at=self._clock.now(),
            )
            async with self._works() as work:
                await work.indexes.put_index(kept)
            offer.asked_at, offer.fetched_at = kept.fetched_at, None
            self._adopt(offer, kept)
            log.info("offers.refreshed", package=offer.package, runtime=kept.runtime, versions=len(index.versions))

    def _adopt(self, offer: _Offer, kept: KeptIndex) -> None:
        if offer.fetched_at is not None and kept.fetched_at <= offer.fetched_at:
            return
        if kept.index != offer.index:
            self.version += 1
        offer.index, offer.fetched_at = kept.index, kept.fetched_at
        offer.failed_at, offer.failures, offer.reason = None, 0, ""
        offer.next_at = kept.fetched_at + FRESH_FOR * (1 + _SPREAD * (2 * self._spread() - 1))

    def _note_failure(self, offer: _Offer, error: VendorIsUnavailable) -> None:
        now = self._clock.now()
        offer.failures += 1
        offer.failed_at = offer.asked_at = now
        offer.reason = str(error.data.get("reason") or error)
        wait = min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(offer.failures - 1, 10))
        offer.next_at = now + wait * (1 + _SPREAD * (2 * self._spread() - 1))
        log.warning(
            "offers.refresh.failed",
            package=offer.package,
            runtime=offer.runtime.name,
            reason=offer.reason,
            failures=offer.failures,
            known_from=offer.fetched_at,
        )

    async def _release(self, offer: _Offer, version: str) -> Release:
        """Return what a version consists of: as was told within minutes, else told now, else as was told before."""
        refusals = offer.refusals
        async with offer.choosing:
            at, before = offer.releases.get(version, (None, None))
            if before is not None and at is not None and self._clock.now() - at < _RELEASE_FRESH_FOR:
                return before
            try:
                if self._vendors is None:
                    raise VendorIsUnavailable(runtime=offer.runtime.name, reason=_NOBODY)
                if offer.refusals != refusals:  # of those who waited for an answer, each is told the same
                    raise VendorIsUnavailable(runtime=offer.runtime.name, reason=offer.reason)
                release = await self._told(self._vendors, offer, version)
            except VendorIsUnavailable as error:
                offer.refusals += 1
                if before is None:
                    raise
                log.warning("offers.release.remembered", runtime=offer.runtime.name, version=version, reason=str(error))
                return before
            offer.releases[version] = self._clock.now(), release
            if before != release:
                await self._keep(offer, version, release)
            return release

    async def _told(self, vendors: Vendors, offer: _Offer, version: str) -> Release:
        try:
            async with asyncio.timeout(2 * self._patience):
                return await vendors.release(offer.source, version)
        except TimeoutError as error:
            raise VendorIsUnavailable(runtime=offer.runtime.name, reason=_TOO_LATE) from error

    async def _keep(self, offer: _Offer, version: str, release: Release) -> None:
        kept = KeptRelease(
            package=offer.package,
            runtime=offer.runtime.name,
            version=version,
            release=release,
            fetched_at=self._clock.now(),
        )
        async with self._works() as work:
            await work.indexes.put_release(kept)


def _asked(offer: _Offer, since: datetime) -> bool:
    return offer.asked_at is not None and offer.asked_at > since
