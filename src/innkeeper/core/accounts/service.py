"""Accounts and signing in.

Passwords are hashed by whoever is handed in (Argon2id in the product); failed sign-ins are counted by name and by
address, and an unknown name costs as much time as a wrong password.
"""

import asyncio
import ipaddress
import re
from collections import deque
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor, ApiKey
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require, require_whole_key
from innkeeper.core.accounts.errors import (
    AccountOwnsServers,
    CountryIsUnknown,
    CurrencyIsUnknown,
    EmailIsInvalid,
    LastSuperuser,
    NoSuchAccount,
    PasswordIsTooLong,
    PasswordIsTooWeak,
    PersonNameIsInvalid,
    ReferralIsUnknown,
    TooManySignIns,
    UsernameIsInvalid,
    WrongCredentials,
)
from innkeeper.core.accounts.model import Account
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.errors import LimitIsInvalid
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of, new_secret, uuid7
from innkeeper.kit.iso import COUNTRIES, CURRENCIES
from innkeeper.kit.tasks import in_thread

SESSION_LIFE = timedelta(days=7)
_FAILURES_ALLOWED = 10
_FAILURE_WINDOW_S = 600.0
_MAX_COUNTED = 10_000
_MAX_SESSIONS = 50
_MOST_SERVERS = 1 << 30
_CHECKED_AT_ONCE = 4
"""Passwords checked at the same time: each takes 64 MiB and a core."""
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,39}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


class PasswordHasher(Protocol):
    """Hashes passwords; slow on purpose, so called in a thread."""

    def hash(self, password: str) -> str: ...

    def verify(self, digest: str, password: str) -> bool:
        """Say whether `password` made `digest`; an empty digest never matches, in the usual time."""
        ...


class Closing(Protocol):
    """Settles what an account that is being deleted leaves behind."""

    async def __call__(self, work: Work, actor: Actor, account: Account) -> None: ...


