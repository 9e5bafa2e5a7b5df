"""What the accounts service needs of storage."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from innkeeper.core.accounts.model import Account, FailedSignIns, SecondFactor


class AccountStore(Protocol):
    """Accounts at rest. Adding or updating to a username that exists (any case) raises UsernameIsTaken."""

    async def add(self, account: Account) -> Account:
        """Keep a new account (its id is ignored) and return it with its id."""
        ...

    async def get(self, account_id: int) -> Account | None: ...

    async def lock(self, account_id: int) -> Account | None:
        """Return it; until the transaction's end nobody else locks or changes it."""
        ...

    async def lock_superusers(self) -> None:
        """Let nobody else lock or change any superuser until the transaction's end. Before any `lock`."""
        ...

    async def find(self, username: str) -> Account | None:
        """Return the account of that name, in any case."""
        ...

    async def all(self) -> list[Account]:
        """Return every account, by id."""
        ...

    async def update(self, account: Account) -> None: ...

    async def note_sign_in(self, account_id: int, at: datetime, address: str | None) -> None:
        """Note when and from where an account last signed in."""
        ...

    async def count_made_by(self, account_id: int) -> int:
        """Return how many accounts there are that this one made."""
        ...

    async def delete(self, account_id: int) -> None:
        """Delete it with its keys, grants, role memberships and second factor."""
        ...

    # -- second factors: at most one for each account -----------------------------------------------------------------

    async def put_second_factor(self, factor: SecondFactor) -> None:
        """Keep it in place of the account's other one, whose recovery codes go with it."""
        ...

    async def second_factor(self, account_id: int) -> SecondFactor | None: ...

    async def spend_code(self, account_id: int, counter: int) -> bool:
        """Note that the code of this time step was used; false if that one, or a later one, was before.

        Of two who ask for the same step at once, one is told true.
        """
        ...

    async def delete_second_factor(self, account_id: int) -> None:
        """Delete it with its recovery codes."""
        ...

    async def put_recovery_codes(self, account_id: int, digests: Iterable[str]) -> None:
        """Keep these in place of those there are."""
        ...

    async def spend_recovery_code(self, account_id: int, digest: str) -> bool:
        """Delete a recovery code; say whether there was one. Of two who ask at once, one is told true."""
        ...

    async def count_recovery_codes(self, account_id: int) -> int: ...

    # -- failed sign-ins: one count for each name, until it ends ------------------------------------------------------

    async def failed_sign_ins(self, names: Iterable[str], at: datetime) -> list[FailedSignIns]:
        """Return the counts of these names that have not ended `at` that moment."""
        ...

    async def count_failed_sign_in(self, names: Iterable[str], at: datetime, ends_at: datetime) -> list[FailedSignIns]:
        """Count one more of each name and return the counts.

        One that has ended `at` that moment begins anew, and lasts until `ends_at`. Of several who count at once, each
        is told another number.
        """
        ...

    async def forget_failed_sign_ins(self, name: str) -> None:
        """Delete the count of a name, if there is one."""
        ...

    async def delete_failed_sign_ins(self, at: datetime, *, most: int) -> None:
        """Delete what has ended `at` that moment, and of more than `most` counts those of the fewest failures."""
        ...
