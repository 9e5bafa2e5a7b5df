"""Passwords: hashed by whoever is handed in (Argon2id in the product), checked a few at a time, guesses counted."""

import asyncio
from typing import Protocol

from innkeeper.core.accounts import particulars
from innkeeper.core.accounts.errors import WrongCredentials
from innkeeper.core.accounts.guesses import Guesses
from innkeeper.core.accounts.model import Account
from innkeeper.kit.tasks import in_thread

_CHECKED_AT_ONCE = 4
"""Passwords checked at the same time: each takes 64 MiB and a core."""


class PasswordHasher(Protocol):
    """Hashes passwords; slow on purpose, so called in a thread."""

    def hash(self, password: str) -> str: ...

    def verify(self, digest: str, password: str) -> bool:
        """Say whether `password` made `digest`; an empty digest never matches, in the usual time."""
        ...


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, hasher: PasswordHasher, guesses: Guesses) -> None:
        self._hasher = hasher
        self._guesses = guesses
        self._checking = asyncio.Semaphore(_CHECKED_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        return await in_thread(self._hasher.hash, password)

    async def check(self, digest: str, password: str, names: list[str]) -> None:
        """Raise WrongCredentials unless `password` made `digest`, a failed sign-in of `names`; or TooManyAttempts."""
        await self._guesses.refuse_hammering(names)
        if len(password) > particulars.LONGEST_PASSWORD:
            raise WrongCredentials
        async with self._checking:
            await self._guesses.refuse_hammering(names)  # the wait may have been long
            right = await in_thread(self._hasher.verify, digest, password)
        if not right:
            await self._guesses.count_failure(names)
            raise WrongCredentials
        await self._guesses.refuse_hammering(names)  # guesses made at the same time must not all be answered

    async def check_current(self, account: Account, password: str) -> None:
        """Raise WrongCredentials unless it is the account's password; guesses count as failed sign-ins do."""
        try:
            await self.check(account.password_hash, password, Guesses.names(account.username, None))
        except WrongCredentials as error:
            raise WrongCredentials("The current password is wrong.") from error
