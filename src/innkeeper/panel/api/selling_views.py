"""What is sold, as the API shows it and is told it: plans, regions, retirements."""

from typing import Annotated

import msgspec
from msgspec import Meta

from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.nodes.model import Region
from innkeeper.panel.api.params import Line, Whole
from innkeeper.panel.product import Product

Price = Annotated[int, Meta(ge=0, le=10**15)]


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs in one currency, in millionths of its unit."""

    currency: Line
    """ISO 4217."""
    hourly_micro: Price
    """For each started hour."""
    monthly_micro: Price
    """For a month, and the most that hours cost in a calendar month."""


class ResourcesView(msgspec.Struct, frozen=True, kw_only=True):
    """What a server of a plan may use."""

    memory_mib: Whole
    cpu_percent: Whole
    """100 is one core."""
    disk_mib: Whole
    backups_mib: Whole = 0


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """What a server of a game may use, and what that costs."""

    name: str
    package: str
    title: str
    resources: ResourcesView
    prices: list[PriceView]
    retired: bool
    """It is offered no more; servers that have it keep it."""


class PutPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it shall be."""

    package: Line
    title: Line
    resources: ResourcesView
    prices: Annotated[list[PriceView], Meta(max_length=50)] = []

    def plan(self, name: str) -> Plan:
        """Return the same as core's."""
        return Plan(
            name=name,
            package=self.package,
            title=self.title,
            resources=PlanResources(
                memory_mib=self.resources.memory_mib,
                cpu_percent=self.resources.cpu_percent,
                disk_mib=self.resources.disk_mib,
                backups_mib=self.resources.backups_mib,
            ),
            prices=tuple(
                PlanPrice(currency=price.currency, hourly=price.hourly_micro, monthly=price.monthly_micro)
                for price in self.prices
            ),
        )


class RegionView(msgspec.Struct, frozen=True, kw_only=True):
    """Where nodes stand."""

    name: str
    country: str
    """Its name, or code; empty: not told."""
    city: str
    nodes: int
    retired: bool
    """It is offered no more; servers that are there stay."""


class PutRegion(msgspec.Struct, frozen=True, kw_only=True):
    """A region as it shall be."""

    country: Line = ""
    city: Line = ""

    def region(self, name: str) -> Region:
        """Return the same as core's."""
        return Region(name=name, country=self.country, city=self.city)


class PutRetired(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something is offered no more."""

    retired: bool


def plan(product: Product, item: Plan) -> PlanView:
    """Return a plan with its prices."""
    resources = item.resources
    return PlanView(
        name=item.name,
        package=item.package,
        title=item.title,
        resources=ResourcesView(
            memory_mib=resources.memory_mib,
            cpu_percent=resources.cpu_percent,
            disk_mib=resources.disk_mib,
            backups_mib=resources.backups_mib,
        ),
        prices=[
            PriceView(currency=price.currency, hourly_micro=price.hourly, monthly_micro=price.monthly)
            for price in item.prices
        ],
        retired=product.selling.is_retired("plan", item.name),
    )


def region(product: Product, item: Region) -> RegionView:
    """Return a region and how many nodes it has."""
    return RegionView(
        name=item.name,
        country=item.country,
        city=item.city,
        nodes=sum(1 for node in product.nodes.known() if node.region == item.name),
        retired=product.selling.is_retired("region", item.name),
    )