class AccountService:
    """Makes, changes and signs in accounts."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        hasher: PasswordHasher,
        access: AccessDirectory,
        servers: ServerDirectory,
        activity: ActivityService,
        closing: Closing | None = None,
    ) -> None:
        self._works = works
        self._clock = clock
        self._hasher = hasher
        self._access = access
        self._servers = servers
        self._activity = activity
        self._closing = closing
        self._failures: dict[str, deque[float]] = {}
        self._checking = asyncio.Semaphore(_CHECKED_AT_ONCE)

    # -- signing in -------------------------------------------------------------------------------------------------

    async def sign_in(self, username: str, password: str, address: str | None) -> tuple[ApiKey, str]:
        """Return a session key for the account and its secret; raise WrongCredentials, TooManySignIns.

        An account has so many sessions: one more ends its oldest.
        """
        counted = [f"name:{username.lower()[:64]}", *([f"address:{_neighbourhood(address)}"] if address else [])]
        self._refuse_hammering(counted)
        if len(password) > 256:
            raise WrongCredentials
        account = self._access.by_username(username)
        digest = account.password_hash if account and not account.disabled else ""
        async with self._checking:
            self._refuse_hammering(counted)  # the wait may have been long
            right = await in_thread(self._hasher.verify, digest, password)
        self._refuse_hammering(counted)  # again: guesses made at the same time must not all be answered
        if not right or account is None:
            self._count_failure(counted)
            raise WrongCredentials
        self._failures.pop(counted[0], None)
        secret, now = new_secret("ins"), self._clock.now()
        key = ApiKey(
            id=0,
            uuid=uuid7(),
            account_id=account.id,
            name="session",
            digest=digest_of(secret),
            kind="session",
            expires_at=now + SESSION_LIFE,
            created_at=now,
        )
        async with self._works() as work:
            await work.access.delete_expired_keys(now)
            for old in self._access.keys.values():
                if old.expires_at is not None and old.expires_at < now:
                    work.changed("key", old.id)
            for old in sorted(self._sessions(account.id), key=lambda one: one.id)[: -(_MAX_SESSIONS - 1)]:
                await work.access.delete_key(old.id)
                work.changed("key", old.id)
            key = await work.access.add_key(key)
            work.changed("key", key.id)
        return key, secret

    async def sign_out(self, actor: Actor) -> None:
        """End the session that the actor came with; an API key is not ended so."""
        key = self._access.keys.get(actor.key_id) if actor.key_id is not None else None
        if key is None or key.kind != "session":
            return
        async with self._works() as work:
            await work.access.delete_key(key.id)
            work.changed("key", key.id)

    def _refuse_hammering(self, counted: list[str]) -> None:
        now = self._clock.monotonic()
        for name in counted:
            failures = self._failures.get(name)
            while failures and failures[0] < now - _FAILURE_WINDOW_S:
                failures.popleft()
            if failures and len(failures) >= _FAILURES_ALLOWED:
                raise TooManySignIns(retry_after_s=int(failures[0] + _FAILURE_WINDOW_S - now) + 1)

    def _count_failure(self, counted: list[str]) -> None:
        while len(self._failures) > _MAX_COUNTED:
            del self._failures[next(iter(self._failures))]  # the one that was counted first
        for name in counted:
            self._failures.setdefault(name, deque(maxlen=_FAILURES_ALLOWED)).append(self._clock.monotonic())

    # -- accounts ---------------------------------------------------------------------------------------------------

    def all(self, actor: Actor) -> list[Account]:
        """Return every account, by id; needs `accounts.read`."""
        require(actor, ProductPermission.ACCOUNTS_READ)
        return sorted(self._access.accounts.values(), key=lambda account: account.id)

    def get(self, actor: Actor, uuid: UUID) -> Account:
        """Return an account: one's own, or with `accounts.read` any; raise NoSuchAccount."""
        found = next((account for account in self._access.accounts.values() if account.uuid == uuid), None)
        if found is None or not (found.id == actor.account.id or actor.may(ProductPermission.ACCOUNTS_READ)):
            raise NoSuchAccount
        return found

    def referrals(self, account_id: int) -> int:
        """Return how many accounts were made with this one's referral token. The caller checks who may know."""
        return sum(account.referred_by == account_id for account in self._access.accounts.values())

    async def create(
        self,
        actor: Actor | None,
        *,
        username: str,
        password: str,
        email: str = "",
        superuser: bool = False,
        given_name: str = "",
        family_name: str = "",
        country: str = "",
        currency: str = "",
        referral: str = "",
        most_servers: int | None = None,
    ) -> Account:
        """Make an account (an actor of None is the house itself).

        `referral` is the token of the account that brought this one; `most_servers` is as `Account` has it. Raises
        UsernameIsInvalid, UsernameIsTaken, PasswordIsTooWeak, EmailIsInvalid, PersonNameIsInvalid, CountryIsUnknown,
        CurrencyIsUnknown, ReferralIsUnknown, LimitIsInvalid, PermissionIsMissing.
        """
        if actor is not None:
            require(actor, ProductPermission.ACCOUNTS_WRITE)
            if superuser and not actor.is_superuser:
                raise PermissionIsMissing("Only a superuser makes superusers.")
        if not _USERNAME.fullmatch(username):
            raise UsernameIsInvalid
        check_email(email)
        check_password(password)
        account = Account(
            id=0,
            uuid=uuid7(),
            username=username,
            email=email,
            superuser=superuser,
            given_name=_person_name(given_name),
            family_name=_person_name(family_name),
            country=_country(country),
            currency=_currency(currency),
            referred_by=self._referrer(referral) if referral else None,
            most_servers=_count(most_servers),
            password_hash=await in_thread(self._hasher.hash, password),
            created_at=self._clock.now(),
        )
        async with self._works() as work:
            account = await work.accounts.add(account)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.created", data={"username": username})
        return account

    async def change(
        self,
        actor: Actor,
        uuid: UUID,
        *,
        email: str | None = None,
        password: str | None = None,
        current_password: str | None = None,
        superuser: bool | None = None,
        disabled: bool | None = None,
        given_name: str | None = None,
        family_name: str | None = None,
        country: str | None = None,
        currency: str | None = None,
        most_servers: int | UnsetType | None = UNSET,
    ) -> Account:
        """Change an account: one's own particulars and (with the current one) password; with `accounts.write` any.

        A new password ends every session of the account. How many servers one may own oneself, somebody else says.
        Raises NoSuchAccount, WrongCredentials, LastSuperuser, PermissionIsMissing, PasswordIsTooWeak, EmailIsInvalid,
        PersonNameIsInvalid, CountryIsUnknown, CurrencyIsUnknown, LimitIsInvalid.
        """
        account = self.get(actor, uuid)
        own = account.id == actor.account.id
        if own:
            require_whole_key(actor)
        if not own or superuser is not None or disabled is not None:
            self._require_power_over(actor, account)
        if superuser is not None and not actor.is_superuser:
            raise PermissionIsMissing("Only a superuser makes superusers.")
        if own and most_servers is not UNSET:
            raise PermissionIsMissing("Nobody says for themselves how many servers they may own.")
        changes: dict[str, object] = {}
        if email is not None:
            check_email(email)
            changes["email"] = email
            if email != account.email:
                changes["email_verified"] = False
        if given_name is not None:
            changes["given_name"] = _person_name(given_name)
        if family_name is not None:
            changes["family_name"] = _person_name(family_name)
        if country is not None:
            changes["country"] = _country(country)
        if currency is not None:
            changes["currency"] = _currency(currency)
        if password is not None:
            check_password(password)
            if own:
                await self._check_current(account, current_password or "")
            changes["password_hash"] = await in_thread(self._hasher.hash, password)
        if superuser is not None:
            changes["superuser"] = superuser
        if disabled is not None:
            changes["disabled"] = disabled
        if most_servers is not UNSET:
            changes["most_servers"] = _count(most_servers)
        return await self._save(actor, account.id, changes)

    async def set_password(self, username: str, password: str) -> Account:
        """Give an account a new password without knowing the old one (the house itself); raise NoSuchAccount."""
        account = self._access.by_username(username)
        if account is None:
            raise NoSuchAccount
        check_password(password)
        return await self._save(None, account.id, {"password_hash": await in_thread(self._hasher.hash, password)})

    async def delete(self, actor: Actor, uuid: UUID) -> None:
        """Delete an account that owns no server, not even one that is deleted but kept, and no credit pool.

        Raises AccountOwnsServers, AccountOwnsPools, LastSuperuser, NoSuchAccount.
        """
        account = self.get(actor, uuid)
        self._require_power_over(actor, account)
        if any(record.server.owner_id == account.id for record in self._servers.present()):
            raise AccountOwnsServers
        kept = [record.server.name for record in self._servers.kept() if record.server.owner_id == account.id]
        if kept:
            names = ", ".join(kept[:5]) + (" and others" if len(kept) > 5 else "")
            raise AccountOwnsServers(
                f"Deleted servers of the account are still kept: {names}. Restore or purge them first.", kept=kept
            )
        async with self._works() as work:
            await work.accounts.lock(account.id)  # before its ledgers, as who makes a server for it does
            await _keep_a_superuser(work, account, None)
            if self._closing is not None:
                await self._closing(work, actor, account)
            await work.accounts.delete(account.id)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.deleted", data={"username": account.username})

    async def _save(self, actor: Actor | None, account_id: int, changes: dict[str, object]) -> Account:
        """Change an account as it is now, not as it was when asked: hashing a password takes its time."""
        async with self._works() as work:
            account = await work.accounts.get(account_id)
            if account is None:
                raise NoSuchAccount
            changed = msgspec.structs.replace(account, **changes)
            await _keep_a_superuser(work, account, changed)
            await work.accounts.update(changed)
            work.changed("account", account.id)
            for key in self._sessions(account.id) if "password_hash" in changes else ():
                await work.access.delete_key(key.id)
                work.changed("key", key.id)
            await self._activity.note(work, actor, "account.changed", data={"username": account.username})
        return changed

    def _referrer(self, token: str) -> int:
        """Return which account a referral token is of; raise ReferralIsUnknown."""
        number = token.rpartition("-")[2]
        account = self._access.accounts.get(int(number)) if re.fullmatch(r"[0-9]{1,18}", number) else None
        if account is None or account.referral_token != token.strip().lower():
            raise ReferralIsUnknown
        return account.id

    def _sessions(self, account_id: int) -> list[ApiKey]:
        return [key for key in self._access.keys.values() if key.account_id == account_id and key.kind == "session"]

    async def _check_current(self, account: Account, password: str) -> None:
        """Raise WrongCredentials unless it is the account's password; guesses count as failed sign-ins do."""
        counted = [f"name:{account.username.lower()}"]
        self._refuse_hammering(counted)
        async with self._checking:
            right = await in_thread(self._hasher.verify, account.password_hash, password)
        if not right:
            self._count_failure(counted)
            raise WrongCredentials("The current password is wrong.")

    def _require_power_over(self, actor: Actor, account: Account) -> None:
        """Raise PermissionIsMissing unless the actor may change accounts and holds all that this one does."""
        require(actor, ProductPermission.ACCOUNTS_WRITE)
        if account.superuser and not actor.is_superuser:
            raise PermissionIsMissing("Only a superuser changes superusers.")
        theirs = self._access.powers_of(account, actor.via)
        if not (theirs.product <= actor.product and theirs.everywhere <= actor.everywhere):
            raise PermissionIsMissing("Nobody changes an account that may do more than they may.")


