"""What is sold: the plans of each game, and what is offered no more.

A package ships plans; a plan kept here stands in the place of the shipped one of its name, or beside them. Whoever has
what is retired keeps it: retirement refuses new servers alone. Everything is read from memory, which announcements of
"selling" keep true. What plans cost is noted where they change. Knows no node, and takes no money.
"""

import re

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing.rates import note_prices
from innkeeper.core.catalog.errors import IsRetired, NoSuchPlan, NoSuchRegion, PlanIsInUse, PlanIsInvalid
from innkeeper.core.catalog.plans import Plan, PlanPrice, PlanResources
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.store import Retirement, Sold
from innkeeper.core.nodes.model import LOCAL
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock

MOST_MICRO = 10**15
"""A price is no more than this, in micro-units."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_BOUNDS = {
    "memory_mib": (1, 1 << 24),
    "cpu_percent": (1, 100_000),
    "disk_mib": (1, 1 << 30),
    "backups_mib": (0, 1 << 30),
}


class Selling:
    """Plans and retirements."""

    def __init__(self, *, works: Works, clock: Clock, catalog: Catalog, activity: ActivityService) -> None:
        self._works = works
        self._clock = clock
        self._catalog = catalog
        self._activity = activity
        self._shipped = _shipped(catalog)
        self._own: dict[str, Plan] = {}
        self._retired: frozenset[tuple[Sold, str]] = frozenset()
        self.version = 0
        """Grows when what is sold changes."""

    async def load(self) -> None:
        """Read plans and retirements from storage."""
        async with self._works() as work:
            self._own = {plan.name: plan for plan in await work.selling.plans()}
            self._retired = frozenset((item.noun, item.name) for item in await work.selling.retirements())
        self.version += 1

    # -- reading ----------------------------------------------------------------------------------------------------

    def plans(self, package: str) -> list[Plan]:
        """Return the plans that are sold of a package, as it ships them, then those made here, by name."""
        return [plan for plan in self.all_plans() if plan.package == package and not self.is_retired("plan", plan.name)]

    def all_plans(self) -> list[Plan]:
        """Return every plan there is, retired ones too, by package."""
        known = self._shipped | self._own
        return sorted(known.values(), key=lambda plan: plan.package)

    def get(self, name: str) -> Plan:
        """Return a plan, retired or not; raise NoSuchPlan."""
        found = self._own.get(name) or self._shipped.get(name)
        if found is None:
            raise NoSuchPlan(f"There is no plan {name!r}.", plan=name)
        return found

    def plan(self, name: str) -> Plan:
        """Return a plan that is sold; raise NoSuchPlan, IsRetired."""
        found = self.get(name)
        self.require_sold("plan", name)
        return found

    def is_retired(self, noun: Sold, name: str) -> bool:
        """Say whether something is offered no more."""
        return (noun, name) in self._retired

    def retired(self, noun: Sold) -> frozenset[str]:
        """Return the names of all of a kind that are offered no more."""
        return frozenset(name for kind, name in self._retired if kind == noun)

    def require_sold(self, noun: Sold, name: str) -> None:
        """Raise IsRetired where something is offered no more."""
        if self.is_retired(noun, name):
            raise IsRetired(f"The {noun} {name} is not offered any more.", noun=noun, name=name)

    async def hold(self, work: Work, name: str) -> None:
        """Keep a plan from being deleted until the transaction's end; raise NoSuchPlan where it is not there."""
        if name not in self._shipped and await work.selling.hold_plan(name) is None:
            raise NoSuchPlan(f"There is no plan {name!r}.", plan=name)

    # -- deciding ---------------------------------------------------------------------------------------------------

    async def put_plan(self, actor: Actor, plan: Plan) -> Plan:
        """Make a plan, or change it for servers yet to be made; needs `selling.write`.

        Raises NoSuchPackage, PlanIsInvalid.
        """
        require(actor, ProductPermission.SELLING_WRITE)
        self._catalog.get(plan.package)
        _check(plan)
        known = self._own.get(plan.name) or self._shipped.get(plan.name)
        if known is not None and known.package != plan.package:
            raise PlanIsInvalid(f"{plan.name} is a plan of {known.package}.", plan=plan.name)
        async with self._works() as work:
            await work.selling.put_plan(plan)
            await note_prices(work, self._clock, plan)
            await self._note(work, actor, "plan.put", plan.name)
        return plan

    async def delete_plan(self, actor: Actor, name: str) -> None:
        """Delete a plan that was made or changed here, so that a shipped one of its name counts again.

        Needs `selling.write`. Raises NoSuchPlan, PlanIsInUse where servers would be left with a plan that is not there.
        """
        require(actor, ProductPermission.SELLING_WRITE)
        async with self._works() as work:
            if not await work.selling.delete_plan(name):
                raise NoSuchPlan(f"No plan {name!r} was made or changed here.", plan=name)
            if name in self._shipped:
                await note_prices(work, self._clock, self._shipped[name])
            else:
                if await work.servers.any_of_plan(name):
                    raise PlanIsInUse(plan=name)
                await work.selling.unretire("plan", name)
            await self._note(work, actor, "plan.deleted", name)

    async def retire(self, actor: Actor, noun: Sold, name: str) -> None:
        """Offer a package, plan or region no more; needs `selling.write`; what is retired already stays so.

        Raises NoSuchPackage, NoSuchPlan, NoSuchRegion.
        """
        require(actor, ProductPermission.SELLING_WRITE)
        if noun == "package":
            self._catalog.get(name)
        elif noun == "plan":
            self.get(name)
        async with self._works() as work:
            if noun == "region" and name != LOCAL and await work.selling.hold_region(name) is None:
                raise NoSuchRegion(f"There is no region {name!r}.", region=name)
            await work.selling.retire(Retirement(noun=noun, name=name, at=self._clock.now()))
            await self._note(work, actor, f"{noun}.retired", name)

    async def unretire(self, actor: Actor, noun: Sold, name: str) -> None:
        """Offer something again; needs `selling.write`; of what is not retired nothing changes."""
        require(actor, ProductPermission.SELLING_WRITE)
        async with self._works() as work:
            await work.selling.unretire(noun, name)
            await self._note(work, actor, f"{noun}.unretired", name)

    async def _note(self, work: Work, actor: Actor, action: str, name: str) -> None:
        work.changed("selling", 0)
        await self._activity.note(work, actor, action, data={"name": name})


