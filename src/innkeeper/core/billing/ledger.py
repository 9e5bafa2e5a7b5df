"""Moving credits within a transaction: what a charge takes from whom, and what comes back.

Knows no service and no clock.
"""

from collections.abc import Mapping

from innkeeper.core.billing.model import INCOME, Payer, Pool, Posting, Transaction, stake, wallet
from innkeeper.core.work import Work
from innkeeper.kit.money import proportionally


async def post(work: Work, transaction: Transaction) -> bool:
    """Keep a transaction whose ledgers are locked and announce the wallets it changed; false for a known key."""
    if not await work.billing.post(transaction):
        return False
    for posting in transaction.postings:
        if posting.ref.kind == "wallet" and posting.ref.account_id is not None:
            work.changed("wallet", posting.ref.account_id)
    return True


async def charged_to_pool(work: Work, pool: Pool, amount: int) -> tuple[Posting, ...]:
    """Lock what a charge (below zero: a refund) of a locked pool touches, and return what it does."""
    accounts = list((await work.billing.stakes([pool.id]))[pool.id])
    refs = {account_id: stake(pool.id, account_id) for account_id in accounts}
    balances = await work.billing.lock([INCOME, *refs.values()])
    stakes = {account_id: balances[ref] for account_id, ref in refs.items()}
    parts = split_charge(amount, stakes, pool.owner_id) if amount > 0 else split_refund(-amount, stakes, pool.owner_id)
    sign = -1 if amount > 0 else 1
    taken = (Posting(refs[account_id], sign * part) for account_id, part in parts.items() if part)
    return (*taken, Posting(INCOME, amount))


async def charged_to_wallet(work: Work, account_id: int, amount: int) -> tuple[Posting, ...]:
    """Lock what a charge of a wallet touches, and return what it does."""
    ref = wallet(account_id)
    await work.billing.lock([INCOME, ref])
    return Posting(ref, -amount), Posting(INCOME, amount)


def split_charge(amount: int, stakes: Mapping[int, int], owner_id: int) -> dict[int, int]:
    """Return what each stake pays: in proportion to what is in it, and what none of them has, the owner's."""
    having = {account_id: balance for account_id, balance in stakes.items() if balance > 0}
    covered = min(amount, sum(having.values()))
    parts = dict(zip(having, proportionally(covered, list(having.values())), strict=True)) if covered else {}
    if amount > covered:
        parts[owner_id] = parts.get(owner_id, 0) + amount - covered
    return parts


def split_refund(amount: int, stakes: Mapping[int, int], owner_id: int) -> dict[int, int]:
    """Return what each stake gets back: first the owner's debt is paid, the rest goes in proportion."""
    debt = min(amount, max(0, -stakes.get(owner_id, 0)))
    having = {account_id: balance for account_id, balance in stakes.items() if balance > 0}
    rest = amount - debt
    if not having:
        return {owner_id: amount}
    parts = dict(zip(having, proportionally(rest, list(having.values())), strict=True))
    parts[owner_id] = parts.get(owner_id, 0) + debt
    return parts


def shares(stakes: Mapping[int, int]) -> dict[int, float]:
    """Return the part of a pool that each stake is; debts count as nothing."""
    total = sum(balance for balance in stakes.values() if balance > 0)
    if total:
        return {account_id: max(0, balance) / total for account_id, balance in stakes.items()}
    return dict.fromkeys(stakes, 1.0 if len(stakes) == 1 else 0.0)


async def held(work: Work, payer: Payer) -> int:
    """Return what a payer has."""
    if payer.pool_id is not None:
        return sum((await work.billing.stakes([payer.pool_id]))[payer.pool_id].values())
    if payer.account_id is None:
        raise ValueError("a payer is an account or a pool")
    ref = wallet(payer.account_id)
    return (await work.billing.balances([ref]))[ref]