async def _keep_a_superuser(work: Work, before: Account, after: Account | None) -> None:
    """Raise LastSuperuser where nobody would be left who may do everything."""
    if before.superuser and not before.disabled and (after is None or after.disabled or not after.superuser):
        others = [account for account in await work.accounts.all() if account.id != before.id]
        if not any(other.superuser and not other.disabled for other in others):
            raise LastSuperuser


def _neighbourhood(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, all of which one household has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(getattr(found, "ipv4_mapped", None) or found)


def check_password(password: str) -> None:
    """Raise PasswordIsTooWeak or PasswordIsTooLong."""
    if len(password) < 10:
        raise PasswordIsTooWeak
    if len(password) > 256:
        raise PasswordIsTooLong


def _person_name(name: str) -> str:
    name = name.strip()
    if len(name) > 100 or not name.isprintable():
        raise PersonNameIsInvalid
    return name


def _country(code: str) -> str:
    """Return a country's code as it is kept; empty stays empty."""
    code = code.upper()
    if code and code not in COUNTRIES:
        raise CountryIsUnknown(country=code)
    return code


def _currency(code: str) -> str:
    code = code.upper()
    if code and code not in CURRENCIES:
        raise CurrencyIsUnknown(currency=code)
    return code


def _count(most_servers: int | None) -> int | None:
    if most_servers is not None and not 0 <= most_servers <= _MOST_SERVERS:
        raise LimitIsInvalid(f"most_servers is from 0 to {_MOST_SERVERS}.", limit="most_servers")
    return most_servers


def check_email(email: str) -> None:
    """Raise EmailIsInvalid unless `email` is empty or looks like an address."""
    if email and not _EMAIL.fullmatch(email):
        raise EmailIsInvalid
