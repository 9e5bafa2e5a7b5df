"""What members do with a credit pool: make it, share it, put credits in and take them out, have servers paid by it.

Everything that changes a pool goes by its locked row. Before anybody's stake changes, what its servers have used so far
is charged, so that nobody pays for what others used, and nobody leaves without paying.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import msgspec

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require, require_whole_key
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.billing import ledger
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.errors import (
    AmountIsInvalid,
    CreditsAreExhausted,
    KeyIsInvalid,
    KeyWasUsed,
    NoSuchPool,
    NoSuchPoolMember,
    OwnerStaysInPool,
    PoolNameIsInvalid,
    TooManyPoolMembers,
    TooManyPools,
)
from innkeeper.core.billing.meters import Meters
from innkeeper.core.billing.model import (
    Payer,
    Pool,
    PoolStanding,
    Posting,
    Stake,
    Transaction,
    TransactionKind,
    stake,
    wallet,
)
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerIsDeleted
from innkeeper.core.servers.lifecycle import ENDED
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.money import MICRO

MAX_POOLS = 50
"""That one account may own."""
MAX_MEMBERS = 100
MAX_AMOUNT = 1_000_000_000 * MICRO
"""That may be moved at once."""


class PoolCommands:
    """Pools, for their members. Every change needs a key that carries all of its account's permissions."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        directory: BillingDirectory,
        servers: ServerDirectory,
        meters: Meters,
        activity: ActivityService,
        tell: Callable[[int], Awaitable[None]],
    ) -> None:
        self._works = works
        self._clock = clock
        self._directory = directory
        self._servers = servers
        self._meters = meters
        self._activity = activity
        self._tell = tell
        """Tells a server's node that a decision about it is newer."""

    # -- reading ------------------------------------------------------------------------------------------------------

    async def pools(self, actor: Actor, *, everybodys: bool = False) -> list[PoolStanding]:
        """Return the pools the actor is a member of, by id; `everybodys` (needs `billing.read_all`): all there are."""
        if everybodys:
            require(actor, ProductPermission.BILLING_READ_ALL)
        async with self._works() as work:
            pools = await work.billing.pools(None if everybodys else actor.account.id)
            stakes = await work.billing.stakes([pool.id for pool in pools])
        return [self._standing(actor, pool, stakes[pool.id]) for pool in pools]

    async def pool(self, actor: Actor, pool_id: int) -> PoolStanding:
        """Return a pool; raise NoSuchPool for whoever is no member and has not `billing.read_all`."""
        async with self._works() as work:
            pool, stakes = await self._seen(work, actor, pool_id)
        return self._standing(actor, pool, stakes)

    async def find_pool(self, actor: Actor, uuid: UUID) -> PoolStanding:
        """Return a pool by its UUID; raises as `pool`."""
        async with self._works() as work:
            found = await work.billing.find_pool(uuid)
            pool, stakes = await self._seen(work, actor, found.id if found is not None else 0)
        return self._standing(actor, pool, stakes)

    async def uuid_of_pool(self, pool_id: int) -> UUID | None:
        """Return a pool's UUID, None where there is no such pool."""
        async with self._works() as work:
            pool = await work.billing.get_pool(pool_id)
        return pool.uuid if pool is not None else None

    async def payer_of(self, record: Record) -> Payer:
        """Return who pays for a server now. The caller checks who may know."""
        async with self._works() as work:
            return await self._meters.payer(work, record.server)

    async def members(self, actor: Actor, pool_id: int) -> list[Stake]:
        """Return what each member has in a pool, in the order in which they joined; raises as `pool`."""
        async with self._works() as work:
            pool, stakes = await self._seen(work, actor, pool_id)
        shares = ledger.shares(stakes)
        return [
            Stake(account_id=member, amount=amount, share=shares[member], is_owner=member == pool.owner_id)
            for member, amount in stakes.items()
        ]

    async def servers_of(self, actor: Actor, pool_id: int) -> list[Record]:
        """Return the servers that a pool pays for, to any of its members; raises as `pool`."""
        async with self._works() as work:
            await self._seen(work, actor, pool_id)
        return self._paid_by(pool_id)

    # -- the pool itself ----------------------------------------------------------------------------------------------

    async def create_pool(self, actor: Actor, name: str) -> Pool:
        """Make a pool that is the actor's; raise PoolNameIsInvalid, TooManyPools."""
        require_whole_key(actor)
        _check_name(name)
        me = actor.account.id
        async with self._works() as work:
            await work.billing.lock([wallet(me)])  # so that pools are counted one after the other
            if sum(pool.owner_id == me for pool in await work.billing.pools(me)) >= MAX_POOLS:
                raise TooManyPools
            pool = Pool(id=0, uuid=uuid7(), name=name, owner_id=me, created_at=self._clock.now())
            pool = await work.billing.add_pool(pool)
            await self._activity.note(work, actor, "pool.created", data={"pool": pool.id, "name": name})
        return pool

    async def rename_pool(self, actor: Actor, pool_id: int, name: str) -> Pool:
        """Rename a pool; the owner's. Raises NoSuchPool, PermissionIsMissing, PoolNameIsInvalid."""
        _check_name(name)
        async with self._works() as work:
            pool, _ = await self._owned(work, actor, pool_id)
            await work.billing.rename_pool(pool_id, name)
            await self._activity.note(work, actor, "pool.renamed", data={"pool": pool_id, "name": name})
        return msgspec.structs.replace(pool, name=name)

    async def delete_pool(self, actor: Actor, pool_id: int) -> None:
        """Delete a pool and return every stake; its servers are paid for by their owners from then on. The owner's."""
        await self._meters.settle(pool_id=pool_id)
        async with self._works() as work:
            pool, stakes = await self._owned(work, actor, pool_id)
            await self._give_back(work, actor, pool, list(stakes))
            await work.billing.delete_pool(pool_id)
            released = await self._release(work, self._paid_by(pool_id))
            await self._activity.note(work, actor, "pool.deleted", data={"pool": pool_id, "name": pool.name})
        await self._tell_of(released)

    # -- members ------------------------------------------------------------------------------------------------------

    async def add_member(self, actor: Actor, pool_id: int, account_id: int) -> None:
        """Make an account a member; the owner's. Raises NoSuchAccount, IsPoolMember, TooManyPoolMembers."""
        async with self._works() as work:
            _, stakes = await self._owned(work, actor, pool_id)
            if len(stakes) >= MAX_MEMBERS and account_id not in stakes:
                raise TooManyPoolMembers
            await work.billing.add_member(pool_id, account_id, self._clock.now())
            data = {"pool": pool_id, "account": account_id}
            await self._activity.note(work, actor, "pool.member_added", data=data)

    async def remove_member(self, actor: Actor, pool_id: int, account_id: int) -> None:
        """End a membership, by the owner, and return the stake. Raises NoSuchPoolMember, OwnerStaysInPool."""
        await self._meters.settle(pool_id=pool_id)
        async with self._works() as work:
            pool, stakes = await self._owned(work, actor, pool_id)
            released = await self._part(work, actor, pool, stakes, account_id)
        await self._tell_of(released)

    async def leave(self, actor: Actor, pool_id: int) -> None:
        """End one's own membership and get one's stake back. Raises NoSuchPool, OwnerStaysInPool."""
        require_whole_key(actor)
        await self._meters.settle(pool_id=pool_id)
        async with self._works() as work:
            pool, stakes = await self._joined(work, actor, pool_id)
            released = await self._part(work, actor, pool, stakes, actor.account.id)
        await self._tell_of(released)

    async def _part(
        self, work: Work, actor: Actor, pool: Pool, stakes: dict[int, int], account_id: int
    ) -> list[Server]:
        """End a membership; return the member's servers, which the pool does not pay for any more."""
        if account_id == pool.owner_id:
            raise OwnerStaysInPool
        if account_id not in stakes:
            raise NoSuchPoolMember
        await self._give_back(work, actor, pool, [account_id])
        await work.billing.remove_member(pool.id, account_id)
        mine = [record for record in self._paid_by(pool.id) if record.server.owner_id == account_id]
        released = await self._release(work, mine)
        data = {"pool": pool.id, "account": account_id}
        await self._activity.note(work, actor, "pool.member_removed", data=data)
        return released

    # -- credits ------------------------------------------------------------------------------------------------------

    async def deposit(self, actor: Actor, pool_id: int, amount: int, *, key: str | None = None) -> Transaction:
        """Put micro-credits from one's wallet into a pool one is a member of.

        Raises NoSuchPool, AmountIsInvalid, CreditsAreExhausted; of two calls with one `key` the second does nothing.
        """
        return await self._shift(actor, pool_id, amount, "deposit", key)

    async def withdraw(self, actor: Actor, pool_id: int, amount: int, *, key: str | None = None) -> Transaction:
        """Take micro-credits out of a pool into one's wallet, at most what one has in it; otherwise as `deposit`."""
        return await self._shift(actor, pool_id, amount, "withdrawal", key)

    async def _shift(
        self, actor: Actor, pool_id: int, amount: int, kind: TransactionKind, key: str | None
    ) -> Transaction:
        require_whole_key(actor)
        check_amount(amount)
        await self._meters.settle(pool_id=pool_id)
        own, shared = wallet(actor.account.id), stake(pool_id, actor.account.id)
        source, target = (own, shared) if kind == "deposit" else (shared, own)
        wanted = self._transaction(actor, kind, key, (Posting(source, -amount), Posting(target, amount)))
        async with self._works() as work:
            await self._joined(work, actor, pool_id)
            balances = await work.billing.lock([source, target])
            done = await self._done_before(work, wanted)
            if done is not None:
                return done
            if balances[source] < amount:
                where = "wallet" if kind == "deposit" else "stake"
                raise CreditsAreExhausted(
                    f"There are not enough credits in the {where}.", available_micro=balances[source]
                )
            await ledger.post(work, wanted)
            data = {"pool": pool_id, "amount_micro": amount}
            await self._activity.note(work, actor, f"pool.{kind}", data=data)
        return wanted

    # -- servers ------------------------------------------------------------------------------------------------------

    async def assign(self, actor: Actor, record: Record, pool_id: int) -> Server:
        """Have a pool pay for a server from now on: by the server's owner, who is a member. Raises NoSuchPool."""
        self._require_ownership(actor, record)
        await self._meters.settle(server_id=record.server.id)
        async with self._works() as work:
            await self._joined(work, actor, pool_id)
            server = await self._put_in(work, record.server.id, pool_id)
            data = {"pool": pool_id}
            await self._activity.note(work, actor, "pool.server_added", server_id=server.id, data=data)
        await self._tell(server.id)
        return server

    async def unassign(self, actor: Actor, record: Record) -> Server:
        """Have a server's owner pay for it again: by its owner, or the pool's. One in no pool stays as it is."""
        require_whole_key(actor)
        pool_id = record.server.pool_id
        if pool_id is None:
            self._require_ownership(actor, record)
            return record.server
        await self._meters.settle(server_id=record.server.id)
        async with self._works() as work:
            pool = await work.billing.lock_pool(pool_id)
            if pool is None or pool.owner_id != actor.account.id:
                self._require_ownership(actor, record)
            server = await self._put_in(work, record.server.id, None)
            data = {"pool": pool_id}
            await self._activity.note(work, actor, "pool.server_removed", server_id=server.id, data=data)
        await self._tell(server.id)
        return server

    async def _put_in(self, work: Work, server_id: int, pool_id: int | None) -> Server:
        """Decide which pool pays for a server, its present run included; raise ServerIsDeleted."""
        server = await work.servers.get(server_id)
        if server is None or server.state in ENDED:
            raise ServerIsDeleted
        changed = msgspec.structs.replace(server, generation=server.generation + 1, pool_id=pool_id)
        await self._meters.change_payer(work, changed)
        await work.servers.update(changed)
        work.changed("server", server_id, changed)
        return changed

    async def _release(self, work: Work, records: list[Record]) -> list[Server]:
        """Have servers paid for by their owners; return those that are still there."""
        released: list[Server] = []
        for record in records:
            with suppress(ServerIsDeleted):
                released.append(await self._put_in(work, record.server.id, None))
        return released

    async def _tell_of(self, servers: list[Server]) -> None:
        for server in servers:
            await self._tell(server.id)

    # -- within -------------------------------------------------------------------------------------------------------

    async def _seen(self, work: Work, actor: Actor, pool_id: int) -> tuple[Pool, dict[int, int]]:
        pool = await work.billing.get_pool(pool_id)
        stakes = (await work.billing.stakes([pool_id]))[pool_id]
        if pool is None or not (actor.account.id in stakes or actor.may(ProductPermission.BILLING_READ_ALL)):
            raise NoSuchPool
        return pool, stakes

    async def _joined(self, work: Work, actor: Actor, pool_id: int) -> tuple[Pool, dict[int, int]]:
        """Lock a pool the actor is a member of; raise NoSuchPool."""
        pool = await work.billing.lock_pool(pool_id)
        stakes = (await work.billing.stakes([pool_id]))[pool_id]
        if pool is None or actor.account.id not in stakes:
            raise NoSuchPool
        return pool, stakes

    async def _owned(self, work: Work, actor: Actor, pool_id: int) -> tuple[Pool, dict[int, int]]:
        """Lock a pool that is the actor's, or anybody's for who has `billing.write`.

        Raises NoSuchPool for whoever does not see it, PermissionIsMissing for a mere member.
        """
        pool = await work.billing.lock_pool(pool_id)
        stakes = (await work.billing.stakes([pool_id]))[pool_id]
        if pool is not None and actor.may(ProductPermission.BILLING_WRITE):
            return pool, stakes
        require_whole_key(actor)
        if pool is None or actor.account.id not in stakes:
            raise NoSuchPool
        if pool.owner_id != actor.account.id:
            raise PermissionIsMissing("Only the owner of a credit pool may do this.")
        return pool, stakes

    async def _give_back(self, work: Work, actor: Actor | None, pool: Pool, account_ids: list[int]) -> None:
        """Return the stakes of accounts in a locked pool to their wallets, debts too."""
        refs = [ref for one in account_ids for ref in (stake(pool.id, one), wallet(one))]
        balances = await work.billing.lock(refs)
        for one in account_ids:
            amount = balances[stake(pool.id, one)]
            if amount:
                postings = (Posting(stake(pool.id, one), -amount), Posting(wallet(one), amount))
                await ledger.post(work, self._transaction(actor, "withdrawal", None, postings, pool.name))

    def _transaction(
        self, actor: Actor | None, kind: TransactionKind, key: str | None, postings: tuple[Posting, ...], text: str = ""
    ) -> Transaction:
        uuid = uuid7()
        if key is not None and (not 1 <= len(key) <= 100 or not key.isprintable()):
            raise KeyIsInvalid
        by = actor.account.id if actor is not None else None
        return Transaction(
            uuid=uuid,
            at=self._clock.now(),
            kind=kind,
            key=f"asked:{uuid}" if key is None else f"asked:{by}:{key}",
            postings=postings,
            text=text,
            actor_id=by,
        )

    @staticmethod
    async def _done_before(work: Work, wanted: Transaction) -> Transaction | None:
        """Return the transaction of the same key, if there is one; raise KeyWasUsed where it did something else."""
        done = await work.billing.find(wanted.key)
        if done is not None and (done.kind != wanted.kind or set(done.postings) != set(wanted.postings)):
            raise KeyWasUsed
        return done

    def _paid_by(self, pool_id: int) -> list[Record]:
        return [
            record
            for record in self._servers.present()
            if record.server.pool_id == pool_id and record.server.state not in ENDED
        ]

    def _standing(self, actor: Actor, pool: Pool, stakes: dict[int, int]) -> PoolStanding:
        return PoolStanding(
            pool=pool,
            balance=sum(stakes.values()),
            members=len(stakes),
            servers=len(self._paid_by(pool.id)),
            own_stake=stakes.get(actor.account.id, 0),
            own_share=ledger.shares(stakes).get(actor.account.id, 0.0),
        )

    @staticmethod
    def _require_ownership(actor: Actor, record: Record) -> None:
        require_whole_key(actor)
        if record.server.owner_id != actor.account.id:
            raise PermissionIsMissing("Only the owner of a server decides which credit pool pays for it.")


def check_amount(amount: int) -> None:
    """Raise AmountIsInvalid unless `amount` is a number of micro-credits that may be moved."""
    if not 0 < amount <= MAX_AMOUNT:
        raise AmountIsInvalid


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip():
        raise PoolNameIsInvalid
