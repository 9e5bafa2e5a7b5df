"""`innkeeper plans` and `innkeeper regions`, and of `innkeeper packages`: retire, offer.

People write prices as decimals; the API counts millionths of a currency's unit.
"""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.credits import micro, shown
from innkeeper.cli.house import packages
from innkeeper.cli.servers import Sure, confirm

plans = typer.Typer(help="Plans: what servers may use, and what that costs.", no_args_is_help=True)
regions = typer.Typer(help="Regions: where nodes stand.", no_args_is_help=True)

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="Its name.")]
RegionName = Annotated[str, typer.Argument(metavar="REGION", help="Its name.")]
PackageName = Annotated[str, typer.Argument(metavar="PACKAGE", help="Its name.")]


@verb(plans, "ls")
def list_plans(
    call: Call, package: Annotated[str | None, typer.Option("--package", help="Only those of this game.")] = None
) -> None:
    """List plans, those that are offered no more too."""
    found = [item for item in call.client.pages("/plans") if package in (None, item["package"])]
    rows = [
        (
            item["name"],
            item["package"],
            item["title"],
            f"{item['resources']['memory_mib']} MiB",
            f"{item['resources']['cpu_percent']} %",
            f"{item['resources']['disk_mib']} MiB",
            ", ".join(map(_price, item["prices"])),
            _offered(item),
        )
        for item in found
    ]
    columns = ("name", "package", "title", "memory", "cpu", "disk", "prices", "offered")
    call.out.table(found, columns, rows, empty="There is no plan.")


@verb(plans, "set")
def set_plan(
    call: Call,
    plan: PlanName,
    package: Annotated[str | None, typer.Option(help="The game; needed for a new plan.")] = None,
    title: Annotated[str | None, typer.Option(help="What customers read; needed for a new plan.")] = None,
    memory: Annotated[int | None, typer.Option("--memory", metavar="MIB", min=1, help="Memory, in MiB.")] = None,
    cpu: Annotated[int | None, typer.Option("--cpu", metavar="PERCENT", min=1, help="CPU; 100 is one core.")] = None,
    disk: Annotated[int | None, typer.Option("--disk", metavar="MIB", min=1, help="Disk, in MiB.")] = None,
    backups: Annotated[int | None, typer.Option(metavar="MIB", min=0, help="Room for backups, in MiB.")] = None,
    prices: Annotated[
        list[str],
        typer.Option(
            "--price",
            metavar="CURRENCY=HOUR/MONTH",
            help="What it costs, as EUR=0.01/5, as often as needed; they take the place of all prices before.",
        ),
    ] = [],  # noqa: B006 - typer needs a list
) -> None:
    """Make a plan or change it: servers that have it keep their resources, and pay the new price from now on."""
    before = next((item for item in call.client.pages("/plans") if item["name"] == plan), None) or {}
    resources = {"memory_mib": memory, "cpu_percent": cpu, "disk_mib": disk, "backups_mib": backups}
    body = {
        "package": package or before.get("package"),
        "title": title or before.get("title"),
        "resources": before.get("resources", {}) | {name: most for name, most in resources.items() if most is not None},
        "prices": list(map(_read_price, prices)) if prices else before.get("prices", []),
    }
    if None in body.values() or not {"memory_mib", "cpu_percent", "disk_mib"} <= body["resources"].keys():
        raise typer.BadParameter("a new plan needs --package, --title, --memory, --cpu and --disk")
    call.out.result(call.client.put(_path("plans", plan), body), f"{plan} is as you said.")


@verb(plans, "rm")
def remove_plan(call: Call, plan: PlanName, yes: Sure = False) -> None:
    """Delete a plan that was made or changed here; one that its package ships is then as shipped."""
    confirm(call, f"Delete the plan {plan}?", yes)
    call.client.delete(_path("plans", plan))
    call.out.result({"name": plan}, f"{plan} is deleted, or as its package ships it.")


@verb(plans, "retire")
def retire_plan(call: Call, plan: PlanName) -> None:
    """Offer a plan no more; servers that have it keep it."""
    _retire(call, "plans", plan, True)


@verb(plans, "offer")
def offer_plan(call: Call, plan: PlanName) -> None:
    """Offer a retired plan again."""
    _retire(call, "plans", plan, False)


@verb(regions, "ls")
def list_regions(call: Call) -> None:
    """List regions, those that are offered no more and those without nodes too."""
    found = call.client.pages("/regions")
    rows = [(item["name"], item["country"], item["city"], item["nodes"], _offered(item)) for item in found]
    call.out.table(found, ("name", "country", "city", "nodes", "offered"), rows, empty="There is no region.")


@verb(regions, "set")
def set_region(
    call: Call,
    region: RegionName,
    country: Annotated[str | None, typer.Option(help="Its name, or code.")] = None,
    city: Annotated[str | None, typer.Option(help="The city.")] = None,
) -> None:
    """Make a region, or say otherwise where it is."""
    before = next((item for item in call.client.pages("/regions") if item["name"] == region), None) or {}
    body = {
        "country": before.get("country", "") if country is None else country,
        "city": before.get("city", "") if city is None else city,
    }
    call.out.result(call.client.put(_path("regions", region), body), f"{region} is as you said.")


@verb(regions, "rm")
def remove_region(call: Call, region: RegionName, yes: Sure = False) -> None:
    """Delete a region that has no nodes."""
    confirm(call, f"Delete the region {region}?", yes)
    call.client.delete(_path("regions", region))
    call.out.result({"name": region}, f"{region} is deleted.")


@verb(regions, "retire")
def retire_region(call: Call, region: RegionName) -> None:
    """Offer a region no more; servers that are there stay."""
    _retire(call, "regions", region, True)


@verb(regions, "offer")
def offer_region(call: Call, region: RegionName) -> None:
    """Offer a retired region again."""
    _retire(call, "regions", region, False)


@verb(packages, "retire")
def retire_package(call: Call, package: PackageName) -> None:
    """Offer a game no more; servers of it stay."""
    _retire(call, "packages", package, True)


@verb(packages, "offer")
def offer_package(call: Call, package: PackageName) -> None:
    """Offer a retired game again."""
    _retire(call, "packages", package, False)


def _retire(call: Call, noun: str, name: str, retired: bool) -> None:
    found = call.client.put(f"{_path(noun, name)}/retired", {"retired": retired})
    call.out.result(found, f"{name} is offered {'no more' if retired else 'again'}.")


def _path(noun: str, name: str) -> str:
    return f"/{noun}/{quote(name, safe='')}"


def _offered(item: dict[str, Any]) -> str:
    return "no" if item["retired"] else "yes"


def _price(price: dict[str, Any]) -> str:
    return f"{price['currency']} {shown(price['hourly_micro'])}/h {shown(price['monthly_micro'])}/month"


def _read_price(text: str) -> dict[str, Any]:
    currency, _, amounts = text.partition("=")
    hourly, slash, monthly = amounts.partition("/")
    if not currency or not slash:
        raise typer.BadParameter(f"{text!r} is not CURRENCY=HOUR/MONTH", param_hint="--price")
    return {"currency": currency.upper(), "hourly_micro": micro(hourly), "monthly_micro": micro(monthly)}
