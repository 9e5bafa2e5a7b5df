"""Who may do what, from memory: every known key answers without a query.

Filled at start, kept true by the announcements of changes. Whoever holds a stream open listens to `changes` and asks
again, so that no stream outlives the right to it.
"""

import asyncio
import ipaddress
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from innkeeper.core.access.errors import AccountIsDisabled, AddressIsNotAllowed, KeyHasExpired, KeyIsUnknown
from innkeeper.core.access.model import Actor, ApiKey, Grant, Role, Via, actor_for
from innkeeper.core.access.permissions import OWNER
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.core.accounts.model import Account
from innkeeper.core.work import Changed, Works
from innkeeper.kit.broadcast import Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of

LONGEST_KEY_S = 86_400.0
_TOUCH_EVERY = timedelta(minutes=1)
_MAX_REMEMBERED = 10_000


class AccessDirectory:
    """Accounts, keys, roles and grants in memory."""

    def __init__(self, works: Works, clock: Clock) -> None:
        self._works = works
        self._reading = asyncio.Lock()
        """Two reads of one row must not be taken in in the other order."""
        self._clock = clock
        self.accounts: dict[int, Account] = {}
        self.keys: dict[int, ApiKey] = {}
        self.roles: dict[int, Role] = {}
        self.grants: dict[int, dict[int, Grant]] = {}
        """By account id, then server id."""
        self._by_digest: dict[str, ApiKey] = {}
        self._actors: dict[tuple[str, Via, str | None], Actor] = {}
        self._used: dict[int, datetime] = {}
        self.generation = 0
        """Grows with every change: what was derived from the directory before is stale."""
        self.changes: Topic[int] = Topic()

    async def load(self) -> None:
        """Read everything from storage, in place of what is here."""
        async with self._works() as work:
            accounts, keys = await work.accounts.all(), await work.access.all_keys()
            roles, grants = await work.access.all_roles(), await work.access.all_grants()
        self.accounts = {account.id: account for account in accounts}
        self.keys = {key.id: key for key in keys}
        self.roles = {role.id: role for role in roles}
        self._put_grants(grants)
        self._by_digest = {key.digest: key for key in keys}
        self._altered()

    async def apply(self, change: Changed) -> None:
        """Read again what changed; changes of other nouns mean nothing here."""
        async with self._reading, self._works() as work:
            match change.noun:
                case "account":
                    account = await work.accounts.get(change.id)
                    if account is None:
                        self.accounts.pop(change.id, None)
                        self._forget_account(change.id)
                    else:
                        self.accounts[change.id] = account
                case "key":
                    self._put_key(change.id, await work.access.get_key(change.id))
                case "role":
                    role = await work.access.get_role(change.id)
                    if role is None:
                        self.roles.pop(change.id, None)
                    else:
                        self.roles[change.id] = role
                case "grant":
                    self._put_grants(await work.access.all_grants())
                case _:
                    return
        self._altered()

    def authenticate(self, secret: str, via: Via, address: str | None = None) -> Actor:
        """Return who holds `secret`, asking by dialect `via` from `address`.

        Raises KeyIsUnknown, KeyHasExpired, AccountIsDisabled and AddressIsNotAllowed.
        """
        remembered = self._actors.get((secret, via, address))
        if remembered is not None:
            key = self.keys[remembered.key_id] if remembered.key_id is not None else None
            now = self._clock.now()
            if key is not None and (key.expires_at is None or key.expires_at > now):
                self._used[key.id] = now
                return remembered
        key = self._by_digest.get(digest_of(secret))
        if key is None:
            raise KeyIsUnknown
        actor = self.actor_of_key(key, via, address)
        if len(self._actors) >= _MAX_REMEMBERED:
            self._actors.clear()
        self._actors[(secret, via, address)] = actor
        return actor

    def actor_of_key(self, key: ApiKey, via: Via, address: str | None, *, token_generation: int | None = None) -> Actor:
        """Return what a key amounts to now, or a token of that generation that stands for it; raises as `authenticate`.

        A token of another generation than its account's is void: KeyIsUnknown.
        """
        now = self._clock.now()
        if key.expires_at is not None and key.expires_at <= now:
            raise KeyHasExpired
        if key.networks and not _within(address, key.networks):
            raise AddressIsNotAllowed
        actor = self.actor_of(
            key.account_id,
            via,
            scope=key.permissions,
            key_id=key.id,
            address=address,
            token_generation=token_generation,
        )
        if token_generation is not None and token_generation != actor.account.token_generation:
            raise KeyIsUnknown
        self._used[key.id] = now
        return actor

    def actor_of(
        self,
        account_id: int,
        via: Via,
        *,
        scope: frozenset[str] | None = None,
        key_id: int | None = None,
        address: str | None = None,
        token_generation: int | None = None,
    ) -> Actor:
        """Return what an account amounts to now; raise NoSuchAccount, AccountIsDisabled."""
        account = self.accounts.get(account_id)
        if account is None:
            raise NoSuchAccount
        if account.disabled:
            raise AccountIsDisabled
        return self.powers_of(
            account, via, scope=scope, key_id=key_id, address=address, token_generation=token_generation
        )

    def powers_of(
        self,
        account: Account,
        via: Via,
        *,
        scope: frozenset[str] | None = None,
        key_id: int | None = None,
        address: str | None = None,
        token_generation: int | None = None,
    ) -> Actor:
        """Return what an account amounts to, disabled or not."""
        account_id = account.id
        roles = [role for role in self.roles.values() if account_id in role.members]
        grants = list(self.grants.get(account_id, {}).values())
        return actor_for(
            account,
            roles,
            grants,
            scope=scope,
            owner=OWNER,
            via=via,
            key_id=key_id,
            address=address,
            token_generation=token_generation,
        )

    def renew(self, actor: Actor) -> Actor:
        """Return the same actor with the rights of now; raises as `authenticate` when there are none any more."""
        if actor.key_id is None:
            return self.actor_of(actor.account.id, actor.via, address=actor.address)
        key = self.keys.get(actor.key_id)
        if key is None:
            raise KeyIsUnknown
        return self.actor_of_key(key, actor.via, actor.address, token_generation=actor.token_generation)

    def key_lasts_s(self, actor: Actor) -> float:
        """Return for how many seconds the actor's key is valid, a day at most: then its rights are asked again."""
        key = self.keys.get(actor.key_id) if actor.key_id is not None else None
        if key is None or key.expires_at is None:
            return LONGEST_KEY_S
        return max(0.0, min((key.expires_at - self._clock.now()).total_seconds(), LONGEST_KEY_S))

    async def save_uses(self) -> None:
        """Write down when keys were last used; called now and then."""
        used, self._used = self._used, {}
        due = {
            key_id: at
            for key_id, at in used.items()
            if (key := self.keys.get(key_id)) and (key.last_used_at is None or at - key.last_used_at >= _TOUCH_EVERY)
        }
        if not due:
            return
        async with self._works() as work:
            for key_id, at in sorted(due.items()):  # in one order: two panels must not wait for each other
                await work.access.touch_key(key_id, at)
        for key_id, at in due.items():  # no right changed by that: nobody need look again
            if key_id in self.keys:
                self._put_key(key_id, msgspec.structs.replace(self.keys[key_id], last_used_at=at))

    def id_of(self, uuid: UUID) -> int | None:
        """Return the row id of the account with that UUID, None where there is none."""
        return next((account.id for account in self.accounts.values() if account.uuid == uuid), None)

    def by_username(self, username: str) -> Account | None:
        """Return the account of that name, in any case."""
        lowered = username.lower()
        return next((account for account in self.accounts.values() if account.username.lower() == lowered), None)

    def by_email(self, email: str) -> Account | None:
        """Return the one account of that e-mail address, in any case, verified or not; None where several have it."""
        folded = email.casefold()
        found = [account for account in self.accounts.values() if account.email and account.email.casefold() == folded]
        return found[0] if len(found) == 1 else None

    def person(self, text: str) -> Account | None:
        """Return whom somebody means by a username or an e-mail address; None where nobody, or more than one."""
        return self.by_email(text) if "@" in text else self.by_username(text)

    def _put_key(self, key_id: int, key: ApiKey | None) -> None:
        old = self.keys.pop(key_id, None)
        if old is not None:
            self._by_digest.pop(old.digest, None)
        if key is not None:
            self.keys[key_id] = key
            self._by_digest[key.digest] = key

    def _put_grants(self, grants: list[Grant]) -> None:
        self.grants = {}
        for grant in grants:
            self.grants.setdefault(grant.account_id, {})[grant.server_id] = grant

    def _forget_account(self, account_id: int) -> None:
        for key in [key for key in self.keys.values() if key.account_id == account_id]:
            self._put_key(key.id, None)
        self.grants.pop(account_id, None)
        for role in [role for role in self.roles.values() if account_id in role.members]:
            self.roles[role.id] = msgspec.structs.replace(role, members=role.members - {account_id})

    def _altered(self) -> None:
        self._actors.clear()
        self.generation += 1
        self.changes.tell(self.generation)


def _within(address: str | None, networks: tuple[str, ...]) -> bool:
    if address is None:
        return False
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(here, ipaddress.IPv6Address) and here.ipv4_mapped is not None:
        here = here.ipv4_mapped
    return any(here in ipaddress.ip_network(network, strict=False) for network in networks)
