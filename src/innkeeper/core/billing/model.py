"""What is kept of credits: ledgers, transactions, prices, pools and meters. Amounts are micro-credits, always `int`.

Money in a currency stands in ledgers of its own, in micro-units: what a currency's servers are rented for.

issued ──top_up──▶ wallet ──deposit──▶ stake          every transaction sums to zero;
   ▲                  │ ◀─withdrawal──   │            a ledger's balance is the sum of its entries
   └────adjustment────┤                  │
                      └──charge──▶ income ◀──charge──┘
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

LedgerKind = Literal["wallet", "stake", "income", "issued"]
TransactionKind = Literal["top_up", "adjustment", "deposit", "withdrawal", "charge", "refund", "closing"]

MIB_PER_UNIT = 1024
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR = 3_600_000_000


class LedgerRef(msgspec.Struct, frozen=True):
    """Which ledger is meant: an account's wallet, its stake in a pool, or one of the house's two."""

    kind: LedgerKind
    account_id: int | None = None
    pool_id: int | None = None
    currency: str | None = None
    """ISO 4217; None: credits."""

    @property
    def name(self) -> str:
        """What it is called, uniquely: "stake:3:7" is the stake of account 7 in pool 3, "wallet:EUR:7" its euros."""
        parts = (self.kind, self.currency, self.pool_id, self.account_id)
        return ":".join(str(part) for part in parts if part is not None)


INCOME = LedgerRef("income")
"""What the house has earned, in credits."""
ISSUED = LedgerRef("issued")
"""Where credits come from: as far below zero as there are credits."""


def income(currency: str | None = None) -> LedgerRef:
    """Return what the house has earned in a currency; None: in credits."""
    return LedgerRef("income", currency=currency)


def issued(currency: str | None = None) -> LedgerRef:
    """Return where the money of a currency comes from; None: where credits do."""
    return LedgerRef("issued", currency=currency)


def wallet(account_id: int, currency: str | None = None) -> LedgerRef:
    """Return the wallet of an account for a currency; None: for credits."""
    return LedgerRef("wallet", account_id, currency=currency)


def stake(pool_id: int, account_id: int) -> LedgerRef:
    """Return what an account has put into a pool and may take out of it."""
    return LedgerRef("stake", account_id, pool_id)


class Posting(msgspec.Struct, frozen=True):
    """What a transaction does to one ledger."""

    ref: LedgerRef
    amount: int


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of credits or of money in one currency.

    One that does not sum to zero, or whose postings are of several currencies, cannot be made: ValueError.
    """

    uuid: UUID
    at: datetime
    kind: TransactionKind
    key: str
    """Of two transactions of one key there is only the first."""
    postings: tuple[Posting, ...]
    text: str = ""
    actor_id: int | None = None
    """Who did it; None: the house."""
    server_id: int | None = None
    meter_id: int | None = None
    """Of a charge or a refund: the run it is for, and from when to when. A refund goes back in time."""
    term_id: int | None = None
    """Of a charge for a rented server: the rental's term, and from when to when."""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if sum(posting.amount for posting in self.postings) != 0:
            raise ValueError(f"the {self.kind} {self.key} does not sum to zero: {self.postings}")
        if len({posting.ref.currency for posting in self.postings}) > 1:
            raise ValueError(f"the {self.kind} {self.key} is of several currencies: {self.postings}")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a ledger's history."""

    id: int
    """Grows with time."""
    ledger: LedgerRef
    amount: int
    uuid: UUID
    at: datetime
    kind: TransactionKind
    text: str
    actor_id: int | None
    server_id: int | None
    since: datetime | None
    until: datetime | None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What running costs, from a moment on."""

    id: int
    amount: int
    """Micro-credits for each GiB (1024 MiB) of a server's memory and hour."""
    at: datetime
    set_by: int | None


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Credits that several accounts put together."""

    id: int
    uuid: UUID
    name: str
    owner_id: int
    created_at: datetime


class PoolStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A pool and what is in it, as one account sees it."""

    pool: Pool
    balance: int
    """The sum of its members' stakes."""
    members: int
    servers: int
    own_stake: int
    own_share: float


class Stake(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has in a pool."""

    account_id: int
    amount: int
    share: float
    """Of all that members have in it, from 0 to 1. The only member of an empty pool has all of it."""
    is_owner: bool


class Payer(msgspec.Struct, frozen=True):
    """Who pays: the wallet of an account or, where `pool_id` is set, a pool."""

    account_id: int | None = None
    pool_id: int | None = None


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """The metering of one run: a chain of steps from its start to `billed_until`. Price and memory never change."""

    id: int
    server_id: int
    run_id: str
    payer: Payer
    price: int
    memory_mib: int
    started_at: datetime
    billed_until: datetime
    ended_at: datetime | None = None
    warned: int = 0
    """How many warnings its players have had that the credits run out."""

    def cost_until(self, moment: datetime) -> int:
        """Return what the run costs from its start to `moment`."""
        return cost(self.price, self.memory_mib, moment - self.started_at)

    def due(self, moment: datetime) -> int:
        """Return what is not charged yet up to `moment`; below zero where too much is."""
        return self.cost_until(moment) - self.cost_until(self.billed_until)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One charge or refund, as the books show it."""

    meter_id: int
    transaction_id: int
    since: datetime
    until: datetime
    amount: int
    """What the house got by it."""


def cost(price: int, memory_mib: int, running: timedelta) -> int:
    """Return the micro-credits for running so long, rounded down. Charges are differences of this: none is lost."""
    return price * memory_mib * (running // _MICROSECOND) // (MIB_PER_UNIT * _MICROSECONDS_PER_HOUR)


def seconds_left(having: int, meters: Sequence[Meter]) -> float:
    """Return for how many seconds so many micro-credits pay for those runs together; infinity for free ones."""
    burn = sum(meter.price * meter.memory_mib for meter in meters)
    return having * MIB_PER_UNIT * 3600 / burn if burn else math.inf
