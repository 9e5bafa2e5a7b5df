"""Renting: what a server with a plan costs for as long as it exists, by the hour or by the month.

    hourly    each hour that has begun, counted from the deploy; of the hours that begin in a calendar month (UTC) no
              more is charged than the plan costs for a month
    monthly   each month in advance, from the deploy on the same day of every month, or on its last

The price is the plan's when the hour or month begins, the currency that of the deploy. Nothing is given back for a
period that is not used up. A period that cannot be paid is not charged: the server is locked (`rent_collector` sees to
that) and pays for a new period when it can.

Charging is off until it is switched on. Each period is charged in a transaction of its own, by whoever holds the
rental's row, under a key that exists once; so it is charged once, whoever is killed and however many panels do it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.accounts.model import Account
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing import ledger
from innkeeper.core.billing.directory import CHARGING_SINCE, BillingDirectory, switched_on
from innkeeper.core.billing.errors import CreditsAreExhausted, ServerIsNotRented
from innkeeper.core.billing.model import Posting, Transaction, income, wallet
from innkeeper.core.billing.rates import note_first_prices, note_prices
from innkeeper.core.billing.rental_model import Rental, RentalStanding, Term, month_of, period_cost, period_end
from innkeeper.core.catalog.errors import NoSuchPlan
from innkeeper.core.catalog.plans import Plan, PlanPrice
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

PERIODS_AT_ONCE = 24
"""That are charged in one transaction, at most."""
_RENTALS_AT_ONCE = 200


class Rentals:
    """Opens, charges and closes rentals."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: BillingDirectory,
        activity: ActivityService,
        plan_of: Callable[[str], Plan],
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._activity = activity
        self._plan_of = plan_of
        """Returns a plan, one that is sold no more too; raises NoSuchPlan."""

    # -- the switch ---------------------------------------------------------------------------------------------------

    @property
    def is_charging(self) -> bool:
        """Whether rented servers are charged for; a house begins without."""
        return self._directory.charging_since is not None

    @property
    def charging_since(self) -> datetime | None:
        """When charging was switched on; None: it is off."""
        return self._directory.charging_since

    async def set_charging(self, actor: Actor, charging: bool) -> None:
        """Begin to charge, or stop; needs `billing.write`.

        Each rented server pays from that moment on, or from when what was paid before has passed. Once it is off
        nothing is charged and nothing refused, and what was charged is not given back.
        """
        require(actor, ProductPermission.BILLING_WRITE)
        async with self._works() as work:
            if (await switched_on(work) is not None) == charging:
                return
            await work.settings.put(CHARGING_SINCE, self._clock.now().isoformat() if charging else "")
            work.changed("billing", 0)
            await self._activity.note(work, actor, f"billing.switched_{'on' if charging else 'off'}")

    # -- prices -------------------------------------------------------------------------------------------------------

    def price_for(self, plan: Plan, account: Account) -> PlanPrice | None:
        """Return what a plan costs an account: in its currency, the house's or the plan's first; None: nothing."""
        by_currency = {price.currency: price for price in reversed(plan.prices)}
        for currency in (account.currency, self._directory.currency):
            if currency in by_currency:
                return by_currency[currency]
        return plan.prices[0] if plan.prices else None

    async def note_prices(self) -> None:
        """Keep what the plans of rented servers cost, where that changed while nobody looked: in a new release, say."""
        async with self._works() as work:
            plans = await work.rentals.plans_in_use()
        for name in plans:
            try:
                plan = self._plan_of(name)
            except NoSuchPlan:  # it keeps its price
                continue
            async with self._works() as work:
                await note_prices(work, self._clock, plan)

    # -- servers ------------------------------------------------------------------------------------------------------

    async def open(self, work: Work, server: Server) -> None:
        """Rent out a server that is being made with a plan; without one, nothing happens.

        Where charging is on, its first period is charged. Raises CreditsAreExhausted with `needed_micro`,
        `having_micro` and `currency`.
        """
        if server.plan is None or server.billing_type is None:
            return
        account = await work.accounts.get(server.owner_id)
        if account is None:
            raise ValueError(f"server {server.id} has no owner")
        plan = self._plan_of(server.plan)
        price = self.price_for(plan, account)
        await note_first_prices(work, self._clock, plan)
        rental = await work.rentals.add(
            Rental(
                id=0,
                server_id=server.id,
                account_id=account.id,
                plan=plan.name,
                billing_type=server.billing_type,
                currency=price.currency if price is not None else account.currency or self._directory.currency,
                since=self._clock.now(),
            )
        )
        charging_since = await switched_on(work)
        if charging_since is None:
            return
        await work.rentals.lock(server.id)
        begins = max(rental.since, charging_since)
        if (await self._charge(work, rental, begins, charging_since)).unpaid_since is not None:
            ref = wallet(rental.account_id, rental.currency)
            raise CreditsAreExhausted(
                "There is not enough credit for this server.",
                needed_micro=await self._cost(work, rental, begins),
                having_micro=(await work.billing.balances([ref]))[ref],
                currency=rental.currency,
            )

    async def close(self, work: Work, server: Server) -> None:
        """Charge what has begun of a server that is being deleted, as far as it can be paid, and no more.

        One that is locked owes nothing, and begins nothing new.
        """
        charging_since = await switched_on(work)
        rental = await work.rentals.lock(server.id)
        if rental is None or rental.closed_at is not None:
            return
        going_on = charging_since is not None and not rental.is_unpaid(charging_since)
        while going_on and charging_since is not None:
            rental, going_on = await self._charge_next(work, rental, charging_since)
        await work.rentals.update(replace(rental, closed_at=self._clock.now(), unpaid_since=None, warned=0))

    async def reopen(self, work: Work, server: Server) -> None:
        """Rent out a server again that comes back after it was deleted: it pays from now on, unless that is paid."""
        rental = await work.rentals.lock(server.id)
        if rental is not None and rental.closed_at is not None:
            await work.rentals.update(replace(rental, closed_at=None, since=self._clock.now()))

    async def standing(self, server: Server) -> RentalStanding:
        """Return how a server is rented; the caller checks who may know. Raises ServerIsNotRented."""
        now = self._clock.now()
        async with self._works() as work:
            rental = await work.rentals.find(server.id)
            if rental is None:
                raise ServerIsNotRented
            charging_since = await switched_on(work)
            rate = await work.rentals.rate_at(rental.plan, rental.currency, now)
            begins = rental.next_begins(charging_since, now) if charging_since is not None else None
            needed = await self._cost(work, rental, begins) if begins is not None else 0
        return RentalStanding(
            rental=rental,
            rate=rate,
            is_charged=charging_since is not None and rental.closed_at is None,
            next_at=begins if rental.closed_at is None else None,
            next_amount=needed,
            spent_this_month=rental.spent_in(month_of(now)),
        )

    # -- charging -----------------------------------------------------------------------------------------------------

    async def charge_due(self, look_ahead: timedelta) -> list[Rental]:
        """Charge every period that has begun; return the rentals whose next one begins within `look_ahead`."""
        charging_since = self._directory.charging_since
        if charging_since is None:
            return []
        coming: list[Rental] = []
        last = 0
        while True:
            now = self._clock.now()
            async with self._works() as work:
                found = await work.rentals.due(now + look_ahead, charging_since, last, _RENTALS_AT_ONCE)
            for rental in found:
                last = rental.id
                begins = rental.next_begins(charging_since, now)
                if begins <= now or rental.unpaid_since is not None:
                    while await self._charge_some(rental.server_id):
                        pass
                elif begins <= now + look_ahead:
                    coming.append(rental)
            if len(found) < _RENTALS_AT_ONCE:
                return coming

    async def shortfall(self, rental: Rental) -> int:
        """Return how much its account lacks for the next period of a rental; 0: it can pay."""
        ref = wallet(rental.account_id, rental.currency)
        async with self._works() as work:
            charging_since = await switched_on(work)
            if charging_since is None:
                return 0
            needed = await self._cost(work, rental, rental.next_begins(charging_since, self._clock.now()))
            return max(0, needed - max(0, (await work.billing.balances([ref]))[ref]))

    async def note_warning(self, rental: Rental, warned: int) -> bool:
        """Keep that its players were warned so often; false where another panel was first."""
        async with self._works() as work:
            return await work.rentals.warn(rental, warned)

    async def unpaid(self) -> set[int]:
        """Return the servers that must not run because they are not paid for."""
        if not self.is_charging:
            return set()
        async with self._works() as work:
            return await work.rentals.unpaid() if await switched_on(work) is not None else set()

    async def _charge_some(self, server_id: int) -> bool:
        """Charge periods of a rental that have begun, a bounded number; say whether there may be more."""
        async with self._works() as work:
            charging_since = await switched_on(work)
            rental = await work.rentals.lock(server_id)
            if charging_since is None or rental is None or rental.closed_at is not None:
                return False
            for _ in range(PERIODS_AT_ONCE):
                rental, going_on = await self._charge_next(work, rental, charging_since)
                if not going_on:
                    return False
        return True

    async def _charge_next(self, work: Work, rental: Rental, charging_since: datetime) -> tuple[Rental, bool]:
        """Charge the next period of a locked rental if it has begun; return the rental, and whether it was charged."""
        now = self._clock.now()
        begins = rental.next_begins(charging_since, now)
        if begins <= now:
            rental = await self._charge(work, rental, begins, charging_since)
            return rental, rental.unpaid_since is None
        if rental.unpaid_since is not None:  # the clock was put back into what is paid for
            rental = replace(rental, unpaid_since=None)
            await work.rentals.update(rental)
        return rental, False

    async def _charge(self, work: Work, rental: Rental, begins: datetime, charging_since: datetime) -> Rental:
        """Charge the period of a locked rental that begins then; return it as it is after that: paid, or unpaid."""
        ours, theirs = income(rental.currency), wallet(rental.account_id, rental.currency)
        balances = await work.billing.lock([ours, theirs])
        amount = await self._cost(work, rental, begins)
        if amount > max(0, balances[theirs]):
            if rental.is_unpaid(charging_since):
                return rental
            log.info("billing.rental.unpaid", server=rental.server_id, needed=amount, currency=rental.currency)
            unpaid = replace(rental, unpaid_since=self._clock.now())
            await work.rentals.update(unpaid)
            return unpaid
        term = await self._term(work, rental, begins, charging_since)
        until = period_end(rental.billing_type, term.since, begins)
        moved = await work.rentals.advance(term, until)
        charge = Transaction(
            uuid=uuid7(),
            at=self._clock.now(),
            kind="charge",
            # No period is charged twice, whatever else is wrong.
            key=f"rental:{rental.id}:{rental.billing_type}:{begins.isoformat()}",
            postings=(Posting(theirs, -amount), Posting(ours, amount)) if amount else (),
            server_id=rental.server_id,
            term_id=term.id,
            since=begins,
            until=until,
        )
        if moved is None or not await ledger.post(work, charge):
            raise RuntimeError(f"rental {rental.id} was charged from {begins} before")
        paid = replace(rental, unpaid_since=None, warned=0, term=moved)
        if rental.billing_type == "hourly":
            month = month_of(begins)
            paid = replace(paid, month=month, spent=rental.spent_in(month) + amount)
        await work.rentals.update(paid)
        return paid

    async def _term(self, work: Work, rental: Rental, begins: datetime, charging_since: datetime) -> Term:
        """Return the term that a period is part of: the newest, or a new one that begins with it."""
        if rental.term is not None and rental.goes_on(charging_since):
            return rental.term
        term = Term(
            id=0,
            rental_id=rental.id,
            since=begins,
            paid_until=begins,
            charged_from=begins,
            charging_since=charging_since,
        )
        return await work.rentals.add_term(term)

    @staticmethod
    async def _cost(work: Work, rental: Rental, begins: datetime) -> int:
        """Return what the period costs that begins then."""
        rate = await work.rentals.rate_at(rental.plan, rental.currency, begins)
        return period_cost(rental.billing_type, rate, rental.spent_in(month_of(begins)))
