"""The second factor of an account: one-time codes of a device (RFC 6238), and recovery codes for the day it is lost.

    off ──begin──▶ begun ──confirm, by a first code──▶ on ──disable, by password──▶ off
                     ▲  │                               │
                     └begin                             └──reset, by somebody else who has power over the account──▶ off

A code counts once: the newest time step that was used is kept, and of two sign-ins by one code one wins, whichever
panels they come to. The secret is sealed at rest, recovery codes are kept hashed; both are told once. Knows no
algorithm: who makes codes and who seals is handed in.
"""

import re
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.service import require_power_over, require_whole_key
from innkeeper.core.accounts.errors import (
    NoSuchAccount,
    SecondFactorIsMissing,
    SecondFactorIsOff,
    SecondFactorIsOn,
    SecondFactorIsWrong,
    WrongCredentials,
)
from innkeeper.core.accounts.guesses import Guesses
from innkeeper.core.accounts.model import Account, SecondFactor
from innkeeper.core.accounts.passwords import Passwords
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of, new_code

RECOVERY_CODES = 10
_CODE_LETTERS = 16
"""Nearly 80 random bits, which need no slow hash."""
_ONE_TIME = re.compile(r"[0-9]{6}")


class OneTimeCodes(Protocol):
    """Makes and checks codes that change with the time."""

    def new_secret(self) -> str:
        """Return a fresh secret, in the letters in which it is typed into a device."""
        ...

    def uri(self, secret: str, username: str) -> str:
        """Return the `otpauth://` address that a device reads from a picture."""
        ...

    def counter_of(self, secret: str, code: str, at: datetime) -> int | None:
        """Return the time step whose code this is, None if it is of none that is near `at`."""
        ...


class Sealer(Protocol):
    """Encrypts what is kept, for one purpose each."""

    def seal(self, text: str, about: str) -> str:
        """Return `text` sealed; it opens only with the same `about`."""
        ...

    def open(self, sealed: str, about: str) -> str: ...


class SecondFactorState(msgspec.Struct, frozen=True):
    """How an account is proven a second time."""

    on: bool
    recovery_codes_left: int


