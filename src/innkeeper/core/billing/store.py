"""What billing needs of storage.

Rows that a transaction goes by are locked in one order, or two panels would wait for each other: a pool, then a
meter or a rental, then ledgers, all at once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from innkeeper.core.billing.model import Entry, LedgerRef, Meter, Payer, Pool, Price, Step, Transaction


class BillingStore(Protocol):
    """The books at rest."""

    # -- prices -----------------------------------------------------------------------------------------------------

    async def add_price(self, price: Price) -> Price:
        """Keep a new price (its id is ignored) and return it with its id."""
        ...

    async def prices(self) -> list[Price]:
        """Return every price there was, oldest first."""
        ...

    async def price_at(self, moment: datetime) -> int:
        """Return the price of a moment, 0 before there was one."""
        ...

    # -- ledgers ----------------------------------------------------------------------------------------------------

    async def balances(self, refs: Sequence[LedgerRef]) -> dict[LedgerRef, int]:
        """Return the balances of ledgers; one that there is not (yet) has 0."""
        ...

    async def wallets(self, account_id: int | None = None) -> dict[LedgerRef, int]:
        """Return what is in the wallets of an account (None: of all), those of currencies too."""
        ...

    async def lock(self, refs: Sequence[LedgerRef]) -> dict[LedgerRef, int]:
        """Return the balances of ledgers, made where there are none, that nobody else changes until the end."""
        ...

    async def stakes(self, pool_ids: Sequence[int]) -> dict[int, dict[int, int]]:
        """Return, by pool, what each of its members (by account, in the order in which they joined) has in it."""
        ...

    async def post(self, transaction: Transaction) -> bool:
        """Keep a transaction and change its ledgers' balances; false, and nothing done, where its key is known.

        The caller has locked its ledgers.
        """
        ...

    async def find(self, key: str) -> Transaction | None:
        """Return the transaction of a key."""
        ...

    async def entries(self, refs: Sequence[LedgerRef], before: tuple[int, str] | None, limit: int) -> list[Entry]:
        """Return the entries of those ledgers, newest first, after the one of that id and ledger name."""
        ...

    # -- pools ------------------------------------------------------------------------------------------------------

    async def add_pool(self, pool: Pool) -> Pool:
        """Keep a new pool (its id is ignored) with its owner for a member, and return it with its id."""
        ...

    async def get_pool(self, pool_id: int) -> Pool | None: ...

    async def find_pool(self, uuid: UUID) -> Pool | None: ...

    async def lock_pool(self, pool_id: int) -> Pool | None:
        """Return a pool that nobody else locks until the transaction ends."""
        ...

    async def pools(self, member_id: int | None) -> list[Pool]:
        """Return the pools that an account is a member of (None: all), by id."""
        ...

    async def rename_pool(self, pool_id: int, name: str) -> None: ...

    async def delete_pool(self, pool_id: int) -> None:
        """Delete a pool with its memberships; its ledgers stay."""
        ...

    async def add_member(self, pool_id: int, account_id: int, at: datetime) -> None:
        """Make an account a member; raise IsPoolMember, NoSuchAccount."""
        ...

    async def remove_member(self, pool_id: int, account_id: int) -> bool:
        """End a membership; false where there was none."""
        ...

    # -- meters -----------------------------------------------------------------------------------------------------

    async def add_meter(self, meter: Meter) -> Meter:
        """Keep a new meter (its id is ignored); return the one of that server and run, this or an earlier one."""
        ...

    async def find_meter(self, server_id: int, run_id: str) -> Meter | None: ...

    async def open_meters(self, server_id: int | None = None) -> list[Meter]:
        """Return the meters of runs whose end is not known, of one server or of all, by id."""
        ...

    async def advance(self, meter: Meter, until: datetime, ended_at: datetime | None) -> Meter | None:
        """Move a meter on from where `meter` has it; return it as it is then, None where it stood elsewhere."""
        ...

    async def repoint(self, server_id: int, payer: Payer) -> None:
        """Have somebody else pay, from now on, for the run of a server that has not ended."""
        ...

    async def warn(self, meter: Meter, warned: int) -> bool:
        """Note so many warnings where there were as many as `meter` has; false where somebody else was first."""
        ...

    # -- looking through the books ------------------------------------------------------------------------------------

    async def unbalanced(self, limit: int) -> list[tuple[int, int]]:
        """Return (transaction id, sum) of transactions that do not sum to zero."""
        ...

    async def misstated(self, limit: int) -> list[tuple[LedgerRef, int, int]]:
        """Return (ledger, balance, sum of its entries) where the two differ."""
        ...

    async def mixed(self, limit: int) -> list[int]:
        """Return transactions (ids) whose ledgers are of several currencies."""
        ...

    async def strays(self, limit: int) -> list[LedgerRef]:
        """Return stakes that are not zero and belong to nobody who is a member."""
        ...

    async def metered(self, after_id: int, limit: int) -> list[tuple[Meter, list[Step]]]:
        """Return meters of larger ids, by id, each with its steps in order, all seen at one moment."""
        ...
