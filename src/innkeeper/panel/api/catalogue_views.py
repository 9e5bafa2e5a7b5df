"""What the API shows of the catalogue: games, what runs them, and in which versions."""

from datetime import datetime

import msgspec

from innkeeper.core.catalog.model import Package, Port, Property, Resources, Runtime
from innkeeper.core.catalog.offers import OfferState
from innkeeper.panel.product import Product


class RuntimeView(msgspec.Struct, frozen=True, kw_only=True):
    """One program that can run a game, or extends one that does."""

    name: str
    title: str
    description: str
    default: bool
    addon: bool
    """It extends a server that another runtime runs."""
    resources: Resources | None
    """What a server needs that it runs; null: it is an addon."""
    requires: list[str]
    """Tools that a node must have for it."""
    versions: list[str]
    """Newest first, as its vendor told last."""
    aliases: dict[str, str]
    titles: dict[str, str]
    """What people read in place of a version, where that is something else."""
    fetched_at: datetime | None
    """When its vendor told; null: never yet, or its versions are the package's own."""


class PackageView(msgspec.Struct, frozen=True, kw_only=True):
    """A game that can be installed."""

    name: str
    title: str
    description: str
    category: str
    resources: Resources
    """What a server of it needs whose runtime says nothing else."""
    runtimes: list[RuntimeView]
    ports: list[Port]
    properties: list[Property]
    plans: list[str]
    """What of it is sold; see `/plans`."""
    regions: list[str]
    """Where it is; see `/regions`."""
    retired: bool
    """It is offered no more; servers of it stay."""


class IndexView(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the list of versions that a runtime's vendor keeps, as this panel knows it."""

    runtime: str
    versions: int
    fetched_at: datetime | None
    """When the vendor told last; null: never yet."""
    failed_at: datetime | None
    """When asking failed; null: it did not since."""
    reason: str
    next_at: datetime | None
    """When the vendor is asked next; null: vendors are not asked here."""


def package(product: Product, item: Package) -> PackageView:
    """Return a package without how it is installed and run."""
    return PackageView(
        name=item.name,
        title=item.title,
        description=item.description,
        category=item.category,
        resources=item.resources,
        runtimes=[_runtime(product, item, runtime) for runtime in item.runtimes],
        ports=list(item.ports),
        properties=list(item.properties),
        plans=[plan.name for plan in product.selling.plans(item.name)],
        regions=[region.name for region in product.regions.with_nodes()],
        retired=product.selling.is_retired("package", item.name),
    )


def indexes(states: list[OfferState]) -> list[IndexView]:
    """Return how it stands with the indexes of a package."""
    return [
        IndexView(
            runtime=state.runtime,
            versions=state.versions,
            fetched_at=state.fetched_at,
            failed_at=state.failed_at,
            reason=state.reason,
            next_at=state.next_at,
        )
        for state in states
    ]


def _runtime(product: Product, item: Package, runtime: Runtime) -> RuntimeView:
    index = product.offers.versions(item, runtime)
    return RuntimeView(
        name=runtime.name,
        title=runtime.title,
        description=runtime.description,
        default=runtime.default,
        addon=runtime.addon,
        resources=None if runtime.addon else item.resources_of(runtime.name),
        requires=list(runtime.requires),
        versions=list(index.versions),
        aliases=index.aliases,
        titles=index.titles,
        fetched_at=product.offers.fetched_at(item, runtime),
    )
