"""What the accounts service needs of storage."""

from typing import Protocol

from innkeeper.core.accounts.model import Account


class AccountStore(Protocol):
    """Accounts at rest. Adding or updating to a username that exists (any case) raises UsernameIsTaken."""

    async def add(self, account: Account) -> Account:
        """Keep a new account (its id is ignored) and return it with its id."""
        ...

    async def get(self, account_id: int) -> Account | None: ...

    async def lock(self, account_id: int) -> Account | None:
        """Return it; until the transaction's end nobody else locks or changes it."""
        ...

    async def find(self, username: str) -> Account | None:
        """Return the account of that name, in any case."""
        ...

    async def all(self) -> list[Account]:
        """Return every account, by id."""
        ...

    async def update(self, account: Account) -> None: ...

    async def delete(self, account_id: int) -> None:
        """Delete it with its keys, grants and role memberships."""
        ...
