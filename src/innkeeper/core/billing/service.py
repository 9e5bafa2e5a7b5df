"""Credits, for those who have them and those who give them: wallets, prices, history and the proof of the books.

An account has a wallet for credits and one for each currency. What a pool is about stands in `pools`; what running
costs is charged by `meters` and `collector`, what renting costs by `rentals`.
"""

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.billing import ledger
from innkeeper.core.billing.books import faults_of
from innkeeper.core.billing.directory import HOUSE_CURRENCY
from innkeeper.core.billing.errors import AccountOwnsPools, AmountIsInvalid, CurrencyIsInvalid
from innkeeper.core.billing.model import (
    ISSUED,
    Entry,
    Posting,
    Price,
    Transaction,
    TransactionKind,
    issued,
    stake,
    wallet,
)
from innkeeper.core.billing.pools import PoolCommands, check_amount
from innkeeper.core.work import Work
from innkeeper.kit.money import MICRO
from innkeeper.kit.pages import BadCursor, Page, decode_cursor, encode_cursor

MAX_PRICE = 1_000_000 * MICRO
MAX_TEXT = 500


class BillingService(PoolCommands):
    """Wallets, prices and pools. Every amount is micro-credits."""

    # -- wallets ------------------------------------------------------------------------------------------------------

    def balance(self, account_id: int) -> int:
        """Return what is in an account's wallet for credits, from memory. The caller checks who may know."""
        return self._directory.balance(account_id)

    def balances(self, account_id: int) -> dict[str, int]:
        """Return what is in an account's wallets for currencies, in micro-units by currency, from memory.

        A currency that it never had any of is not there. The caller checks who may know.
        """
        return self._directory.balances(account_id)

    async def top_up(
        self,
        actor: Actor,
        account_id: int,
        amount: int,
        *,
        text: str = "",
        key: str | None = None,
        currency: str | None = None,
    ) -> Transaction:
        """Give an account credits, or money in a currency (ISO 4217); needs `billing.write`.

        Of two calls with one `key` the second does nothing and returns what the first did. Raises NoSuchAccount,
        AmountIsInvalid, CurrencyIsInvalid, KeyIsInvalid, KeyWasUsed.
        """
        return await self._issue(actor, account_id, amount, "top_up", text, key, currency)

    async def adjust(
        self,
        actor: Actor,
        account_id: int,
        amount: int,
        *,
        text: str,
        key: str | None = None,
        currency: str | None = None,
    ) -> Transaction:
        """Set an account's wallet right by an amount, below zero to take some away; otherwise as `top_up`."""
        return await self._issue(actor, account_id, amount, "adjustment", text, key, currency)

    async def _issue(
        self,
        actor: Actor,
        account_id: int,
        amount: int,
        kind: TransactionKind,
        text: str,
        key: str | None,
        currency: str | None,
    ) -> Transaction:
        require(actor, ProductPermission.BILLING_WRITE)
        check_amount(abs(amount) if kind == "adjustment" else amount)
        if currency is not None:
            check_currency(currency)
        source, target = issued(currency), wallet(account_id, currency)
        postings = (Posting(source, -amount), Posting(target, amount))
        wanted = self._transaction(actor, kind, key, postings, text[:MAX_TEXT])
        async with self._works() as work:
            if await work.accounts.get(account_id) is None:
                raise NoSuchAccount
            await work.billing.lock([source, target])
            done = await self._done_before(work, wanted)
            if done is not None:
                return done
            await ledger.post(work, wanted)
            data = {"account": account_id, "amount_micro": amount, **({"text": wanted.text} if text else {})}
            if currency is not None:
                data["currency"] = currency
            await self._activity.note(work, actor, f"billing.{kind}", data=data)
        return wanted

    async def close_account(self, work: Work, actor: Actor, account: Account) -> None:
        """Settle what an account that is being deleted has: stakes are returned, and what its wallet has is forfeit.

        A run that it pays for is paid for by its server's pool or owner from here on. Raises AccountOwnsPools.
        """
        pools = await work.billing.pools(account.id)
        if any(pool.owner_id == account.id for pool in pools):
            raise AccountOwnsPools
        for pool in pools:
            await work.billing.lock_pool(pool.id)
        await self._meters.drop_payer(work, account.id)
        stakes = [stake(pool.id, account.id) for pool in pools]
        wallets = await work.billing.wallets(account.id)
        sources = [issued(ref.currency) for ref in wallets]
        balances = await work.billing.lock([ISSUED, *sources, *wallets, *stakes])
        for ref in (*stakes, *wallets):
            if balances[ref]:
                postings = (Posting(ref, -balances[ref]), Posting(issued(ref.currency), balances[ref]))
                text = f"account {account.username} was deleted"
                await ledger.post(work, self._transaction(actor, "closing", None, postings, text))
        for pool in pools:
            await work.billing.remove_member(pool.id, account.id)

    # -- prices -------------------------------------------------------------------------------------------------------

    @property
    def price(self) -> int:
        """What a GiB (1024 MiB) of a server's memory costs an hour of running; 0: running is free."""
        return self._directory.price

    def price_history(self) -> list[Price]:
        """Return every price there was, oldest first. Before the first, running was free."""
        return list(self._directory.prices)

    async def set_price(self, actor: Actor, amount: int) -> Price:
        """Set the price of what is started from now on; what runs goes on at its own. Needs `billing.write`."""
        require(actor, ProductPermission.BILLING_WRITE)
        if not 0 <= amount <= MAX_PRICE:
            raise AmountIsInvalid
        async with self._works() as work:
            price = Price(id=0, amount=amount, at=self._clock.now(), set_by=actor.account.id)
            price = await work.billing.add_price(price)
            work.changed("price", price.id)
            await self._activity.note(work, actor, "billing.price_set", data={"amount_micro": amount})
        return price

    @property
    def currency(self) -> str:
        """The house's own currency (ISO 4217), for accounts that chose none."""
        return self._directory.currency

    async def set_currency(self, actor: Actor, code: str) -> None:
        """Set the house's currency, for servers that are rented from now on; needs `billing.write`."""
        require(actor, ProductPermission.BILLING_WRITE)
        check_currency(code)
        async with self._works() as work:
            await work.settings.put(HOUSE_CURRENCY, code)
            work.changed("billing", 0)
            await self._activity.note(work, actor, "billing.currency_set", data={"currency": code})

    # -- the books ----------------------------------------------------------------------------------------------------

    async def entries(
        self,
        actor: Actor,
        *,
        account_id: int | None = None,
        pool_id: int | None = None,
        currency: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Entry]:
        """Return what happened to a wallet (the actor's own, unless said) or to the stakes in a pool, newest first.

        Without a `currency` it is the wallet for credits. Another's wallet needs `billing.read_all`, a pool that one is
        a member. Raises NoSuchAccount, NoSuchPool, BadCursor.
        """
        before = _before(cursor)
        async with self._works() as work:
            if pool_id is not None:
                _, stakes = await self._seen(work, actor, pool_id)
                refs = [stake(pool_id, member) for member in stakes]
            else:
                mine = actor.account.id if account_id is None else account_id
                if mine != actor.account.id and not actor.may(ProductPermission.BILLING_READ_ALL):
                    raise NoSuchAccount
                refs = [wallet(mine, currency)]
            found = await work.billing.entries(refs, before, limit + 1)
        return _page(found, limit)

    async def check(self, actor: Actor | None) -> list[str]:
        """Return what is wrong with the books, a sentence each; none: they are right.

        Needs `billing.read_all`; an actor of None is the house itself.
        """
        if actor is not None:
            require(actor, ProductPermission.BILLING_READ_ALL)
        return await faults_of(self._works)


def check_currency(code: str) -> None:
    """Raise CurrencyIsInvalid unless it may be an ISO 4217 code."""
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise CurrencyIsInvalid(currency=code)


def _before(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    match decode_cursor(cursor):
        case [int(number), str(name)] if abs(number) < 1 << 62:
            return number, name
    raise BadCursor("the cursor is not one that this list gave out")


def _page(found: list[Entry], limit: int) -> Page[Entry]:
    if len(found) <= limit:
        return Page(found)
    last = found[limit - 1]
    return Page(found[:limit], encode_cursor(last.id, last.ledger.name))
