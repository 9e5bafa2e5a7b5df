"""Accounts: made, changed and deleted, by those who may, and never to more than they may themselves."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import NoSuchKey, PermissionIsMissing
from innkeeper.core.access.model import Actor, ApiKey
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require, require_rank_over, require_whole_key
from innkeeper.core.accounts import leave, particulars
from innkeeper.core.accounts.errors import (
    AccountOwnsServers,
    NoSuchAccount,
    ReferralIsUnknown,
)
from innkeeper.core.accounts.guesses import Guesses
from innkeeper.core.accounts.model import SERVERS_LIMIT, Account
from innkeeper.core.accounts.particulars import check_password
from innkeeper.core.accounts.passwords import PasswordHasher, Passwords
from innkeeper.core.accounts.second_factors import OneTimeCodes, Sealer, SecondFactors
from innkeeper.core.accounts.signing import SignIns
from innkeeper.core.accounts.tokens import Tokens, TokenSigner
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7


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
        signer: TokenSigner,
        codes: OneTimeCodes,
        sealer: Sealer,
        access: AccessDirectory,
        servers: ServerDirectory,
        activity: ActivityService,
        house: HouseDirectory,
        closing: Closing | None = None,
    ) -> None:
        self._works = works
        self._clock = clock
        self._access = access
        self._servers = servers
        self._activity = activity
        self._house = house
        self._closing = closing
        guesses = Guesses(works, clock)
        self._passwords = Passwords(hasher, guesses)
        self.tokens = Tokens(signer, access, clock)
        self.second_factors = SecondFactors(
            works=works,
            clock=clock,
            access=access,
            activity=activity,
            guesses=guesses,
            passwords=self._passwords,
            servers=servers,
            codes=codes,
            sealer=sealer,
        )
        self._sign_ins = SignIns(
            works=works,
            clock=clock,
            passwords=self._passwords,
            access=access,
            house=house,
            second_factors=self.second_factors,
        )

    # -- signing in -------------------------------------------------------------------------------------------------

    async def sign_in(
        self, username: str, password: str, address: str | None, *, code: str | None = None
    ) -> tuple[ApiKey, str]:
        """Return a session key for the account and its secret, as `SignIns.sign_in` says."""
        return await self._sign_ins.sign_in(username, password, address, code=code)

    async def sign_out(self, actor: Actor) -> None:
        """End the session that the actor came with; an API key is not ended so."""
        await self._sign_ins.sign_out(actor)

    async def invalidate_tokens(self, actor: Actor, account_id: int | None = None) -> None:
        """End every session and void every token of one's own account, or of one that one has rank over.

        API keys stay, and tokens made of them from now on. Raises NoSuchAccount, PermissionIsMissing.
        """
        account = self.by_id(actor, account_id) if account_id is not None else actor.account
        require_whole_key(actor)
        if account.id != actor.account.id:
            require_rank_over(self._access, actor, account)
        changes = {"tokens_valid_from": self._clock.now()}
        await self._save(actor, account.id, lambda _: changes)

    def token_of_key(self, actor: Actor, key_id: int) -> str:
        """Return a token that stands for an API key of one's own: a key shows itself, a session all.

        Raises NoSuchKey, PermissionIsMissing.
        """
        key = self._access.keys.get(key_id)
        if key is None or key.kind != "key" or key.account_id != actor.account.id:
            raise NoSuchKey
        with_key = self._access.keys.get(actor.key_id) if actor.key_id is not None else None
        if with_key is not None and with_key.kind == "key" and with_key.id != key_id:
            raise PermissionIsMissing("A key shows no other key.")
        return self.tokens.issue(actor.account, key_id)

    # -- accounts ---------------------------------------------------------------------------------------------------

    def all(self, actor: Actor) -> list[Account]:
        """Return every account, by id; needs `accounts.read`."""
        require(actor, ProductPermission.ACCOUNTS_READ)
        return sorted(self._access.accounts.values(), key=lambda account: account.id)

    def visible(self, actor: Actor) -> list[Account]:
        """Return the accounts that one may see, by id: one's own, those one manages, with `accounts.read` all."""
        return [account for _, account in sorted(self._access.accounts.items()) if self._sees(actor, account)]

    def get(self, actor: Actor, uuid: UUID) -> Account:
        """Return an account that one may see, as `visible` says; raise NoSuchAccount."""
        account_id = self._access.id_of(uuid)
        return self.by_id(actor, account_id if account_id is not None else 0)

    def by_id(self, actor: Actor, account_id: int) -> Account:
        """Return the account of that row id as `get` does; raise NoSuchAccount."""
        found = self._access.accounts.get(account_id)
        if found is None or not self._sees(actor, found):
            raise NoSuchAccount
        return found

    @staticmethod
    def _sees(actor: Actor, account: Account) -> bool:
        if account.id == actor.account.id or actor.may(ProductPermission.ACCOUNTS_READ):
            return True
        return account.manager_id == actor.account.id and ProductPermission.ACCOUNTS_READ in actor.scope

    def counts(self, account: Account) -> dict[str, int]:
        """Return what counts against the account's limits, by product permission. The caller checks who may know.

        Servers it owns, deleted ones that are still kept included; accounts and roles that it made.
        """
        servers = (*self._servers.present(), *self._servers.kept())
        return {
            SERVERS_LIMIT: sum(record.server.owner_id == account.id for record in servers),
            str(ProductPermission.ACCOUNTS_WRITE): sum(
                other.created_by == account.id for other in self._access.accounts.values()
            ),
            str(ProductPermission.ROLES_WRITE): sum(
                role.created_by == account.id for role in self._access.roles.values()
            ),
        }

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
        disabled: bool = False,
        given_name: str = "",
        family_name: str = "",
        country: str = "",
        currency: str = "",
        referral: str = "",
        permissions: frozenset[str] = frozenset(),
        limits: Mapping[str, int] = {},
        most_servers: int | None = None,
        manager_id: int | None = None,
        language: str = "",
        theme: str = "",
        hints: bool = True,
        attributes: Mapping[str, str] = {},
        shortest_password: int = particulars.SHORTEST_PASSWORD,
    ) -> Account:
        """Make an account (an actor of None is the house itself).

        `referral` is the token of the account that brought this one; `most_servers` says the same as the limit of
        `servers.create`. Who is limited gives no wider limits, and its own where it names none. Raises
        UsernameIsInvalid, UsernameIsTaken, PasswordIsTooWeak and what else a particular may be wrong by,
        ReferralIsUnknown, LimitIsInvalid, PermissionIsUnknown, CannotGiveMoreThanHeld, PermissionIsMissing,
        NoSuchAccount for an unknown manager, TooManyAccounts. `shortest_password` is for dialects whose clients know a
        shorter one.
        """
        if actor is not None:
            require(actor, ProductPermission.ACCOUNTS_WRITE)
            if superuser and not actor.is_superuser:
                raise PermissionIsMissing("Only a superuser makes superusers.")
        particulars.check_username(username)
        check_password(password, shortest_password)
        leave.check_given(actor, permissions)
        wanted = dict(limits) | ({} if most_servers is None else {SERVERS_LIMIT: most_servers})
        account = Account(
            id=0,
            uuid=uuid7(),
            username=username,
            email=particulars.check_email(email),
            superuser=superuser,
            disabled=disabled,
            given_name=particulars.person_name(given_name),
            family_name=particulars.person_name(family_name),
            country=particulars.country(country),
            currency=particulars.currency(currency),
            referred_by=self._referrer(referral) if referral else None,
            permissions=permissions,
            limits=leave.limits_within(actor, wanted, None),
            manager_id=self._manager(manager_id),
            created_by=actor.account.id if actor is not None else None,
            language=particulars.language(language or self._house.get().language),
            theme=particulars.theme(theme),
            hints=hints,
            attributes=particulars.attributes(attributes),
            password_hash=await self._passwords.hash(password),
            created_at=self._clock.now(),
        )
        async with self._works() as work:
            if actor is not None:
                await leave.require_leave_to_make(work, actor.account.id)
            account = await work.accounts.add(account)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.created", data={"username": username})
        return account

    async def change(
        self,
        actor: Actor,
        uuid: UUID,
        *,
        current_password: str | None = None,
        username: str | None = None,
        email: str | None = None,
        password: str | None = None,
        superuser: bool | None = None,
        disabled: bool | None = None,
        given_name: str | None = None,
        family_name: str | None = None,
        country: str | None = None,
        currency: str | None = None,
        permissions: frozenset[str] | None = None,
        limits: Mapping[str, int] | None = None,
        most_servers: int | UnsetType | None = UNSET,
        manager_id: int | UnsetType | None = UNSET,
        language: str | None = None,
        theme: str | None = None,
        hints: bool | None = None,
        attributes: Mapping[str, str] | None = None,
        ask_current: bool = True,
        shortest_password: int = particulars.SHORTEST_PASSWORD,
    ) -> Account:
        """Change an account; what is None (or UNSET) stays.

        One's own: particulars, and with the current one the password. Of one that one manages: particulars, and
        whether it may sign in. With `accounts.write` those one has rank over, and what it signs in by (its name, its
        password) of those one has power over. What one may oneself, and how often, somebody else says. `limits` and
        `attributes` take the place of all there are. A new password ends every session of the account. Raises
        NoSuchAccount, WrongCredentials, LastSuperuser, PermissionIsMissing, CannotGiveMoreThanHeld, and as `create`. A
        dialect that has no word for the current password does not `ask_current`: then holding the whole account is
        enough.
        """
        wanted: dict[str, Any] = {
            "username": username,
            "email": email,
            "password": password,
            "superuser": superuser,
            "disabled": disabled,
            "given_name": given_name,
            "family_name": family_name,
            "country": country,
            "currency": currency,
            "permissions": permissions,
            "limits": limits,
            "language": language,
            "theme": theme,
            "hints": hints,
            "attributes": attributes,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        wanted |= {} if most_servers is UNSET else {"most_servers": most_servers}
        wanted |= {} if manager_id is UNSET else {"manager_id": manager_id}
        account = self.get(actor, uuid)
        leave.require_leave_to_change(self._access, self._servers, actor, account, wanted)
        if password is not None and account.id == actor.account.id:
            check_password(password, shortest_password)
            if ask_current:
                await self._passwords.check_current(account, current_password or "")
        changes = await self._changes(actor, account, wanted, shortest_password)

        def checked(now: Account) -> dict[str, Any]:
            # Once more: it may have been given more meanwhile.
            leave.require_leave_to_change(self._access, self._servers, actor, now, wanted)
            return changes | leave.limits_changed(actor, now, wanted)

        return await self._save(actor, account.id, checked, demotes=superuser is False or disabled is True)

    async def _changes(
        self, actor: Actor, account: Account, wanted: Mapping[str, Any], shortest_password: int
    ) -> dict[str, Any]:
        """Return what is to be changed as it is kept, without limits; raise what is wrong with it."""
        checks: dict[str, Any] = {
            "username": particulars.check_username,
            "email": particulars.check_email,
            "given_name": particulars.person_name,
            "family_name": particulars.person_name,
            "country": particulars.country,
            "currency": particulars.currency,
            "language": particulars.language,
            "theme": particulars.theme,
            "attributes": particulars.attributes,
            "manager_id": self._manager,
        }
        changes = {name: checks.get(name, lambda value: value)(value) for name, value in wanted.items()}
        if wanted.get("email", account.email) != account.email:
            changes["email_verified"] = False
        if "permissions" in wanted:
            leave.check_given(actor, wanted["permissions"] | account.permissions)
        changes = {name: value for name, value in changes.items() if name not in ("limits", "most_servers")}
        if "password" in changes:
            password = changes.pop("password")
            check_password(password, shortest_password)
            changes |= await self._with_password(password)
        return changes

    async def _with_password(self, password: str) -> dict[str, Any]:
        return {
            "password_hash": await self._passwords.hash(password),
            "tokens_valid_from": self._clock.now(),
        }

    async def set_password(self, username: str, password: str) -> Account:
        """Give an account a new password without knowing the old one (the house itself); raise NoSuchAccount."""
        account = self._access.by_username(username)
        if account is None:
            raise NoSuchAccount
        check_password(password)
        changes = await self._with_password(password)
        return await self._save(None, account.id, lambda _: changes)

    async def delete(self, actor: Actor, uuid: UUID) -> None:
        """Delete an account that owns no server, not even one that is deleted but kept, and no credit pool.

        One's own, where the house lets accounts delete themselves (`self_deletion`); with `accounts.write` any.

        Raises AccountOwnsServers, AccountOwnsPools, LastSuperuser, NoSuchAccount.
        """
        account = self.get(actor, uuid)
        if account.id == actor.account.id and self._house.get().self_deletion:
            require_whole_key(actor)
        else:
            require_rank_over(self._access, actor, account)
        if any(record.server.owner_id == account.id for record in self._servers.present()):
            raise AccountOwnsServers
        kept = [record.server.name for record in self._servers.kept() if record.server.owner_id == account.id]
        if kept:
            names = ", ".join(kept[:5]) + (" and others" if len(kept) > 5 else "")
            raise AccountOwnsServers(
                f"Deleted servers of the account are still kept: {names}. Restore or purge them first.", kept=kept
            )
        async with self._works() as work:
            await work.accounts.lock_superusers()
            now = await work.accounts.lock(account.id)  # before its ledgers, as who makes a server for it does
            if now is None:
                raise NoSuchAccount
            if account.id != actor.account.id:
                require_rank_over(self._access, actor, now)
            await leave.keep_a_superuser(work, now, None)
            if self._closing is not None:
                await self._closing(work, actor, account)
            await work.accounts.delete(account.id)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.deleted", data={"username": account.username})

    async def _save(
        self,
        actor: Actor | None,
        account_id: int,
        change: Callable[[Account], dict[str, Any]],
        *,
        demotes: bool = False,
    ) -> Account:
        """Change an account as it is now, not as it was when asked: hashing a password takes its time.

        `demotes`: a superuser may be none afterwards.
        """
        async with self._works() as work:
            if demotes:
                await work.accounts.lock_superusers()
            account = await work.accounts.lock(account_id)
            if account is None:
                raise NoSuchAccount
            changes = change(account)
            changed = msgspec.structs.replace(account, **changes, changed_at=self._clock.now())
            if "tokens_valid_from" in changes:
                changed = msgspec.structs.replace(changed, token_generation=account.token_generation + 1)
                for key_id in await work.access.delete_sessions(account.id):
                    work.changed("key", key_id)
            await leave.keep_a_superuser(work, account, changed)
            await work.accounts.update(changed)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.changed", data={"username": changed.username})
        return changed

    def _manager(self, account_id: int | None) -> int | None:
        if account_id is not None and account_id not in self._access.accounts:
            raise NoSuchAccount
        return account_id

    def _referrer(self, token: str) -> int:
        """Return which account a referral token is of; raise ReferralIsUnknown."""
        number = token.rpartition("-")[2]
        account = self._access.accounts.get(int(number)) if re.fullmatch(r"[0-9]{1,18}", number) else None
        if account is None or account.referral_token != token.strip().lower():
            raise ReferralIsUnknown
        return account.id