class SecondFactors:
    """Turns second factors on and off and checks codes."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        access: AccessDirectory,
        activity: ActivityService,
        guesses: Guesses,
        passwords: Passwords,
        servers: ServerDirectory,
        codes: OneTimeCodes,
        sealer: Sealer,
    ) -> None:
        self._works = works
        self._clock = clock
        self._access = access
        self._activity = activity
        self._guesses = guesses
        self._passwords = passwords
        self._servers = servers
        self._codes = codes
        self._sealer = sealer

    async def state(self, actor: Actor) -> SecondFactorState:
        """Say how one's own account is proven a second time."""
        async with self._works() as work:
            left = await work.accounts.count_recovery_codes(actor.account.id)
        return SecondFactorState(self._access.accounts[actor.account.id].second_factor, left)

    async def begin(self, actor: Actor) -> tuple[str, str]:
        """Return the address and the secret for a device of one's own; neither is told again.

        Nothing is asked for before `confirm`; begun again, the secret before is void. Raises SecondFactorIsOn.
        """
        require_whole_key(actor)
        account, secret = actor.account, self._codes.new_secret()
        async with self._works() as work:
            if (await _locked(work, account.id)).second_factor:
                raise SecondFactorIsOn
            sealed = self._sealer.seal(secret, _about(account.id))
            await work.accounts.put_second_factor(
                SecondFactor(account_id=account.id, secret=sealed, created_at=self._clock.now())
            )
        return self._codes.uri(secret, account.username), secret

    async def confirm(self, actor: Actor, code: str) -> list[str]:
        """Turn it on by a first code of the device; return the recovery codes, which are told this once.

        Raises SecondFactorIsOff where none was begun, SecondFactorIsOn, SecondFactorIsWrong, TooManyAttempts.
        """
        require_whole_key(actor)
        account, names = actor.account, Guesses.names(actor.account.username, actor.address)
        recovery = _new_codes()
        await self._guesses.refuse_hammering(names)
        async with self._works() as work:
            locked = await _locked(work, account.id)
            if locked.second_factor:
                raise SecondFactorIsOn
            factor = await work.accounts.second_factor(account.id)
            if factor is None:
                raise SecondFactorIsOff
            counter = self._counter_of(factor, code)
            if counter is not None:
                now = self._clock.now()
                on = msgspec.structs.replace(factor, confirmed=True, last_counter=counter)
                await work.accounts.put_second_factor(on)
                await work.accounts.put_recovery_codes(account.id, [_digest(account.id, one) for one in recovery])
                await work.accounts.update(msgspec.structs.replace(locked, second_factor=True, changed_at=now))
                work.changed("account", account.id)
                await self._activity.note(work, actor, "account.second_factor.on", data={"username": locked.username})
        if counter is None:
            await self._guesses.count_failure(names)
            raise SecondFactorIsWrong
        return _as_told(recovery)

    async def renew_recovery_codes(
        self, actor: Actor, *, password: str | None = None, code: str | None = None
    ) -> list[str]:
        """Return new recovery codes of one's own, told this once, in place of those there are.

        Proven by a one-time or a recovery code, which is used up, or by the password. Raises SecondFactorIsOff,
        WrongCredentials, SecondFactorIsWrong, TooManyAttempts; then the codes before stay.
        """
        account = self._own(actor)
        if not account.second_factor:
            raise SecondFactorIsOff
        if code is not None and code.strip():
            names = Guesses.names(account.username, actor.address)
            await self._guesses.refuse_hammering(names)
            await self.check(account, code, names)
        else:
            await self._passwords.check_current(account, password or "")
        recovery = _new_codes()
        async with self._works() as work:
            locked = await _locked_as(work, account)
            if not locked.second_factor:
                raise SecondFactorIsOff
            await work.accounts.put_recovery_codes(account.id, [_digest(account.id, one) for one in recovery])
            data = {"username": account.username}
            await self._activity.note(work, actor, "account.recovery_codes.renewed", data=data)
        return _as_told(recovery)

    async def disable(self, actor: Actor, password: str) -> None:
        """Turn one's own second factor off, by the password; raise WrongCredentials, SecondFactorIsOff."""
        account = self._own(actor)
        await self._passwords.check_current(account, password)
        await self.turn_off(actor, account.id, proven=account)

    def _own(self, actor: Actor) -> Account:
        """Return who asks, as it is now; raise PermissionIsMissing for a narrow key."""
        require_whole_key(actor)
        return self._access.accounts[actor.account.id]

    async def turn_off(self, actor: Actor | None, account_id: int, *, proven: Account | None = None) -> None:
        """Turn an account's second factor off; the caller checks who may, and by whose password if by one.

        Raises NoSuchAccount, SecondFactorIsOff, and WrongCredentials where that password is none any more.
        """
        async with self._works() as work:
            account = await (_locked(work, account_id) if proven is None else _locked_as(work, proven))
            if not account.second_factor:
                raise SecondFactorIsOff
            await work.accounts.delete_second_factor(account.id)
            off = msgspec.structs.replace(account, second_factor=False, changed_at=self._clock.now())
            await work.accounts.update(off)
            work.changed("account", account.id)
            await self._activity.note(work, actor, "account.second_factor.off", data={"username": account.username})

    async def reset(self, actor: Actor, uuid: UUID) -> None:
        """Turn off the second factor of somebody else who lost it; needs power over the account.

        One's own goes by the password alone: a session that was left open must not be enough. Raises NoSuchAccount,
        PermissionIsMissing, SecondFactorIsOff.
        """
        account_id = self._access.id_of(uuid)
        if account_id is None:
            raise NoSuchAccount
        require_power_over(self._access, self._servers, actor, self._access.accounts[account_id])
        require_whole_key(actor)
        if account_id == actor.account.id:
            raise PermissionIsMissing("One's own second factor is turned off by the password.")
        await self.turn_off(actor, account_id)

    async def check(self, account: Account, code: str | None, names: list[str]) -> None:
        """Let an account pass whose password was right; a code is used up by that.

        Raises SecondFactorIsMissing, SecondFactorIsWrong and TooManyAttempts; a wrong code is a failed sign-in of
        `names`, a missing one is none.
        """
        if not account.second_factor:
            return
        if not code or not code.strip():
            raise SecondFactorIsMissing
        passed = await self._spend(account, re.sub(r"[\s-]", "", code).lower()[:64])
        if not passed:
            await self._guesses.count_failure(names)
            raise SecondFactorIsWrong
        await self._guesses.refuse_hammering(names)  # guesses made at the same time must not all be answered

    async def _spend(self, account: Account, code: str) -> bool:
        async with self._works() as work:
            if not _ONE_TIME.fullmatch(code):
                spent = await work.accounts.spend_recovery_code(account.id, _digest(account.id, code))
                if spent:
                    data = {"username": account.username}
                    await self._activity.note(work, None, "account.recovery_code.used", data=data)
                return spent
            factor = await work.accounts.second_factor(account.id)
            counter = self._counter_of(factor, code) if factor is not None and factor.confirmed else None
            return counter is not None and await work.accounts.spend_code(account.id, counter)

    def _counter_of(self, factor: SecondFactor, code: str) -> int | None:
        code = re.sub(r"\s", "", code)
        if not _ONE_TIME.fullmatch(code):
            return None
        secret = self._sealer.open(factor.secret, _about(factor.account_id))
        return self._codes.counter_of(secret, code, self._clock.now())


async def _locked(work: Work, account_id: int) -> Account:
    account = await work.accounts.lock(account_id)
    if account is None:
        raise NoSuchAccount
    return account


async def _locked_as(work: Work, proven: Account) -> Account:
    """Return an account, locked; raise WrongCredentials where its password is not any more the one that was proven."""
    account = await _locked(work, proven.id)
    if account.password_hash != proven.password_hash:
        raise WrongCredentials
    return account


def _new_codes() -> list[str]:
    return [new_code(_CODE_LETTERS) for _ in range(RECOVERY_CODES)]


def _as_told(codes: list[str]) -> list[str]:
    """Return codes as people read them, in groups of four."""
    return ["-".join(re.findall(".{4}", one)) for one in codes]


def _about(account_id: int) -> str:
    return f"second factor of account {account_id}"


def _digest(account_id: int, code: str) -> str:
    return digest_of(f"{account_id}:{code}")
