"""What plans have cost: kept with its moment whenever it changes, so that each charge can be proved ever after.

Knows no catalogue. Whoever changes what a plan costs notes it in the same transaction.
"""

from datetime import timedelta

from innkeeper.core.billing.model import income
from innkeeper.core.billing.rental_model import Rate
from innkeeper.core.catalog.plans import Plan, PlanPrice
from innkeeper.core.work import Work
from innkeeper.kit.clock import Clock

_MICROSECOND = timedelta(microseconds=1)


async def note_prices(work: Work, clock: Clock, plan: Plan) -> None:
    """Keep what a plan costs from now on, where that is new; it counts for periods that begin from now on.

    A currency that the plan has no price in any more keeps its last one, for whoever pays in it.
    """
    for price in sorted(plan.prices, key=lambda price: price.currency):
        await _note(work, clock, plan.name, price)


async def note_first_prices(work: Work, clock: Clock, plan: Plan) -> None:
    """Keep what a plan costs in currencies in which nothing was ever kept."""
    for price in sorted(plan.prices, key=lambda price: price.currency):
        if await work.rentals.newest_rate(plan.name, price.currency) is None:
            await _note(work, clock, plan.name, price)


async def _note(work: Work, clock: Clock, plan: str, price: PlanPrice) -> None:
    if _same(await work.rentals.newest_rate(plan, price.currency), price):
        return
    await work.billing.lock([income(price.currency)])
    last = await work.rentals.newest_rate(plan, price.currency)
    if _same(last, price):  # another panel was first
        return
    moments = [clock.now()]
    charged = await work.rentals.charged_last(plan, price.currency)
    if charged is not None:  # what is charged stays as it is, even where the clock was put back since
        moments.append(charged + _MICROSECOND)
    if last is not None:
        moments.append(last.at)
    rate = Rate(
        id=0,
        plan=plan,
        currency=price.currency,
        hourly=price.hourly,
        monthly=price.monthly,
        at=max(moments),
    )
    await work.rentals.add_rate(rate)


def _same(rate: Rate | None, price: PlanPrice) -> bool:
    return rate is not None and (rate.hourly, rate.monthly) == (price.hourly, price.monthly)
