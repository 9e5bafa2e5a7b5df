"""What the API shows of credits. Amounts are whole micro-credits: 1 credit is 1,000,000."""

from datetime import datetime
from uuid import UUID

import msgspec

from innkeeper.core.billing.model import Entry, Payer, PoolStanding, Price, Stake, Transaction, TransactionKind
from innkeeper.panel.api.views import AccountRef, account_ref, server_uuid
from innkeeper.panel.product import Product


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """The credits of one account."""

    account: AccountRef | None
    balance_micro: int


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
