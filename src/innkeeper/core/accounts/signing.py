"""Signing in by password, and by a code where the account has a second factor.

Failed sign-ins are counted by name and by address, and an unknown name costs as much time as a wrong password.
"""

from datetime import timedelta

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import AccountIsDisabled
from innkeeper.core.access.model import Actor, ApiKey
from innkeeper.core.accounts.errors import WrongCredentials
from innkeeper.core.accounts.guesses import Guesses
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.passwords import Passwords
from innkeeper.core.accounts.second_factors import SecondFactors
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of, new_secret, uuid7

_MAX_SESSIONS = 50


class SignIns:
    """Lets accounts in and out."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        passwords: Passwords,
        access: AccessDirectory,
        house: HouseDirectory,
        second_factors: SecondFactors,
    ) -> None:
        self._works = works
        self._clock = clock
        self._passwords = passwords
        self._access = access
        self._house = house
        self._second_factors = second_factors

    async def sign_in(
        self, username: str, password: str, address: str | None, *, code: str | None = None
    ) -> tuple[ApiKey, str]:
        """Return a session key for the account and its secret.

        `code` is a one-time or a recovery code, for an account with a second factor. Raises WrongCredentials,
        TooManyAttempts and, only to whoever gave the right password, AccountIsDisabled, SecondFactorIsMissing and
        SecondFactorIsWrong. An account has so many sessions: one more ends its oldest.
        """
        counted = Guesses.names(username, address)
        account = self._access.by_username(username)
        await self._passwords.check(account.password_hash if account else "", password, counted)
        if account is None:
            raise WrongCredentials  # an empty digest matches nothing
        if account.disabled:
            raise AccountIsDisabled
        await self._second_factors.check(account, code, counted)
        secret, now = new_secret("ins"), self._clock.now()
        key = ApiKey(
            id=0,
            uuid=uuid7(),
            account_id=account.id,
            name="session",
            digest=digest_of(secret),
            kind="session",
            expires_at=now + timedelta(days=self._house.get().session_days),
            created_at=now,
        )
        async with self._works() as work:
            await self._require_unchanged(work, account)
            await Guesses.forget(work, counted[0])
            await work.access.delete_expired_keys(now)
            for old in self._access.keys.values():
                if old.expires_at is not None and old.expires_at < now:
                    work.changed("key", old.id)
            for old in sorted(self._sessions(account.id), key=lambda one: one.id)[: -(_MAX_SESSIONS - 1)]:
                await work.access.delete_key(old.id)
                work.changed("key", old.id)
            key = await work.access.add_key(key)
            await work.accounts.note_sign_in(account.id, now, address)
            work.changed("key", key.id)
            work.changed("account", account.id)
        return key, secret

    @staticmethod
    async def _require_unchanged(work: Work, account: Account) -> None:
        """Raise WrongCredentials where what was proven is not what is needed now: another panel may know better."""
        now = await work.accounts.lock(account.id)
        proven = (account.password_hash, account.second_factor, False)
        if now is None or (now.password_hash, now.second_factor, now.disabled) != proven:
            raise WrongCredentials

    async def sign_out(self, actor: Actor) -> None:
        """End the session that the actor came with; an API key is not ended so."""
        key = self._access.keys.get(actor.key_id) if actor.key_id is not None else None
        if key is None or key.kind != "session":
            return
        async with self._works() as work:
            await work.access.delete_key(key.id)
            work.changed("key", key.id)

    def _sessions(self, account_id: int) -> list[ApiKey]:
        return [key for key in self._access.keys.values() if key.account_id == account_id and key.kind == "session"]
