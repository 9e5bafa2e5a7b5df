"""What renting needs of storage.

A rental's row is locked before the ledgers that it is charged to; a plan's rate is read when they are locked, and only
whoever holds the currency's income adds one. So each charge sees the rate in force, and each rate all earlier charges.
"""

from datetime import datetime
from typing import Protocol

from innkeeper.core.billing.rental_model import Rate, Rental, RentalHistory, Term


class RentalStore(Protocol):
    """Rentals at rest."""

    async def add(self, rental: Rental) -> Rental:
        """Keep a new rental (its id is ignored, it has no term) and return it with its id."""
        ...

    async def find(self, server_id: int) -> Rental | None:
        """Return a server's rental with its newest term."""
        ...

    async def lock(self, server_id: int) -> Rental | None:
        """Return a server's rental as `find`; nobody else locks it until the transaction ends."""
        ...

    async def update(self, rental: Rental) -> None:
        """Keep what changes of a locked rental: since, unpaid_since, month, spent, warned, closed_at."""
        ...

    async def due(self, before: datetime, charging_since: datetime, after_id: int, limit: int) -> list[Rental]:
        """Return open rentals of larger ids, by id, that are not paid beyond `before` or whose term does not go on."""
        ...

    async def unpaid(self) -> set[int]:
        """Return the servers of open rentals whose next period could not be paid."""
        ...

    async def warn(self, rental: Rental, warned: int) -> bool:
        """Note so many warnings where there were as many as `rental` has; false where somebody else was first."""
        ...

    # -- terms --------------------------------------------------------------------------------------------------------

    async def add_term(self, term: Term) -> Term:
        """Keep a new term of a locked rental (its id is ignored) and return it with its id."""
        ...

    async def advance(self, term: Term, until: datetime) -> Term | None:
        """Pay a term until then, from where `term` has it; return it as it is then, None where it stood elsewhere."""
        ...

    # -- rates --------------------------------------------------------------------------------------------------------

    async def rates(self, plan: str | None = None, currency: str | None = None) -> list[Rate]:
        """Return rates, of a plan or of all, in a currency or in all, oldest first."""
        ...

    async def rate_at(self, plan: str, currency: str, moment: datetime) -> Rate | None:
        """Return the rate in force at a moment; before the first, that one; None where there is none."""
        ...

    async def newest_rate(self, plan: str, currency: str) -> Rate | None: ...

    async def add_rate(self, rate: Rate) -> Rate:
        """Keep a new rate (its id is ignored) and return it with its id."""
        ...

    async def charged_last(self, plan: str, currency: str) -> datetime | None:
        """Return the latest beginning of a period that was charged at a plan's rates in a currency."""
        ...

    async def plans_in_use(self) -> list[str]:
        """Return the plans of open rentals."""
        ...

    # -- looking through the books ------------------------------------------------------------------------------------

    async def histories(self, after_id: int, limit: int) -> list[RentalHistory]:
        """Return rentals of larger ids, by id, each with its terms and steps in order."""
        ...
