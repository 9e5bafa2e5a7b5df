"""What is sold, as ServerFlex shows it: packages with their plans, runtimes and regions; properties; prices.

A plan has one price here: that of the currency in which whoever pays is charged.
"""

from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchPlan
from innkeeper.core.catalog.model import Package, Property, Runtime, runtimes_of
from innkeeper.core.catalog.plans import Plan, PlanResources
from innkeeper.core.nodes.model import Region
from innkeeper.core.servers.model import PropertyValue, Server
from innkeeper.kit.money import to_credits
from innkeeper.panel.dialects.serverflex.shapes import (
    AcceptedView,
    PackageView,
    PlanView,
    PricingView,
    PropertyView,
    RegionView,
    ResourcesView,
    RuntimeView,
    VersionView,
)
from innkeeper.panel.product import Product

UNPLANNED = "custom"
"""What the plan is called of a server that was given its limits by hand."""

_PERCENT_PER_CPU = 100
_GAME_PORT = "game"
_TYPES = {
    "string": "string",
    "command": "string",
    "select": "string",
    "integer": "integer",
    "float": "float",
    "boolean": "boolean",
}


class Catalogue:
    """Renders for one installation."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def stamp(self) -> tuple[object, ...]:
        """Return what changes whenever something of a server is to be shown otherwise that is not the server's own."""
        product = self._product
        return (
            product.nodes.version,
            product.authority.generation,
            product.selling.version,
            product.regions.version,
            product.offers.version,
            product.billing.currency,
        )

    # -- what one may buy ---------------------------------------------------------------------------------------------

    def packages(self) -> list[Package]:
        """Return the packages that are offered, by name."""
        selling = self._product.selling
        return [package for package in self._product.catalog.all() if not selling.is_retired("package", package.name)]

    def package(self, package: Package, account: Account) -> PackageView:
        """Return a package with all that a server of it can be made of, priced for an account."""
        product = self._product
        return PackageView(
            displayName=package.title,
            name=package.name,
            plans=[self.plan(plan, account) for plan in product.selling.plans(package.name)],
            runtimes=[
                self._runtime(package, runtime)
                for runtime in package.runtimes
                if runtime.versions or runtime.index is not None
            ],
            regions=[self.region(region) for region in product.regions.with_nodes()],
        )

    def plan(self, plan: Plan, account: Account) -> PlanView:
        """Return a plan with its price for an account; without a price it is free."""
        price = self._product.rentals.price_for(plan, account)
        pricing = (
            PricingView(to_credits(price.hourly), to_credits(price.monthly), price.currency)
            if price is not None
            else self._free(account)
        )
        return PlanView(plan.title, plan.name, pricing, _resources(plan.resources))

    @staticmethod
    def region(region: Region) -> RegionView:
        """Return a region."""
        return RegionView(region.country, region.city, region.name)

    def _runtime(self, package: Package, runtime: Runtime) -> RuntimeView:
        index = self._product.offers.versions(package, runtime)
        return RuntimeView(
            aliases=index.aliases,
            displayName=runtime.title or runtime.name,
            name=runtime.name,
            versions=[VersionView(index.titles.get(version, version), version) for version in index.versions],
        )

    def _free(self, account: Account) -> PricingView:
        return PricingView(0.0, 0.0, self.currency_of(account))

    def currency_of(self, account: Account | None) -> str:
        """Return the currency in which an account pays."""
        return (account.currency if account is not None else "") or self._product.billing.currency

    # -- what a server is ---------------------------------------------------------------------------------------------

    def plan_of(self, server: Server) -> PlanView:
        """Return a server's plan, retired or not, at its price for its owner; without one its limits, for nothing."""
        owner = self._product.authority.accounts.get(server.owner_id)
        resources = self._limits(server)
        if owner is None:
            raise NoSuchAccount
        if server.plan is None:
            return PlanView("Custom", UNPLANNED, self._free(owner), resources)
        try:
            return self.plan(self._product.selling.get(server.plan), owner)
        except NoSuchPlan:  # a package file that shipped it was taken away
            return PlanView(server.plan, server.plan, self._free(owner), resources)

    def _limits(self, server: Server) -> ResourcesView:
        """Return what a server may use; what it is not limited in is all that its node has."""
        node, limits = self._product.nodes.get(server.node_id), server.limits
        percent = limits.cpu_percent or node.facts.cpus * _PERCENT_PER_CPU
        return ResourcesView(
            backupsInMB=0,
            cpuCount=percent / _PERCENT_PER_CPU,
            memoryInMB=limits.memory_mib or node.facts.memory_mib,
            storageInMB=limits.disk_mib or node.facts.disk_mib,
        )

    def region_of(self, server: Server) -> RegionView:
        """Return where a server is, by its node."""
        name = self._product.nodes.get(server.node_id).region
        known = {region.name: region for region in self._product.regions.all()}
        return self.region(known.get(name, Region(name=name)))

    def runtimes_of(self, server: Server) -> list[RuntimeView]:
        """Return what a server consists of, each runtime with the one version that was chosen."""
        chosen = {server.runtime: server.version, **server.addons}
        try:
            package = self._product.catalog.get(server.package)
        except NoSuchPackage:  # its file was taken away; the server is still there
            return [RuntimeView({}, name, name, _chosen(version, version)) for name, version in chosen.items()]
        known = {runtime.name: runtime for runtime in package.runtimes}
        return [self._chosen(package, known.get(name), name, version) for name, version in chosen.items()]

    def _chosen(self, package: Package, runtime: Runtime | None, name: str, version: str) -> RuntimeView:
        if runtime is None:
            return RuntimeView({}, name, name, _chosen(version, version))
        titles = self._product.offers.versions(package, runtime).titles
        return RuntimeView({}, runtime.title or name, name, _chosen(version, titles.get(version, version)))

    def port_name(self, server: Server) -> str:
        """Return what the package calls the server's port."""
        try:
            ports = self._product.catalog.get(server.package).ports
        except NoSuchPackage:
            return _GAME_PORT
        return ports[0].name if ports else _GAME_PORT

    # -- properties ---------------------------------------------------------------------------------------------------

    @staticmethod
    def properties(package: Package) -> list[PropertyView]:
        """Return what may be set when a server of a package is made.

        Of several that have one name, each for other runtimes, the first.
        """
        first = {item.name.lower(): item for item in reversed(package.properties)}
        return [_property(item, None) for item in package.properties if first[item.name.lower()] is item]

    def settings(self, server: Server) -> list[PropertyView]:
        """Return what is set on a server."""
        package = self._product.catalog.get(server.package)
        items = package.properties_of(runtimes_of(server))
        return [_property(item, server.properties.get(item.name)) for item in items]


def _property(item: Property, value: PropertyValue | None) -> PropertyView:
    accepted = _accepted(item)
    return PropertyView(
        acceptedValues=accepted,
        allowedValues=accepted,
        categoryName=item.category.lower(),
        default=item.default,
        name=item.name,
        required=item.required,
        value=value,
        valueType=_TYPES[item.type],
    )


def _accepted(item: Property) -> list[AcceptedView]:
    if item.must_be is not None:
        return [AcceptedView(_displayed(item.must_be), None, item.must_be)]
    if item.type == "boolean":
        return [AcceptedView(_displayed(value), None, value) for value in (True, False)]
    return [AcceptedView(choice.label, None, choice.value) for choice in item.choices]


def _displayed(value: PropertyValue) -> str:
    return str(value)


def _resources(resources: PlanResources) -> ResourcesView:
    return ResourcesView(
        backupsInMB=resources.backups_mib,
        cpuCount=resources.cpu_percent / _PERCENT_PER_CPU,
        memoryInMB=resources.memory_mib,
        storageInMB=resources.disk_mib,
    )


def _chosen(version: str, title: str) -> list[VersionView]:
    return [VersionView(title, version)] if version else []
