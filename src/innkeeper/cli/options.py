"""Options that several commands have."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

Data = Annotated[
    Path, typer.Option(help="The folder that holds everything of this installation.", envvar="INNKEEPER_DATA")
]
ReadyFile = Annotated[Path | None, typer.Option(help="Written, readable by its owner only, when ready to serve.")]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Log events as JSON, a line each.")]
Listen = Annotated[str, typer.Option(help="HOST:PORT that the panel listens on; port 0 asks the system for one.")]
GameAddress = Annotated[str, typer.Option(help="Address that new game servers listen on; 0.0.0.0 lets everybody in.")]
PublicHost = Annotated[str, typer.Option(help="What players type to reach this host; empty: the game address.")]
Imports = Annotated[
    list[Path] | None,
    typer.Option("--imports", help="A folder of this host that servers may be installed from; repeatable."),
]
LOG_SHARE_URL = "https://api.mclo.gs/1/log"
Packages = Annotated[Path | None, typer.Option(help="A folder with game packages of your own.")]
ProfileService = Annotated[
    str | None,
    typer.Option(
        help="URL where the accounts of listed players are looked up, as Mojang's service does; none: nobody is asked."
    ),
]
BusUrl = Annotated[
    str, typer.Option("--bus", help="NATS to meet at: nats://[user:password@]host:port.", envvar="INNKEEPER_BUS")
]
DatabaseUrl = Annotated[
    str, typer.Option("--database", help="postgresql://… or sqlite:///PATH.", envvar="INNKEEPER_DATABASE")
]
MaybeDatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database", help="postgresql://… or sqlite:///PATH; else that of --data.", envvar="INNKEEPER_DATABASE"
    ),
]
Proxies = Annotated[
    list[str] | None,
    typer.Option("--proxy", help="Address of a reverse proxy that is believed about who asks; repeatable."),
]
DeletionGrace = Annotated[
    float,
    typer.Option(
        "--deletion-grace",
        metavar="HOURS",
        min=0,
        max=87_600,
        help="For how long deleted servers are kept, so that an administrator can bring them back; 0: not at all.",
    ),
]
DELETION_GRACE = 24.0
MostServers = Annotated[
    int | None,
    typer.Option(
        "--most-servers",
        metavar="COUNT",
        min=0,
        max=1 << 30,
        help="Servers that one account may own, unless the account says otherwise; any number if not given.",
    ),
]
Domain = Annotated[str, typer.Option(help="Appended to a server's name where a dialect shows such an address.")]


def check_url(url: str) -> str:
    """Return an http or https URL, or nothing, as it is; raise typer.BadParameter for anything else."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise typer.BadParameter(f"{url!r} is no http or https URL")
    return url


def check_networks(text: str) -> str:
    """Return networks in CIDR form, commas between them, as they are; raise typer.BadParameter for anything else."""
    try:
        split_networks(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def split_networks(text: str) -> tuple[str, ...]:
    """Return each of some networks, commas between them; raise ValueError."""
    return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())


Mirror = Annotated[
    str,
    typer.Option(
        callback=check_url,
        metavar="URL",
        help="A mirror that vendors' lists and files are fetched from: URL/HOST/PATH in the place of https://HOST/PATH.",
    ),
]
NoVendors = Annotated[
    bool,
    typer.Option(
        "--no-vendors", help="Ask nobody what versions of server software there are; what is known from before is all."
    ),
]
Backups = Annotated[
    str,
    typer.Option(
        "--backups",
        metavar="PLACE",
        help="Where backups are kept: a folder, or s3://BUCKET/PREFIX (AWS_… from the environment); else below --data.",
        envvar="INNKEEPER_BACKUPS",
    ),
]
WebhookNetworks = Annotated[
    str,
    typer.Option(
        "--webhook-private-networks",
        metavar="CIDR,…",
        callback=check_networks,
        help="Networks of your own that webhooks may reach; without, they reach public addresses alone.",
    ),
]
Javas = Annotated[
    list[Path] | None,
    typer.Option(
        "--java",
        metavar="PATH",
        help="A Java runtime, or a folder of such, beside those in the usual places; repeatable.",
    ),
]
LogShareUrl = Annotated[
    str,
    typer.Option(
        callback=check_url,
        help="Where logs are shared, as mclo.gs takes them, freed of addresses and tokens; empty: nowhere.",
    ),
]


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, [IPV6]:PORT or :PORT (loopback); raise typer.BadParameter."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    return host.strip("[]") or "127.0.0.1", int(port)


def embedded_database(data: Path) -> str:
    """Return the URL of the database within a data folder."""
    return f"sqlite:///{data.absolute() / 'innkeeper.db'}"
