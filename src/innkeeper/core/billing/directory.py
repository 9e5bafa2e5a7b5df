"""What is asked often of credits, in memory: every wallet's balance, prices, whether rented servers are charged.

Kept true by the announcements of changes, as all that is read from memory. Whoever moves credits reads storage.
"""

import asyncio
from collections import defaultdict
from datetime import datetime

from innkeeper.core.billing.model import LedgerRef, Price
from innkeeper.core.work import Changed, Work, Works

CHARGING_SINCE = "billing_charging_since"
"""The setting that says when charging for rented servers was switched on, in ISO 8601; empty: it is off."""
HOUSE_CURRENCY = "billing_currency"
DEFAULT_CURRENCY = "USD"


async def switched_on(work: Work) -> datetime | None:
    """Return when charging for rented servers was switched on; None: it is off."""
    value = await work.settings.get(CHARGING_SINCE)
    return datetime.fromisoformat(value) if value else None


class BillingDirectory:
    """Wallets, prices and the switch."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._reading = asyncio.Lock()
        """Two reads of one row must not be taken in in the other order."""
        self._wallets: dict[int, dict[str | None, int]] = {}
        """By account and currency; None: credits."""
        self._prices: list[Price] = []
        self._loaded = False
        self.currency = DEFAULT_CURRENCY
        """The house's own, for accounts that chose none."""
        self.charging_since: datetime | None = None
        """When charging for rented servers was switched on; None: it is off."""

    async def load(self) -> None:
        """Read everything from storage, in place of what is here."""
        async with self._reading, self._works() as work:
            self._wallets = _by_account(await work.billing.wallets())
            self._prices = await work.billing.prices()
            await self._read_settings(work)
            self._loaded = True

    async def apply(self, change: Changed) -> None:
        """Read again what changed; changes of other nouns mean nothing here."""
        if change.noun == "price":
            async with self._reading, self._works() as work:
                self._prices = await work.billing.prices()
        elif change.noun == "wallet":
            async with self._reading, self._works() as work:
                self._wallets |= _by_account(await work.billing.wallets(change.id))
        elif change.noun == "billing":
            async with self._reading, self._works() as work:
                await self._read_settings(work)

    async def _read_settings(self, work: Work) -> None:
        self.currency = await work.settings.get(HOUSE_CURRENCY) or DEFAULT_CURRENCY
        self.charging_since = await switched_on(work)

    def balance(self, account_id: int) -> int:
        """Return what is in an account's wallet for credits."""
        return self._wallets.get(account_id, {}).get(None, 0)

    def balances(self, account_id: int) -> dict[str, int]:
        """Return what is in an account's wallets for currencies, by currency; only those it ever had some of."""
        wallets = self._wallets.get(account_id, {})
        return {currency: wallets[currency] for currency in sorted(filter(None, wallets))}

    @property
    def prices(self) -> list[Price]:
        """Every price there was, oldest first."""
        return self._prices

    @property
    def price(self) -> int:
        """What a GiB of memory costs an hour now, in micro-credits."""
        return self._prices[-1].amount if self._prices else 0

    @property
    def was_never_charged_for(self) -> bool:
        """Whether running has always been free, so that there is no meter."""
        return self._loaded and not any(price.amount for price in self._prices)

    def was_free_at(self, moment: datetime) -> bool:
        """Say whether running is known to have cost nothing at a moment."""
        return self._loaded and not next((price.amount for price in reversed(self._prices) if price.at <= moment), 0)


def _by_account(wallets: dict[LedgerRef, int]) -> dict[int, dict[str | None, int]]:
    found: dict[int, dict[str | None, int]] = defaultdict(dict)
    for ref, balance in wallets.items():
        if ref.account_id is not None:
            found[ref.account_id][ref.currency] = balance
    return dict(found)
