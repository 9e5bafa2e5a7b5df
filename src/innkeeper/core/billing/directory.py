"""What is asked often of credits, in memory: every wallet's balance, and the prices.

Kept true by the announcements of changes, as all that is read from memory. Whoever moves credits reads storage.
"""

import asyncio
from datetime import datetime

from innkeeper.core.billing.model import Price, wallet
from innkeeper.core.work import Changed, Works


class BillingDirectory:
    """Wallets and prices."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._reading = asyncio.Lock()
        """Two reads of one row must not be taken in in the other order."""
        self._wallets: dict[int, int] = {}
        self._prices: list[Price] = []
        self._loaded = False

    async def load(self) -> None:
        """Read everything from storage, in place of what is here."""
        async with self._reading, self._works() as work:
            self._wallets = await work.billing.wallets()
            self._prices = await work.billing.prices()
            self._loaded = True

    async def apply(self, change: Changed) -> None:
        """Read again what changed; changes of other nouns mean nothing here."""
        if change.noun == "price":
            async with self._reading, self._works() as work:
                self._prices = await work.billing.prices()
        elif change.noun == "wallet":
            ref = wallet(change.id)
            async with self._reading, self._works() as work:
                self._wallets[change.id] = (await work.billing.balances([ref]))[ref]

    def balance(self, account_id: int) -> int:
        """Return what is in an account's wallet."""
        return self._wallets.get(account_id, 0)

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