def _shipped(catalog: Catalog) -> dict[str, Plan]:
    return {
        plan.name: Plan(
            name=plan.name, package=package.name, title=plan.title, resources=plan.resources, prices=plan.prices
        )
        for package in catalog.all()
        for plan in package.plans
    }


def _check(plan: Plan) -> None:
    """Raise PlanIsInvalid for a plan that cannot be sold."""
    if not _NAME.fullmatch(plan.name):
        raise PlanIsInvalid(
            "A plan's name has 1 to 63 lower-case letters, digits, dots, dashes and underscores.", plan=plan.name
        )
    if not 1 <= len(plan.title) <= 100 or not plan.title.isprintable():
        raise PlanIsInvalid("A plan's title has 1 to 100 printable characters.", plan=plan.name)
    _check_resources(plan.resources)
    currencies = [price.currency for price in plan.prices]
    if len(currencies) != len(set(currencies)):
        raise PlanIsInvalid("A plan has one price for each currency.", plan=plan.name)
    for price in plan.prices:
        _check_price(price)


def _check_resources(resources: PlanResources) -> None:
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(resources, name) <= most:
            raise PlanIsInvalid(f"{name} is from {least} to {most}.", limit=name)


def _check_price(price: PlanPrice) -> None:
    if not _CURRENCY.fullmatch(price.currency):
        raise PlanIsInvalid("A currency is three capital letters of ISO 4217.", currency=price.currency)
    if not 0 <= price.hourly <= MOST_MICRO or not 0 <= price.monthly <= MOST_MICRO:
        raise PlanIsInvalid(f"A price is from 0 to {MOST_MICRO} micro-units.", currency=price.currency)
