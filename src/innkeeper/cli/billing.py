"""`innkeeper billing`: whether servers with a plan are charged for, and what one of them costs."""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.credits import shown
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.output import moment

billing = typer.Typer(help="Charging for servers that are rented by the hour or month.", no_args_is_help=True)


@verb(billing, "status")
def status(call: Call) -> None:
    """Say whether rented servers are charged for, and in which currency."""
    _show(call, call.client.get("/billing"))


@verb(billing, "on")
def switch_on(call: Call) -> None:
    """Begin to charge for rented servers: each pays from now on, and what is not paid for is locked."""
    _show(call, call.client.put("/billing", {"charging": True}))


@verb(billing, "off")
def switch_off(call: Call) -> None:
    """Stop charging for rented servers; what was charged is not given back."""
    _show(call, call.client.put("/billing", {"charging": False}))


@verb(billing, "currency")
def currency(call: Call, code: Annotated[str, typer.Argument(metavar="CODE", help="As EUR or USD.")]) -> None:
    """Set the currency of accounts that chose none, for servers that are rented from now on."""
    _show(call, call.client.put("/billing", {"currency": code.upper()}))


@verb(billing, "rental")
def show_rental(call: Call, server: ServerName) -> None:
    """Show what a server costs that is rented, and until when it is paid."""
    item = call.client.get(f"/servers/{find_server(call.client, server)['id']}/rental")
    code = item["currency"]
    facts = {
        "plan": item["plan"],
        "paid": item["billing_type"],
        "an hour": f"{shown(item['hourly_micro'])} {code}",
        "a month": f"{shown(item['monthly_micro'])} {code}",
        "paid by": (item["account"] or {}).get("username"),
        "paid until": moment(item["paid_until"]),
        "next": f"{shown(item['next_micro'])} {code}, {moment(item['next_at'])}" if item["next_at"] else None,
        "this month": f"{shown(item['spent_this_month_micro'])} {code}" if item["billing_type"] == "hourly" else None,
        "unpaid since": moment(item["unpaid_since"]),
    }
    call.out.facts(item, facts)


def _show(call: Call, found: dict[str, Any]) -> None:
    charged = f"since {moment(found['charging_since'])}" if found["charging"] else "no"
    call.out.facts(found, {"charging": charged, "currency": found["currency"]})
