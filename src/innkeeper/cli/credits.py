"""`innkeeper credits` and `innkeeper pools`: what running costs, who has what, and who pays.

People write credits as decimals; the API counts whole micro-credits.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.finding import ServerName, find, find_server
from innkeeper.cli.output import moment
from innkeeper.cli.servers import Limit, Sure, confirm
from innkeeper.cli.values import find_account

credits_ = typer.Typer(help="Credits: wallets, the price of running, the books.", no_args_is_help=True)
pools = typer.Typer(help="Credit pools: credits that several accounts put together.", no_args_is_help=True)

MICRO = 1_000_000
MOST = 10**15
"""Micro-credits that can be moved at once."""
Amount = Annotated[str, typer.Argument(metavar="CREDITS", help="How many, as 12 or 0.5.")]
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Username or id.")]
PoolName = Annotated[str, typer.Argument(metavar="POOL", help="Its name, its id, or the beginning of its id.")]
InCurrency = Annotated[
    str | None, typer.Option("--currency", metavar="CODE", help="Money in this currency, as EUR; else credits.")
]
Once = Annotated[
    str | None, typer.Option("--once", metavar="KEY", help="Done once, however often it is asked with this key.")
]


def micro(text: str) -> int:
    """Return credits, as people write them, in micro-credits; more than six decimals are refused."""
    try:
        amount = Decimal(text) * MICRO
        if abs(amount) < MOST and amount == int(amount):
            return int(amount)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise typer.BadParameter(f"{text!r} is no number of credits with six decimals at most", param_hint="CREDITS")


def shown(amount: int) -> str:
    """Return micro-credits as people write credits."""
    whole, part = divmod(abs(amount), MICRO)
    text = f"{whole}.{part:06}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text


@verb(credits_, "show")
def show(
    call: Call, account: Annotated[str | None, typer.Option("--account", help="Whose; else your own.")] = None
) -> None:
    """Show a wallet and what running costs."""
    wallet = call.client.get(_wallet(call, account))
    price = call.client.get("/billing/price")
    money = {item["currency"]: shown(item["amount_micro"]) for item in wallet["balances"]}
    cost = f"{shown(price['amount_micro'])} per GiB and hour"
    facts = {"credits": shown(wallet["balance_micro"]), **money, "price": cost}
    call.out.facts({"wallet": wallet, "price": price}, facts)


@verb(credits_, "entries")
def list_entries(
    call: Call,
    account: Annotated[str | None, typer.Option("--account", help="Whose; else your own.")] = None,
    currency: InCurrency = None,
    limit: Limit = 20,
) -> None:
    """List what happened to a wallet, newest first."""
    wanted = {"currency": currency.upper()} if currency else {}
    _show_entries(call, call.client.pages(f"{_wallet(call, account)}/entries", limit=limit, **wanted))


@verb(credits_, "give")
def give(
    call: Call,
    account: AccountName,
    amount: Amount,
    text: Annotated[str, typer.Option(help="Why.")] = "",
    currency: InCurrency = None,
    once: Once = None,
) -> None:
    """Give an account credits, or money in a currency; a negative number takes them back."""
    body: dict[str, Any] = {"amount_micro": micro(amount), "text": text}
    if once is not None:
        body["key"] = once
    if currency:
        body["currency"] = currency.upper()
    done = call.client.post(f"/billing/wallets/{find_account(call.client, account)}/credits", body)
    call.out.result(done, f"{account} is given {shown(micro(amount))} {body.get('currency', 'credits')}.")


@verb(credits_, "price")
def price(call: Call, amount: Annotated[str, typer.Argument(metavar="[CREDITS]", help="A new price.")] = "") -> None:
    """Show what a GiB of memory costs an hour, or set it for what is started from now on; 0: nothing."""
    if amount:
        now = call.client.put("/billing/price", {"amount_micro": micro(amount)})
    else:
        now = call.client.get("/billing/price")
    call.out.result(now, f"{shown(now['amount_micro'])} credits per GiB and hour.")


@verb(credits_, "check")
def check(call: Call) -> None:
    """Prove the books; exits with 1 when something is wrong with them."""
    found = call.client.get("/billing/check")
    call.out.result(found, "\n".join(found["faults"]) or "The books are right.")
    if found["faults"]:
        raise SystemExit(1)


@verb(pools, "ls")
def list_pools(call: Call) -> None:
    """List the credit pools that you are a member of."""
    found = call.client.pages("/billing/pools")
    rows = [
        (
            item["name"],
            shown(item["balance_micro"]),
            shown(item["own_stake_micro"]),
            item["members"],
            item["servers"],
            (item["owner"] or {}).get("username"),
            item["id"],
        )
        for item in found
    ]
    columns = ("name", "credits", "yours", "members", "servers", "owner", "id")
    call.out.table(found, columns, rows, empty="You are in no credit pool.")


@verb(pools, "create")
def create_pool(call: Call, name: Annotated[str, typer.Argument(help="What it is to be called.")]) -> None:
    """Make a credit pool."""
    made = call.client.post("/billing/pools", {"name": name})
    call.out.result(made, f"{made['name']} is made.")


@verb(pools, "delete")
def delete_pool(call: Call, pool: PoolName, yes: Sure = False) -> None:
    """Delete a credit pool; every member gets its stake back."""
    item = _pool(call, pool)
    confirm(call, f"Delete the credit pool {item['name']}?", yes)
    call.client.delete(f"/billing/pools/{item['id']}")
    call.out.result({"id": item["id"]}, f"{item['name']} is deleted.")


@verb(pools, "members")
def list_members(call: Call, pool: PoolName) -> None:
    """List the members of a pool and what they have in it."""
    found = call.client.pages(f"/billing/pools/{_pool(call, pool)['id']}/members")
    rows = [
        (
            (item["account"] or {}).get("username"),
            shown(item["stake_micro"]),
            f"{item['share']:.1%}",
            "yes" if item["owner"] else None,
        )
        for item in found
    ]
    call.out.table(found, ("account", "credits", "share", "owner"), rows, empty="It has no members.")


@verb(pools, "entries")
def list_pool_entries(call: Call, pool: PoolName, limit: Limit = 20) -> None:
    """List what happened to the stakes in a pool, newest first."""
    _show_entries(call, call.client.pages(f"/billing/pools/{_pool(call, pool)['id']}/entries", limit=limit))


@verb(pools, "invite")
def add_member(call: Call, pool: PoolName, account: AccountName) -> None:
    """Make an account a member of a pool."""
    item = _pool(call, pool)
    call.client.put(f"/billing/pools/{item['id']}/members/{find_account(call.client, account)}", None)
    call.out.result({"pool": item["id"], "account": account}, f"{account} is a member of {item['name']} now.")


@verb(pools, "remove")
def remove_member(call: Call, pool: PoolName, account: AccountName) -> None:
    """End a membership, your own too; the stake goes back to its wallet."""
    item = _pool(call, pool)
    call.client.delete(f"/billing/pools/{item['id']}/members/{find_account(call.client, account)}")
    call.out.result({"pool": item["id"], "account": account}, f"{account} is no member of {item['name']} any more.")


@verb(pools, "deposit")
def deposit(call: Call, pool: PoolName, amount: Amount, once: Once = None) -> None:
    """Put credits from your wallet into a pool."""
    _move(call, pool, amount, once, "deposits")


@verb(pools, "withdraw")
def withdraw(call: Call, pool: PoolName, amount: Amount, once: Once = None) -> None:
    """Take credits of your own out of a pool."""
    _move(call, pool, amount, once, "withdrawals")


@verb(pools, "pay")
def pay(
    call: Call,
    server: ServerName,
    pool: Annotated[str, typer.Argument(metavar="[POOL]", help="The pool; none: its owner pays.")] = "",
) -> None:
    """Have a credit pool pay for a server of yours, or stop it paying."""
    item = find_server(call.client, server)
    found = _pool(call, pool) if pool else None
    now = call.client.put(f"/servers/{item['id']}/payer", {"pool": found["id"] if found else None})
    who = found["name"] if found else (now["account"] or {}).get("username", "nobody")
    call.out.result(now, f"{item['name']} is paid for by {who}.")


def _move(call: Call, pool: str, amount: str, once: str | None, way: str) -> None:
    item = _pool(call, pool)
    body: dict[str, Any] = {"amount_micro": micro(amount)} | ({"key": once} if once is not None else {})
    done = call.client.post(f"/billing/pools/{item['id']}/{way}", body)
    now = call.client.get(f"/billing/pools/{item['id']}")
    call.out.result(done, f"{item['name']} has {shown(now['balance_micro'])} credits.")


def _pool(call: Call, wanted: str) -> dict[str, Any]:
    return find(call.client, "/billing/pools", wanted, "pool")


def _wallet(call: Call, account: str | None) -> str:
    return "/billing/wallet" if account is None else f"/billing/wallets/{find_account(call.client, account)}"


def _show_entries(call: Call, found: list[dict[str, Any]]) -> None:
    rows = [
        (
            moment(item["at"]),
            item["kind"],
            f"{shown(item['amount_micro'])} {item['currency'] or ''}".strip(),
            (item["account"] or {}).get("username"),
            (item["server"] or "")[:8],
            item["text"],
        )
        for item in found
    ]
    call.out.table(found, ("at", "what", "credits", "whose", "server", "why"), rows, empty="Nothing happened yet.")
