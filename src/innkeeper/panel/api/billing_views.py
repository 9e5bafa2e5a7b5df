"""What the API shows of credits and money. Amounts are whole millionths: 1 credit, or 1 dollar, is 1,000,000."""

from datetime import datetime
from uuid import UUID

import msgspec

from innkeeper.core.billing.model import Entry, Payer, PoolStanding, Price, Stake, Transaction, TransactionKind
from innkeeper.core.billing.rental_model import BillingType, RentalStanding
from innkeeper.panel.api.views import AccountRef, account_ref, server_uuid
from innkeeper.panel.product import Product


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an account's wallet for one currency."""

    currency: str
    """ISO 4217."""
    amount_micro: int


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """What one account has."""

    account: AccountRef | None
    balance_micro: int
    """Its credits."""
    balances: list[BalanceView]
    """Its money, in every currency that it ever had some of."""


class BillingView(msgspec.Struct, frozen=True, kw_only=True):
    """How the house charges for servers that are rented."""

    charging: bool
    """False: prices are shown, nothing is charged, and nothing is refused for want of credit."""
    charging_since: datetime | None
    currency: str
    """Of accounts that chose none; ISO 4217."""


class RentalView(msgspec.Struct, frozen=True, kw_only=True):
    """What a server with a plan costs, and how that stands. Amounts are millionths of the currency."""

    plan: str
    billing_type: BillingType
    currency: str
    """That of its deploy."""
    account: AccountRef | None
    """Who pays."""
    hourly_micro: int
    """For each hour that begins, as prices are now."""
    monthly_micro: int
    """For a month; the hours of a calendar month (UTC) cost no more."""
    charging: bool
    paid_until: datetime | None
    """Null: nothing was charged yet."""
    next_at: datetime | None
    """When the next hour or month begins and is charged; null: none is."""
    next_micro: int
    spent_this_month_micro: int
    """For hours that began in this calendar month."""
    unpaid_since: datetime | None
    """Since when it is locked because the next period cannot be paid."""


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """What a GiB (1024 MiB) of a server's memory costs an hour of running; 0: nothing."""

    amount_micro: int
    since: datetime | None
    """Null: from the beginning."""


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of credits."""

    id: UUID
    at: datetime
    kind: TransactionKind
    text: str


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a wallet's or a pool's history."""

    id: UUID
    """Of its transaction."""
    at: datetime
    kind: TransactionKind
    amount_micro: int
    """Above zero: it came in."""
    currency: str | None
    """Null: credits."""
    text: str
    account: AccountRef | None
    """Whose wallet or stake it is."""
    by: AccountRef | None
    """Who did it; null: the house."""
    server: UUID | None
    since: datetime | None
    """Of a charge: from when to when the server ran."""
    until: datetime | None


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """Credits that several accounts put together, as whoever asks sees them."""

    id: UUID
    name: str
    owner: AccountRef | None
    balance_micro: int
    members: int
    servers: int
    own_stake_micro: int
    own_share: float
    """From 0 to 1."""
    created_at: datetime


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """What one member has in a pool."""

    account: AccountRef | None
    stake_micro: int
    share: float
    owner: bool


class PayerView(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays for a server: a pool, or an account."""

    pool: UUID | None
    account: AccountRef | None


class BooksView(msgspec.Struct, frozen=True):
    """What is wrong with the books, a sentence each; none: they are right."""

    faults: list[str]


def billing(product: Product) -> BillingView:
    """Return how the house charges."""
    return BillingView(
        charging=product.rentals.is_charging,
        charging_since=product.rentals.charging_since,
        currency=product.billing.currency,
    )


def rental(product: Product, standing: RentalStanding) -> RentalView:
    """Return how a server is rented."""
    item, rate = standing.rental, standing.rate
    return RentalView(
        plan=item.plan,
        billing_type=item.billing_type,
        currency=item.currency,
        account=account_ref(product, item.account_id),
        hourly_micro=rate.hourly if rate is not None else 0,
        monthly_micro=rate.monthly if rate is not None else 0,
        charging=standing.is_charged,
        paid_until=item.term.paid_until if item.term is not None else None,
        next_at=standing.next_at,
        next_micro=standing.next_amount,
        spent_this_month_micro=standing.spent_this_month,
        unpaid_since=item.unpaid_since if standing.is_charged else None,
    )


def price(item: Price | None) -> PriceView:
    """Return a price; None: it was free from the beginning."""
    return PriceView(amount_micro=item.amount if item else 0, since=item.at if item else None)


def transaction(item: Transaction) -> TransactionView:
    """Return a movement."""
    return TransactionView(id=item.uuid, at=item.at, kind=item.kind, text=item.text)


def entry(product: Product, item: Entry) -> EntryView:
    """Return a line of a history."""
    return EntryView(
        id=item.uuid,
        at=item.at,
        kind=item.kind,
        amount_micro=item.amount,
        currency=item.ledger.currency,
        text=item.text,
        account=account_ref(product, item.ledger.account_id),
        by=account_ref(product, item.actor_id),
        server=server_uuid(product, item.server_id),
        since=item.since,
        until=item.until,
    )


def pool(product: Product, item: PoolStanding) -> PoolView:
    """Return a pool."""
    return PoolView(
        id=item.pool.uuid,
        name=item.pool.name,
        owner=account_ref(product, item.pool.owner_id),
        balance_micro=item.balance,
        members=item.members,
        servers=item.servers,
        own_stake_micro=item.own_stake,
        own_share=item.own_share,
        created_at=item.pool.created_at,
    )


def member(product: Product, item: Stake) -> MemberView:
    """Return a member of a pool."""
    return MemberView(
        account=account_ref(product, item.account_id),
        stake_micro=item.amount,
        share=item.share,
        owner=item.is_owner,
    )


async def payer(product: Product, item: Payer) -> PayerView:
    """Return who pays."""
    return PayerView(
        pool=await product.billing.uuid_of_pool(item.pool_id) if item.pool_id is not None else None,
        account=account_ref(product, item.account_id),
    )
