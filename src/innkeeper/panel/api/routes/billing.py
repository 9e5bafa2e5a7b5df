"""Credits and currencies: wallets, what running and renting costs, pools, and who pays for a server."""

from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import billing_views, views
from innkeeper.panel.api.params import (
    AssignPool,
    ChangeBilling,
    Currency,
    Cursor,
    GiveCredits,
    Limit,
    MoveCredits,
    NamePool,
    SetPrice,
)
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_product, on_server, signed_in
from innkeeper.panel.product import Product

# -- wallets ----------------------------------------------------------------------------------------------------------


@get("/billing/wallet", opt=signed_in(), tags=["billing"])
async def get_wallet(product: House, actor: Asker) -> billing_views.WalletView:
    """Show one's own wallet."""
    return _wallet(product, actor.account.id)


@get("/billing/wallet/entries", opt=signed_in(), tags=["billing"])
async def list_wallet_entries(
    product: House, actor: Asker, currency: Currency = None, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[billing_views.EntryView]:
    """List what happened to one's own wallet, for credits or a currency, newest first."""
    page = await product.billing.entries(actor, currency=currency, cursor=cursor, limit=limit)
    return views.ListView([billing_views.entry(product, item) for item in page.items], page.next)


@get("/billing/wallets/{account:uuid}", opt=on_product(ProductPermission.BILLING_READ_ALL), tags=["billing"])
async def get_wallet_of(product: House, account: FromPath[UUID]) -> billing_views.WalletView:
    """Show an account's wallet."""
    return _wallet(product, _account(product, account))


@get("/billing/wallets/{account:uuid}/entries", opt=on_product(ProductPermission.BILLING_READ_ALL), tags=["billing"])
async def list_entries_of(
    product: House,
    actor: Asker,
    account: FromPath[UUID],
    currency: Currency = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> views.ListView[billing_views.EntryView]:
    """List what happened to an account's wallet, for credits or a currency, newest first."""
    page = await product.billing.entries(
        actor, account_id=_account(product, account), currency=currency, cursor=cursor, limit=limit
    )
    return views.ListView([billing_views.entry(product, item) for item in page.items], page.next)


@post("/billing/wallets/{account:uuid}/credits", opt=on_product(ProductPermission.BILLING_WRITE), tags=["billing"])
async def give_credits(
    product: House, actor: Asker, account: FromPath[UUID], data: JSONBody[GiveCredits]
) -> billing_views.TransactionView:
    """Give an account credits, or money in a currency, or set its wallet right by an amount below zero."""
    give = product.billing.top_up if data.amount_micro > 0 else product.billing.adjust
    done = await give(
        actor, _account(product, account), data.amount_micro, text=data.text, key=data.key, currency=data.currency
    )
    return billing_views.transaction(done)


# -- the house --------------------------------------------------------------------------------------------------------


@get("/billing", opt=signed_in(), tags=["billing"])
async def get_billing(product: House) -> billing_views.BillingView:
    """Show whether rented servers are charged for, and the house's currency."""
    return billing_views.billing(product)


@put("/billing", opt=on_product(ProductPermission.BILLING_WRITE), tags=["billing"])
async def change_billing(product: House, actor: Asker, data: JSONBody[ChangeBilling]) -> billing_views.BillingView:
    """Begin or stop to charge for rented servers, and set the house's currency for those rented from now on."""
    if data.currency is not msgspec.UNSET:
        await product.billing.set_currency(actor, data.currency)
    if data.charging is not msgspec.UNSET:
        await product.rentals.set_charging(actor, data.charging)
    return billing_views.billing(product)


@get("/billing/price", opt=signed_in(), tags=["billing"])
async def get_price(product: House) -> billing_views.PriceView:
    """Show what running costs now."""
    return billing_views.price(next(reversed(product.billing.price_history()), None))


@get("/billing/prices", opt=signed_in(), tags=["billing"])
async def list_prices(product: House) -> views.ListView[billing_views.PriceView]:
    """List what running has cost, oldest first."""
    return views.ListView([billing_views.price(item) for item in product.billing.price_history()])


@put("/billing/price", opt=on_product(ProductPermission.BILLING_WRITE), tags=["billing"])
async def set_price(product: House, actor: Asker, data: JSONBody[SetPrice]) -> billing_views.PriceView:
    """Set what servers cost that are started from now on."""
    return billing_views.price(await product.billing.set_price(actor, data.amount_micro))


@get("/billing/check", opt=on_product(ProductPermission.BILLING_READ_ALL), tags=["billing"])
async def check_books(product: House, actor: Asker) -> billing_views.BooksView:
    """Prove the books: every balance is the sum of its entries, no second is charged twice or missed."""
    return billing_views.BooksView(await product.billing.check(actor))


# -- pools ------------------------------------------------------------------------------------------------------------


@get("/billing/pools", opt=signed_in(), tags=["billing"])
async def list_pools(product: House, actor: Asker) -> views.ListView[billing_views.PoolView]:
    """List the credit pools that one is a member of."""
    return views.ListView([billing_views.pool(product, item) for item in await product.billing.pools(actor)])


@post("/billing/pools", opt=signed_in(), tags=["billing"])
async def create_pool(product: House, actor: Asker, data: JSONBody[NamePool]) -> billing_views.PoolView:
    """Make a credit pool."""
    made = await product.billing.create_pool(actor, data.name)
    return billing_views.pool(product, await product.billing.pool(actor, made.id))


@get("/billing/pools/{pool:uuid}", opt=signed_in(), tags=["billing"])
async def get_pool(product: House, actor: Asker, pool: FromPath[UUID]) -> billing_views.PoolView:
    """Show a credit pool that one is a member of."""
    return billing_views.pool(product, await product.billing.find_pool(actor, pool))


@patch("/billing/pools/{pool:uuid}", opt=signed_in(), tags=["billing"])
async def rename_pool(
    product: House, actor: Asker, pool: FromPath[UUID], data: JSONBody[NamePool]
) -> billing_views.PoolView:
    """Rename a credit pool; its owner may."""
    found = await product.billing.find_pool(actor, pool)
    await product.billing.rename_pool(actor, found.pool.id, data.name)
    return billing_views.pool(product, await product.billing.pool(actor, found.pool.id))


@delete("/billing/pools/{pool:uuid}", opt=signed_in(), tags=["billing"])
async def delete_pool(product: House, actor: Asker, pool: FromPath[UUID]) -> None:
    """Delete a credit pool; every member gets its stake back. Its owner may."""
    found = await product.billing.find_pool(actor, pool)
    await product.billing.delete_pool(actor, found.pool.id)


@get("/billing/pools/{pool:uuid}/entries", opt=signed_in(), tags=["billing"])
async def list_pool_entries(
    product: House, actor: Asker, pool: FromPath[UUID], cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[billing_views.EntryView]:
    """List what happened to the stakes in a credit pool, newest first."""
    found = await product.billing.find_pool(actor, pool)
    page = await product.billing.entries(actor, pool_id=found.pool.id, cursor=cursor, limit=limit)
    return views.ListView([billing_views.entry(product, item) for item in page.items], page.next)


@get("/billing/pools/{pool:uuid}/members", opt=signed_in(), tags=["billing"])
async def list_members(product: House, actor: Asker, pool: FromPath[UUID]) -> views.ListView[billing_views.MemberView]:
    """List the members of a credit pool and what they have in it."""
    found = await product.billing.find_pool(actor, pool)
    stakes = await product.billing.members(actor, found.pool.id)
    return views.ListView([billing_views.member(product, item) for item in stakes])


@put("/billing/pools/{pool:uuid}/members/{account:uuid}", opt=signed_in(), tags=["billing"], status_code=204)
async def add_member(product: House, actor: Asker, pool: FromPath[UUID], account: FromPath[UUID]) -> None:
    """Make an account a member of a credit pool; its owner may."""
    found = await product.billing.find_pool(actor, pool)
    await product.billing.add_member(actor, found.pool.id, _account(product, account))


@delete("/billing/pools/{pool:uuid}/members/{account:uuid}", opt=signed_in(), tags=["billing"])
async def remove_member(product: House, actor: Asker, pool: FromPath[UUID], account: FromPath[UUID]) -> None:
    """End a membership, by the pool's owner or one's own; the stake goes back to its wallet."""
    found = await product.billing.find_pool(actor, pool)
    member = _account(product, account)
    if member == actor.account.id:
        await product.billing.leave(actor, found.pool.id)
    else:
        await product.billing.remove_member(actor, found.pool.id, member)


@post("/billing/pools/{pool:uuid}/deposits", opt=signed_in(), tags=["billing"])
async def deposit(
    product: House, actor: Asker, pool: FromPath[UUID], data: JSONBody[MoveCredits]
) -> billing_views.TransactionView:
    """Put credits from one's wallet into a pool."""
    found = await product.billing.find_pool(actor, pool)
    done = await product.billing.deposit(actor, found.pool.id, data.amount_micro, key=data.key)
    return billing_views.transaction(done)


@post("/billing/pools/{pool:uuid}/withdrawals", opt=signed_in(), tags=["billing"])
async def withdraw(
    product: House, actor: Asker, pool: FromPath[UUID], data: JSONBody[MoveCredits]
) -> billing_views.TransactionView:
    """Take credits of one's own out of a pool, into one's wallet."""
    found = await product.billing.find_pool(actor, pool)
    done = await product.billing.withdraw(actor, found.pool.id, data.amount_micro, key=data.key)
    return billing_views.transaction(done)


# -- servers ----------------------------------------------------------------------------------------------------------


@get("/servers/{server:uuid}/rental", opt=on_server(ServerPermission.VIEW), tags=["billing"])
async def get_rental(product: House, record: Reached) -> billing_views.RentalView:
    """Show what a server with a plan costs, and until when it is paid."""
    return billing_views.rental(product, await product.rentals.standing(record.server))


@get("/servers/{server:uuid}/payer", opt=on_server(ServerPermission.VIEW), tags=["billing"])
async def get_payer(product: House, record: Reached) -> billing_views.PayerView:
    """Show who pays for a server: whoever started it with credits of their own, else its pool, else its owner."""
    return await billing_views.payer(product, await product.billing.payer_of(record))


@put("/servers/{server:uuid}/payer", opt=on_server(ServerPermission.VIEW), tags=["billing"])
async def set_payer(
    product: House, actor: Asker, record: Reached, data: JSONBody[AssignPool]
) -> billing_views.PayerView:
    """Have a credit pool pay for a server from now on, or its owner; the owner may, who is a member."""
    if data.pool is None:
        await product.billing.unassign(actor, record)
    else:
        found = await product.billing.find_pool(actor, data.pool)
        await product.billing.assign(actor, record, found.pool.id)
    now = product.directory.get(record.server.id)
    return await billing_views.payer(product, await product.billing.payer_of(now))


def _wallet(product: Product, account_id: int) -> billing_views.WalletView:
    return billing_views.WalletView(
        account=views.account_ref(product, account_id),
        balance_micro=product.billing.balance(account_id),
        balances=[
            billing_views.BalanceView(currency=currency, amount_micro=amount)
            for currency, amount in product.billing.balances(account_id).items()
        ],
    )


def _account(product: Product, uuid: UUID) -> int:
    found = product.authority.id_of(uuid)
    if found is None:
        raise NoSuchAccount
    return found


HANDLERS = [
    get_wallet,
    list_wallet_entries,
    get_wallet_of,
    list_entries_of,
    give_credits,
    get_billing,
    change_billing,
    get_price,
    list_prices,
    set_price,
    check_books,
    list_pools,
    create_pool,
    get_pool,
    rename_pool,
    delete_pool,
    list_pool_entries,
    list_members,
    add_member,
    remove_member,
    deposit,
    withdraw,
    get_rental,
    get_payer,
    set_payer,
]
