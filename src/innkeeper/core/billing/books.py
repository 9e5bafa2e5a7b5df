"""Proving the books: what must be true of them, looked for in all that was ever posted.

Each look is one query, or sees rentals that nobody charges meanwhile, so it sees one moment, whatever is posted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from innkeeper.core.billing.model import Meter, Step
from innkeeper.core.billing.rental_model import (
    Rate,
    RentalHistory,
    RentalStep,
    Term,
    month_of,
    period_cost,
    period_end,
    rate_at,
)
from innkeeper.core.work import Works
from innkeeper.kit.money import written

MOST_FAULTS = 100
"""Of each sort that are told."""
_METERS_AT_ONCE = 200
_RENTALS_AT_ONCE = 20
Rates = Mapping[tuple[str, str], Sequence[Rate]]
"""By plan and currency, oldest first."""


async def faults_of(works: Works) -> list[str]:
    """Return what is wrong with the books, a sentence each; none: they are right."""
    faults: list[str] = []
    async with works() as work:
        for number, total in await work.billing.unbalanced(MOST_FAULTS):
            faults.append(f"transaction {number} sums to {written(total)}, not to 0")
        for ref, balance, total in await work.billing.misstated(MOST_FAULTS):
            unit = ref.currency or "credits"
            faults.append(f"ledger {ref.name} has {written(balance)} {unit}, its entries sum to {written(total)}")
        for number in await work.billing.mixed(MOST_FAULTS):
            faults.append(f"transaction {number} is of several currencies")
        for ref in await work.billing.strays(MOST_FAULTS):
            faults.append(f"ledger {ref.name} has credits and belongs to no member")
    return faults + await _faults_of_meters(works) + await _faults_of_rentals(works)


async def _faults_of_meters(works: Works) -> list[str]:
    faults: list[str] = []
    last = 0
    while True:
        async with works() as work:
            metered = await work.billing.metered(last, _METERS_AT_ONCE)
        if not metered:
            return faults
        for meter, steps in metered:
            faults += meter_faults(meter, steps)
            last = meter.id


async def _faults_of_rentals(works: Works) -> list[str]:
    faults: list[str] = []
    last = 0
    while True:
        async with works() as work:
            histories = await work.rentals.histories(last, _RENTALS_AT_ONCE)
            rates: defaultdict[tuple[str, str], list[Rate]] = defaultdict(list)
            for rate in await work.rentals.rates() if histories else ():
                rates[rate.plan, rate.currency].append(rate)
        if not histories:
            return faults
        for history in histories:
            faults += rental_faults(history, rates)
            last = history.rental.id


def meter_faults(meter: Meter, steps: list[Step]) -> list[str]:
    """Return what is wrong with the charges of one run: they are a chain without a gap, each of the right amount."""
    name = f"run {meter.run_id} of server {meter.server_id}"
    chain = [meter.started_at, *(step.until for step in steps)]
    faults = [
        f"{name}: transaction {step.transaction_id} charges from {step.since}, not from {begun}"
        for step, begun in zip(steps, chain, strict=False)
        if step.since != begun
    ]
    if chain[-1] != meter.billed_until:
        faults.append(f"{name}: it is charged until {chain[-1]}, its meter says {meter.billed_until}")
    if meter.ended_at is not None and meter.ended_at != meter.billed_until:
        faults.append(f"{name}: it ended at {meter.ended_at} and is charged until {meter.billed_until}")
    for step, (begun, until) in zip(steps, pairwise(chain), strict=True):
        wanted = meter.cost_until(until) - meter.cost_until(begun)
        if step.amount != wanted:
            faults.append(
                f"{name}: transaction {step.transaction_id} is of {written(step.amount)} credits, not {written(wanted)}"
            )
    return faults


def rental_faults(history: RentalHistory, rates: Rates) -> list[str]:
    """Return what is wrong with the charges of one rental.

    Its terms do not overlap; each is a chain of periods without a gap, and each period costs what its plan did when it
    began, hours no more in a calendar month than a month.
    """
    name = f"rental of server {history.rental.server_id}"
    faults = [
        f"{name}: term {two.id} begins at {two.since}, and term {one.id} is paid until {one.paid_until}"
        for one, two in pairwise(history.terms)
        if two.since < one.paid_until
    ]
    by_term: defaultdict[int, list[RentalStep]] = defaultdict(list)
    for step in history.steps:
        by_term[step.term_id].append(step)
    for term in history.terms:
        faults += [f"{name}: {fault}" for fault in _term_faults(history, term, by_term[term.id])]
    return faults + [f"{name}: {fault}" for fault in _amount_faults(history, rates)]


def _term_faults(history: RentalHistory, term: Term, steps: list[RentalStep]) -> list[str]:
    faults: list[str] = []
    begun = term.since
    for step in steps:
        if step.since != begun:
            faults.append(f"transaction {step.transaction_id} charges from {step.since}, not from {begun}")
        wanted = period_end(history.rental.billing_type, term.since, step.since)
        if step.until != wanted:
            faults.append(f"transaction {step.transaction_id} charges until {step.until}, not until {wanted}")
        begun = step.until
    if term.paid_until != begun:
        faults.append(f"term {term.id} is charged until {begun}, and says {term.paid_until}")
    if steps and term.charged_from != steps[-1].since:
        faults.append(f"term {term.id} was charged last from {steps[-1].since}, and says {term.charged_from}")
    return faults


def _amount_faults(history: RentalHistory, rates: Rates) -> list[str]:
    rental = history.rental
    in_force = rates.get((rental.plan, rental.currency), ())
    spent: defaultdict[datetime, int] = defaultdict(int)
    faults: list[str] = []
    for step in history.steps:
        month = month_of(step.since)
        wanted = period_cost(rental.billing_type, rate_at(in_force, step.since), spent[month])
        spent[month] += step.amount
        if step.amount != wanted:
            faults.append(
                f"transaction {step.transaction_id} is of {written(step.amount)} {rental.currency}, "
                f"not {written(wanted)}"
            )
    if rental.month is not None and rental.spent != spent[rental.month]:
        faults.append(
            f"its hours of {rental.month:%Y-%m} cost {written(spent[rental.month])}, not {written(rental.spent)}"
        )
    return faults
