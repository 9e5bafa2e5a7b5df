"""What is kept of rented servers: what was agreed, until when it is paid, and what plans have cost. All of it in UTC.

    rental  ── one for each server with a plan: who pays, how, in which currency
      term  ── an unbroken stretch of periods; another begins after a lock or after charging was off
        step ── the charge of one hour or month: a transaction of the ledger

Terms of a rental never overlap, so no moment is ever paid for twice. Amounts are micro-units of the rental's currency.
"""

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

BillingType = Literal["hourly", "monthly"]
HOUR = timedelta(hours=1)


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs in a currency, from a moment on."""

    id: int
    plan: str
    currency: str
    hourly: int
    monthly: int
    at: datetime


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """An unbroken stretch of paid periods; each begins where the one before ends."""

    id: int
    rental_id: int
    since: datetime
    """Hours and months are counted from here."""
    paid_until: datetime
    charged_from: datetime
    """When the last period that was charged began."""
    charging_since: datetime
    """When charging had been switched on: once that is another moment, the term does not go on."""


class Rental(msgspec.Struct, frozen=True, kw_only=True):
    """How one server is rented, for as long as it exists."""

    id: int
    server_id: int
    account_id: int
    """Who pays."""
    plan: str
    billing_type: BillingType
    currency: str
    """That of its deploy, whatever the account or the house choose later."""
    since: datetime
    """From when on it counts: its deploy, or its return after it was deleted."""
    unpaid_since: datetime | None = None
    """Since when its next period could not be paid; None: it is paid for, or nothing is charged."""
    month: datetime | None = None
    """The beginning of the calendar month in which the last hour began that was charged."""
    spent: int = 0
    """What the hours of that month cost so far."""
    warned: int = 0
    """How many warnings its players have had that the next period cannot be paid."""
    closed_at: datetime | None = None
    term: Term | None = None
    """The newest."""

    def goes_on(self, charging_since: datetime) -> bool:
        """Say whether its newest term is continued, so that its next period begins where it is paid until."""
        term = self.term
        return (
            term is not None
            and self.unpaid_since is None
            and term.charging_since == charging_since
            and term.since >= self.since
        )

    def is_unpaid(self, charging_since: datetime) -> bool:
        """Say whether a period could not be paid since charging was switched on."""
        return self.unpaid_since is not None and self.unpaid_since >= charging_since

    def next_begins(self, charging_since: datetime, now: datetime) -> datetime:
        """Return when the next period begins that is to be charged; never before what is paid for has passed.

        One that could not be paid begins anew when it can: what passed while it was locked is not charged.
        """
        paid = [self.term.paid_until] if self.term is not None else []
        if self.goes_on(charging_since):
            return max(paid)
        if self.is_unpaid(charging_since):
            return max(now, *paid) if paid else now
        return max(charging_since, self.since, *paid)

    def spent_in(self, month: datetime) -> int:
        """Return what its hours have cost that began in a month."""
        return self.spent if self.month == month else 0


class RentalStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A rental as it stands now."""

    rental: Rental
    rate: Rate | None
    """In force now; None: its plan costs nothing in its currency."""
    is_charged: bool
    next_at: datetime | None
    """When the next period begins; None: nothing is charged."""
    next_amount: int
    """What that costs, as prices are now."""
    spent_this_month: int
    """What the hours cost that began in this calendar month."""


class RentalStep(msgspec.Struct, frozen=True, kw_only=True):
    """One charge, as the books show it."""

    transaction_id: int
    term_id: int
    since: datetime
    until: datetime
    amount: int
    """What the house got by it, in the rental's currency."""


class RentalHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A rental with all that was charged for it, as it was at one moment."""

    rental: Rental
    terms: list[Term]
    steps: list[RentalStep]


def month_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's calendar month."""
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def months_after(moment: datetime, months: int) -> datetime:
    """Return the same day and time so many months later; of a month that has no such day, the last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def period_end(billing_type: BillingType, since: datetime, begins: datetime) -> datetime:
    """Return when the period ends that begins at `begins`, in a term that is counted from `since`.

    Months are counted from the first one: from the 31st of January to the 28th of February to the 31st of March.
    """
    if billing_type == "hourly":
        return begins + HOUR
    passed = (begins.year - since.year) * 12 + begins.month - since.month
    return months_after(since, passed + 1)


def period_cost(billing_type: BillingType, rate: Rate | None, spent: int) -> int:
    """Return what a period costs of which that is the rate (None: free) when its month's hours have cost `spent`."""
    if rate is None:
        return 0
    if billing_type == "monthly":
        return rate.monthly
    return max(0, min(rate.hourly, rate.monthly - spent))


def rate_at(rates: Sequence[Rate], moment: datetime) -> Rate | None:
    """Return which of a plan's rates in a currency, oldest first, is in force; before the first, that one."""
    return next((rate for rate in reversed(rates) if rate.at <= moment), rates[0] if rates else None)
