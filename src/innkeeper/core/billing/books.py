"""Proving the books: what must be true of them, looked for in all that was ever posted.

Each look is one query, so it sees one moment, whatever is posted meanwhile.
"""

from itertools import pairwise

from innkeeper.core.billing.model import Meter, Step
from innkeeper.core.work import Works
from innkeeper.kit.money import written

MOST_FAULTS = 100
"""Of each sort that are told."""
_METERS_AT_ONCE = 200


async def faults_of(works: Works) -> list[str]:
    """Return what is wrong with the books, a sentence each; none: they are right."""
    faults: list[str] = []
    async with works() as work:
        for number, total in await work.billing.unbalanced(MOST_FAULTS):
            faults.append(f"transaction {number} sums to {written(total)} credits, not to 0")
        for ref, balance, total in await work.billing.misstated(MOST_FAULTS):
            faults.append(f"ledger {ref.name} has {written(balance)} credits, its entries sum to {written(total)}")
        for ref in await work.billing.strays(MOST_FAULTS):
            faults.append(f"ledger {ref.name} has credits and belongs to no member")
    last = 0
    while True:
        async with works() as work:
            metered = await work.billing.metered(last, _METERS_AT_ONCE)
        if not metered:
            return faults
        for meter, steps in metered:
            faults += meter_faults(meter, steps)
            last = meter.id


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
